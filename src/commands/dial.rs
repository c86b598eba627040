//! frontdesk dial.
