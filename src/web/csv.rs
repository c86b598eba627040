//! Tables as RFC 4180 has them, in which no field is a formula to the program that opens them.

/// What a field begins with that a spreadsheet computes.
const FORMULA: [char; 10] =
    ['=', '+', '-', '@', '\t', '\r', '\u{FF1D}', '\u{FF0B}', '\u{FF0D}', '\u{FF20}'];

/// Adds a row.
pub(super) fn row<'a>(table: &mut String, fields: impl IntoIterator<Item = &'a str>) {
    for (place, text) in fields.into_iter().enumerate() {
        if place > 0 {
            table.push(',');
        }
        field(table, text);
    }
    table.push_str("\r\n");
}

fn field(table: &mut String, text: &str) {
    // A blank before it does not keep every program from computing it.
    let is_formula = text.trim_start_matches([' ', '\u{A0}']).starts_with(FORMULA);
    if !is_formula && !text.contains([',', '"', '\r', '\n']) {
        table.push_str(text);
        return;
    }
    table.push('"');
    if is_formula {
        table.push('\'');
    }
    table.push_str(&text.replace('"', "\"\""));
    table.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        let mut table = String::new();
        row(&mut table, ["a", "", "b c", "d,e", "f\"g", "h\ni"]);
        assert_eq!(table, "a,,b c,\"d,e\",\"f\"\"g\",\"h\ni\"\r\n");
    }

    #[test]
    fn no_field_is_a_formula() {
        for text in ["=1+1", "+447700900123", "-2", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1"] {
            let mut table = String::new();
            row(&mut table, [text]);
            assert_eq!(table, format!("\"'{text}\"\r\n"));
        }
    }
}
