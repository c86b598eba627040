//! Which times can be booked: opening hours, the business's zone and what is booked already. Pure.

mod openings;
pub mod slots;
#[cfg(test)]
mod tests;
