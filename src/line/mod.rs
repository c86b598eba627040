//! Runs one call on real sockets.
