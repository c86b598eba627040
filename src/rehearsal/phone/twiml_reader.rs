//! Reads TwiML as Twilio does, for the stand-in phone and for tests.

use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

/// The deepest nesting that is read; TwiML has four levels.
const MAX_DEPTH: usize = 16;

/// One thing that the document asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    /// Opens a two-way media stream and stops the document until it ends.
    Connect {
        /// What is asked when the stream has ended; without it the next verb runs.
        action: Option<String>,
        /// How it is asked; `POST` unless said.
        method: String,
        /// The stream to open.
        stream: Stream,
    },
    /// Speaks to the caller.
    Say {
        /// The words that are spoken.
        text: String,
    },
    /// Ends the call.
    Hangup,
    /// Goes on with another document.
    Redirect {
        /// Where it is, maybe relative.
        url: String,
        /// How it is asked for; `POST` unless said.
        method: String,
    },
    /// Waits in silence.
    Pause {
        /// How long, in seconds; 1 unless said.
        seconds: u32,
    },
    /// Refuses the call.
    Reject,
    /// Calls another party.
    Dial(Dial),
    /// Records the caller.
    Record(Record),
    /// A verb that is not known here.
    Other(Element),
}

/// A `<Stream>`: a media stream to open.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stream {
    /// The WebSocket address of the stream.
    pub url: String,
    /// The `name` attribute.
    pub name: Option<String>,
    /// What is told how it fares.
    pub status_callback: Option<String>,
    /// Names and values for the stream's `start`.
    pub parameters: Vec<(String, String)>,
}

/// A `<Dial>`: a call to another party.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dial {
    /// Who is called, all at once: the `<Number>`s, or the text itself.
    pub numbers: Vec<String>,
    /// The number that the called party sees; the caller's unless said.
    pub caller_id: Option<String>,
    /// How long it rings, in seconds; 30 unless said.
    pub timeout_s: u32,
    /// How long the two may talk, in seconds; 14,400 unless said.
    pub time_limit_s: u32,
    /// What is asked when it is over; without it the next verb runs.
    pub action: Option<String>,
}

/// A `<Record>`: a message to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What is asked when something was recorded; unless said, the document's own address.
    pub action: Option<String>,
    /// How long it may be, in seconds; 3,600 unless said.
    pub max_length_s: u32,
    /// How long a silence ends it, in seconds; 5 unless said.
    pub timeout_s: u32,
    /// Whether a beep says that it begins; it does unless said.
    pub play_beep: bool,
    /// The keys that end it; all of them unless said.
    pub finish_on_key: String,
}

/// An element as it stands in the document.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Element {
    /// The element's name.
    pub name: String,
    /// The element's attributes by name, unescaped.
    pub attributes: Vec<(String, String)>,
    /// The elements in it.
    pub children: Vec<Element>,
    /// The text in it, unescaped, without that of the elements in it.
    pub text: String,
}

impl Element {
    /// The value of an attribute, if the element has it.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let (_, value) = self.attributes.iter().find(|(attribute, _)| attribute == name)?;
        Some(value)
    }

    fn owned(&self, name: &str) -> Option<String> {
        self.attribute(name).map(str::to_owned)
    }

    fn number(&self, name: &str) -> Option<u32> {
        self.attribute(name)?.trim().parse().ok()
    }
}

/// Why a document is not TwiML.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TwimlError {
    /// It is not well-formed XML.
    #[error("not well-formed XML at byte {at}: {what}")]
    NotXml {
        /// Where, in bytes from the start.
        at: u64,
        /// What the XML reader objects to.
        what: String,
    },
    /// The outermost element is another one.
    #[error("the document is <{found}>: expected <Response>")]
    NotResponse {
        /// Its name, empty if there is none.
        found: String,
    },
    /// A `<Connect>` without a `<Stream url>`.
    #[error("<Connect> holds no <Stream url=…>")]
    NoStream,
}

/// The verbs of a document, in order.
///
/// # Errors
/// If it is not well-formed, is not a `<Response>`, or connects to nothing.
pub fn parse(xml: &str) -> Result<Vec<Verb>, TwimlError> {
    let root = read_tree(xml)?;
    if root.name != "Response" {
        return Err(TwimlError::NotResponse { found: root.name });
    }
    root.children.into_iter().map(verb).collect()
}

