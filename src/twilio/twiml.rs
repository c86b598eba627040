//! TwiML: the document that tells Twilio what to do with a call.

use std::borrow::Cow;

use quick_xml::Writer;
use quick_xml::escape::escape;
use quick_xml::events::attributes::Attribute;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};
use quick_xml::name::QName;

/// The content type of an answer. A `text/plain` answer would be spoken to the caller.
pub const CONTENT_TYPE: &str = "text/xml; charset=utf-8";

/// The longest text of one `<Say>`, in characters; what is beyond it is left out.
pub const MAX_SAY_CHARACTERS: usize = 4096;

/// A two-way media stream, and what is spoken if it cannot be opened.
#[derive(Debug, Clone, Copy)]
pub struct ConnectStream<'a> {
    /// Where the media stream goes: `wss://…`, without a query, which the handshake does not
    /// survive.
    pub stream_url: &'a str,
    /// What is asked when the stream has ended.
    pub action_url: &'a str,
    /// What is told how the stream fares; the only place where a failed handshake shows.
    pub status_callback_url: &'a str,
    /// A name for the stream in Twilio's own log.
    pub name: Option<&'a str>,
    /// Handed back in the stream's `start`. A name and its value have together at most 500
    /// characters.
    pub parameters: &'a [(&'a str, &'a str)],
    /// What Twilio says behind `</Connect>`: insurance for a handshake that fails, where it is
    /// not certain that `action_url` is asked.
    pub apology: &'a str,
    /// The language of the apology, such as `en-GB`.
    pub language: Option<&'a str>,
}

/// A document under construction. Every text and attribute is escaped, and characters that
/// XML 1.0 cannot hold are left out.
pub struct Twiml {
    writer: Writer<Vec<u8>>,
}

impl Default for Twiml {
    fn default() -> Self {
        Self::new()
    }
}

impl Twiml {
    /// An empty document. Finished as it is, it hangs up.
    pub fn new() -> Self {
        let mut twiml = Self { writer: Writer::new(Vec::with_capacity(512)) };
        twiml.write(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)));
        twiml.write(Event::Start(BytesStart::new("Response")));
        twiml
    }

    /// `<Connect><Stream>`, then the apology. The document stops there until the stream ends, and
    /// then goes on at `action_url`.
    pub fn connect_stream(mut self, stream: &ConnectStream<'_>) -> Self {
        let connect = [("action", stream.action_url), ("method", "POST")];
        self.write(Event::Start(element("Connect", &connect)));
        let mut attributes = vec![
            ("url", stream.stream_url),
            ("statusCallback", stream.status_callback_url),
            ("statusCallbackMethod", "POST"),
        ];
        attributes.extend(stream.name.map(|name| ("name", name)));
        self.write(Event::Start(element("Stream", &attributes)));
        for &(name, value) in stream.parameters {
            self.write(Event::Empty(element("Parameter", &[("name", name), ("value", value)])));
        }
        self.write(Event::End(BytesEnd::new("Stream")));
        self.write(Event::End(BytesEnd::new("Connect")));
        self.say(stream.apology, stream.language)
    }

    /// Speaks `text`, in a language such as `en-GB` or the account's own.
    pub fn say(self, text: &str, language: Option<&str>) -> Self {
        let end = text.char_indices().nth(MAX_SAY_CHARACTERS).map_or(text.len(), |(at, _)| at);
        let attributes: Vec<_> =
            language.map(|language| ("language", language)).into_iter().collect();
        self.text_element("Say", &attributes, &text[..end])
    }

    /// Goes on with the document that `url` answers. What follows never runs.
    pub fn redirect(self, url: &str) -> Self {
        self.text_element("Redirect", &[("method", "POST")], url)
    }

    /// Waits.
    pub fn pause(mut self, seconds: u32) -> Self {
        self.write(Event::Empty(element("Pause", &[("length", &seconds.to_string())])));
        self
    }

    /// Ends the call.
    pub fn hangup(mut self) -> Self {
        self.write(Event::Empty(element("Hangup", &[])));
        self
    }

    /// Refuses the call without answering it. Only as the first verb.
    pub fn reject(mut self) -> Self {
        self.write(Event::Empty(element("Reject", &[])));
        self
    }

    /// The document.
    pub fn finish(mut self) -> String {
        self.write(Event::End(BytesEnd::new("Response")));
        String::from_utf8(self.writer.into_inner()).expect("only strings were written")
    }

    fn text_element(mut self, name: &str, attributes: &[(&str, &str)], text: &str) -> Self {
        self.write(Event::Start(element(name, attributes)));
        self.write(Event::Text(BytesText::from_escaped(escaped(text))));
        self.write(Event::End(BytesEnd::new(name)));
        self
    }

    fn write(&mut self, event: Event<'_>) {
        self.writer.write_event(event).expect("writing to memory does not fail");
    }
}

