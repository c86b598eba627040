//! Hostile addresses, names and redirects: none reaches a listener on this machine that is not
//! allowed. The listener counts the connections, so a test does not pass by another error.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;

use super::*;
use crate::functions::test_service::{Reply, Service, json, redirect, reply};

/// A public address behind which there is nobody: IANA has given this part of IPv6 to none.
const NOBODY: &str = "2d00::1";

/// Answers each name in its way, and counts how often it is asked.
#[derive(Default)]
struct Names {
    asked: AtomicUsize,
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let before = self.asked.fetch_add(1, Ordering::Relaxed);
        let found: &[&str] = match name.as_str().trim_end_matches('.') {
            "mixed.example" => &[NOBODY, "127.0.0.1"],
            "mapped.example" => &["::ffff:127.0.0.1"],
            "nat64.example" => &["64:ff9b::7f00:1"],
            "metadata.example" => &["169.254.169.254"],
            "public.example" => &[NOBODY],
            "unknown.example" => &[],
            // The first answer is for whoever checks, the others for whoever connects.
            "rebinding.example" if before == 0 => &[NOBODY],
            _ => &["127.0.0.1"],
        };
        let found = found.iter().map(|address| (address.parse::<IpAddr>().unwrap(), 0).into());
        let found: Vec<SocketAddr> = found.collect();
        Box::pin(async move { Ok(Box::new(found.into_iter()) as Addrs) })
    }
}

fn client(allowed: &[&Service]) -> Client {
    let allowed = allowed.iter().map(|service| service.allowed()).collect();
    Client::with_resolver(allowed, Arc::new(Names::default())).unwrap()
}

fn get(url: &str) -> Request {
    Request {
        agent: Uuid::nil(),
        time_limit: Duration::from_secs(15),
        method: Method::GET,
        url: url.parse().unwrap(),
        headers: HeaderMap::new(),
        body: None,
    }
}

fn post(url: &str) -> Request {
    Request { method: Method::POST, body: Some("deed".into()), ..get(url) }
}

async fn private_service() -> Service {
    Service::start(vec![json(&serde_json::json!("private"))]).await
}

#[tokio::test]
async fn no_hostile_address_reaches_a_private_listener() {
    let private = private_service().await;
    let port = private.address.port();
    let client = client(&[]);
    let hosts = [
        // Numbers, however they are written.
        "127.0.0.1",
        "127.0.0.1.",
        "127.1",
        "127.0.1",
        "2130706433",
        "0177.0.0.1",
        "017700000001",
        "0x7f.0.0.1",
        "0x7f000001",
        "0X7F.1",
        "0x7f.0x0.0x0.0x1",
        "0",
        "0.0.0.0",
        "%31%32%37.0.0.1",
        "１２７.0.0.1",
        "127。0。0。1",
        "①②⑦.0.0.1",
        "[::1]",
        "[::]",
        "[0:0:0:0:0:0:0:1]",
        "[::127.0.0.1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::FFFF:7F00:0001]",
        "[64:ff9b::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b:1::7f00:1]",
        "[2002:7f00:1::]",
        "[2001:0:7f00:1::]",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "169.254.169.254",
        // Names that are private.
        "localhost",
        "LOCALHOST",
        "localhost.",
        "lｏcalhost",
        "private.example",
        "PRIVATE.example.",
        "mixed.example",
        "mapped.example",
        "nat64.example",
        "metadata.example",
        // Somebody else's name before the host.
        "user@127.0.0.1",
        "user:password@127.0.0.1",
        "public.example@127.0.0.1",
        "public.example%40@127.0.0.1",
        "user@private.example",
        // What is no name.
        "private_host!.example",
        "a..example",
    ];
    for host in hosts {
        for request in
            [get(&format!("http://{host}:{port}/x")), post(&format!("http://{host}:{port}/"))]
        {
            let sent = client.send(request).await;
            assert!(matches!(sent, Err(EgressError::Refused(_))), "{host}: {sent:?}");
        }
    }
    assert_eq!(private.connections(), 0);
}

#[test]
fn what_is_not_an_address_is_not_even_one() {
    for text in [
        "http://[fe80::1%25lo]/",
        "http://[fe80::1%lo]/",
        "http://[::1%251]:80/",
        "http://127.0.0.1%00.public.example/",
        "http://127.0.0.1%2f.public.example/",
        "http://256.0.0.1/",
        "http://127.0.0.0.1/",
        "http://0x100000000/",
        "http://09.0.0.1/",
        "http:///",
        "http://public.example:99999/",
        "http://exa mple/",
    ] {
        assert!(text.parse::<Url>().is_err(), "{text}");
    }
}

