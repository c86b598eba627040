//! Signing in, against a stand-in for Supabase's Auth.

use std::time::Duration;

use secrecy::SecretString;
use serde_json::json;

use super::gotrue::{GoTrue, JWT_SECRET, Signer, Trouble};
use super::tests::project;
use super::*;
use crate::clock;
use crate::private::Private;

const NOW: u64 = 1_790_000_000;
const EMAIL: &str = "a@example.com";
const NOBODY: &str = "nobody@example.com";
const PASSWORD: &str = "correct horse";
/// How long a test waits for what must come.
const DEADLINE: Duration = Duration::from_secs(20);

fn private(text: &str) -> Private<String> {
    Private::new(text.to_owned())
}

/// A stand-in with one person, and what signs in there.
async fn started() -> (GoTrue, SignIn) {
    let gotrue = GoTrue::start(Signer::p256(), NOW).await;
    gotrue.add(EMAIL, PASSWORD);
    let mut sign_in = SignIn::new(&project(&gotrue, None)).unwrap();
    // There is nothing to hide.
    sign_in.code_pace = Duration::ZERO;
    (gotrue, sign_in)
}

async fn password(sign_in: &SignIn, email: &str, password: &str) -> Result<SignedIn, SignInError> {
    sign_in.password(&private(email), &private(password)).await
}

async fn code(sign_in: &SignIn, email: &str, code: &str) -> Result<SignedIn, SignInError> {
    sign_in.verify_code(&private(email), &private(code)).await
}

/// What is known at the end of asking for a code, whatever whoever asks is told by then.
async fn asked(sign_in: &SignIn, email: &str) -> Result<(), SignInError> {
    sign_in.ask_for_code(&json!({"email": email, "create_user": false})).await
}

