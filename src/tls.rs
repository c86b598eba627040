//! One TLS provider for every connection that this program opens.
//!
//! rustls takes its cryptography from a provider, and reqwest is built without one of its own so
//! that only `ring` is compiled. A client that is made before a provider is installed panics, so
//! every HTTP client begins with [`http_client`].

/// Installs the provider. Calling it again, or after somebody else chose one, changes nothing.
pub fn install_provider() {
    // The error says that a provider is there already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A builder for HTTP clients: the provider is installed and the program names itself.
pub fn http_client() -> reqwest::ClientBuilder {
    install_provider();
    reqwest::Client::builder().user_agent(concat!("frontdesk/", env!("CARGO_PKG_VERSION")))
}
