//! Limits and settings of an opening handshake. Its law: every one is finite by default, and
//! its reason stands beside it.

use crate::connection::Config;
#[cfg(feature = "deflate")]
use crate::deflate::Deflate;
use crate::handshake::negotiation::OriginPolicy;

/// Limits and settings of an opening handshake, and of the connection that comes out of it.
///
/// ```
/// use sansocket::HandshakeConfig;
/// use sansocket::negotiation::OriginPolicy;
///
/// let mut config = HandshakeConfig::default();
/// config.origin_policy = OriginPolicy::list(["https://app.example"]);
/// config.connection.max_message_size = 64 * 1024;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HandshakeConfig {
    /// The connection's own limits and settings.
    pub connection: Config,
    /// permessage-deflate, which a server accepts and a client offers (RFC 7692); none.
    ///
    /// Compression takes time and memory, and must not mix secrets with chosen text: see
    /// [`Deflate`]. Handshakes that use the same one share its states.
    #[cfg(feature = "deflate")]
    pub deflate: Option<Deflate>,
    /// Which web pages a server takes; those of its own host (RFC 6455, section 10.2).
    pub origin_policy: OriginPolicy,
    /// The longest head of a request or response, in octets; 16 KiB.
    ///
    /// Cookies and tokens make heads of a few KiB; HTTP asks for request lines of 8,000 octets
    /// (RFC 9112, section 3). A longer one is answered with 431, or 414 for the line.
    pub max_head_size: usize,
    /// The most header fields of a request or response; 128.
    ///
    /// Browsers and proxies send about 30. More are answered with 431.
    pub max_headers: usize,
    /// The most interim responses (100, 103) that a client skips; 8 (RFC 9110, section 15.2).
    pub max_interim_responses: u8,
    /// The longest body of a refusal that a client keeps, in octets; 64 KiB. The rest is cut off.
    ///
    /// Error pages are shorter, and nobody reads a longer one.
    pub max_body_size: usize,
}

impl Default for HandshakeConfig {
    fn default() -> Self {
        Self {
            connection: Config::default(),
            #[cfg(feature = "deflate")]
            deflate: None,
            origin_policy: OriginPolicy::default(),
            max_head_size: 16 << 10,
            max_headers: 128,
            max_interim_responses: 8,
            max_body_size: 64 << 10,
        }
    }
}