fn verb(element: Element) -> Result<Verb, TwimlError> {
    let method = element.owned("method").unwrap_or_else(|| "POST".to_owned());
    Ok(match element.name.as_str() {
        "Connect" => {
            let stream = element.children.iter().find(|child| child.name == "Stream");
            let stream = stream.and_then(read_stream).ok_or(TwimlError::NoStream)?;
            Verb::Connect { action: element.owned("action"), method, stream }
        }
        "Say" => Verb::Say { text: element.text },
        "Hangup" => Verb::Hangup,
        "Redirect" => Verb::Redirect { url: element.text.trim().to_owned(), method },
        "Pause" => Verb::Pause { seconds: element.number("length").unwrap_or(1) },
        "Reject" => Verb::Reject,
        "Dial" => Verb::Dial(read_dial(&element)),
        "Record" => Verb::Record(Record {
            action: element.owned("action"),
            max_length_s: element.number("maxLength").unwrap_or(3_600),
            timeout_s: element.number("timeout").unwrap_or(5),
            play_beep: element.attribute("playBeep") != Some("false"),
            finish_on_key: element.owned("finishOnKey").unwrap_or_else(|| "1234567890*#".into()),
        }),
        _ => Verb::Other(element),
    })
}

fn read_dial(dial: &Element) -> Dial {
    let nouns = dial.children.iter().filter(|child| child.name == "Number");
    let texts = std::iter::once(dial).chain(nouns).map(|element| element.text.trim());
    Dial {
        numbers: texts.filter(|text| !text.is_empty()).map(str::to_owned).collect(),
        caller_id: dial.owned("callerId"),
        timeout_s: dial.number("timeout").unwrap_or(30),
        time_limit_s: dial.number("timeLimit").unwrap_or(14_400),
        action: dial.owned("action"),
    }
}

fn read_stream(stream: &Element) -> Option<Stream> {
    let parameters = stream.children.iter().filter(|child| child.name == "Parameter");
    Some(Stream {
        url: stream.owned("url")?,
        name: stream.owned("name"),
        status_callback: stream.owned("statusCallback"),
        parameters: parameters
            .filter_map(|parameter| Some((parameter.owned("name")?, parameter.owned("value")?)))
            .collect(),
    })
}

