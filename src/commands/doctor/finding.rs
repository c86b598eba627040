//! What was found: one line each, saying what is wrong and what to do.

use std::fmt;

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// Calls are answered, and something is missing or will be.
    Warn,
    /// Calls are not answered, or not as they should be.
    Fail,
}

impl Verdict {
    const fn mark(self) -> &'static str {
        match self {
            Self::Ok => "ok  ",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What: a variable, `database`, `agent …`, `number …`.
    pub check: String,
    /// How bad it is.
    pub verdict: Verdict,
    /// What the check found, for people.
    pub found: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

impl Finding {
    /// A check that found everything right.
    pub fn ok(check: impl Into<String>, found: impl Into<String>) -> Self {
        Self { check: check.into(), verdict: Verdict::Ok, found: found.into(), remedy: None }
    }

    /// Something is missing or will be.
    pub fn warn(
        check: impl Into<String>,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let remedy = Some(remedy.into());
        Self { check: check.into(), verdict: Verdict::Warn, found: found.into(), remedy }
    }

    /// A check that found something wrong, and what to do about it.
    pub fn fail(
        check: impl Into<String>,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { verdict: Verdict::Fail, ..Self::warn(check, found, remedy) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { check, verdict, found, remedy } = self;
        write!(f, "{}  {}: {}", verdict.mark(), one_line(check), one_line(found))?;
        match remedy {
            Some(remedy) => write!(f, "; {}", one_line(remedy)),
            None => Ok(()),
        }
    }
}

/// Owners' names and systems' messages may have more lines, and things that terminals obey.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// All that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report(pub Vec<Finding>);

/// The output of `--json`.
#[derive(Serialize)]
struct Output<'a> {
    ok: bool,
    checks: &'a [Finding],
}

impl Report {
    /// Whether nothing is wrong; a warning is not.
    pub fn is_good(&self) -> bool {
        self.0.iter().all(|finding| finding.verdict != Verdict::Fail)
    }

    /// For programs: `{"ok":…,"checks":[{"check","verdict","found","remedy"}]}`.
    pub fn json(&self) -> String {
        let output = Output { ok: self.is_good(), checks: &self.0 };
        serde_json::to_string(&output).expect("texts are JSON")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.0 {
            writeln!(f, "{finding}")?;
        }
        let count = |verdict| self.0.iter().filter(|finding| finding.verdict == verdict).count();
        let (wrong, warnings) = (count(Verdict::Fail), count(Verdict::Warn));
        match (wrong, warnings) {
            (0, 0) => write!(f, "all is well"),
            (0, warnings) => write!(f, "nothing is wrong; warnings: {warnings}"),
            (wrong, warnings) => write!(f, "wrong: {wrong}; warnings: {warnings}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_one_line_that_says_what_to_do() {
        let finding = Finding::fail("number +1", "no\nline\u{1b}[31m", "mend it");
        assert_eq!(finding.to_string(), "FAIL  number +1: no line [31m; mend it");
        let report = Report(vec![Finding::ok("a", "b"), Finding::warn("c", "d", "e")]);
        assert_eq!(report.to_string(), "ok    a: b\nwarn  c: d; e\nnothing is wrong; warnings: 1");
        assert!(report.is_good() && !Report(vec![finding]).is_good());
        assert_eq!(
            Report(vec![Finding::ok("a", "b")]).json(),
            r#"{"ok":true,"checks":[{"check":"a","verdict":"ok","found":"b","remedy":null}]}"#
        );
    }
}
