//! How calls come here from a number that stays where it is.

use maud::{Markup, html};

/// What owners' telephone companies are told: the line, and the codes for calls that nobody answers, for
/// all calls, and for an end of it.
const CODES: [(&str, &str, &str, &str); 3] = [
    ("Mobile (GSM, UK, T-Mobile)", "**61*number#", "**21*number#", "##002#"),
    ("Verizon", "*71number", "*72number", "*73"),
    ("Landline (US)", "*92number", "*72number", "*73"),
];

/// The codes, and what else there is to know.
pub(super) fn forwarding(has_number: bool) -> Markup {
    html! {
        details .card {
            summary { "Keep the number that you have: forward it" }
            p {
                @if has_number { "Have your own line forward calls to a number above." }
                @else { "An agent needs a number first: connect one above. Then have your own line forward calls to it." }
                " The codes are the usual ones; your telephone company may have others. In each, " code { "number" }
                " stands for the agent's number. " strong { "Try it" } ": call your own number, and the call appears on "
                a href="/calls" { "Calls" } "."
            }
            @for (line, unanswered, always, off) in CODES {
                h3 { (line) }
                dl {
                    dt { "When nobody answers" } dd { code { (unanswered) } }
                    dt { "Always" } dd { code { (always) } }
                    dt { "Off" } dd { code { (off) } }
                }
            }
        }
    }
}