#[tokio::test]
async fn only_http_and_https_are_spoken() {
    let private = private_service().await;
    let port = private.address.port();
    for url in [
        format!("ftp://127.0.0.1:{port}/"),
        format!("gopher://127.0.0.1:{port}/_GET%20/"),
        format!("ws://127.0.0.1:{port}/"),
        format!("dict://127.0.0.1:{port}/x"),
        "file:///etc/passwd".to_owned(),
        "data:text/plain,x".to_owned(),
        "javascript:1".to_owned(),
        "unix:/var/run/docker.sock".to_owned(),
    ] {
        let sent = client(&[&private]).send(get(&url)).await;
        assert_eq!(sent.unwrap_err(), EgressError::Refused(Refusal::Scheme), "{url}");
    }
    let with_user = format!("http://u@127.0.0.1:{port}/");
    let sent = client(&[&private]).send(get(&with_user)).await;
    assert_eq!(sent.unwrap_err(), EgressError::Refused(Refusal::Credentials));
    assert_eq!(private.connections(), 0);
}

#[tokio::test]
async fn a_backslash_is_a_slash() {
    let private = private_service().await;
    let url = format!("http://public.example\\@127.0.0.1:{}/", private.address.port());
    assert_eq!(url.parse::<Url>().unwrap().host_str(), Some("public.example"));
    let request = Request { time_limit: Duration::from_millis(300), ..get(&url) };
    assert!(client(&[]).send(request).await.is_err());
    assert_eq!(private.connections(), 0);
}

#[tokio::test]
async fn a_name_that_changes_its_answer_is_looked_up_once_for_each_connection() {
    let private = private_service().await;
    let names = Arc::new(Names::default());
    let resolver = Arc::clone(&names) as Arc<dyn Resolve>;
    let client = Client::with_resolver(Vec::new(), resolver).unwrap();
    let url = format!("http://rebinding.example:{}/", private.address.port());
    // No second attempt with POST: what was looked up is what is connected to, nobody here.
    let first = Request { time_limit: Duration::from_secs(2), ..post(&url) };
    let first = client.send(first).await.unwrap_err();
    assert!(matches!(first, EgressError::Unreachable | EgressError::TimedOut), "{first}");
    assert_eq!(names.asked.load(Ordering::Relaxed), 1);
    for _ in 0..5 {
        let later = client.send(get(&url)).await.unwrap_err();
        assert_eq!(later, EgressError::Refused(Refusal::NotPublic));
    }
    assert_eq!(private.connections(), 0);
}

#[tokio::test]
async fn what_is_allowed_is_reached_by_name_and_by_number() {
    let private = private_service().await;
    let port = private.address.port();
    let by_name = HostPort::parse(&format!("private.example:{port}")).unwrap();
    let allowed = vec![private.allowed(), by_name];
    let client = Client::with_resolver(allowed, Arc::new(Names::default())).unwrap();
    for host in ["127.0.0.1", "0x7f.1", "private.example", "PRIVATE.example"] {
        let answer = client.send(get(&format!("http://{host}:{port}/x?y=z"))).await.unwrap();
        assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, &br#""private""#[..]));
        assert_eq!(answer.content_type.as_deref(), Some("application/json"));
    }
    let asked = private.asked();
    assert_eq!(asked.len(), 4);
    assert!(asked[0].starts_with("GET /x?y=z HTTP/1.1\r\n"), "{}", asked[0]);
    for host in ["localhost", "private.example.", "other.example", "127.0.0.2"] {
        let sent = client.send(get(&format!("http://{host}:{port}/"))).await;
        assert_eq!(sent.unwrap_err(), EgressError::Refused(Refusal::NotPublic), "{host}");
    }
    let other = private_service().await;
    let sent = client.send(get(&format!("http://private.example:{}/", other.address.port()))).await;
    assert_eq!(sent.unwrap_err(), EgressError::Refused(Refusal::NotPublic));
    assert_eq!((private.connections(), other.connections()), (4, 0));
}

