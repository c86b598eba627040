//! What is read of the environment, and what is refused.

use secrecy::ExposeSecret;

use super::*;

fn read(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
    Config::read(&|name| {
        pairs.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
    })
}

#[test]
fn an_empty_environment_gives_the_documented_defaults() {
    let config = read(&[]).unwrap();
    assert_eq!(config.port, 8080);
    assert_eq!(config.bind.to_string(), "0.0.0.0");
    assert_eq!(config.public_url, None);
    assert_eq!(PublicUrl::localhost(8080).as_str(), "http://localhost:8080");
    assert_eq!(config.calls_max, 500);
    assert_eq!(config.database_connections, 10);
    assert!(config.database_url.is_none());
}

#[test]
fn a_bad_value_is_named_with_what_is_accepted() {
    for (name, value) in [
        ("PORT", "eighty"),
        ("BIND", "localhost"),
        ("PUBLIC_URL", "calls.example.com"),
        ("PUBLIC_URL", "https://calls.example.com/?x=1"),
        ("OPENAI_BASE_URL", "ftp://x"),
        ("TWILIO_API_URL", "::"),
        ("MAX_CALLS", "0"),
        ("DATABASE_CONNECTIONS", "2"),
        ("DATABASE_CONNECTIONS", "1001"),
        ("DATABASE_CONNECTIONS", "ten"),
        ("DRAIN_SECONDS", "-1"),
        ("ALLOW_PRIVATE_TOOL_URLS", "localhost"),
        ("PROMPTS_DIR", "/no/such/directory"),
        ("RUST_LOG", "frontdesk=[["),
        ("RUST_LOG", "inof"),
    ] {
        let error = read(&[(name, value)]).unwrap_err().to_string();
        assert!(error.starts_with(name), "{error}");
        assert!(error.contains(value) && error.contains("accepted: "), "{error}");
    }
}

#[test]
fn a_database_address_is_never_repeated() {
    let error = read(&[("DATABASE_URL", "mysql://u:hunter2@h/d")]).unwrap_err().to_string();
    assert!(error.starts_with("DATABASE_URL") && !error.contains("hunter2"), "{error}");
}

#[test]
fn credentials_in_an_address_are_never_repeated() {
    for (name, value) in [
        ("PUBLIC_URL", "https://u:hunter2@calls.example.com"),
        ("OPENAI_BASE_URL", "ftp://u:hunter2@x"),
        ("TWILIO_API_URL", "u:hunter2@x"),
    ] {
        let error = read(&[(name, value)]).unwrap_err().to_string();
        assert!(error.starts_with(name) && !error.contains("hunter2"), "{error}");
    }
}

#[test]
fn a_secret_is_one_line_and_never_repeated() {
    let config = read(&[("OPENAI_API_KEY", " sk-1\n"), ("TWILIO_AUTH_TOKEN", "\n")]).unwrap();
    assert_eq!(config.openai.api_key.unwrap().expose_secret(), "sk-1");
    assert!(config.twilio.auth_token.is_none());
    for name in ["OPENAI_API_KEY", "TWILIO_AUTH_TOKEN"] {
        let error = read(&[(name, "hunter\n2")]).unwrap_err().to_string();
        assert!(error.starts_with(name) && !error.contains("hunter"), "{error}");
    }
}

#[test]
fn the_public_address_is_kept_in_its_normal_form() {
    for written in ["HTTPS://Calls.Example.COM/", " https://calls.example.com\n"] {
        assert_eq!(PublicUrl::parse(written).unwrap().as_str(), "https://calls.example.com");
    }
    let url = PublicUrl::parse("HTTP://Localhost:8080").unwrap();
    assert_eq!(url.join_websocket("/t"), "ws://localhost:8080/t");
}

#[test]
fn stream_addresses_follow_the_public_one() {
    let url = PublicUrl::parse("https://calls.example.com/phone/").unwrap();
    assert_eq!(url.join("/twilio/after"), "https://calls.example.com/phone/twilio/after");
    assert_eq!(
        url.join_websocket("/twilio/stream/t"),
        "wss://calls.example.com/phone/twilio/stream/t"
    );
}
