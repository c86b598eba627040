//! A stand-in for Supabase's Auth (GoTrue): people, sessions, keys, and real tokens signed with them.
//! It answers as GoTrue does, the differences between a known and an unknown address included.
#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "each test program compiles this file and uses its own part of it"
)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{EcdsaKeyPair, KeyPair as _, RsaKeyPair};
use ring::{hmac, signature};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use uuid::Uuid;

/// The key that every request has to carry.
pub(crate) const PUBLISHABLE_KEY: &str = "sb_publishable_stand-in";
/// What tokens with HS256 are signed with.
pub(crate) const JWT_SECRET: &str = "super-secret-jwt-token-with-at-least-32-characters-long";
/// How long a token is valid, seconds.
const TOKEN_SECONDS: u64 = 3_600;

/// What signs tokens.
pub(crate) enum Signer {
    /// ES256, with a key of its own.
    P256(EcdsaKeyPair),
    /// RS256.
    Rsa(Box<RsaKeyPair>),
    /// HS256.
    Secret(hmac::Key),
}

impl Signer {
    /// A new key on P-256.
    pub(crate) fn p256() -> Self {
        let (kind, random) = (&signature::ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let document = EcdsaKeyPair::generate_pkcs8(kind, &random).expect("a key is made");
        let pair = EcdsaKeyPair::from_pkcs8(kind, document.as_ref(), &random);
        Self::P256(pair.expect("the key was just made"))
    }

    /// The stand-in's RSA key.
    pub(crate) fn rsa() -> Self {
        Self::rsa_of(include_str!("keys/rsa.pem"))
    }

    /// A forger's RSA key.
    pub(crate) fn rsa_of_somebody_else() -> Self {
        Self::rsa_of(include_str!("keys/rsa-of-somebody-else.pem"))
    }

    fn rsa_of(pem: &str) -> Self {
        let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        let der = STANDARD.decode(body).expect("the file is PEM");
        Self::Rsa(Box::new(RsaKeyPair::from_pkcs8(&der).expect("the file is a key")))
    }

    /// A secret, whatever its bytes are.
    pub(crate) fn secret(secret: &[u8]) -> Self {
        Self::Secret(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The name of its algorithm.
    pub(crate) fn algorithm(&self) -> &'static str {
        match self {
            Self::P256(_) => "ES256",
            Self::Rsa(_) => "RS256",
            Self::Secret(_) => "HS256",
        }
    }

    /// The public half as it is published; `None` of a secret.
    pub(crate) fn jwk(&self, kid: &str) -> Option<Value> {
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let (mut key, algorithm) = match self {
            Self::P256(pair) => {
                let point = pair.public_key().as_ref();
                let (x, y) = (part(&point[1..33]), part(&point[33..]));
                (json!({"kty": "EC", "crv": "P-256", "x": x, "y": y}), "ES256")
            }
            Self::Rsa(pair) => {
                let public: signature::RsaPublicKeyComponents<Vec<u8>> = pair.public().into();
                (json!({"kty": "RSA", "n": part(&public.n), "e": part(&public.e)}), "RS256")
            }
            Self::Secret(_) => return None,
        };
        let common = [
            ("kid", json!(kid)),
            ("alg", json!(algorithm)),
            ("use", json!("sig")),
            ("key_ops", json!(["verify"])),
            ("ext", json!(true)),
        ];
        for (field, value) in common {
            key[field] = value;
        }
        Some(key)
    }

    /// A token with this header and payload, whatever they say.
    pub(crate) fn sign(&self, header: &Value, payload: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(header), part(payload));
        let random = SystemRandom::new();
        let signed = match self {
            Self::P256(pair) => {
                pair.sign(&random, message.as_bytes()).expect("it signs").as_ref().to_vec()
            }
            Self::Rsa(pair) => {
                let mut signed = vec![0; pair.public().modulus_len()];
                pair.sign(&signature::RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signed)
                    .expect("it signs");
                signed
            }
            Self::Secret(key) => hmac::sign(key, message.as_bytes()).as_ref().to_vec(),
        };
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signed))
    }

    /// A token with the header that Supabase writes.
    pub(crate) fn token(&self, kid: &str, payload: &Value) -> String {
        let header = json!({"alg": self.algorithm(), "kid": kid, "typ": "JWT"});
        self.sign(&header, payload)
    }
}

/// Somebody who can sign in.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) id: Uuid,
    pub(crate) password: String,
    pub(crate) is_confirmed: bool,
    pub(crate) is_banned: bool,
    /// The code that was mailed last, and is not used.
    pub(crate) code: Option<String>,
}

