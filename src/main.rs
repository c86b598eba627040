//! The `frontdesk` binary: a table of commands.

fn main() {}
