//! Whom a client trusts.
//!
//! Invariant: without a root to trust there is no connection.

use super::stream::MaybeTls;
use crate::options::Options;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::{TlsConnector, TlsStream};

/// What it takes to do the handshake of TLS with a host.
pub(super) struct Tls {
    name: ServerName<'static>,
    config: Arc<ClientConfig>,
}

impl Tls {
    pub(super) async fn new(host: &str, options: &Options) -> io::Result<Self> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| io::Error::new(ErrorKind::InvalidInput, format!("{host}: {error}")))?;
        let config = match &options.tls {
            Some(config) => config.clone(),
            None => default_config().await?,
        };
        Ok(Self { name, config })
    }

    pub(super) async fn handshake(self, tcp: TcpStream) -> io::Result<MaybeTls> {
        let stream = TlsConnector::from(self.config).connect(self.name, tcp);
        Ok(TlsStream::from(stream.await?).into())
    }
}

#[cfg(not(any(feature = "rustls-native-roots", feature = "rustls-webpki-roots")))]
async fn default_config() -> io::Result<Arc<ClientConfig>> {
    let error = "wss:// needs `Options::tls`, or the feature `rustls-native-roots` or \
                 `rustls-webpki-roots` of tokio-sansocket";
    Err(io::Error::new(ErrorKind::Unsupported, error))
}

#[cfg(any(feature = "rustls-native-roots", feature = "rustls-webpki-roots"))]
async fn default_config() -> io::Result<Arc<ClientConfig>> {
    use std::sync::OnceLock;
    use tokio_rustls::rustls::{RootCertStore, crypto};

    /// Made once for all: reading the system's roots takes milliseconds, and a session that is resumed
    /// needs the configuration that it was made with.
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();

    fn make() -> io::Result<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        // A system may have some that are no good; the others will do.
        #[cfg(feature = "rustls-native-roots")]
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        #[cfg(feature = "rustls-webpki-roots")]
        if roots.is_empty() {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        if roots.is_empty() {
            let error = "this system trusts no certificate: set `Options::tls`";
            return Err(io::Error::new(ErrorKind::NotFound, error));
        }
        // Named, as the process may have more than one, and none is the default then.
        let provider = Arc::new(crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider);
        let config = config.with_safe_default_protocol_versions();
        let config = config.map_err(io::Error::other)?;
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    if let Some(config) = CONFIG.get() {
        return Ok(config.clone());
    }
    // It reads files.
    let made = tokio::task::spawn_blocking(make).await;
    let made = made.unwrap_or_else(|error| Err(io::Error::other(error)))?;
    Ok(CONFIG.get_or_init(|| made).clone())
}