#[tokio::test]
async fn a_password_gives_a_token_that_verifies() {
    for (signer, secret) in [
        (Signer::p256(), None),
        (Signer::rsa(), None),
        (Signer::secret(JWT_SECRET.as_bytes()), Some(JWT_SECRET)),
    ] {
        let gotrue = GoTrue::start(signer, NOW).await;
        let id = gotrue.add(EMAIL, PASSWORD);
        let project = project(&gotrue, secret);
        let sign_in = SignIn::new(&project).unwrap();
        let verifier = Verifier::new(&project).unwrap();
        let signed_in = password(&sign_in, &format!(" {EMAIL}\n"), PASSWORD).await.unwrap();
        assert!(!format!("{signed_in:?}").contains("ey"), "{signed_in:?}");
        let token = signed_in.access_token;
        let claims = verifier.verify(token.reveal(), Duration::from_secs(NOW)).await.unwrap();
        assert_eq!(claims.user_id, id);
        assert_eq!(claims.session_id, gotrue.sessions().first().copied());
    }
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_are_told_alike() {
    let (gotrue, sign_in) = started().await;
    gotrue.add("banned@example.com", PASSWORD);
    gotrue.change("banned@example.com", |person| person.is_banned = true);
    gotrue.add("new@example.com", PASSWORD);
    gotrue.change("new@example.com", |person| person.is_confirmed = false);
    for (email, word) in [
        (EMAIL, "wrong"),
        (NOBODY, PASSWORD),
        ("banned@example.com", "wrong"),
        ("banned@example.com", PASSWORD),
        ("new@example.com", "wrong"),
        (EMAIL, ""),
        (EMAIL, &"x".repeat(1_025)),
    ] {
        let error = password(&sign_in, email, word).await.unwrap_err();
        assert_eq!(error, SignInError::WrongCredentials, "{email} {word:.10}");
    }
    // Who knows the password may know that much.
    let error = password(&sign_in, "new@example.com", PASSWORD).await.unwrap_err();
    assert_eq!(error, SignInError::NotConfirmed);
    // What is no address, or far too long, is not even asked about.
    let asked = gotrue.came().len();
    for email in ["", "a", "@", "a@", "@b", "a b@example.com", "a\0@example.com"] {
        let error = password(&sign_in, email, PASSWORD).await.unwrap_err();
        assert_eq!(error, SignInError::NotAnAddress, "{email}");
        let error = sign_in.send_code(&private(email)).await.unwrap_err();
        assert_eq!(error, SignInError::NotAnAddress, "{email}");
    }
    let long = format!("{}@example.com", "a".repeat(250));
    assert_eq!(password(&sign_in, &long, "x").await.unwrap_err(), SignInError::NotAnAddress);
    assert_eq!(gotrue.came().len(), asked);
}

#[tokio::test]
async fn a_code_that_was_mailed_signs_in_once() {
    let (gotrue, sign_in) = started().await;
    sign_in.send_code(&private(EMAIL)).await.unwrap();
    clock::within(DEADLINE, gotrue.wait_for_mails(1)).await.unwrap();
    let mailed = gotrue.mailed(EMAIL).unwrap();
    let other = if mailed == "123456" { "654321" } else { "123456" };
    for (email, typed) in [
        (EMAIL, other),
        (NOBODY, mailed.as_str()),
        (EMAIL, ""),
        (EMAIL, "12345"),
        (EMAIL, "12345678901"),
        (EMAIL, "12345a"),
        (EMAIL, "１２３４５６"),
    ] {
        let error = code(&sign_in, email, typed).await.unwrap_err();
        assert_eq!(error, SignInError::WrongCode, "{email} {typed}");
    }
    let pasted = format!(" {} {}\n", &mailed[..3], &mailed[3..]);
    code(&sign_in, EMAIL, &pasted).await.unwrap();
    assert_eq!(gotrue.sessions().len(), 1);
    assert_eq!(code(&sign_in, EMAIL, &mailed).await.unwrap_err(), SignInError::WrongCode);
}

#[tokio::test]
async fn asking_for_a_code_does_not_tell_who_is_known() {
    let (gotrue, sign_in) = started().await;
    // A known address, the same again too soon, one that nobody has: Supabase says 200, 429, 422.
    for email in [EMAIL, EMAIL, NOBODY] {
        assert_eq!(asked(&sign_in, email).await, Ok(()), "{email}");
    }
    assert!(gotrue.mailed(EMAIL).is_some());
    // Only a known address has a mail that can fail.
    for (status, body) in [
        (500, r#"{"code":500,"error_code":"unexpected_failure","msg":"Error sending mail"}"#),
        (504, r#"{"code":504,"error_code":"request_timeout","msg":"Processing took too long"}"#),
        (429, r#"{"code":429,"msg":"For security purposes, you can only request this once"}"#),
        (422, r#"{"code":422,"msg":"Signups not allowed for otp"}"#),
        (400, r#"{"code":"email_address_not_authorized","message":"not in the team"}"#),
    ] {
        gotrue.trouble(Some(Trouble::Answer(status, None, body.to_owned())));
        assert_eq!(asked(&sign_in, EMAIL).await, Ok(()), "{body}");
    }
    // What has nothing to do with the address is told, and at once.
    let mut later = sign_in.clone();
    later.code_pace = Duration::from_secs(3_600);
    for (status, body, error) in [
        (400, r#"{"error_code":"captcha_failed","msg":"x"}"#, refused("captcha_failed")),
        (401, r#"{"message":"Invalid API key"}"#, refused("401")),
        (503, "upstream connect error", SignInError::Away),
        (429, r#"{"error_code":"over_request_rate_limit","msg":"x"}"#, too_many(60)),
    ] {
        gotrue.trouble(Some(Trouble::Answer(status, None, body.to_owned())));
        let told = clock::within(DEADLINE, later.send_code(&private(EMAIL))).await;
        assert_eq!(told, Some(Err(error)), "{body}");
    }
}

#[tokio::test]
async fn who_asks_for_a_code_does_not_wait_for_the_mail() {
    let (gotrue, sign_in) = started().await;
    gotrue.trouble(Some(Trouble::Silence));
    sign_in.send_code(&private(EMAIL)).await.unwrap();
    clock::within(DEADLINE, gotrue.wait_for_requests(1)).await.unwrap();
    assert_eq!(gotrue.mailed(EMAIL), None);
    gotrue.let_go();
    clock::within(DEADLINE, gotrue.wait_for_mails(1)).await.unwrap();
}

fn refused(code: &str) -> SignInError {
    SignInError::Refused { code: code.to_owned() }
}

fn too_many(seconds: u64) -> SignInError {
    SignInError::TooMany { retry_after: Duration::from_secs(seconds) }
}

#[tokio::test]
async fn every_refusal_has_its_words_and_none_repeats_what_was_sent() {
    let (gotrue, sign_in) = started().await;
    let long = format!(r#"{{"access_token":"{}"}}"#, "x".repeat(300 * 1024));
    for (status, retry_after, body, error) in [
        (429, Some("7"), r#"{"error_code":"over_request_rate_limit","msg":"x"}"#, too_many(7)),
        (429, None, r#"{"msg":"you can only request this after 42 seconds."}"#, too_many(42)),
        (429, Some("99999999"), "", too_many(3_600)),
        (429, Some("0"), "", too_many(1)),
        (429, Some("soon"), "", too_many(60)),
        // Spellings of older and newer versions.
        (
            400,
            None,
            r#"{"error":"invalid_grant","error_description":"Invalid login credentials"}"#,
            SignInError::WrongCredentials,
        ),
        (
            400,
            None,
            r#"{"error":"invalid_grant","error_description":"Email not confirmed"}"#,
            SignInError::NotConfirmed,
        ),
        (
            400,
            None,
            r#"{"code":"invalid_credentials","message":"Invalid login credentials"}"#,
            SignInError::WrongCredentials,
        ),
        (422, None, r#"{"code":422,"msg":"Invalid email"}"#, SignInError::WrongCredentials),
        (
            422,
            None,
            r#"{"error_code":"email_provider_disabled"}"#,
            refused("email_provider_disabled"),
        ),
        (401, None, r#"{"message":"Invalid API key","hint":"a@example.com"}"#, refused("401")),
        (400, None, r#"{"error_code":"Not a word: a@example.com"}"#, refused("400")),
        (302, None, "", refused("302")),
        (404, None, "<html>", refused("404")),
        (500, None, r#"{"error_code":"unexpected_failure","msg":"x"}"#, SignInError::Away),
        (503, None, "", SignInError::Away),
        (200, None, "{}", SignInError::Away),
        (200, None, "<html>", SignInError::Away),
        (200, None, long.as_str(), SignInError::Away),
    ] {
        gotrue.trouble(Some(Trouble::Answer(status, retry_after, body.to_owned())));
        let told = password(&sign_in, EMAIL, PASSWORD).await.unwrap_err();
        assert_eq!(told, error, "{status} {body:.80}");
        let text = told.to_string();
        assert!(!text.contains(EMAIL) && !text.contains(PASSWORD), "{text}");
    }
    // Nobody there at all: a port that was free a moment ago.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut nowhere = project(&gotrue, None);
    nowhere.url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
    drop(listener);
    let nowhere = SignIn::new(&nowhere).unwrap();
    let error = password(&nowhere, EMAIL, PASSWORD).await.unwrap_err();
    assert_eq!(error, SignInError::Away);
    assert_eq!(asked(&nowhere, EMAIL).await, Err(SignInError::Away));
}

#[tokio::test]
async fn a_wrong_key_is_the_operators_fault_and_not_the_persons() {
    let (gotrue, _) = started().await;
    let mut other = project(&gotrue, None);
    other.publishable_key = SecretString::from("sb_publishable_other");
    let sign_in = SignIn::new(&other).unwrap();
    assert_eq!(password(&sign_in, EMAIL, PASSWORD).await.unwrap_err(), refused("401"));
    assert_eq!(code(&sign_in, EMAIL, "123456").await.unwrap_err(), refused("401"));
    assert_eq!(asked(&sign_in, EMAIL).await, Err(refused("401")));
    assert_eq!(sign_in.sign_out(&private("a.b.c")).await, Err(refused("401")));
}

#[tokio::test]
async fn signing_out_ends_that_session_alone() {
    let (gotrue, sign_in) = started().await;
    let first = password(&sign_in, EMAIL, PASSWORD).await.unwrap().access_token;
    password(&sign_in, EMAIL, PASSWORD).await.unwrap();
    let sessions = gotrue.sessions();
    sign_in.sign_out(&first).await.unwrap();
    assert_eq!(gotrue.sessions(), [sessions[1]]);
    // It is over already.
    sign_in.sign_out(&first).await.unwrap();
    gotrue.trouble(Some(Trouble::Answer(503, None, String::new())));
    assert_eq!(sign_in.sign_out(&first).await, Err(SignInError::Away));
}
