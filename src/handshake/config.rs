//! Settings that all endpoints of a listener or of a client share.
//!
//! Invariant: every limit is finite by default, and its reason is documented.

#[cfg(feature = "deflate")]
mod deflate;
#[cfg(feature = "deflate")]
mod negotiator;
#[cfg(not(feature = "deflate"))]
mod off;

#[cfg(feature = "deflate")]
pub(super) use negotiator::Negotiator;
#[cfg(not(feature = "deflate"))]
pub(super) use off::Negotiator;

use super::origin::OriginPolicy;
use crate::connection::Settings;
#[cfg(feature = "deflate")]
use crate::deflate::Deflate;
use crate::time::Times;

/// Everything that endpoints share: make one per listener and lend it to each.
///
/// ```
/// use sansocket::{Config, OriginPolicy};
///
/// let mut config = Config::default();
/// config.origins = OriginPolicy::list(["https://app.example"]);
/// config.settings.max_message_size = 64 * 1024;
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// How each connection starts: delivery, limits, answers.
    pub settings: Settings,
    /// How long things may take.
    pub times: Times,
    /// Which web pages a server accepts; those of its own host (RFC 6455, section 10.2).
    pub origins: OriginPolicy,
    /// permessage-deflate, which a server accepts and a client offers (RFC 7692); off.
    ///
    /// Compression takes time and memory, and must not mix secrets with text that others choose:
    /// see [`Deflate`]. Endpoints that use the same one share its states.
    #[cfg(feature = "deflate")]
    pub deflate: Option<Deflate>,
    /// The longest head of a request or response, in bytes; 16 KiB.
    ///
    /// Cookies and tokens make heads of a few KiB; HTTP asks for request lines of 8,000 bytes
    /// (RFC 9112, section 3). A longer head is answered with 431, a longer line with 414.
    ///
    /// Whatever is in a head, reading it takes at most four times its bytes, and three times
    /// while the application decides, beside 48 bytes for each field and 2 KiB for the states.
    pub max_head_size: usize,
    /// The most header fields of a request or response; 128.
    ///
    /// Browsers and proxies send about 30. More are answered with 431.
    pub max_headers: usize,
    /// The most interim responses (100, 103) that a client skips; 8 (RFC 9110, section 15.2).
    pub max_interim_responses: u8,
    /// The most bytes of a refusal's body that a client keeps; 64 KiB. The rest is cut off.
    ///
    /// Error pages are shorter, and nobody reads a longer one.
    pub max_body_size: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            settings: Settings::default(),
            times: Times::default(),
            origins: OriginPolicy::default(),
            #[cfg(feature = "deflate")]
            deflate: None,
            max_head_size: 16 << 10,
            max_headers: 128,
            max_interim_responses: 8,
            max_body_size: 64 << 10,
        }
    }
}

impl Config {
    /// The part of these settings that negotiates permessage-deflate.
    pub(super) fn negotiator(&self) -> Negotiator {
        #[cfg(feature = "deflate")]
        return Negotiator::new(self.deflate.clone());
        #[cfg(not(feature = "deflate"))]
        return Negotiator;
    }
}
