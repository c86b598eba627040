//! Tokens that are taken and tokens that are not, against a stand-in for Supabase's Auth that signs
//! for real.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::FutureExt as _;
use secrecy::SecretString;
use serde_json::{Value, json};
use uuid::Uuid;

use super::gotrue::{GoTrue, JWT_SECRET, PUBLISHABLE_KEY, Signer, Trouble};
use super::*;
use crate::clock;
use crate::config::SupabaseProject;

const NOW: u64 = 1_790_000_000;
/// How long a test waits for what must come.
const DEADLINE: Duration = Duration::from_secs(20);

pub(super) fn project(gotrue: &GoTrue, jwt_secret: Option<&str>) -> SupabaseProject {
    SupabaseProject {
        url: gotrue.url().parse().unwrap(),
        publishable_key: SecretString::from(PUBLISHABLE_KEY),
        jwt_secret: jwt_secret.map(SecretString::from),
    }
}

fn at(seconds: u64) -> Duration {
    Duration::from_secs(NOW + seconds)
}

/// What a person's token says.
fn claims(gotrue: &GoTrue) -> Value {
    gotrue.claims(Uuid::from_u128(7), "a@example.com", Uuid::from_u128(8))
}

/// A stand-in that publishes one key on P-256 as `key-1`, its key, and a verifier for it.
async fn with_p256(jwt_secret: Option<&str>) -> (GoTrue, Signer, Verifier) {
    let (signer, gotrue) = (Signer::p256(), GoTrue::start(Signer::p256(), NOW).await);
    gotrue.publish(vec![signer.jwk("key-1").unwrap()]);
    let verifier = Verifier::new(&project(&gotrue, jwt_secret)).unwrap();
    (gotrue, signer, verifier)
}

fn header(algorithm: &str, kid: &str) -> Value {
    json!({"alg": algorithm, "kid": kid, "typ": "JWT"})
}

#[tokio::test]
async fn tokens_of_each_algorithm_are_taken_with_the_key_for_it() {
    for signer in [Signer::p256(), Signer::rsa()] {
        let algorithm = signer.algorithm();
        let gotrue = GoTrue::start(Signer::p256(), NOW).await;
        gotrue.publish(vec![signer.jwk("key-1").unwrap()]);
        let verifier = Verifier::new(&project(&gotrue, None)).unwrap();
        let token = signer.token("key-1", &claims(&gotrue));
        let read = verifier.verify(&token, at(0)).await.unwrap();
        assert_eq!(read.user_id, Uuid::from_u128(7), "{algorithm}");
        assert_eq!(read.session_id, Some(Uuid::from_u128(8)), "{algorithm}");
        assert_eq!(read.email.unwrap().reveal(), "a@example.com", "{algorithm}");
        assert_eq!(read.expires_at, at(3_600), "{algorithm}");
    }
    // With a secret there is nothing to fetch, and the name of the key is nobody's.
    let gotrue = GoTrue::start(Signer::p256(), NOW).await;
    let verifier = Verifier::new(&project(&gotrue, Some(JWT_SECRET))).unwrap();
    let secret = Signer::secret(JWT_SECRET.as_bytes());
    for header in [header("HS256", "legacy"), json!({"alg": "HS256", "typ": "JWT"})] {
        let token = secret.sign(&header, &claims(&gotrue));
        verifier.verify(&token, at(0)).await.unwrap();
    }
    assert!(gotrue.came().is_empty());
}

#[tokio::test]
async fn what_somebody_else_signed_is_refused() {
    let (gotrue, p256, verifier) = with_p256(Some(JWT_SECRET)).await;
    let rsa = Signer::rsa();
    gotrue.publish(vec![p256.jwk("key-1").unwrap(), rsa.jwk("key-2").unwrap()]);
    let claims = claims(&gotrue);
    for (forged, refused) in [
        (Signer::p256().token("key-1", &claims), TokenRefused::Signature),
        (Signer::rsa_of_somebody_else().token("key-2", &claims), TokenRefused::Signature),
        (Signer::secret(b"guessed").token("legacy", &claims), TokenRefused::Signature),
        (Signer::secret(b"").token("legacy", &claims), TokenRefused::Signature),
        // The project's own keys, by each other's names.
        (p256.sign(&header("ES256", "key-2"), &claims), TokenRefused::Algorithm),
        (rsa.sign(&header("RS256", "key-1"), &claims), TokenRefused::Algorithm),
        (p256.token("key-3", &claims), TokenRefused::UnknownKey),
        (p256.sign(&json!({"alg": "ES256"}), &claims), TokenRefused::UnknownKey),
    ] {
        assert_eq!(verifier.verify(&forged, at(0)).await.unwrap_err(), refused);
    }
    // Claims that were changed under a signature that is right.
    let token = p256.token("key-1", &claims);
    let [head, _, signed] = token.split('.').collect::<Vec<_>>()[..] else { panic!("{token}") };
    let mut other = claims.clone();
    other["sub"] = json!(Uuid::from_u128(9));
    let changed = format!("{head}.{}.{signed}", URL_SAFE_NO_PAD.encode(other.to_string()));
    assert_eq!(verifier.verify(&changed, at(0)).await.unwrap_err(), TokenRefused::Signature);
    assert!(verifier.verify(&token, at(0)).await.is_ok());
}

