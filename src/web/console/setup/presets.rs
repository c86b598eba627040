//! What the set-up suggests for a trade. Everything of it can be changed on the agent's page.

use serde_json::{Value, json};

/// A trade.
#[derive(Debug)]
pub(super) struct Trade {
    /// The word in forms and rows.
    pub(super) word: &'static str,
    /// How it is shown.
    pub(super) name: &'static str,
    /// What the agent says first; `{}` is the business's name.
    greeting: &'static str,
    /// How long an appointment is, in minutes.
    pub(super) minutes: i32,
    /// The hours that are suggested.
    pub(super) hours: &'static str,
    /// What its callers ask most: the owner answers them on the page Knowledge.
    pub(super) questions: [&'static str; 6],
}

impl Trade {
    /// The first words for a business of this name.
    pub(super) fn greeting(&self, business: &str) -> String {
        self.greeting.replace("{}", business)
    }
}

/// The trades, the last of which is any other.
pub(super) const TRADES: [Trade; 6] = [
    Trade {
        word: "dental",
        name: "Dental or medical practice",
        greeting: "Thank you for calling {}. How can I help you?",
        minutes: 30,
        hours: "weekdays_8_17",
        questions: [
            "Which insurance do you take?",
            "What does a check-up cost?",
            "Do you take new patients?",
            "What should I do with severe pain?",
            "Where can I park?",
            "How do I cancel?",
        ],
    },
    Trade {
        word: "trades",
        name: "Plumber, electrician or other trade",
        greeting: "Hello, you have reached {}. What can we do for you?",
        minutes: 60,
        hours: "weekdays_8_17",
        questions: [
            "What does a visit cost?",
            "Do you come in an emergency, and at night?",
            "Which area do you cover?",
            "How soon can somebody come?",
            "Do you give a quote first?",
            "How can I pay?",
        ],
    },
    Trade {
        word: "salon",
        name: "Salon or spa",
        greeting: "Hello, this is {}. How can I help you?",
        minutes: 45,
        hours: "salon",
        questions: [
            "What does a cut cost?",
            "Do I need an appointment?",
            "Which treatments do you offer?",
            "How do I cancel?",
            "Do you sell vouchers?",
            "Where are you?",
        ],
    },
    Trade {
        word: "law",
        name: "Law or other office",
        greeting: "Thank you for calling {}. How may I help you?",
        minutes: 60,
        hours: "weekdays_9_17",
        questions: [
            "Which matters do you take?",
            "What does a first meeting cost?",
            "What should I bring?",
            "Can we talk on the phone?",
            "Who will look after me?",
            "Where can I park?",
        ],
    },
    Trade {
        word: "restaurant",
        name: "Restaurant or café",
        greeting: "Hello, this is {}. How can I help you?",
        minutes: 90,
        hours: "restaurant",
        questions: [
            "Do you have a table tonight?",
            "Do you have vegetarian or vegan dishes?",
            "Can I bring my dog?",
            "Do you deliver?",
            "Is there parking?",
            "Do you take large groups?",
        ],
    },
    Trade {
        word: "other",
        name: "Something else",
        greeting: "Thank you for calling {}. How can I help you?",
        minutes: 60,
        hours: "weekdays_9_17",
        questions: [
            "What do you offer?",
            "What does it cost?",
            "Where are you?",
            "Where can I park?",
            "How can I pay?",
            "How do I make an appointment?",
        ],
    },
];

/// The trade with this word, else any other.
pub(super) fn trade(word: &str) -> &'static Trade {
    TRADES.iter().find(|trade| trade.word == word).unwrap_or(&TRADES[TRADES.len() - 1])
}

/// The trade that is shown by this name, else any other.
pub(super) fn named(name: &str) -> &'static Trade {
    TRADES.iter().find(|trade| trade.name == name).unwrap_or(trade("other"))
}

/// Hours to choose from: the word, and how they are shown.
pub(super) const HOURS: [(&str, &str); 6] = [
    ("weekdays_9_17", "Monday to Friday, 9:00 to 17:00"),
    ("weekdays_8_17", "Monday to Friday, 8:00 to 17:00"),
    ("salon", "Tuesday to Saturday, 9:00 to 18:00"),
    ("restaurant", "Every day but Monday, 12:00 to 22:00"),
    ("always", "Always open"),
    ("unknown", "I will enter them later"),
];

/// The schedule of hours with this word, as `business_details.operating_schedule` has it. None where
/// they come later, or where there is no such word.
pub(super) fn schedule(word: &str) -> Option<Value> {
    const DAYS: [&str; 7] =
        ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let (open, close, is_open): (_, _, fn(usize) -> bool) = match word {
        "weekdays_9_17" => ("09:00", "17:00", |day| day < 5),
        "weekdays_8_17" => ("08:00", "17:00", |day| day < 5),
        "salon" => ("09:00", "18:00", |day| (1..6).contains(&day)),
        "restaurant" => ("12:00", "22:00", |day| day > 0),
        "always" => ("00:00", "24:00", |_| true),
        _ => return None,
    };
    let day = |day: usize| match is_open(day) {
        true => json!([{"open": open, "close": close}]),
        false => json!([]),
    };
    Some(DAYS.iter().enumerate().map(|(at, name)| ((*name).to_owned(), day(at))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_trade_suggests_hours_that_there_are() {
        for trade in &TRADES {
            assert!(HOURS.iter().any(|(word, _)| *word == trade.hours), "{}", trade.word);
            assert!(trade.greeting("Iron & Co").contains("Iron & Co"), "{}", trade.word);
        }
        for (word, _) in HOURS {
            assert_eq!(schedule(word).is_none(), word == "unknown", "{word}");
        }
        let salon = schedule("salon").unwrap();
        assert_eq!(salon["monday"], json!([]));
        assert_eq!(salon["saturday"], json!([{"open": "09:00", "close": "18:00"}]));
        assert_eq!(trade("juggler").word, "other");
    }
}