/// What happens to the next requests instead of what should.
#[derive(Debug, Clone)]
pub(crate) enum Trouble {
    /// This answer: a status, the value of `Retry-After` if there is one, and a body.
    Answer(u16, Option<&'static str>, String),
    /// None until [`GoTrue::let_go`].
    Silence,
}

#[derive(Default)]
struct Inner {
    people: HashMap<String, Person>,
    sessions: Vec<Uuid>,
    keys: Vec<Value>,
    trouble: Option<Trouble>,
    now: u64,
}

/// The stand-in. Copies are the same one.
#[derive(Clone)]
pub(crate) struct GoTrue {
    pub(crate) port: u16,
    signer: Arc<Signer>,
    inner: Arc<Mutex<Inner>>,
    /// Method and path of each request that came, in their order.
    came: Arc<watch::Sender<Vec<String>>>,
    /// How many codes were mailed.
    mails: Arc<watch::Sender<usize>>,
    let_go: Arc<Notify>,
}

impl GoTrue {
    /// One that signs with this and publishes it as `key-1`. Its tokens are valid from `now`,
    /// seconds since the Unix epoch.
    pub(crate) async fn start(signer: Signer, now: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let keys = signer.jwk("key-1").into_iter().collect();
        let this = Self {
            port,
            signer: Arc::new(signer),
            inner: Arc::new(Mutex::new(Inner { keys, now, ..Inner::default() })),
            came: Arc::default(),
            mails: Arc::default(),
            let_go: Arc::default(),
        };
        let router = Router::new()
            .route("/auth/v1/.well-known/jwks.json", get(jwks))
            .route("/auth/v1/token", post(token))
            .route("/auth/v1/otp", post(otp))
            .route("/auth/v1/verify", post(verify))
            .route("/auth/v1/logout", post(logout))
            .with_state(this.clone());
        #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
        tokio::spawn(async move { axum::serve(listener, router).await });
        this
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `SUPABASE_URL` is for it.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What its tokens say that they come from.
    pub(crate) fn issuer(&self) -> String {
        format!("{}/auth/v1", self.url())
    }

    /// Somebody new with this address and password. Their id.
    pub(crate) fn add(&self, email: &str, password: &str) -> Uuid {
        let id = Uuid::new_v4();
        let password = password.to_owned();
        let person = Person { id, password, is_confirmed: true, is_banned: false, code: None };
        self.inner().people.insert(email.to_owned(), person);
        id
    }

    /// Changes somebody.
    pub(crate) fn change(&self, email: &str, change: impl FnOnce(&mut Person)) {
        change(self.inner().people.get_mut(email).expect("somebody has this address"));
    }

    /// The code that was mailed to this address last.
    pub(crate) fn mailed(&self, email: &str) -> Option<String> {
        self.inner().people.get(email)?.code.clone()
    }

    /// The sessions that have not been ended.
    pub(crate) fn sessions(&self) -> Vec<Uuid> {
        self.inner().sessions.clone()
    }

    /// Publishes these keys in the place of all others.
    pub(crate) fn publish(&self, keys: Vec<Value>) {
        self.inner().keys = keys;
    }

    /// From now on this happens to every request; `None`: what should.
    pub(crate) fn trouble(&self, trouble: Option<Trouble>) {
        self.inner().trouble = trouble;
    }

    /// Answers those that wait, with what should happen.
    pub(crate) fn let_go(&self) {
        self.trouble(None);
        self.let_go.notify_waiters();
    }

    /// Method and path of the requests that came, in their order.
    pub(crate) fn came(&self) -> Vec<String> {
        self.came.borrow().clone()
    }

    /// Waits until so many requests have come.
    pub(crate) async fn wait_for_requests(&self, count: usize) {
        let mut came = self.came.subscribe();
        let _ = came.wait_for(|came| came.len() >= count).await;
    }

    /// Waits until so many codes have been mailed.
    pub(crate) async fn wait_for_mails(&self, count: usize) {
        let _ = self.mails.subscribe().wait_for(|mails| *mails >= count).await;
    }

    /// What a token of this session says.
    pub(crate) fn claims(&self, person: Uuid, email: &str, session: Uuid) -> Value {
        let now = self.inner().now;
        json!({"iss": self.issuer(), "aud": "authenticated", "role": "authenticated",
            "sub": person, "email": email, "phone": "", "session_id": session, "aal": "aal1",
            "amr": [{"method": "password", "timestamp": now}], "is_anonymous": false,
            "iat": now, "exp": now + TOKEN_SECONDS,
            "app_metadata": {"provider": "email"}, "user_metadata": {"role": "service_role"}})
    }

    fn sign_in(&self, email: &str) -> Response {
        let session = Uuid::new_v4();
        let id = {
            let mut inner = self.inner();
            inner.sessions.push(session);
            inner.people[email].id
        };
        let token = self.signer.token("key-1", &self.claims(id, email, session));
        let body = json!({"access_token": token, "token_type": "bearer",
            "expires_in": TOKEN_SECONDS, "refresh_token": "refresh-me", "user": {"id": id}});
        (StatusCode::OK, axum::Json(body)).into_response()
    }

    /// Notes the request; an answer in the place of the right one, if there is trouble or no key.
    async fn begin(&self, request: &str, headers: &HeaderMap) -> Result<(), Response> {
        let trouble = self.inner().trouble.clone();
        let released = self.let_go.notified();
        self.came.send_modify(|came| came.push(request.to_owned()));
        match trouble {
            Some(Trouble::Answer(status, retry_after, body)) => {
                let status = StatusCode::from_u16(status).expect("it is a status");
                let mut response = (status, body).into_response();
                if let Some(seconds) = retry_after {
                    response
                        .headers_mut()
                        .insert(header::RETRY_AFTER, seconds.parse().expect("a header"));
                }
                return Err(response);
            }
            Some(Trouble::Silence) => released.await,
            None => {}
        }
        if headers.get("apikey").is_none_or(|key| key != PUBLISHABLE_KEY) {
            let body = json!({"message": "Invalid API key", "hint": "Double check your key."});
            return Err((StatusCode::UNAUTHORIZED, axum::Json(body)).into_response());
        }
        Ok(())
    }
}

fn refuse(status: u16, code: &str, message: &str) -> Response {
    let body = json!({"code": status, "error_code": code, "msg": message});
    let status = StatusCode::from_u16(status).expect("it is a status");
    (status, axum::Json(body)).into_response()
}

async fn jwks(State(gotrue): State<GoTrue>, headers: HeaderMap) -> Response {
    if let Err(response) = gotrue.begin("GET jwks", &headers).await {
        return response;
    }
    axum::Json(json!({"keys": gotrue.inner().keys})).into_response()
}

async fn token(
    State(gotrue): State<GoTrue>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Err(response) = gotrue.begin("POST token", &headers).await {
        return response;
    }
    assert_eq!(query["grant_type"], "password");
    let body: Value = serde_json::from_slice(&body).expect("the body is JSON");
    let email = body["email"].as_str().expect("there is an address");
    let wrong = || refuse(400, "invalid_credentials", "Invalid login credentials");
    let Some(person) = gotrue.inner().people.get(email).cloned() else { return wrong() };
    if person.is_banned {
        return refuse(400, "user_banned", "User is banned");
    }
    if body["password"] != person.password {
        return wrong();
    }
    if !person.is_confirmed {
        return refuse(400, "email_not_confirmed", "Email not confirmed");
    }
    gotrue.sign_in(email)
}

async fn otp(State(gotrue): State<GoTrue>, headers: HeaderMap, body: Bytes) -> Response {
    if let Err(response) = gotrue.begin("POST otp", &headers).await {
        return response;
    }
    let body: Value = serde_json::from_slice(&body).expect("the body is JSON");
    assert_eq!(body["create_user"], false, "nobody is signed up by asking for a code");
    let email = body["email"].as_str().expect("there is an address");
    let mut inner = gotrue.inner();
    let Some(person) = inner.people.get_mut(email) else {
        return refuse(422, "otp_disabled", "Signups not allowed for otp");
    };
    if person.code.is_some() {
        let message = "For security purposes, you can only request this after 42 seconds.";
        return refuse(429, "over_email_send_rate_limit", message);
    }
    person.code = Some(format!("{:06}", person.id.as_u128() % 1_000_000));
    gotrue.mails.send_modify(|mails| *mails += 1);
    axum::Json(json!({})).into_response()
}

async fn verify(State(gotrue): State<GoTrue>, headers: HeaderMap, body: Bytes) -> Response {
    if let Err(response) = gotrue.begin("POST verify", &headers).await {
        return response;
    }
    let body: Value = serde_json::from_slice(&body).expect("the body is JSON");
    assert_eq!(body["type"], "email");
    let email = body["email"].as_str().expect("there is an address");
    let is_right = {
        let mut inner = gotrue.inner();
        let person = inner.people.get_mut(email);
        // A code is good for one time.
        person.is_some_and(|person| {
            let is_right =
                person.code.is_some() && person.code.as_deref() == body["token"].as_str();
            if is_right {
                person.code = None;
            }
            is_right
        })
    };
    if !is_right {
        return refuse(403, "otp_expired", "Token has expired or is invalid");
    }
    gotrue.sign_in(email)
}

async fn logout(
    State(gotrue): State<GoTrue>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    if let Err(response) = gotrue.begin("POST logout", &headers).await {
        return response;
    }
    assert_eq!(query["scope"], "local", "the person's other sessions go on");
    let session = headers.get(header::AUTHORIZATION).and_then(|value| {
        let payload = value.to_str().ok()?.strip_prefix("Bearer ")?.split('.').nth(1)?;
        let payload: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        payload["session_id"].as_str()?.parse::<Uuid>().ok()
    });
    let mut inner = gotrue.inner();
    let Some(at) = inner.sessions.iter().position(|one| Some(*one) == session) else {
        return refuse(403, "session_not_found", "Session from session_id claim does not exist");
    };
    inner.sessions.remove(at);
    StatusCode::NO_CONTENT.into_response()
}