fn element<'a>(name: &'a str, attributes: &[(&str, &str)]) -> BytesStart<'a> {
    BytesStart::new(name).with_attributes(
        attributes.iter().map(|&(name, value)| Attribute {
            key: QName(name),
            value: Cow::Owned(escaped(value)),
        }),
    )
}

/// Whether XML 1.0 can hold this character at all.
fn is_xml_character(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..='\u{10FFFF}')
}

/// Tabs and line ends are written as references: a reader may change plain ones to spaces.
fn escaped(text: &str) -> String {
    let kept: String = text.chars().filter(|&c| is_xml_character(c)).collect();
    let escaped = escape(&kept);
    escaped.replace('\t', "&#9;").replace('\n', "&#10;").replace('\r', "&#13;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_connected_with_insurance_behind_it() {
        let document = Twiml::new()
            .connect_stream(&ConnectStream {
                stream_url: "wss://voice.example.com/twilio/stream/t0k.en",
                action_url: "https://voice.example.com/twilio/after?a=1&b=2",
                status_callback_url: "https://voice.example.com/twilio/stream-status",
                name: Some("agent-1"),
                parameters: &[("tenant", "Müller & \"Sons\"")],
                apology: "Sorry, something went wrong.",
                language: Some("en-GB"),
            })
            .finish();
        insta::assert_snapshot!(document.replace("><", ">\n<"), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <Response>
        <Connect action="https://voice.example.com/twilio/after?a=1&amp;b=2" method="POST">
        <Stream url="wss://voice.example.com/twilio/stream/t0k.en" statusCallback="https://voice.example.com/twilio/stream-status" statusCallbackMethod="POST" name="agent-1">
        <Parameter name="tenant" value="Müller &amp; &quot;Sons&quot;"/>
        </Stream>
        </Connect>
        <Say language="en-GB">Sorry, something went wrong.</Say>
        </Response>
        "#);
    }

    #[test]
    fn the_other_verbs_are_written() {
        let document = Twiml::new()
            .say("a < b", None)
            .pause(2)
            .redirect("/twilio/voice?a=1&b=2")
            .hangup()
            .reject()
            .finish();
        insta::assert_snapshot!(document.replace("><", ">\n<"), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <Response>
        <Say>a &lt; b</Say>
        <Pause length="2"/>
        <Redirect method="POST">/twilio/voice?a=1&amp;b=2</Redirect>
        <Hangup/>
        <Reject/>
        </Response>
        "#);
    }

    #[test]
    fn what_xml_cannot_hold_is_left_out_and_what_is_too_long_is_cut() {
        let document = Twiml::new().say("a\u{0}\u{1b}\u{ffff}\u{fffe}b\tc", None).finish();
        assert!(document.contains("<Say>ab&#9;c</Say>"), "{document}");
        let long = Twiml::new().say(&"é".repeat(MAX_SAY_CHARACTERS + 5), None).finish();
        assert_eq!(long.matches('é').count(), MAX_SAY_CHARACTERS);
    }
}
