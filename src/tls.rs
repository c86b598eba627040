//! One TLS set-up for the speech service's WebSocket and all HTTP clients: one provider, one trust
//! store, one rule about proxies. PostgreSQL's driver and the object store use the same provider, and
//! their own rules of trust and proxies.
//!
//! - rustls takes its cryptography from `ring`. reqwest is built without a provider of its own, so
//!   that only that one is compiled.
//! - Trusted are the authorities of the system's store, or those in `SSL_CERT_FILE` and
//!   `SSL_CERT_DIR` where these are set. A system that has none, such as an empty container, gets
//!   Mozilla's, which are built in.
//! - No proxy is used, and `HTTPS_PROXY` is not read: the speech service's WebSocket has no way
//!   through one, and a program that reaches one half of a service misleads whoever looks at it.

use std::error::Error;
use std::io::{Error as IoError, ErrorKind};
use std::sync::{Arc, OnceLock};

use http::Uri;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::MaybeTlsStream;
use tracing::warn;

/// How deep the causes of an error are looked at.
const CAUSES_MAX: usize = 10;

/// Installs the provider. Calling it again, or after somebody else chose one, changes nothing.
pub fn install_provider() {
    // The error says that a provider is there already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A builder for HTTP clients, which name the program and share its TLS set-up.
pub fn http_client() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("frontdesk/", env!("CARGO_PKG_VERSION")))
        .tls_backend_preconfigured(ClientConfig::clone(&client_config()))
        .no_proxy()
}

/// The body of an answer; none if it is longer than so many bytes.
///
/// # Errors
/// The connection was lost.
pub async fn body_of(
    response: &mut reqwest::Response,
    bytes_max: usize,
) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await? {
        if body.len() + part.len() > bytes_max {
            return Ok(None);
        }
        body.extend_from_slice(&part);
    }
    Ok(Some(body))
}

/// Opens a connection to where a WebSocket's address points, `wss:` with TLS. What is written leaves at once.
///
/// # Errors
/// Nobody answers there, or [`fault`] says what is wrong with TLS.
pub async fn connect(address: &Uri) -> Result<MaybeTlsStream<TcpStream>, IoError> {
    // An IPv6 address stands in brackets.
    let host = address.host().unwrap_or_default().trim_matches(['[', ']']);
    let is_secure = address.scheme_str() == Some("wss");
    let port = address.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    if !is_secure {
        return Ok(MaybeTlsStream::Plain(stream));
    }
    let name = ServerName::try_from(host.to_owned())
        .map_err(|error| IoError::new(ErrorKind::InvalidInput, error))?;
    let connector = TlsConnector::from(client_config());
    Ok(MaybeTlsStream::Rustls(connector.connect(name, stream).await?))
}

/// What TLS connections are opened with. The trust store is read once.
pub fn client_config() -> Arc<ClientConfig> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    let config = CONFIG.get_or_init(|| Arc::new(config_that_trusts(roots())));
    Arc::clone(config)
}

fn config_that_trusts(roots: RootCertStore) -> ClientConfig {
    install_provider();
    ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()
}

fn roots() -> RootCertStore {
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        warn!(%error, "a part of the system's trust store cannot be read");
    }
    store_of(native.certs)
}

/// A store of these authorities; of Mozilla's where none of them can be used.
fn store_of(certificates: Vec<CertificateDer<'static>>) -> RootCertStore {
    let mut store = RootCertStore::empty();
    let (usable, _) = store.add_parsable_certificates(certificates);
    if usable == 0 {
        store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    store
}

/// What is wrong with TLS, if that is what an error is about: libraries hand it on as one of input
/// and output, among the causes of their own errors.
pub fn fault(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let causes = std::iter::successors(Some(error), |error| cause(*error));
    let fault = causes.take(CAUSES_MAX).find_map(|error| error.downcast_ref::<rustls::Error>())?;
    Some(match fault {
        rustls::Error::InvalidCertificate(why) => match why {
            CertificateError::UnknownIssuer => "TLS: the certificate's issuer is not trusted",
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "TLS: the certificate has expired"
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "TLS: the certificate is not valid yet"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "TLS: the certificate is for another name"
            }
            _ => "TLS: the certificate is refused",
        },
        rustls::Error::AlertReceived(_) => "TLS: the other side refuses",
        _ => "TLS error",
    })
}

/// Why a service gave no answer, without its address, which may hold a secret.
pub fn no_answer(error: &reqwest::Error) -> &'static str {
    let word = if error.is_connect() { "cannot connect" } else { "the connection was lost" };
    fault(error).unwrap_or(word)
}

/// What an error is about: an I/O error says the cause of the error that it holds, and not that one.
fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<IoError>().and_then(IoError::get_ref) {
        Some(held) => Some(held),
        None => error.source(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_without_authorities_trusts_those_that_are_built_in() {
        assert!(store_of(Vec::new()).len() > 50);
        let nonsense = CertificateDer::from(vec![0; 8]);
        assert!(store_of(vec![nonsense]).len() > 50);
    }

    #[test]
    fn a_fault_of_tls_is_named_and_nothing_else_is_taken_for_one() {
        let tls = |fault| IoError::new(std::io::ErrorKind::InvalidData, fault);
        let issuer = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        assert_eq!(fault(&tls(issuer)), Some("TLS: the certificate's issuer is not trusted"));
        assert_eq!(fault(&tls(rustls::Error::DecryptError)), Some("TLS error"));
        let held = IoError::other(tls(rustls::Error::DecryptError));
        assert_eq!(fault(&held), Some("TLS error"), "two deep");
        assert_eq!(fault(&IoError::from(std::io::ErrorKind::ConnectionRefused)), None);
    }
}