#[tokio::test]
async fn the_header_does_not_choose_the_algorithm() {
    let (gotrue, p256, with_secret) = with_p256(Some(JWT_SECRET)).await;
    let without = Verifier::new(&project(&gotrue, None)).unwrap();
    let rsa = Signer::rsa();
    gotrue.publish(vec![p256.jwk("key-1").unwrap(), rsa.jwk("key-2").unwrap()]);
    let claims = claims(&gotrue);
    // The keys are known, so that what follows is about them.
    for verifier in [&with_secret, &without] {
        verifier.verify(&p256.token("key-1", &claims), at(0)).await.unwrap();
        // What is published, taken for a secret: each spelling of it that libraries have fallen for.
        for (kid, signer) in [("key-1", &p256), ("key-2", &rsa)] {
            let jwk = signer.jwk(kid).unwrap();
            for field in ["x", "y", "n", "e"] {
                let Some(text) = jwk[field].as_str() else { continue };
                for secret in [text.as_bytes().to_vec(), URL_SAFE_NO_PAD.decode(text).unwrap()] {
                    let forged = Signer::secret(&secret).token(kid, &claims);
                    let refused = verifier.verify(&forged, at(0)).await.unwrap_err();
                    assert_eq!(refused, TokenRefused::Algorithm);
                }
            }
            let forged = Signer::secret(jwk.to_string().as_bytes()).token(kid, &claims);
            let refused = verifier.verify(&forged, at(0)).await.unwrap_err();
            assert_eq!(refused, TokenRefused::Algorithm);
        }
        // Signed by the one kind of key, said to be by the other; and not signed.
        for (algorithm, kid) in [
            ("RS256", "key-1"),
            ("ES256", "key-2"),
            ("ES384", "key-1"),
            ("PS256", "key-2"),
            ("HS384", "key-1"),
            ("none", "key-1"),
            ("None", "key-1"),
        ] {
            let forged = p256.sign(&header(algorithm, kid), &claims);
            let refused = verifier.verify(&forged, at(0)).await.unwrap_err();
            assert_eq!(refused, TokenRefused::Algorithm, "{algorithm}");
            let unsigned = &forged[..=forged.rfind('.').unwrap()];
            let refused = verifier.verify(unsigned, at(0)).await.unwrap_err();
            assert_eq!(refused, TokenRefused::Algorithm, "{algorithm}");
        }
        let unsigned = p256.token("key-1", &claims);
        let unsigned = &unsigned[..=unsigned.rfind('.').unwrap()];
        let refused = verifier.verify(unsigned, at(0)).await.unwrap_err();
        assert_eq!(refused, TokenRefused::Signature);
    }
    // Right under the secret, and the secret is not set; or the name is that of a published key.
    let legacy = Signer::secret(JWT_SECRET.as_bytes());
    let token = legacy.token("legacy", &claims);
    assert_eq!(without.verify(&token, at(0)).await.unwrap_err(), TokenRefused::Algorithm);
    assert!(with_secret.verify(&token, at(0)).await.is_ok());
    let token = legacy.token("key-1", &claims);
    assert_eq!(with_secret.verify(&token, at(0)).await.unwrap_err(), TokenRefused::Algorithm);
}