/// Reads the outermost element. An unnamed element stands for the document, so that the stack is
/// never empty.
fn read_tree(xml: &str) -> Result<Element, TwimlError> {
    let mut reader = Reader::from_str(xml);
    let mut open = vec![Element::default()];
    loop {
        let at = reader.buffer_position();
        let wrong =
            |what: &dyn std::fmt::Display| TwimlError::NotXml { at, what: what.to_string() };
        let event = reader.read_event().map_err(|error| wrong(&error))?;
        match event {
            Event::Start(start) if open.len() > MAX_DEPTH => {
                return Err(wrong(&format!("<{}> is nested too deep", start.name().0)));
            }
            Event::Start(start) => open.push(begin(&start).map_err(|error| wrong(&error))?),
            Event::Empty(start) => {
                let element = begin(&start).map_err(|error| wrong(&error))?;
                innermost(&mut open).children.push(element);
            }
            Event::End(_) => {
                let element = open.pop().expect("the reader refuses an end without a start");
                innermost(&mut open).children.push(element);
            }
            Event::Text(text) => innermost(&mut open).text.push_str(&text.xml10_content()),
            Event::CData(text) => innermost(&mut open).text.push_str(&text.xml10_content()),
            Event::GeneralRef(reference) => {
                let character = reference.resolve_char_ref().map_err(|error| wrong(&error))?;
                let text = &mut innermost(&mut open).text;
                match (character, resolve_xml_entity(&reference.xml10_content())) {
                    (Some(character), _) => text.push(character),
                    (None, Some(entity)) => text.push_str(entity),
                    (None, None) => return Err(wrong(&"unknown entity")),
                }
            }
            Event::Eof if open.len() > 1 => return Err(wrong(&"an element is not closed")),
            Event::Eof => return Ok(innermost(&mut open).children.pop().unwrap_or_default()),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
}

fn innermost(open: &mut [Element]) -> &mut Element {
    open.last_mut().expect("the document's own element is never closed")
}

fn begin(start: &BytesStart<'_>) -> Result<Element, quick_xml::Error> {
    let mut element = Element { name: start.name().0.to_owned(), ..Element::default() };
    for attribute in start.attributes() {
        let attribute = attribute?;
        let value = attribute.normalized_value(XmlVersion::Implicit1_0)?;
        element.attributes.push((attribute.key.0.to_owned(), value.into_owned()));
    }
    Ok(element)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_come_in_document_order() {
        let verbs = parse(
            r#"<?xml version="1.0" encoding="UTF-8"?>
            <Response>
              <!-- a comment -->
              <Connect action="https://a.example/after?a=1&amp;b=2">
                <Stream url="wss://a.example/stream" name="agent-1" statusCallback="https://a.example/s">
                  <Parameter name="token" value="3f9c"/>
                </Stream>
              </Connect>
              <Say voice="x">Sorry &amp; <![CDATA[<goodbye>]]>&#33;</Say>
              <Pause/><Pause length="3"/>
              <Redirect method="GET"> /twilio/voice </Redirect>
              <Enqueue>support</Enqueue>
              <Hangup/><Reject reason="busy"/>
            </Response>"#,
        )
        .unwrap();
        let stream = Stream {
            url: "wss://a.example/stream".into(),
            name: Some("agent-1".into()),
            status_callback: Some("https://a.example/s".into()),
            parameters: vec![("token".into(), "3f9c".into())],
        };
        let action = Some("https://a.example/after?a=1&b=2".into());
        assert_eq!(verbs[0], Verb::Connect { action, method: "POST".into(), stream });
        assert_eq!(verbs[1], Verb::Say { text: "Sorry & <goodbye>!".into() });
        assert_eq!(verbs[2..4], [Verb::Pause { seconds: 1 }, Verb::Pause { seconds: 3 }]);
        let redirect = Verb::Redirect { url: "/twilio/voice".into(), method: "GET".into() };
        assert_eq!(verbs[4], redirect);
        assert!(matches!(&verbs[5], Verb::Other(other) if other.name == "Enqueue"));
        assert_eq!(verbs[6..], [Verb::Hangup, Verb::Reject]);
    }

    #[test]
    fn a_dial_is_read_with_what_is_not_said() {
        let xml = r#"<Response>
              <Dial timeout="20" timeLimit="600" callerId="+1555" action="/twilio/dial?a=1&amp;b=2">
                <Number url="/whisper">+15550001111</Number> <Number>+15550002222</Number>
              </Dial>
              <Dial> +15550003333 </Dial>
            </Response>"#;
        let full = Dial {
            numbers: vec!["+15550001111".into(), "+15550002222".into()],
            caller_id: Some("+1555".into()),
            timeout_s: 20,
            time_limit_s: 600,
            action: Some("/twilio/dial?a=1&b=2".into()),
        };
        let bare = Dial {
            numbers: vec!["+15550003333".into()],
            caller_id: None,
            timeout_s: 30,
            time_limit_s: 14_400,
            action: None,
        };
        assert_eq!(parse(xml), Ok(vec![Verb::Dial(full), Verb::Dial(bare)]));
    }

    #[test]
    fn a_record_is_read_with_what_is_not_said() {
        let xml = r##"<Response>
              <Record action="/vm" maxLength="120" timeout="3" playBeep="false" finishOnKey="#"/>
              <Record/>
            </Response>"##;
        let full = Record {
            action: Some("/vm".into()),
            max_length_s: 120,
            timeout_s: 3,
            play_beep: false,
            finish_on_key: "#".into(),
        };
        let bare = Record {
            action: None,
            max_length_s: 3_600,
            timeout_s: 5,
            play_beep: true,
            finish_on_key: "1234567890*#".into(),
        };
        assert_eq!(parse(xml), Ok(vec![Verb::Record(full), Verb::Record(bare)]));
    }

    #[test]
    fn an_empty_response_has_no_verbs() {
        assert_eq!(parse("<Response/>"), Ok(vec![]));
    }

    #[test]
    fn what_is_not_twiml_is_refused() {
        for xml in
            ["<Response><Say></Response>", "<Response>", "</Response>", "<Response>&x;</Response>"]
        {
            assert!(matches!(parse(xml), Err(TwimlError::NotXml { .. })), "{xml}");
        }
        assert!(matches!(parse(&"<a>".repeat(40)), Err(TwimlError::NotXml { .. })));
        for xml in ["", "hello", "<Html/>"] {
            assert!(matches!(parse(xml), Err(TwimlError::NotResponse { .. })), "{xml}");
        }
        assert_eq!(parse("<Response><Connect/></Response>"), Err(TwimlError::NoStream));
    }
}
