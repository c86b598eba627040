//! Forms, well and badly formed.

use super::*;

fn form(body: &str) -> Form {
    Form::parse(body.as_bytes()).unwrap()
}

#[test]
fn fields_are_decoded_and_kept_in_order() {
    let form = form(
        "CallSid=CA0123456789abcdef0123456789abcdef&From=%2B15551230001&CallerName=J%C3%BCrgen+D\
         &To=%2B1555&Empty=&x&&CallSid=CA2",
    );
    assert_eq!(form.call_sid(), Ok("CA0123456789abcdef0123456789abcdef"));
    assert_eq!(form.from().reveal(), "+15551230001");
    assert_eq!(form.get("CallerName"), Some("Jürgen D"));
    assert_eq!(form.get("Empty"), None);
    let names: Vec<&str> = form.fields().iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["CallSid", "From", "CallerName", "To", "Empty", "x", "CallSid"]);
    assert!(!format!("{form:?}").contains("1555"));
}

#[test]
fn what_is_not_a_form_is_refused_by_name() {
    let error = |body: &[u8]| Form::parse(body).unwrap_err();
    assert_eq!(error(b"a=1&b=%2"), FormError::BadEscape { field: 2 });
    assert_eq!(error(b"a=%zz"), FormError::BadEscape { field: 1 });
    assert_eq!(error(b"a=%+1"), FormError::BadEscape { field: 1 });
    assert_eq!(error(b"a=%ff"), FormError::NotUtf8 { field: 1 });
    assert_eq!(error("a=1&".repeat(201).as_bytes()), FormError::TooManyFields);
    assert!(Form::parse("a=1&".repeat(200).as_bytes()).is_ok());
    let large = vec![b'a'; MAX_BODY_BYTES + 1];
    assert_eq!(error(&large), FormError::TooLarge { found: MAX_BODY_BYTES + 1 });
}

#[test]
fn what_add_ons_say_of_a_caller_is_read() {
    let large = form(&format!("AddOns=%7B%22{}", "x+".repeat(128 * 1024)));
    assert_eq!(large.get("AddOns").unwrap().len(), 2 + 256 * 1024);
    // Each character escaped.
    let form = form(&format!("AddOns={}&CallSid=x", "%22".repeat(256 * 1024)));
    assert_eq!(form.get("AddOns").unwrap().len(), 256 * 1024);
}

#[test]
fn a_call_sid_is_needed_and_checked() {
    assert_eq!(form("a=1").call_sid(), Err(FormError::Missing { name: "CallSid" }));
    let hex = "0123456789abcdef0123456789abcdef";
    let good = format!("CA{hex}");
    assert_eq!(form(&format!("CallSid={good}")).call_sid(), Ok(good.as_str()));
    let short = &hex[1..];
    for bad in [
        "1",
        "CA",
        "CA1",
        &format!("MZ{hex}"),
        &format!("ca{hex}"),
        &format!("FT{hex}"),
        &format!("CA{short}"),
        &format!("CA{hex}0"),
        &format!("CA{short}g"),
        &format!("CA{short}%2F"),
        &format!("{good}%0A"),
        &format!("CA{}", "é".repeat(16)),
    ] {
        let form = form(&format!("CallSid={bad}"));
        assert!(matches!(form.call_sid(), Err(FormError::Unacceptable { .. })), "{bad}");
    }
}

#[test]
fn statuses_say_whether_the_call_is_over() {
    for (word, over) in [
        ("queued", false),
        ("ringing", false),
        ("in-progress", false),
        ("completed", true),
        ("busy", true),
        ("failed", true),
        ("no-answer", true),
        ("canceled", true),
        ("new-word", false),
    ] {
        assert_eq!(CallStatus::read(word).is_over(), over, "{word}");
    }
}

#[test]
fn what_became_of_a_dial_and_a_recording_is_read() {
    for (body, answered) in [
        ("DialCallStatus=completed", true),
        ("DialCallStatus=answered", true),
        ("DialCallStatus=completed&DialBridged=true", true),
        ("DialCallStatus=completed&DialBridged=false", false),
        ("DialCallStatus=busy", false),
        ("DialCallStatus=no-answer&DialBridged=true", false),
        ("CallStatus=completed", false),
    ] {
        assert_eq!(form(body).dial_is_answered(), answered, "{body}");
    }
    let url = "https://api.twilio.com/RE1";
    for (body, seconds) in [
        (format!("RecordingUrl={url}&RecordingDuration=12"), Some(12)),
        (format!("RecordingUrl={url}"), Some(0)),
        (format!("RecordingUrl={url}&RecordingDuration=0"), None),
        ("RecordingUrl=&RecordingDuration=12".to_owned(), None),
        ("RecordingDuration=12".to_owned(), None),
    ] {
        let left = seconds.map(|seconds| (url.to_owned(), seconds));
        assert_eq!(form(&body).recording(), left, "{body}");
    }
}

#[test]
fn a_stream_status_callback_is_read() {
    let form = form(
        "CallSid=CA1&StreamSid=MZ1&StreamEvent=stream-error&StreamError=31920&CallDuration=12",
    );
    assert_eq!(form.stream_event(), Some(StreamEvent::Error));
    assert_eq!(form.stream_sid(), Some("MZ1"));
    assert_eq!(form.stream_error(), Some("31920"));
    for (words, code) in [
        ("31920", Some("31920")),
        ("Stream+-+WebSocket+-+Handshake+Error+(31920)", Some("31920")),
        ("wss://a.example:8443/x", None),
        ("", None),
    ] {
        let form = self::form(&format!("StreamError={words}"));
        assert_eq!(form.stream_error_code(), code, "{words}");
    }
}
