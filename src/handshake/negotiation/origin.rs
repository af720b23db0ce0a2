//! Which web pages may connect (RFC 6455, section 10.2). Its law: a page of another site gets
//! in only if the server names it, or says "any" aloud.

use crate::handshake::uri::{Authority, default_port};
use alloc::string::String;
use alloc::sync::Arc;

/// Which origins a server takes (RFC 6455, section 10.2).
///
/// Browsers say in `Origin` which site a page came from, and let any page connect to any server
/// with the user's cookies: a server that does not look at it can be used by every page on the
/// web in the name of its users. Other clients may leave `Origin` out, or lie; a request without it is
/// taken, and is not to be thought of as coming from a browser.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OriginPolicy {
    /// Pages from the host and port which the request was sent to.
    #[default]
    SameOrigin,
    /// Pages from these origins, such as `https://app.example` or `null`.
    List(Arc<[String]>),
    /// All pages: for what is public, or where every message proves who sent it.
    Any,
}

impl OriginPolicy {
    /// Pages from these origins: scheme, host, and the port if it is not the scheme's own.
    ///
    /// ```
    /// use sansocket::negotiation::OriginPolicy;
    ///
    /// let policy = OriginPolicy::list(["https://app.example"]);
    /// assert!(policy.allows(Some("https://app.example"), "api.example"));
    /// assert!(!policy.allows(Some("https://app.example.evil.test"), "api.example"));
    /// ```
    #[must_use]
    pub fn list(origins: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::List(origins.into_iter().map(Into::into).collect())
    }

    /// Whether a request with this `Origin`, sent to this host (the value of `Host`, or
    /// `:authority`), is taken.
    #[must_use]
    pub fn allows(&self, origin: Option<&str>, host: &str) -> bool {
        let Some(origin) = origin else {
            return true;
        };
        match self {
            Self::Any => true,
            Self::List(list) => list.iter().any(|other| other.eq_ignore_ascii_case(origin)),
            Self::SameOrigin => is_same_host(origin, host).unwrap_or(false),
        }
    }
}

/// The server does not know here whether it is behind TLS: a host without a port has that of
/// the origin's scheme.
fn is_same_host(origin: &str, host: &str) -> Option<bool> {
    let (scheme, origin) = origin.split_once(':')?;
    let origin = origin.strip_prefix("//")?;
    let secure = match scheme {
        s if s.eq_ignore_ascii_case("http") => false,
        s if s.eq_ignore_ascii_case("https") => true,
        _ => return None,
    };
    if origin == host {
        return Some(Authority::parse(origin).is_ok());
    }
    let origin = Authority::parse(origin).ok()?;
    let host = Authority::parse(host).ok()?;
    let port = |authority: &Authority<'_>| authority.port.unwrap_or_else(|| default_port(secure));
    Some(origin.host == host.host && port(&origin) == port(&host))
}