#[tokio::test]
async fn no_redirect_reaches_a_private_listener() {
    let private = private_service().await;
    let port = private.address.port();
    for to in [
        format!("http://127.0.0.1:{port}/"),
        format!("//127.0.0.1:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("http://0177.1:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://[64:ff9b::7f00:1]:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://private.example:{port}/"),
        format!("http://mixed.example:{port}/"),
        format!("http://u:p@127.0.0.1:{port}/"),
        format!("http:\\\\127.0.0.1:{port}\\"),
        format!("ftp://127.0.0.1:{port}/"),
        format!("http://[fe80::1%25lo]:{port}/"),
        "file:///etc/passwd".to_owned(),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
    ] {
        for status in [301, 302, 303, 307, 308] {
            let open = Service::start(vec![redirect(status, &to)]).await;
            let sent = client(&[&open]).send(get(open.url("/").as_str())).await;
            assert!(matches!(sent, Err(EgressError::Redirected(_))), "{status} {to}: {sent:?}");
        }
    }
    assert_eq!(private.connections(), 0);
}

#[tokio::test]
async fn a_chain_of_redirects_ends() {
    let private = private_service().await;
    let to_private = private.url("/").to_string();
    let chain = vec![redirect(302, "/1"), redirect(307, "/2"), redirect(301, &to_private)];
    let open = Service::start(chain).await;
    let sent = client(&[&open]).send(get(open.url("/").as_str())).await;
    assert_eq!(sent.unwrap_err(), EgressError::Redirected(Refusal::NotPublic));
    assert_eq!((open.connections(), private.connections()), (3, 0));

    let endless = Service::start(vec![redirect(302, "/again")]).await;
    let sent = client(&[&endless]).send(get(endless.url("/").as_str())).await;
    assert_eq!(sent.unwrap_err(), EgressError::Redirected(Refusal::Redirects));
    assert_eq!(endless.connections(), 4);

    let long =
        vec![redirect(302, "/1"), redirect(302, "/2"), redirect(302, "/3"), reply(200, "", "x")];
    let long = Service::start(long).await;
    let answer = client(&[&long]).send(get(long.url("/").as_str())).await.unwrap();
    assert_eq!((&answer.body[..], long.connections()), (&b"x"[..], 4));
}

#[tokio::test]
async fn secrets_and_deeds_stay_with_the_host_that_was_asked() {
    let other = private_service().await;
    let with_secret = |mut request: Request| {
        request.headers.insert("x-key", HeaderValue::from_static("hunter2"));
        request
    };
    let here = Service::start(vec![redirect(303, "/here"), redirect(302, other.url("/").as_str())]);
    let here = here.await;
    let guarded = client(&[&here, &other]);
    let answer = guarded.send(with_secret(post(here.url("/").as_str()))).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    let asked = here.asked();
    assert!(asked[0].starts_with("POST / ") && asked[0].ends_with("deed"), "{}", asked[0]);
    assert!(asked[1].starts_with("GET /here ") && asked[1].contains("hunter2"), "{}", asked[1]);
    let elsewhere = &other.asked()[0];
    assert!(elsewhere.starts_with("GET / ") && elsewhere.contains("user-agent: frontdesk/"));
    for gone in ["hunter2", "deed", "referer", "cookie"] {
        assert!(!elsewhere.to_ascii_lowercase().contains(gone), "{elsewhere}");
    }

    let keeps = Service::start(vec![redirect(307, other.url("/").as_str())]).await;
    let sent = client(&[&keeps, &other]).send(with_secret(post(keeps.url("/").as_str()))).await;
    assert_eq!(sent.unwrap_err(), EgressError::Redirected(Refusal::OtherHost));
    assert_eq!(other.connections(), 1);
}

#[tokio::test]
async fn only_what_can_be_done_twice_is_tried_twice() {
    let replies = [reply(502, "", ""), reply(503, "", ""), reply(504, "", ""), Reply::Close];
    let twice = [Method::GET, Method::HEAD, Method::PUT, Method::DELETE].map(|method| (method, 2));
    let once = [Method::POST, Method::PATCH].map(|method| (method, 1));
    let cases =
        replies.iter().flat_map(|reply| twice.iter().chain(&once).map(move |it| (reply, it)));
    join_all(cases.map(async |(failing, (method, tries))| {
        let service = Service::start(vec![failing.clone()]).await;
        let request = Request { method: method.clone(), ..get(service.url("/").as_str()) };
        let sent = client(&[&service]).send(request).await;
        assert_eq!(service.connections(), *tries, "{method} {failing:?} {sent:?}");
    }))
    .await;
    for (status, tries) in [(500, 1), (501, 1), (503, 2)] {
        let service = Service::start(vec![reply(status, "", ""), reply(200, "", "there")]).await;
        let answer = client(&[&service]).send(get(service.url("/").as_str())).await.unwrap();
        assert_eq!(answer.status == 200, tries == 2, "{status}");
        assert_eq!(service.connections(), tries, "{status}");
    }
}

#[tokio::test]
async fn nobody_waits_longer_than_allowed() {
    let drip = Reply::Drip(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".into(),
        "1\r\nx\r\n".into(),
    );
    let slow_headers = Reply::Drip("HTTP/1.1 200 OK\r\n".into(), "X-A: b\r\n".into());
    for endless in [drip, slow_headers, Reply::Silence] {
        let mut service = Service::start(vec![endless]).await;
        let request =
            Request { time_limit: Duration::from_secs(1), ..get(service.url("/").as_str()) };
        let sent = client(&[&service]).send(request).await.unwrap_err();
        assert!(matches!(sent, EgressError::TimedOut | EgressError::Broken), "{sent}");
        service.wait_for_gone(1).await;
    }
}

#[tokio::test]
async fn nothing_is_larger_than_allowed() {
    let large = "x".repeat(RESPONSE_BYTES_MAX + 1);
    let chunks = Reply::Drip(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".into(),
        format!("8000\r\n{}\r\n", "x".repeat(0x8000)),
    );
    for reply in [reply(200, "", &large), chunks] {
        let service = Service::start(vec![reply]).await;
        let sent = client(&[&service]).send(get(service.url("/").as_str())).await;
        assert_eq!(sent.unwrap_err(), EgressError::ResponseTooLarge);
        // Where only the status counts, nobody reads it.
        let unread = client(&[&service]).without_answers();
        let sent = unread.send(get(service.url("/").as_str())).await.unwrap();
        assert_eq!((sent.status, sent.body.len()), (StatusCode::OK, 0));
    }
    let service = Service::start(vec![reply(200, "", &large[1..])]).await;
    let body = |length: usize| Some(Bytes::from("x".repeat(length)));
    let fits = Request { body: body(REQUEST_BYTES_MAX), ..post(service.url("/").as_str()) };
    let answer = client(&[&service]).send(fits.clone()).await.unwrap();
    assert_eq!(answer.body.len(), RESPONSE_BYTES_MAX);
    let too_large = Request { body: body(REQUEST_BYTES_MAX + 1), ..fits };
    let sent = client(&[&service]).send(too_large.clone()).await;
    assert_eq!(sent.unwrap_err(), EgressError::RequestTooLarge);
    assert_eq!(service.connections(), 1);
    let larger = client(&[&service]).with_bodies_of(REQUEST_BYTES_MAX + 1);
    larger.send(too_large).await.unwrap();
}

#[tokio::test]
async fn what_is_packed_is_not_unpacked() {
    let headers = "Content-Encoding: gzip\r\nContent-Type: application/json\r\n";
    let service = Service::start(vec![reply(200, headers, "packed")]).await;
    let answer = client(&[&service]).send(get(service.url("/").as_str())).await.unwrap();
    assert_eq!(&answer.body[..], b"packed");
    assert!(!service.asked()[0].to_ascii_lowercase().contains("accept-encoding"));
}

#[tokio::test]
async fn an_agent_has_its_places_and_takes_no_more() {
    let mut service = Service::start(vec![Reply::Silence]).await;
    let client = Arc::new(client(&[&service]));
    let url = service.url("/");
    let send = |agent| {
        let client = Arc::clone(&client);
        let request = Request { agent, ..get(url.as_str()) };
        clock::spawn(async move { client.send(request).await })
    };
    let mut sent: Vec<_> = (0..PLACES_PER_AGENT).map(|_| send(Uuid::nil())).collect();
    service.wait_for_connections(PLACES_PER_AGENT).await;
    assert_eq!(client.send(get(url.as_str())).await.unwrap_err(), EgressError::Busy);
    // Another agent has its own.
    sent.push(send(Uuid::max()));
    service.wait_for_connections(PLACES_PER_AGENT + 1).await;
    // Callers who hang up give their places back, and their connections are closed.
    for task in sent {
        task.abort();
    }
    service.wait_for_gone(PLACES_PER_AGENT + 1).await;
    let again = send(Uuid::nil());
    service.wait_for_connections(PLACES_PER_AGENT + 2).await;
    again.abort();
}
