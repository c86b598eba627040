//! frontdesk rehearse.
