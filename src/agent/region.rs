//! The country of a business: callers and owners write numbers as they are dialled there.

use phonenumber::country::Id;
use phonenumber::metadata::DATABASE;

use super::phone_number::{normalise_e164, readable};

/// A line for each country: its code and its time zones, old names among them. Made of `zone.tab`
/// and `backward` of the time zone database, 2025b, which is in the public domain.
const ZONES: &str = include_str!("zone_countries.txt");

/// Numbers that are kept for fiction, where a country keeps some: nobody has them.
const FICTIONAL: [(&str, &str); 9] = [
    ("US", "+12025550123"),
    ("CA", "+16135550123"),
    ("GB", "+442079460123"),
    ("IE", "+353209100123"),
    ("AU", "+61255501234"),
    ("NZ", "+6495550123"),
    ("DE", "+493023125123"),
    ("FR", "+33199001234"),
    ("SE", "+46840500123"),
];
/// The one where nothing is known of the country, or it keeps none.
const FICTIONAL_ELSEWHERE: &str = "+12025550123";

/// A country whose people write their numbers without a country code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region(Id);

impl Region {
    /// Where a number in E.164 belongs to. A number that the number plan does not know belongs to
    /// the main one of the countries that share its code.
    pub fn of(e164: &str) -> Option<Self> {
        let number = phonenumber::parse(None, e164).ok()?;
        // Which of several countries a valid number is of; not known of those with a zero in front.
        if let Some(country) = number.country().id().filter(|_| number.is_valid()) {
            return Some(Self(country));
        }
        let countries = DATABASE.by_code(&number.code().value())?;
        let main = countries.iter().find(|country| country.is_main_country_for_code());
        main.or(countries.first())?.id().parse().ok().map(Self)
    }

    /// The country of a time zone. `None` for a zone that is no country's, such as UTC.
    pub fn of_zone(name: &str) -> Option<Self> {
        let name = name.trim();
        let line = ZONES
            .lines()
            .find(|line| line.split(' ').skip(1).any(|zone| zone.eq_ignore_ascii_case(name)))?;
        let country: Id = line.split(' ').next()?.parse().ok()?;
        // A few small territories have no plan of their own.
        DATABASE.by_id(country.as_ref()).map(|_| Self(country))
    }

    /// The country of a business: that of its own number where that is written with a country
    /// code, else of its time zone, else of the number that its agent answers.
    pub fn of_business(
        phone: Option<&str>,
        zone: Option<&str>,
        agent_number: Option<&str>,
    ) -> Option<Self> {
        let of_number = |number: &str| normalise_e164(number).and_then(|number| Self::of(&number));
        let by_phone = phone.and_then(of_number);
        by_phone
            .or_else(|| zone.and_then(Self::of_zone))
            .or_else(|| agent_number.and_then(of_number))
    }

    /// A number that nobody has, E.164: of the business's country where that keeps some for fiction.
    pub fn fictional(of: Option<Self>) -> &'static str {
        let kept = of.and_then(Self::kept_for_fiction);
        kept.unwrap_or(FICTIONAL_ELSEWHERE)
    }

    /// Whether [`fictional`](Self::fictional) gives a number of the business's own country.
    pub fn keeps_fictional(of: Option<Self>) -> bool {
        of.and_then(Self::kept_for_fiction).is_some()
    }

    fn kept_for_fiction(self) -> Option<&'static str> {
        let country = self.0.as_ref();
        FICTIONAL.iter().find(|(known, _)| *known == country).map(|(_, number)| *number)
    }

    /// A number as one of the business's country is written, with its country code: what hints show.
    pub fn example(of: Option<Self>) -> String {
        let written = of.and_then(|region| {
            region.kept_for_fiction().map(str::to_owned).or_else(|| region.planned())
        });
        readable(written.as_deref().unwrap_or(FICTIONAL_ELSEWHERE))
    }

    /// The example of the country's number plan.
    fn planned(self) -> Option<String> {
        let plan = DATABASE.by_id(self.0.as_ref())?;
        let kinds = plan.descriptors();
        let kinds = [kinds.fixed_line(), kinds.mobile(), Some(kinds.general())];
        let national = kinds.into_iter().flatten().find_map(|kind| kind.example())?;
        Some(format!("+{}{national}", plan.country_code()))
    }

    pub(super) fn id(self) -> Id {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(region: Option<Region>) -> Option<String> {
        region.map(|region| region.id().as_ref().to_owned())
    }

    #[test]
    fn a_country_is_known_by_its_time_zone() {
        for (zone, expected) in [
            ("America/New_York", Some("US")),
            (" europe/london ", Some("GB")),
            ("Europe/Zurich", Some("CH")),
            ("Europe/Oslo", Some("NO")),
            ("US/Pacific", Some("US")),
            ("Asia/Calcutta", Some("IN")),
            ("Iceland", Some("IS")),
            ("UTC", None),
            ("Etc/GMT+1", None),
            ("Pacific Standard Time", None),
            ("", None),
        ] {
            assert_eq!(code(Region::of_zone(zone)).as_deref(), expected, "{zone}");
        }
    }

    #[test]
    fn an_example_is_of_the_businesss_own_country() {
        for (zone, expected) in [
            ("Europe/London", "+44 20 7946 0123"),
            ("America/New_York", "+1 202-555-0123"),
            ("America/Toronto", "+1 613-555-0123"),
            ("Europe/Berlin", "+49 30 23125123"),
            ("Europe/Zurich", "+41 21 234 56 78"),
            ("Asia/Calcutta", "+91 74104 10123"),
            ("UTC", "+1 202-555-0123"),
        ] {
            assert_eq!(Region::example(Region::of_zone(zone)), expected, "{zone}");
        }
        for (country, number) in FICTIONAL {
            let region = Region::of(number);
            assert_eq!(code(region).as_deref(), Some(country), "{number}");
            assert_eq!(Region::fictional(region), number);
            assert!(Region::keeps_fictional(region), "{number}");
        }
        for region in [Region::of_zone("Europe/Zurich"), None] {
            assert_eq!(Region::fictional(region), FICTIONAL_ELSEWHERE);
            assert!(!Region::keeps_fictional(region));
        }
    }

    #[test]
    fn a_business_is_where_its_number_is_then_its_clock_then_its_agents_number() {
        for (phone, zone, number, expected) in [
            (Some("+44 20 7946 0958"), Some("America/New_York"), Some("+15559870002"), Some("GB")),
            (Some("020 7946 0958"), Some("Europe/London"), Some("+15559870002"), Some("GB")),
            (None, Some("UTC"), Some("+1 (555) 987-0002"), Some("US")),
            (None, None, Some("+15559870002"), Some("US")),
            (Some("+39 06 1234 5678"), None, None, Some("IT")),
            (Some("+1 416 555 0100"), None, None, Some("CA")),
            (None, None, Some("(555) 987-0002"), None),
            (None, None, None, None),
        ] {
            assert_eq!(code(Region::of_business(phone, zone, number)).as_deref(), expected);
        }
    }
}
