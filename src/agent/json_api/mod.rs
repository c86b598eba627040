//! A row of type `json_api`: one request to a service of the owner's choice, written as templates.
//! Here it is read, checked and filled in; what sends it is not known here.

mod address;
mod look;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use minijinja::value::Value as Context;
use serde_json::{Map, Value};
use url::Url;

use super::edit::mask::SecretPlaces;
use super::fault::{SettingFault, kind};
use super::template::{Budget, Template, TemplateError, TemplateTree};
use crate::private::Private;
use address::Address;

/// The names that the templates of a row may use.
pub const NAMES: [&str; 5] = ["args", "caller", "call", "agent", "secrets"];

/// How long a request may take with all that belongs to it, ms: the least, the default, the most.
pub const TIME_MS: [f64; 3] = [100.0, 8_000.0, 20_000.0];
/// The most headers and the most query parameters.
const FIELDS_MAX: usize = 50;
const TEMPLATE: &str = "a text with {{ }} over args, caller, call, agent and secrets";
/// What the connection sets by itself, or what would change where a request goes.
const OWN_HEADERS: [HeaderName; 7] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::HOST,
    header::TRANSFER_ENCODING,
    header::TE,
    header::UPGRADE,
];
const FORM: &str = "application/x-www-form-urlencoded";

/// A request, as the row says it.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonApi {
    method: Method,
    address: Address,
    headers: Vec<(HeaderName, Template)>,
    query: Vec<(String, TemplateTree)>,
    body: Option<TemplateTree>,
    /// How long it may take, with redirects and a second attempt.
    pub time_limit: Duration,
    /// Where in the answer the result is, a JSON pointer; the whole answer if it is empty.
    pub result: String,
    /// Keys that are written out in it.
    pub written_out: Private<Vec<String>>,
}

/// A request with everything filled in. Holds secrets, so it does not print itself.
pub struct ApiRequest {
    /// The HTTP method.
    pub method: Method,
    /// Where it goes. Its scheme, host and port are the row's own, whatever the caller said.
    pub url: Url,
    /// The row's headers, and the content type of a body.
    pub headers: HeaderMap,
    /// The body of the request, if it has one.
    pub body: Option<String>,
}

/// Why a request cannot be made. Says nothing of the values that went in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// A template cannot be filled in.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A header came to what cannot be sent, such as two lines.
    #[error("header {0}: not one line of text")]
    Header(HeaderName),
    /// The address came to none.
    #[error("url: not an http or https address, or another host than the one that is written")]
    Address,
}

impl JsonApi {
    /// Whether it asks for something and changes nothing, as its method promises.
    pub fn only_asks(&self) -> bool {
        matches!(self.method, Method::GET | Method::HEAD)
    }

    /// Reads `functions.data`.
    ///
    /// # Errors
    /// The first field that cannot be used.
    pub fn read(data: &Value) -> Result<Self, SettingFault> {
        let mut faults = Vec::new();
        let api = Self::read_all(data, &mut faults);
        faults.into_iter().next().map_or_else(|| api.ok_or_else(|| fault("data", data, "")), Err)
    }

    /// The same; `faults` are of all fields that cannot be used, at least one where it is none.
    pub(super) fn read_all(data: &Value, faults: &mut Vec<SettingFault>) -> Option<Self> {
        let whole = data;
        let object = data.as_object().ok_or_else(|| fault("data", data, "an object"));
        let data = noted(object, faults)?;
        let known: BTreeSet<String> = NAMES.map(str::to_owned).into();
        let field = |name: &str| data.get(name).filter(|value| !value.is_null());
        let address = noted(Address::read(field("url"), &known), faults);
        let body = noted(read_body(field("body"), &known), faults);
        let has_body = body.as_ref().is_some_and(Option::is_some);
        let method = noted(read_method(field("method"), has_body), faults);
        let headers = noted(read_headers(field("headers"), &known), faults);
        let query = noted(read_query(field("query"), &known), faults);
        let time_limit = noted(read_time_limit(field("timeout_ms")), faults);
        let result = noted(read_result(field("result")), faults);
        Some(Self {
            method: method?,
            address: address?,
            headers: headers?,
            query: query?,
            body: body?,
            time_limit: time_limit?,
            result: result?,
            written_out: SecretPlaces::FunctionData.texts(&as_read(whole)).into(),
        })
    }

    /// Fills it in.
    ///
    /// # Errors
    /// What cannot be filled in.
    pub fn request(&self, values: &Context) -> Result<ApiRequest, RequestError> {
        self.request_at(values, values)
    }

