//! A folder, and what speaks S3's protocol, on a real socket.

use std::collections::BTreeMap;
use std::sync::Mutex;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, StatusCode, Uri};
use secrecy::SecretString;

use super::*;

/// What speaks S3's protocol, as far as it is needed for one object in one piece.
#[derive(Default)]
struct Bucket {
    objects: Mutex<BTreeMap<String, (Bytes, String)>>,
    /// How many requests are still refused.
    refuses: Mutex<u32>,
}

async fn ask(
    State(bucket): State<Arc<Bucket>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let is_signed = header("authorization").is_some_and(|signed| {
        signed.starts_with("AWS4-HMAC-SHA256 Credential=key/")
            && signed.contains("/eu-central-1/s3/")
    });
    if !is_signed {
        return StatusCode::FORBIDDEN.into_response();
    }
    let mut refuses = bucket.refuses.lock().unwrap();
    if *refuses > 0 {
        *refuses -= 1;
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let mut objects = bucket.objects.lock().unwrap();
    let name = uri.path().to_owned();
    if method == Method::PUT {
        let kind = header("content-type").unwrap_or_default().to_owned();
        objects.insert(name, (body, kind));
        return [("etag", "\"1\"")].into_response();
    }
    let found = match method == Method::DELETE {
        true => objects.remove(&name),
        false => objects.get(&name).cloned(),
    };
    match found {
        Some((body, _)) => {
            ([("etag", "\"1\""), ("last-modified", "Fri, 27 Nov 2026 20:00:00 GMT")], body)
                .into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn bucket(access_key: &str) -> (Arc<Bucket>, Archive) {
    let bucket = Arc::new(Bucket::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().fallback(ask).with_state(Arc::clone(&bucket));
    clock::spawn(async move { axum::serve(listener, app).await });
    let secret = |text: &str| SecretString::from(text.to_owned());
    let access = vec![
        ("AWS_ACCESS_KEY_ID", secret(access_key)),
        ("AWS_SECRET_ACCESS_KEY", secret("hunter2")),
        ("AWS_REGION", secret("eu-central-1")),
        ("AWS_ENDPOINT", secret(&endpoint)),
    ];
    let place = Place::S3 { bucket: "calls".to_owned(), prefix: "a/b".to_owned(), access };
    // Someone else may have chosen already, which is as good.
    crate::tls::install_provider();
    (bucket, Archive::open(&place).unwrap())
}

fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    file
}

#[tokio::test]
async fn a_folder_takes_a_file_and_gives_it_up() {
    let folder = tempfile::tempdir().unwrap();
    let archive = Archive::open(&Place::Folder(folder.path().join("not/there/yet"))).unwrap();
    for bytes in [&b"one"[..], b"two"] {
        archive.put("agent/call.ogg", file(bytes).path()).await.unwrap();
        assert_eq!(archive.get("agent/call.ogg").await.unwrap(), bytes);
    }
    let stored = folder.path().join("not/there/yet/agent/call.ogg");
    assert_eq!(std::fs::read(&stored).unwrap(), b"two");
    archive.remove("agent/call.ogg").await.unwrap();
    assert!(!stored.exists());
    // Once more is as good.
    archive.remove("agent/call.ogg").await.unwrap();
}

#[tokio::test]
async fn a_bucket_takes_a_file_under_its_prefix_and_gives_it_up() {
    let (bucket, archive) = bucket("key").await;
    archive.put("agent/call.ogg", file(b"one").path()).await.unwrap();
    let objects = bucket.objects.lock().unwrap().clone();
    let expected = (Bytes::from("one"), CONTENT_TYPE.to_owned());
    assert_eq!(objects, BTreeMap::from([("/calls/a/b/agent/call.ogg".to_owned(), expected)]));
    assert_eq!(archive.get("agent/call.ogg").await.unwrap(), b"one");
    archive.remove("agent/call.ogg").await.unwrap();
    assert!(bucket.objects.lock().unwrap().is_empty());
    archive.remove("agent/call.ogg").await.unwrap();
}

#[tokio::test]
async fn a_bucket_that_fails_is_an_error_and_a_later_attempt_succeeds() {
    let (bucket, archive) = bucket("key").await;
    *bucket.refuses.lock().unwrap() = 2;
    let error = archive.put("x.ogg", file(b"one").path()).await.unwrap_err().to_string();
    assert_eq!(error, "the object store: it cannot be reached, or it failed");
    archive.put("x.ogg", file(b"one").path()).await.unwrap();
    assert_eq!(archive.get("x.ogg").await.unwrap(), b"one");
}

#[tokio::test]
async fn credentials_that_are_refused_are_said_and_not_repeated() {
    let (_bucket, archive) = bucket("another-key").await;
    let error = archive.put("x.ogg", file(b"one").path()).await.unwrap_err().to_string();
    assert_eq!(error, "the object store: permission denied");
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let file = file(b"");
    let place = Place::Folder(file.path().join("below-a-file"));
    let error = Archive::open(&place).unwrap_err().to_string();
    assert!(error.contains("below-a-file") && error.contains("cannot be written"), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_on_the_machine_can_read_a_recording() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("recordings");
    std::fs::create_dir(&place).unwrap();
    std::fs::write(place.join("old.ogg"), "OggS").unwrap();
    std::fs::set_permissions(&place, std::fs::Permissions::from_mode(0o755)).unwrap();
    let tape = folder.path().join("tape");
    std::fs::write(&tape, "OggS").unwrap();
    let archive = Archive::open(&Place::Folder(place.clone())).unwrap();
    archive.put("agent/call.ogg", &tape).await.unwrap();
    archive.close_all().await;
    let mode = |name: &str| place.join(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!([mode(""), mode("agent")], [0o700, 0o700]);
    assert_eq!([mode("agent/call.ogg"), mode("old.ogg")], [0o600, 0o600]);
}
