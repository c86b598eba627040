//! Which times can be booked: opening hours, the business's zone and what is booked already; and
//! calendars as other programs read them. Pure.

pub mod ical;
mod openings;
pub mod slots;
#[cfg(test)]
mod tests;
