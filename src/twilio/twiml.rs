//! TwiML: the document that tells Twilio what to do with a call.

use std::borrow::Cow;

use quick_xml::Writer;
use quick_xml::escape::escape;
use quick_xml::events::attributes::Attribute;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};
use quick_xml::name::QName;

use super::say_language::say_language;

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

/// Somebody to be called and put through to the caller.
#[derive(Debug, Clone, Copy)]
pub struct Dial<'a> {
    /// Who is called, as E.164.
    pub number: &'a str,
    /// The number that the called party sees: one of the account's own or the caller's, which it
    /// also is where nothing is said.
    pub caller_id: Option<&'a str>,
    /// How long it may ring, in seconds; held to 5 to 600, which is what Twilio accepts.
    pub timeout_s: u32,
    /// How long the two may talk, in seconds; held to 14,400, the longest call there is.
    pub time_limit_s: u32,
    /// What is asked when that is over, also when nobody answered.
    pub action_url: &'a str,
}

/// The caller's words to be recorded.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// What is asked when they are. Not asked if nothing was said: then the next verb runs.
    pub action_url: &'a str,
    /// How long it may be, in seconds.
    pub max_length_s: u32,
    /// How long a silence ends it, in seconds.
    pub timeout_s: u32,
    /// Whether a beep says that it begins.
    pub play_beep: bool,
    /// The keys that end it, such as `#`; none where it is empty.
    pub finish_on_key: &'a str,
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

    /// Speaks `text` in a language such as `en-GB`: the nearest that Twilio has, else the account's
    /// own.
    pub fn say(self, text: &str, language: Option<&str>) -> Self {
        let end = text.char_indices().nth(MAX_SAY_CHARACTERS).map_or(text.len(), |(at, _)| at);
        let language = language.and_then(say_language);
        let attributes: Vec<_> =
            language.map(|language| ("language", language)).into_iter().collect();
        self.text_element("Say", &attributes, &text[..end])
    }

    /// Calls somebody and puts them through. The caller hears the ringing, and a call that nobody
    /// has answered yet stays so until they do.
    pub fn dial(mut self, dial: &Dial<'_>) -> Self {
        let timeout = dial.timeout_s.clamp(5, 600).to_string();
        let time_limit = dial.time_limit_s.clamp(1, 14_400).to_string();
        let mut attributes = vec![
            ("answerOnBridge", "true"),
            ("timeout", timeout.as_str()),
            ("timeLimit", time_limit.as_str()),
            ("action", dial.action_url),
            ("method", "POST"),
        ];
        attributes.extend(dial.caller_id.map(|caller_id| ("callerId", caller_id)));
        self.write(Event::Start(element("Dial", &attributes)));
        let mut twiml = self.text_element("Number", &[], dial.number);
        twiml.write(Event::End(BytesEnd::new("Dial")));
        twiml
    }

    /// Adds a `<Record>`: records what the caller says.
    pub fn record(mut self, record: &Record<'_>) -> Self {
        let record = element(
            "Record",
            &[
                ("action", record.action_url),
                ("method", "POST"),
                ("maxLength", &record.max_length_s.to_string()),
                ("timeout", &record.timeout_s.to_string()),
                ("playBeep", if record.play_beep { "true" } else { "false" }),
                ("finishOnKey", record.finish_on_key),
            ],
        );
        self.write(Event::Empty(record));
        self
    }

    /// Goes on with the document that `url` answers. What follows never runs.
    pub fn redirect(self, url: &str) -> Self {
        self.text_element("Redirect", &[("method", "POST")], url)
    }

    /// Adds a `<Pause>`: waits in silence.
    pub fn pause(mut self, seconds: u32) -> Self {
        self.write(Event::Empty(element("Pause", &[("length", &seconds.to_string())])));
        self
    }

    /// Adds a `<Hangup>`: ends the call.
    pub fn hangup(mut self) -> Self {
        self.write(Event::Empty(element("Hangup", &[])));
        self
    }

    /// Refuses the call without answering it. Only as the first verb.
    pub fn reject(mut self) -> Self {
        self.write(Event::Empty(element("Reject", &[])));
        self
    }

    /// Closes the document and gives its text.
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
    fn words_are_spoken_in_a_language_that_twilio_has() {
        for (language, expected) in [
            ("en", r#"<Say language="en-US">a</Say>"#),
            ("de-CH", r#"<Say language="de-DE">a</Say>"#),
            ("english", "<Say>a</Say>"),
        ] {
            let document = Twiml::new().say("a", Some(language)).finish();
            assert!(document.contains(expected), "{language}: {document}");
        }
    }

    #[test]
    fn a_party_is_dialled_and_the_caller_recorded() {
        let dial = Dial {
            number: "+15550001111",
            caller_id: Some("+15559870002"),
            timeout_s: 20,
            time_limit_s: 3_600,
            action_url: "https://voice.example.com/twilio/dial?a=1&b=2",
        };
        let record = Record {
            action_url: "https://voice.example.com/twilio/voicemail",
            max_length_s: 120,
            timeout_s: 5,
            play_beep: true,
            finish_on_key: "#",
        };
        let document = Twiml::new().dial(&dial).record(&record).finish();
        insta::assert_snapshot!(document.replace("><", ">\n<"), @r##"
        <?xml version="1.0" encoding="UTF-8"?>
        <Response>
        <Dial answerOnBridge="true" timeout="20" timeLimit="3600" action="https://voice.example.com/twilio/dial?a=1&amp;b=2" method="POST" callerId="+15559870002">
        <Number>+15550001111</Number>
        </Dial>
        <Record action="https://voice.example.com/twilio/voicemail" method="POST" maxLength="120" timeout="5" playBeep="true" finishOnKey="#"/>
        </Response>
        "##);
        let hurried = Dial { timeout_s: 0, time_limit_s: 99_999, caller_id: None, ..dial };
        let document = Twiml::new().dial(&hurried).finish();
        assert!(document.contains(r#"timeout="5" timeLimit="14400""#), "{document}");
        assert!(!document.contains("callerId"), "{document}");
    }

    #[test]
    fn what_xml_cannot_hold_is_left_out_and_what_is_too_long_is_cut() {
        let document = Twiml::new().say("a\u{0}\u{1b}\u{ffff}\u{fffe}b\tc", None).finish();
        assert!(document.contains("<Say>ab&#9;c</Say>"), "{document}");
        let long = Twiml::new().say(&"é".repeat(MAX_SAY_CHARACTERS + 5), None).finish();
        assert_eq!(long.matches('é').count(), MAX_SAY_CHARACTERS);
    }
}