#[tokio::test]
async fn a_header_brings_no_key_and_no_rule_of_its_own() {
    let (gotrue, signer, verifier) = with_p256(None).await;
    let (forger, claims) = (Signer::p256(), claims(&gotrue));
    let own = forger.jwk("key-1").unwrap();
    let url = gotrue.url();
    let jku = format!("{url}/forged.json");
    for (field, value) in
        [("jwk", own), ("jku", json!(jku)), ("x5u", json!(jku)), ("x5c", json!(["MIIB"]))]
    {
        let mut brought = header("ES256", "key-1");
        brought[field] = value;
        let refused = verifier.verify(&forger.sign(&brought, &claims), at(0)).await.unwrap_err();
        assert_eq!(refused, TokenRefused::Signature, "{field}");
    }
    for (field, value) in [
        ("crit", json!(["exp"])),
        ("crit", json!(["b64"])),
        ("crit", json!([])),
        ("b64", json!(false)),
        ("typ", json!("at+jwt")),
    ] {
        let mut odd = header("ES256", "key-1");
        odd[field] = value;
        let refused = verifier.verify(&signer.sign(&odd, &claims), at(0)).await.unwrap_err();
        assert_eq!(refused, TokenRefused::Header, "{field}");
    }
    // Names that other programs would take for paths, statements or addresses.
    for kid in [
        "../../../dev/null",
        "/dev/null",
        "key-1' or '1'='1",
        "key-1\0",
        "KEY-1",
        " key-1",
        "",
        "http://127.0.0.1/jwks.json",
        "%6bey-1",
    ] {
        let token = signer.token(kid, &claims);
        let refused = verifier.verify(&token, at(0)).await.unwrap_err();
        assert_eq!(refused, TokenRefused::UnknownKey, "{kid:?}");
    }
    // One reading of the keys, at the one place that they are.
    assert_eq!(gotrue.came(), ["GET jwks"]);
}

#[tokio::test]
async fn a_token_of_another_time_place_or_kind_is_refused() {
    let (gotrue, signer, verifier) = with_p256(None).await;
    let with = |field: &str, value: Value| {
        let mut claims = claims(&gotrue);
        claims[field] = value;
        signer.token("key-1", &claims)
    };
    for (token, refused) in [
        (with("exp", json!(NOW - 31)), TokenRefused::Expired),
        (with("nbf", json!(NOW + 31)), TokenRefused::NotYet),
        (with("iss", json!("https://other.supabase.co/auth/v1")), TokenRefused::Issuer),
        (with("iss", json!("supabase")), TokenRefused::Issuer),
        (with("aud", json!("other")), TokenRefused::Audience),
        (with("role", json!("service_role")), TokenRefused::Role),
        (with("role", json!("anon")), TokenRefused::Role),
        (with("is_anonymous", json!(true)), TokenRefused::Anonymous),
        (with("sub", json!("")), TokenRefused::Claims),
    ] {
        assert_eq!(verifier.verify(&token, at(0)).await.unwrap_err(), refused);
    }
    // The same token, as time goes by.
    let token = signer.token("key-1", &claims(&gotrue));
    assert!(verifier.verify(&token, at(3_629)).await.is_ok());
    assert_eq!(verifier.verify(&token, at(3_630)).await.unwrap_err(), TokenRefused::Expired);
    // A key of the project is no person, although its secret signed it.
    let verifier = Verifier::new(&project(&gotrue, Some(JWT_SECRET))).unwrap();
    let key =
        json!({"iss": "supabase", "ref": "project", "role": "anon", "iat": 1, "exp": NOW * 2});
    let key = Signer::secret(JWT_SECRET.as_bytes()).sign(&json!({"alg": "HS256"}), &key);
    assert_eq!(verifier.verify(&key, at(0)).await.unwrap_err(), TokenRefused::Claims);
}

#[tokio::test]
async fn keys_are_kept_ten_minutes_and_looked_for_once_a_minute() {
    let (gotrue, old, verifier) = with_p256(None).await;
    let new = Signer::rsa();
    let by_old = old.token("key-1", &claims(&gotrue));
    let by_new = new.token("key-2", &claims(&gotrue));
    let verify = async |token: &str, seconds| verifier.verify(token, at(seconds)).await.map(|_| ());
    let unknown = Err(TokenRefused::UnknownKey);

    assert_eq!(verify(&by_old, 0).await, Ok(()));
    assert_eq!(verify(&by_old, 599).await, Ok(()));
    assert_eq!(gotrue.came().len(), 1);
    // A name that is not known has the keys read, though not within a minute of the last time.
    assert_eq!(verify(&by_new, 599).await, unknown);
    assert_eq!(gotrue.came().len(), 2);
    gotrue.publish(vec![old.jwk("key-1").unwrap(), new.jwk("key-2").unwrap()]);
    assert_eq!(verify(&by_new, 658).await, unknown);
    assert_eq!(gotrue.came().len(), 2);
    assert_eq!(verify(&by_new, 659).await, Ok(()));
    assert_eq!(gotrue.came().len(), 3);
    // A key that is no longer published is refused once the keys are read again.
    gotrue.publish(vec![new.jwk("key-2").unwrap()]);
    assert_eq!(verify(&by_old, 1_258).await, Ok(()));
    assert_eq!(verify(&by_old, 1_259).await, unknown);
    assert_eq!(gotrue.came().len(), 4);
    // A clock that was set back does not keep them for ever.
    assert_eq!(verify(&by_new, 300).await, Ok(()));
    assert_eq!(gotrue.came().len(), 5);
}

