//! The formats of a text that are checked. A format of another name is a note, as JSON Schema has
//! it.

use jiff::Timestamp;
use url::Url;
use uuid::Uuid;

use crate::agent::hours::read_time;
use crate::agent::phone_number::normalise_e164;

/// What a format is called, where it is a telephone number.
pub(in crate::agent) const PHONE: [&str; 3] = ["phone", "tel", "phone-number"];

/// The longest text that is of a format, bytes.
const TEXT_MAX: usize = 8 * 1024;

/// Whether a text is of a format.
pub(super) fn is_format(format: &str, text: &str) -> bool {
    if text.len() > TEXT_MAX {
        return false;
    }
    match format {
        "email" => is_email(text),
        "date" => read_date(text).is_some(),
        "time" => read_time(text).is_some(),
        "date-time" => text.trim().parse::<Timestamp>().is_ok(),
        "uuid" => Uuid::try_parse(text).is_ok(),
        "uri" | "url" => Url::parse(text).is_ok(),
        "ipv4" => text.parse::<std::net::Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<std::net::Ipv6Addr>().is_ok(),
        phone if PHONE.contains(&phone) => normalise_e164(text).is_some(),
        _ => true,
    }
}

/// A date as ISO 8601 has it; what comes after it is not looked at.
pub(in crate::agent) fn read_date(text: &str) -> Option<jiff::civil::Date> {
    text.trim().parse().ok()
}

/// Whether mail could be sent there, as far as the spelling says.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let is_local = |c: char| c.is_alphanumeric() || "!#$%&'*+/=?^_`{|}~.-".contains(c);
    let is_dotted = |part: &str| part.split('.').all(|label| !label.is_empty());
    let is_label = |label: &str| {
        !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    };
    let ending = domain.rsplit('.').next().unwrap_or_default();
    text.len() <= 254
        && local.len() <= 64
        && local.chars().all(is_local)
        && is_dotted(local)
        && is_dotted(domain)
        && domain.contains('.')
        && domain.split('.').all(is_label)
        && ending.chars().count() >= 2
        && !ending.starts_with(|c: char| c.is_ascii_digit())
}
