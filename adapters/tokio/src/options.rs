//! Options that all connections of a listener or of a client share.
//!
//! Invariant: every bound is finite by default, and its reason is documented.

use sansocket::{Config, Request, Response};
use std::fmt;
use std::sync::Arc;
#[cfg(feature = "connect")]
use std::time::Duration;

/// What connections share: make it once, and lend it to each.
///
/// ```
/// use std::time::Duration;
/// use tokio_sansocket::Options;
///
/// let mut options = Options::default();
/// options.config.settings.max_message_size = 64 * 1024;
/// options.config.times.idle = Some(Duration::from_secs(600));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Limits, deadlines, origins, compression, delivery: everything of the protocol.
    ///
    /// [`Deliver::Complete`](sansocket::Deliver::Complete) and
    /// [`Deliver::InPlace`](sansocket::Deliver::InPlace) are the same here.
    pub config: Config,
    /// Whether Pings, Pongs and Closes of the peer are shown as messages; no. They are answered in
    /// any case.
    pub show_control: bool,
    /// With so many bytes waiting to be written, `send` waits; 64 KiB. At least 1 byte.
    ///
    /// A connection holds at most this, and the last message that was sent, for a peer that does not
    /// read. The same bound holds for Pongs: with so many bytes of them waiting, nothing is read.
    pub high_water: usize,
    /// The most bytes that are read at once; 256 KiB, and a quarter of it while little comes. Below 1 KiB it
    /// is that, and above 16 MiB that.
    ///
    /// One buffer serves all connections of a thread in turn. A large message grows it: by four times
    /// of what has arrived or by 256 KiB, and never beyond what is announced.
    pub max_read: usize,
    /// For [`connect`](crate::connect()): how long it takes at most until there is a transport, with
    /// name, TCP, proxy and TLS; 10 s. The opening handshake has its own time,
    /// [`Times::handshake`](sansocket::Times::handshake).
    #[cfg(feature = "connect")]
    pub connect_timeout: Duration,
    /// For [`connect`](crate::connect()): the proxy on the way; none.
    #[cfg(feature = "connect")]
    pub proxy: Option<crate::connect::Proxy>,
    /// For [`connect`](crate::connect()): whom to trust, and a certificate of your own if a server
    /// asks for one. `None`: the roots of the features `rustls-native-roots` and
    /// `rustls-webpki-roots`.
    ///
    /// The feature `rustls` alone has no cryptography provider, and `ClientConfig::builder()` panics
    /// without one: depend on `rustls` too, with its feature `ring` or `aws_lc_rs`. The features with
    /// roots bring ring. To trust a CA of your own:
    ///
    /// ```no_run
    /// use std::sync::Arc;
    /// use tokio_sansocket::Options;
    /// use tokio_sansocket::tokio_rustls::rustls::pki_types::{CertificateDer, pem::PemObject};
    /// use tokio_sansocket::tokio_rustls::rustls::{ClientConfig, RootCertStore};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mut roots = RootCertStore::empty();
    /// roots.add(CertificateDer::from_pem_file("ca.pem")?)?;
    /// let tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    /// let mut options = Options::default();
    /// options.tls = Some(Arc::new(tls));
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "rustls")]
    pub tls: Option<Arc<tokio_rustls::rustls::ClientConfig>>,
    http: Http,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            config: Config::default(),
            show_control: false,
            high_water: 64 << 10,
            max_read: 256 << 10,
            #[cfg(feature = "connect")]
            connect_timeout: Duration::from_secs(10),
            #[cfg(feature = "connect")]
            proxy: None,
            #[cfg(feature = "rustls")]
            tls: None,
            http: Http(None),
        }
    }
}

impl From<Config> for Options {
    fn from(config: Config) -> Self {
        Self {
            config,
            ..Self::default()
        }
    }
}

impl Options {
    /// Answers HTTP requests that are no WebSocket handshake, or fail its checks: pages, health
    /// checks. `None` sends the default answer (405, 426, 400, 403 …).
    ///
    /// [`accept`](crate::accept()) fails with [`End::Responded`](sansocket::End::Responded) once the
    /// client has read the response.
    ///
    /// ```
    /// use tokio_sansocket::sansocket::Response;
    /// use tokio_sansocket::Options;
    ///
    /// let mut options = Options::default();
    /// options.answer_http(|request| match (request.method(), request.path()) {
    ///     ("GET" | "HEAD", "/health") => Some(Response::new(200)),
    ///     _ => None,
    /// });
    /// ```
    pub fn answer_http(
        &mut self,
        answer: impl Fn(&Request) -> Option<Response> + Send + Sync + 'static,
    ) {
        self.http = Http(Some(Arc::new(answer)));
    }

    pub(crate) fn http_response(&self, request: &Request) -> Option<Response> {
        self.http.0.as_ref().and_then(|answer| answer(request))
    }
}

type Answer = dyn Fn(&Request) -> Option<Response> + Send + Sync;

#[derive(Clone)]
struct Http(Option<Arc<Answer>>);

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Some" } else { "None" })
    }
}