    /// Fills it in with `values`, for where it goes with `origins`.
    ///
    /// # Errors
    /// What cannot be filled in.
    pub fn request_at(
        &self,
        origins: &Context,
        values: &Context,
    ) -> Result<ApiRequest, RequestError> {
        let mut url = self.address.url(origins, values)?;
        let mut budget = Budget::default();
        budget.take(url.as_str().len())?;
        for (name, value) in &self.query {
            let value = value
                .render_within(&mut budget, values)
                .map_err(|error| error.below(name).below("query"))?;
            for text in texts(&value) {
                url.query_pairs_mut().append_pair(name, &text);
            }
        }
        let mut headers = self.headers(&mut budget, values)?;
        let body = match &self.body {
            Some(body) => {
                body.render_within(&mut budget, values).map_err(|error| error.below("body"))?
            }
            None => Value::Null,
        };
        let body = encode_body(body, &mut headers);
        Ok(ApiRequest { method: self.method.clone(), url, headers, body })
    }

    /// What is written before the path of its address.
    pub fn host(&self) -> &str {
        self.address.host()
    }

    /// The scheme, the host and the port that it goes to.
    ///
    /// # Errors
    /// They come to no address with these values.
    pub fn origin(&self, values: &Context) -> Result<String, RequestError> {
        self.address.origin(values)
    }

    /// Whether asking twice does what asking once does.
    pub fn is_idempotent(&self) -> bool {
        self.method.is_idempotent()
    }

    fn headers(&self, budget: &mut Budget, values: &Context) -> Result<HeaderMap, RequestError> {
        let mut headers = HeaderMap::new();
        for (name, template) in &self.headers {
            let text = template
                .render(values)
                .map_err(|error| error.below(name.as_str()).below("headers"))?;
            budget.take(text.len())?;
            let mut value = HeaderValue::from_bytes(text.trim().as_bytes())
                .map_err(|_| RequestError::Header(name.clone()))?;
            value.set_sensitive(true);
            headers.append(name, value);
        }
        Ok(headers)
    }
}

fn noted<T>(read: Result<T, SettingFault>, faults: &mut Vec<SettingFault>) -> Option<T> {
    read.map_err(|fault| faults.push(fault)).ok()
}

fn fault(path: impl Into<String>, found: &Value, accepted: &str) -> SettingFault {
    SettingFault { path: path.into(), found: kind(found), accepted: accepted.to_owned() }
}

/// A template that cannot be used, at `path` or below it.
fn template_fault(path: &str, error: &TemplateError) -> SettingFault {
    let mut path = path.to_owned();
    let mut error = error;
    while let TemplateError::Below { field, error: below } = error {
        path = format!("{path}.{field}");
        error = below;
    }
    let found = match error {
        TemplateError::Unknown { .. } => "a name that is not known",
        TemplateError::TooLong { .. }
        | TemplateError::TooDeep
        | TemplateError::Nested { .. }
        | TemplateError::Statement(_)
        | TemplateError::Word { .. }
        | TemplateError::Wraps => {
            let accepted = format!("{TEMPLATE}; this one has {error}");
            return SettingFault { path, found: "too much", accepted };
        }
        _ => "what cannot be read",
    };
    SettingFault { path, found, accepted: TEMPLATE.to_owned() }
}

fn read_method(value: Option<&Value>, has_body: bool) -> Result<Method, SettingFault> {
    let Some(value) = value else {
        return Ok(if has_body { Method::POST } else { Method::GET });
    };
    let word = value.as_str().map(|word| word.trim().to_ascii_uppercase());
    match word.as_deref() {
        Some("GET") => Ok(Method::GET),
        Some("POST") => Ok(Method::POST),
        Some("PUT") => Ok(Method::PUT),
        Some("PATCH") => Ok(Method::PATCH),
        Some("DELETE") => Ok(Method::DELETE),
        Some("HEAD") => Ok(Method::HEAD),
        _ => Err(fault("method", value, "GET, POST, PUT, PATCH, DELETE or HEAD")),
    }
}

/// The fields of an object, or of none.
fn read_fields<'v>(
    name: &str,
    value: Option<&'v Value>,
) -> Result<impl Iterator<Item = (&'v String, &'v Value)>, SettingFault> {
    let fields = match value {
        None => None,
        Some(Value::Object(fields)) if fields.len() <= FIELDS_MAX => Some(fields),
        Some(other) => {
            return Err(fault(name, other, &format!("an object of at most {FIELDS_MAX} fields")));
        }
    };
    Ok(fields.into_iter().flatten().filter(|(_, value)| !value.is_null()))
}

