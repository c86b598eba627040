//! Where does a request go? A caller's words may fill in the path and the query, encoded; the
//! scheme, the host and the port are the row's own, or come of the agent's settings.

use std::collections::BTreeSet;

use minijinja::value::Value as Context;
use serde_json::Value;
use url::Url;

use super::{RequestError, SettingFault, fault, template_fault};
use crate::agent::template::{Place, Template, TemplateError};

const ACCEPTED: &str = "an address such as https://crm.example/customers/{{ args.customer }}, \
                        with nothing of the caller before the path";
/// The names that may say where a request goes.
const TRUSTED: [&str; 2] = ["agent", "secrets"];

/// An address in the parts that are filled in differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// Scheme, host and port.
    origin: Template,
    /// From the first slash on.
    path: Template,
    query: Option<Template>,
}

impl Address {
    /// Reads `data.url`. A fragment is left out.
    pub(super) fn read(
        value: Option<&Value>,
        known: &BTreeSet<String>,
    ) -> Result<Self, SettingFault> {
        let value = value.unwrap_or(&Value::Null);
        let wrong = || fault("url", value, ACCEPTED);
        let text = value.as_str().ok_or_else(wrong)?.trim();
        // A parser of addresses leaves out line ends, even within a scheme.
        if text.contains(char::is_control) {
            return Err(wrong());
        }
        let after_scheme = scheme_length(text).ok_or_else(wrong)?;
        let path_at = find_outside(text, after_scheme, &['/', '\\', '?', '#']);
        let fragment_at = find_outside(text, path_at, &['#']);
        let query_at = find_outside(&text[..fragment_at], path_at, &['?']);
        let part = |part: &str, known: &BTreeSet<String>| {
            Template::parse(part, known).map_err(|error| template_fault("url", &error))
        };
        let origin = &text[..path_at];
        let is_template = origin.contains("{{") || origin.contains("{%");
        if !is_template && !Url::parse(origin).is_ok_and(|url| is_plain(&url)) {
            return Err(wrong());
        }
        let trusted: BTreeSet<String> = TRUSTED.map(str::to_owned).into();
        let origin = Template::parse(origin, &trusted).map_err(|error| match error {
            TemplateError::Unknown { .. } => SettingFault {
                path: "url".to_owned(),
                found: "a host that others than the owner can choose",
                accepted: ACCEPTED.to_owned(),
            },
            other => template_fault("url", &other),
        })?;
        let query = (query_at < fragment_at).then(|| part(&text[query_at + 1..fragment_at], known));
        Ok(Self { origin, path: part(&text[path_at..query_at], known)?, query: query.transpose()? })
    }

    /// What is written before the path.
    pub(super) fn host(&self) -> &str {
        self.origin.source()
    }

    /// What its templates ask for.
    pub(super) fn asks(&self) -> BTreeSet<String> {
        let parts = [Some(&self.origin), Some(&self.path), self.query.as_ref()];
        parts.into_iter().flatten().flat_map(Template::asks).collect()
    }

    /// The scheme, the host and the port, with these values.
    pub(super) fn origin(&self, values: &Context) -> Result<String, RequestError> {
        Ok(self.base(values)?.1.origin().ascii_serialization())
    }

    /// What comes before the path of the row.
    fn base(&self, values: &Context) -> Result<(String, Url), RequestError> {
        let in_url = |error: TemplateError| error.below("url");
        let origin = self.origin.render(values).map_err(in_url)?;
        // A base address in the settings may end in a slash, and may have a path.
        let origin = origin.trim().trim_end_matches('/');
        let base = Url::parse(origin).ok().filter(is_plain).ok_or(RequestError::Address)?;
        Ok((origin.to_owned(), base))
    }

    /// Fills the address in: `origins` say where it goes, `values` with what.
    pub(super) fn url(&self, origins: &Context, values: &Context) -> Result<Url, RequestError> {
        let in_url = |error: TemplateError| error.below("url");
        let (origin, base) = self.base(origins)?;
        let path = self.path.render_for(Place::Path, values).map_err(in_url)?;
        let mut url = Url::parse(&format!("{origin}{path}")).map_err(|_| RequestError::Address)?;
        // Follows from where the parts are cut, and is what everything here rests on.
        if url.origin() != base.origin() || !is_plain(&url) {
            return Err(RequestError::Address);
        }
        if let Some(query) = &self.query {
            let query = query.render_for(Place::Query, values).map_err(in_url)?;
            url.set_query(Some(&query));
        }
        Ok(url)
    }
}

/// Whether it is `http` or `https` with a host and, up to the path, nothing else.
fn is_plain(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none()
}

/// Where the host begins; a template may stand for the scheme too.
fn scheme_length(text: &str) -> Option<usize> {
    let scheme = ["https://", "http://"].into_iter().find(|scheme| {
        text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    scheme.map(str::len).or_else(|| text.starts_with("{{").then_some(0))
}

/// The place of the first of `stops` from `start` on that is not inside of a template's tag; the
/// end of the text if there is none.
fn find_outside(text: &str, start: usize, stops: &[char]) -> usize {
    let mut at = start;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let tag = [("{{", "}}"), ("{%", "%}"), ("{#", "#}")];
        if let Some((open, close)) = tag.into_iter().find(|(open, _)| rest.starts_with(open)) {
            let end = rest[open.len()..].find(close).map(|end| open.len() + end + close.len());
            at += end.unwrap_or(rest.len());
        } else if rest.starts_with(stops) {
            return at;
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}
