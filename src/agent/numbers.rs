//! The numbers in an owner's settings and function rows.

use std::collections::BTreeMap;

use serde_json::Value;

use super::fault::{Faults, Fields};
use super::phone_number::normalise_local;
use super::region::Region;
use crate::private::Private;

/// What is accepted for a number, for a fault.
pub(super) const ACCEPTED_NUMBER: &str = "a number with its country code, such as +15551230001, or \
                                          as it is dialled where the business is";

/// A number of the owner's, E.164.
pub(super) fn read_number(value: &Value, region: Option<Region>) -> Option<Private<String>> {
    normalise_local(value.as_str()?, region).map(Private::new)
}

/// The numbers in `targets`, by their names.
pub(super) fn read_numbers(
    fields: &Fields<'_>,
    region: Option<Region>,
    faults: &mut Faults,
) -> BTreeMap<String, Private<String>> {
    let targets = fields.section("targets", &[], faults);
    let numbers = targets.all().filter_map(|(name, _)| {
        let number =
            targets.accept(name, ACCEPTED_NUMBER, faults, |value| read_number(value, region))?;
        Some((name.clone(), number))
    });
    numbers.collect()
}
