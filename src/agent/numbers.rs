//! The numbers in an owner's settings and function rows, and those that would call the agent itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Agent;
use super::fault::{Faults, Fields};
use super::phone_number::normalise_local;
use super::region::Region;
use super::settings::Fallback;
use crate::private::Private;

/// What is accepted for a number, for a fault.
pub(super) const ACCEPTED_NUMBER: &str = "a number with its country code, such as +15551230001, or \
                                          as it is dialled where the business is";

/// What the numbers of an agent are read with.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Numbering<'a> {
    /// The country that numbers without a country code belong to.
    pub(super) region: Option<Region>,
    /// The agent's own number, E.164. A caller sent there would reach the agent again.
    pub(super) own: Option<&'a str>,
}

/// The number in a field, E.164. The agent's own is a fault.
pub(super) fn read_number(
    fields: &Fields<'_>,
    name: &str,
    numbering: Numbering<'_>,
    faults: &mut Faults,
) -> Option<Private<String>> {
    let number = fields.accept(name, ACCEPTED_NUMBER, faults, |value| {
        normalise_local(value.as_str()?, numbering.region)
    })?;
    if numbering.own == Some(number.as_str()) {
        faults.add(fields.path_of(name), "the agent's own number", "the number of somebody else");
        return None;
    }
    Some(Private::new(number))
}

/// The numbers in `targets`, by their names.
pub(super) fn read_numbers(
    fields: &Fields<'_>,
    numbering: Numbering<'_>,
    faults: &mut Faults,
) -> BTreeMap<String, Private<String>> {
    let targets = fields.section("targets", &[], faults);
    let numbers = targets.all().filter_map(|(name, _)| {
        Some((name.clone(), read_number(&targets, name, numbering, faults)?))
    });
    numbers.collect()
}

impl Agent {
    /// The agent as it is for a call that another number forwarded to it. Where the agent would
    /// dial that number, the call would come back to it: a fallback there is a voicemail instead,
    /// and nobody is put through there.
    pub fn forwarded_from(self: &Arc<Self>, number: Option<&str>) -> Arc<Self> {
        let Some(number) = number.and_then(|number| normalise_local(number, self.region)) else {
            return Arc::clone(self);
        };
        let is_there = |dialled: &Private<String>| *dialled.reveal() == number;
        let is_fallback = matches!(&self.settings.fallback, Fallback::Forward(to) if is_there(to));
        if !is_fallback && !self.settings.transfer_targets.values().any(is_there) {
            return Arc::clone(self);
        }
        let mut agent = Self::clone(self);
        if is_fallback {
            agent.settings.fallback = Fallback::Voicemail;
        }
        agent.forwards_here = Some(Private::new(number));
        Arc::new(agent)
    }

    /// Whether this number forwards the present call to the agent.
    pub fn is_forwarded_by(&self, number: &Private<String>) -> bool {
        self.forwards_here.as_ref().is_some_and(|here| here.reveal() == number.reveal())
    }
}