fn read_headers(
    value: Option<&Value>,
    known: &BTreeSet<String>,
) -> Result<Vec<(HeaderName, Template)>, SettingFault> {
    let read = |(name, value): (&String, &Value)| {
        let path = format!("headers.{name}");
        let header = HeaderName::try_from(name.trim())
            .ok()
            .filter(|name| !OWN_HEADERS.contains(name) && !name.as_str().starts_with("proxy-"))
            .ok_or_else(|| fault(&path, value, "the name of a header that a client may set"))?;
        let text = plain(value).ok_or_else(|| fault(&path, value, TEMPLATE))?;
        let template =
            Template::parse(&text, known).map_err(|error| template_fault(&path, &error))?;
        Ok((header, template))
    };
    read_fields("headers", value)?.map(read).collect()
}

fn read_query(
    value: Option<&Value>,
    known: &BTreeSet<String>,
) -> Result<Vec<(String, TemplateTree)>, SettingFault> {
    let read = |(name, value): (&String, &Value)| {
        let path = format!("query.{name}");
        let tree =
            TemplateTree::parse(value, known).map_err(|error| template_fault(&path, &error))?;
        Ok((name.clone(), tree))
    };
    read_fields("query", value)?.map(read).collect()
}

/// A body. A text that holds JSON is read as that, so that each value in it is encoded: in a text
/// `{"name":"{{ args.name }}"}` a caller named `","admin":true,"` would write fields.
fn read_body(
    value: Option<&Value>,
    known: &BTreeSet<String>,
) -> Result<Option<TemplateTree>, SettingFault> {
    let value = match value {
        None => return Ok(None),
        Some(Value::String(text)) if text.trim().is_empty() => return Ok(None),
        Some(Value::String(text)) if looks_like_json(text) => {
            &serde_json::from_str(text).map_err(|_| SettingFault {
                path: "body".to_owned(),
                found: "a text that is not quite JSON",
                accepted: "an object, with a template for each value".to_owned(),
            })?
        }
        Some(other) => other,
    };
    let tree = TemplateTree::parse(value, known).map_err(|error| template_fault("body", &error))?;
    Ok(Some(tree))
}

/// `functions.data` with its body as it is read: what a text of JSON escapes is there in plain words.
pub fn as_read(data: &Value) -> Cow<'_, Value> {
    let body = data.get("body").and_then(Value::as_str).filter(|text| looks_like_json(text));
    let Some(Ok(body)) = body.map(serde_json::from_str::<Value>) else {
        return Cow::Borrowed(data);
    };
    let mut read = data.clone();
    read["body"] = body;
    Cow::Owned(read)
}

fn looks_like_json(text: &str) -> bool {
    let text = text.trim_start();
    let is_template = ["{{", "{%", "{#"].iter().any(|tag| text.starts_with(tag));
    text.starts_with(['{', '[']) && !is_template
}

/// The milliseconds of a time limit as a row has it.
pub fn milliseconds(value: &Value) -> Option<f64> {
    let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok());
    number.filter(|number| number.is_finite())
}

/// One that is out of bounds in a row is held to them; whoever writes one is told, see [`TIME_MS`].
fn read_time_limit(value: Option<&Value>) -> Result<Duration, SettingFault> {
    let [least, default, most] = TIME_MS;
    let ms = match value {
        None => default,
        Some(value) => milliseconds(value)
            .ok_or_else(|| fault("timeout_ms", value, "a number of milliseconds"))?,
    };
    Ok(Duration::from_millis(ms.clamp(least, most) as u64))
}

fn read_result(value: Option<&Value>) -> Result<String, SettingFault> {
    let Some(value) = value else { return Ok(String::new()) };
    let pointer = value.as_str().map(str::trim);
    pointer
        .filter(|pointer| pointer.is_empty() || pointer.starts_with('/'))
        .map(str::to_owned)
        .ok_or_else(|| fault("result", value, "a JSON pointer such as /data/items"))
}

/// A value without fields or items, as text.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// What a parameter of a query or a form is given: nothing for null, each item of a list.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        other => vec![plain(other).unwrap_or_else(|| other.to_string())],
    }
}

fn encode_body(body: Value, headers: &mut HeaderMap) -> Option<String> {
    let content_type = headers.get(header::CONTENT_TYPE);
    let is_form = content_type.is_some_and(|kind| kind.as_bytes().starts_with(FORM.as_bytes()));
    let (default_type, text) = match body {
        Value::Null => return None,
        Value::String(text) => ("text/plain; charset=utf-8", text),
        Value::Object(fields) if is_form => (FORM, encode_form(&fields)),
        other => ("application/json", other.to_string()),
    };
    headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static(default_type));
    Some(text)
}

fn encode_form(fields: &Map<String, Value>) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in fields {
        for text in texts(value) {
            form.append_pair(name, &text);
        }
    }
    form.finish()
}
