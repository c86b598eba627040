//! Accessibility, judged by axe-core, which runs in the page.

use std::fmt;

use serde::Deserialize;
use serde_json::{Value, json};

use super::page::Page;

/// WCAG 2.2 AA with all that it builds on, and what axe-core recommends beyond.
pub(crate) const TAGS: [&str; 6] =
    ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/// A rule that a page breaks.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Violation {
    /// The rule's name, such as `color-contrast`.
    pub(crate) id: String,
    pub(crate) impact: Option<String>,
    pub(crate) help: String,
    /// Where.
    pub(crate) nodes: Vec<Node>,
}

/// An element that breaks it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Node {
    pub(crate) html: String,
    /// Its selector, one part for each frame or shadow root around it.
    pub(crate) target: Vec<Value>,
    #[serde(rename = "failureSummary")]
    pub(crate) summary: Option<String>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let impact = self.impact.as_deref().unwrap_or("no impact said");
        write!(f, "{} ({impact}): {}", self.id, self.help)?;
        for node in &self.nodes {
            let summary = node.summary.as_deref().unwrap_or_default().replace('\n', " ");
            write!(f, "\n    {}: {summary}", Value::from(node.target.clone()))?;
        }
        Ok(())
    }
}

impl Page {
    /// The rules with these tags that the page breaks as it is now.
    ///
    /// # Panics
    ///
    /// Without `FRONTDESK_AXE`, and where scripts are off.
    pub(crate) async fn axe(&self, tags: &[&str]) -> Vec<Violation> {
        if self.eval("typeof axe === 'undefined'").await == true {
            self.eval(&format!("{}; true", script())).await;
        }
        let options = json!({
            "runOnly": {"type": "tag", "values": tags},
            "resultTypes": ["violations"],
        });
        let run = format!("axe.run(document, {options}).then(found => found.violations)");
        let found = self.eval(&run).await;
        serde_json::from_value(found).expect("axe-core's findings have this form")
    }
}

/// The text of axe-core.
fn script() -> String {
    let path = std::env::var("FRONTDESK_AXE").expect(
        "FRONTDESK_AXE is not set: run scripts/test, or set it to what `scripts/browser axe` prints",
    );
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}
