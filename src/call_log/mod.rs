//! The call log on its way to the database: what happens in calls is queued by the [`writer`], written
//! in batches, and spooled to disk while the database is away.

mod db_writer;
mod queue;
mod rejected;
mod replay;
mod shared;
pub mod spool;
pub mod writer;