#[tokio::test]
async fn many_at_once_have_the_keys_read_once() {
    let (gotrue, signer, verifier) = with_p256(None).await;
    gotrue.trouble(Some(Trouble::Silence));
    let token = signer.token("key-1", &claims(&gotrue));
    let waiting: Vec<_> = (0..50)
        .map(|_| {
            let (verifier, token) = (verifier.clone(), token.clone());
            clock::spawn(async move { verifier.verify(&token, at(0)).await })
        })
        .collect();
    clock::within(DEADLINE, gotrue.wait_for_requests(1)).await.unwrap();
    // Whoever asked first may leave: the others are answered all the same.
    waiting[0].abort();
    gotrue.let_go();
    for task in waiting.into_iter().skip(1) {
        assert!(task.await.unwrap().is_ok());
    }
    assert_eq!(gotrue.came().len(), 1);
}

#[tokio::test]
async fn whoever_has_a_known_key_does_not_wait_for_others_who_have_none() {
    let (gotrue, signer, verifier) = with_p256(None).await;
    let token = signer.token("key-1", &claims(&gotrue));
    let made_up = signer.token("key-2", &claims(&gotrue));
    verifier.verify(&token, at(0)).await.unwrap();
    gotrue.trouble(Some(Trouble::Silence));
    let other = verifier.clone();
    let waiting = clock::spawn(async move { other.verify(&made_up, at(60)).await });
    clock::within(DEADLINE, gotrue.wait_for_requests(2)).await.unwrap();
    let at_once = verifier.verify(&token, at(60)).now_or_never();
    assert!(at_once.expect("there is nothing to wait for").is_ok());
    gotrue.let_go();
    assert_eq!(waiting.await.unwrap().unwrap_err(), TokenRefused::UnknownKey);
}

#[tokio::test]
async fn while_supabase_is_away_its_keys_are_used_for_a_day() {
    let (gotrue, signer, verifier) = with_p256(None).await;
    let mut claims = claims(&gotrue);
    claims["exp"] = json!(NOW + 1_000_000);
    let token = signer.token("key-1", &claims);
    let verify = async |seconds| verifier.verify(&token, at(seconds)).await.map(|_| ());
    let away =
        |status, body: &str| gotrue.trouble(Some(Trouble::Answer(status, None, body.into())));

    // Without any keys nobody is let in, and they are asked for again soon.
    away(503, "");
    assert_eq!(verify(0).await, Err(TokenRefused::KeysAway));
    assert!(TokenRefused::KeysAway.may_pass() && !TokenRefused::UnknownKey.may_pass());
    gotrue.trouble(None);
    assert_eq!(verify(4).await, Err(TokenRefused::KeysAway));
    assert_eq!(gotrue.came().len(), 1);
    assert_eq!(verify(5).await, Ok(()));
    // Each of these is no set of keys.
    let mut asked = gotrue.came().len();
    let long = format!(r#"{{"keys":[],"x":"{}"}}"#, "x".repeat(65 * 1024));
    for (n, (status, body)) in
        [(503, "{}"), (302, ""), (200, "<html>"), (200, "{}"), (404, "{}"), (200, long.as_str())]
            .into_iter()
            .enumerate()
    {
        away(status, body);
        let seconds = 605 + 60 * u64::try_from(n).unwrap();
        assert_eq!(verify(seconds).await, Ok(()), "{status} {body:.20}");
        // Once a minute is enough.
        assert_eq!(verify(seconds + 59).await, Ok(()), "{status} {body:.20}");
        asked += 1;
        assert_eq!(gotrue.came().len(), asked, "{status} {body:.20}");
    }
    assert_eq!(verify(86_404).await, Ok(()));
    assert_eq!(verify(86_405).await, Err(TokenRefused::KeysAway));
    // An answer that is one ends it.
    gotrue.trouble(None);
    assert_eq!(verify(86_465).await, Ok(()));
}
