//! Feature hashing.
