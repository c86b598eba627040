//! The numbers in an owner's settings and function rows, and those that would call the agent itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Agent;
use super::fault::{Faults, Fields, kind};
use super::phone_number::{normalise_e164, normalise_local};
use super::region::Region;
use super::settings::Fallback;
use crate::private::Private;

/// Whose number an agent answers that has no Twilio account of its own.
pub(super) const ASSIGNED_NUMBER: &str = "a number that an administrator of this server has connected; \
    or any of the agent's own Twilio account, once that is entered";

/// What is accepted for a number of a business in this country, for a fault.
pub(super) fn accepted_number(region: Option<Region>) -> String {
    let example = Region::example(region);
    format!(
        "a number with its country code, such as {example}, or as it is dialled where the business is"
    )
}

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
    let written = fields.get(name)?;
    let read = written.as_str().and_then(|text| normalise_local(text, numbering.region));
    let Some(number) = read else {
        let accepted = accepted_number(numbering.region);
        faults.add(fields.path_of(name), kind(written), accepted);
        return None;
    };
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

/// How much is looked at of what names who forwarded a call, in bytes, and how many there may be.
const FORWARDED_MAX: usize = 1024;
const FORWARDERS_MAX: usize = 8;

/// The numbers of those who forwarded a call, E.164: a number however it is written, or the address of
/// one on the internet, such as `<sip:+15550007777@carrier.example;user=phone>`.
fn forwarding_numbers(text: &str, region: Option<Region>) -> Vec<String> {
    let text = &text[..text.floor_char_boundary(FORWARDED_MAX)];
    let each = text.split(',').take(FORWARDERS_MAX);
    let uris = each.filter_map(user_of_uri).filter_map(|user| {
        let e164 = || normalise_e164(&format!("+{user}"));
        normalise_local(&user, region).or_else(e164)
    });
    normalise_local(text, region).into_iter().chain(uris).collect()
}

/// The user of a `sip:`, `sips:` or `tel:` address, without what is written around it.
fn user_of_uri(text: &str) -> Option<String> {
    let inner = text.split_once('<').map_or(text, |(_, inner)| inner).trim();
    let (scheme, rest) = inner.split_once(':')?;
    let is_telephone =
        ["sip", "sips", "tel"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    let user = rest.split(['@', ';', ':', '?', '>']).next().filter(|_| is_telephone)?;
    Some(user.replace("%2B", "+").replace("%2b", "+").replace("%20", " "))
}

impl Agent {
    /// The agent as it is for a call that another number forwarded to it. Where the agent would
    /// dial that number, the call would come back to it: a fallback there is a voicemail instead,
    /// and nobody is put through there.
    pub fn forwarded_from(self: &Arc<Self>, number: Option<&str>) -> Arc<Self> {
        let numbers = number.map(|text| forwarding_numbers(text, self.region)).unwrap_or_default();
        let is_there = |dialled: &Private<String>| numbers.contains(dialled.reveal());
        let fallback = match &self.settings.fallback {
            Fallback::Forward(to) => Some(to),
            Fallback::Voicemail | Fallback::Say => None,
        };
        let dialled = fallback.into_iter().chain(self.settings.transfer_targets.values());
        let here: BTreeSet<_> =
            dialled.filter(|to| is_there(to)).map(|to| to.reveal().clone()).collect();
        if here.is_empty() {
            return Arc::clone(self);
        }
        let is_fallback = fallback.is_some_and(is_there);
        let mut agent = Self::clone(self);
        if is_fallback {
            agent.settings.fallback = Fallback::Voicemail;
        }
        agent.forwards_here = here.into_iter().map(Private::new).collect();
        Arc::new(agent)
    }

    /// The number that forwarded a call, E.164, if what is said of it names one.
    pub fn forwarder(&self, said: Option<&str>) -> Option<Private<String>> {
        forwarding_numbers(said?, self.region).into_iter().next().map(Private::new)
    }

    /// Whether this number forwards the present call to the agent.
    pub fn is_forwarded_by(&self, number: &Private<String>) -> bool {
        self.forwards_here.iter().any(|here| here.reveal() == number.reveal())
    }
}
