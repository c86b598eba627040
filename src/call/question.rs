//! When are two questions the same one?

use unicode_normalization::UnicodeNormalization as _;

/// The most of a question that is compared, in characters.
const KEY_CHARACTERS: usize = 300;

/// The spelling in which questions are compared: no case, no punctuation, no accents of width, single
/// spaces. Empty for what has no word in it.
pub fn question_key(question: &str) -> String {
    let plain = super::recalls::plain(&question.nfkc().collect::<String>());
    plain.chars().take(KEY_CHARACTERS).collect::<String>().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_does_not_make_another_question() {
        for (question, key) in [
            ("Do you take BUPA?", "do you take bupa"),
            ("  do you take  Bupa ", "do you take bupa"),
            ("Do you take ＢＵＰＡ？", "do you take bupa"),
            ("Do you take Aviva?", "do you take aviva"),
            ("火曜日は開いていますか？", "火曜日は開いていますか"),
            ("…?!", ""),
        ] {
            assert_eq!(question_key(question), key);
        }
        assert_eq!(question_key(&"why ".repeat(500)).chars().count(), KEY_CHARACTERS - 1);
    }
}
