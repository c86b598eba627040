//! Numbers of a sheet as their format shows them.

/// A number as a person reads it in a sheet: `0.2` in the format `0%` is `20%`, and `49` in
/// `"€"#,##0.00` is `€49.00`. What the format does not say plainly is said as the number.
pub(super) fn said(value: f64, format: Option<&str>) -> String {
    let format = format.unwrap_or("General");
    let sections: Vec<&str> = split_sections(format);
    let negative = value < 0.0;
    // A section of its own for what is below zero shows its sign itself, in brackets or colour.
    let section = sections.first().copied().unwrap_or("General");
    match Shape::of(section) {
        Some(shape) => shape.say(value.abs(), negative),
        None => general(value),
    }
}

/// A number with up to 10 digits after the point, which hides what a computer's sums leave.
fn general(value: f64) -> String {
    if !value.is_finite() {
        return String::new();
    }
    if value != 0.0 && !(1e-6..1e15).contains(&value.abs()) {
        return format!("{value:e}");
    }
    let said = format!("{value:.10}");
    let said = said.trim_end_matches('0').trim_end_matches('.');
    if said == "-0" { "0".to_owned() } else { said.to_owned() }
}

/// Splits at `;` outside of quotes.
fn split_sections(format: &str) -> Vec<&str> {
    let mut sections = Vec::new();
    let (mut from, mut quoted, mut escaped) = (0, false, false);
    for (at, c) in format.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            ';' if !quoted => {
                sections.push(&format[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    sections.push(&format[from..]);
    sections
}

/// What a format's section says: text before and after, and the digits.
#[derive(Debug, Default, PartialEq)]
struct Shape {
    before: String,
    after: String,
    decimals: usize,
    thousands: bool,
    percent: bool,
}

impl Shape {
    /// None for `General`, and for fractions, exponents and dates, which are said plainly.
    fn of(section: &str) -> Option<Self> {
        let mut shape = Self::default();
        let (mut digits, mut point) = (false, false);
        let mut chars = section.chars();
        while let Some(c) = chars.next() {
            let literal = match c {
                '0' | '#' | '?' => {
                    digits = true;
                    shape.decimals += usize::from(point && c == '0');
                    continue;
                }
                '.' if !point => {
                    point = true;
                    continue;
                }
                ',' => {
                    shape.thousands |= digits && !point;
                    continue;
                }
                '"' => chars.by_ref().take_while(|c| *c != '"').collect(),
                '\\' => chars.next().map(String::from).unwrap_or_default(),
                // A space as wide as a letter, and what fills the column.
                '_' | '*' => {
                    chars.next();
                    continue;
                }
                '[' => {
                    let inside: String = chars.by_ref().take_while(|c| *c != ']').collect();
                    let currency = inside.strip_prefix('$').and_then(|rest| rest.split('-').next());
                    currency.unwrap_or_default().to_owned()
                }
                '%' => {
                    shape.percent = true;
                    "%".to_owned()
                }
                '/' | 'E' | 'e' if digits => return None,
                c if c.is_ascii_alphabetic() || c == '@' => return None,
                c => c.to_string(),
            };
            let to = if digits { &mut shape.after } else { &mut shape.before };
            to.push_str(&literal);
        }
        shape.decimals = shape.decimals.min(10);
        digits.then_some(shape)
    }

    fn say(&self, value: f64, negative: bool) -> String {
        let value = if self.percent { value * 100.0 } else { value };
        if !value.is_finite() || value >= 1e15 {
            return general(if negative { -value } else { value });
        }
        let plain = format!("{value:.*}", self.decimals);
        let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
        let whole = if self.thousands { grouped(whole) } else { whole.to_owned() };
        let point = if fraction.is_empty() { "" } else { "." };
        let sign = if negative { "-" } else { "" };
        format!("{sign}{}{whole}{point}{fraction}{}", self.before, self.after).trim().to_owned()
    }
}

fn grouped(whole: &str) -> String {
    let mut grouped = String::with_capacity(whole.len() + whole.len() / 3);
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_said_as_its_format_shows_it() {
        assert_eq!(said(49.0, None), "49");
        assert_eq!(said(0.1 + 0.2, Some("General")), "0.3");
        assert_eq!(said(-2.50, Some("0.00")), "-2.50");
        assert_eq!(said(0.2, Some("0%")), "20%");
        assert_eq!(said(1234.5, Some("\"€\"#,##0.00")), "€1,234.50");
        assert_eq!(said(1234.5, Some("#,##0.00\\ [$€-407]")), "1,234.50 €");
        assert_eq!(said(-5.0, Some("$#,##0;[Red]($#,##0)")), "-$5");
        assert_eq!(said(49.0, Some("_($* #,##0.00_);_($* (#,##0.00)")), "$49.00");
        assert_eq!(said(30.0, Some("0 \"min\"")), "30 min");
        assert_eq!(said(1e20, Some("0")), "1e20");
        assert_eq!(said(0.5, Some("# ?/?")), "0.5");
    }
}
