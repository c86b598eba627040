//! A speech service behind a certificate of a private authority: what HTTP clients trust the
//! WebSocket trusts too, and neither minds a proxy.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::Clinic;
use crate::program::{doctor, printed};

const CERTIFICATE: &[u8] = include_bytes!("../common/tls/server.pem");
const KEY: &[u8] = include_bytes!("../common/tls/server.key");
const AUTHORITY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/common/tls/ca.pem");

/// Takes TLS connections for `localhost` and hands on what they say. Gives its port.
async fn front(behind: String) -> u16 {
    frontdesk::tls::install_provider();
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE).unwrap();
    let key = PrivateKeyDer::from_pem_slice(KEY).unwrap();
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(vec![certificate], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    frontdesk::clock::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (acceptor, behind) = (acceptor.clone(), behind.clone());
            frontdesk::clock::spawn(async move {
                let mut inside = TcpStream::connect(behind).await.unwrap();
                // A client that does not trust us goes away.
                if let Ok(mut outside) = acceptor.accept(socket).await {
                    let _ = copy_bidirectional(&mut outside, &mut inside).await;
                }
            });
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_authority_is_trusted_by_all_or_named_as_the_fault() {
    let mut clinic = Clinic::healthy().await;
    let behind = clinic.speech.address().to_string();
    clinic.set("OPENAI_BASE_URL", format!("https://localhost:{}/v1", front(behind).await));
    // No proxy is used, by anybody.
    clinic.set("HTTPS_PROXY", "http://127.0.0.1:1");

    let (out, err) = printed(&doctor(&clinic, &[]).await);
    let session = "FAIL  session of agent Mia: there is none: \
                   TLS: the certificate's issuer is not trusted";
    assert!(out.contains(session), "{out}{err}");

    clinic.set("SSL_CERT_FILE", AUTHORITY);
    let output = doctor(&clinic, &[]).await;
    let (out, err) = printed(&output);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    assert!(out.contains("ok    session of agent Mia"), "{out}");
}
