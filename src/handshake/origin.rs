//! Which web pages may connect (RFC 6455, section 10.2).
//!
//! Invariant: a page of another site gets in only if the server names it, or allows any.

use super::uri::{Authority, default_port};
use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;

/// Which web pages a server accepts (RFC 6455, section 10.2).
///
/// Browsers say in `Origin` which site a page came from, and let any page connect to any server
/// with the user's cookies. Every page on the web can use a server that does not check it, in the
/// name of that server's users. Other clients may leave `Origin` out, or lie: a request without it
/// is accepted, and does not come from a browser.
///
/// ```
/// use sansocket::OriginPolicy;
///
/// let policy = OriginPolicy::list(["https://app.example"]);
/// assert!(policy.allows(Some("https://app.example"), "api.example"));
/// assert!(!policy.allows(Some("https://app.example.evil.test"), "api.example"));
/// ```
///
/// What to set where:
///
/// - **Behind TLS**, also where a proxy ends it: [`https_only`](Self::https_only).
/// - **Behind a proxy that rewrites `Host`**, or leaves out its port: the host of the page is never that
///   of the request, and [`same_origin`](Self::same_origin) refuses everybody. Let the proxy pass
///   `Host` on, or name the site in a [`list`](Self::list).
///   [`HandshakeError::OriginForbidden`](crate::HandshakeError::OriginForbidden) has both names.
/// - **On a private network or `localhost`, without TLS**: a name of the attacker's may be made to
///   lead to your address (DNS rebinding). Origin and `Host` then have the same foreign name, and
///   `same_origin` accepts them: name your sites in a [`list`](Self::list).
/// - **Pages of files and apps** send `null` or `file://`: nobody knows whose they are. A list can
///   name them, and then each such page is accepted.
/// - **Native clients** that send `wss://example.com` as origin are judged as `https://example.com`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OriginPolicy {
    pages: Pages,
    https_only: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Pages {
    #[default]
    SameOrigin,
    /// One name a line. A clone shares them, and needs no `Arc`.
    List(Bytes),
    Any,
}

impl OriginPolicy {
    /// Accepts pages of the host and port that the request was sent to: the default.
    #[must_use]
    pub const fn same_origin() -> Self {
        Self::of(Pages::SameOrigin)
    }

    /// Accepts pages of these origins, written as browsers send them: scheme, host, and the port
    /// unless it is the scheme's own, such as `https://app.example`; or `null`. A slash at the end is
    /// left out. A name without a scheme, such as `app.example`, is no origin and accepts no page.
    #[must_use]
    pub fn list(origins: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let origins = origins.into_iter().map(Into::into).map(without_slash);
        let origins: Vec<String> = origins.collect();
        Self::of(Pages::List(Bytes::from(origins.join("\n"))))
    }

    /// Accepts all pages: for what is public, or where every message proves who sent it.
    #[must_use]
    pub const fn any() -> Self {
        Self::of(Pages::Any)
    }

    /// Accepts the same pages, but only if they came over TLS: those of an `https` (or `wss`) origin.
    ///
    /// Use it where the server itself is reached over TLS only. The core does not know that: without
    /// it a page of `http://example.com`, which anybody on the way can write, may connect to
    /// `example.com`. It also fixes the port of a `Host` that names none to 443.
    ///
    /// ```
    /// use sansocket::OriginPolicy;
    ///
    /// let policy = OriginPolicy::same_origin().https_only();
    /// assert!(policy.allows(Some("https://example.com"), "example.com"));
    /// assert!(!policy.allows(Some("http://example.com"), "example.com"));
    /// ```
    #[must_use]
    pub const fn https_only(mut self) -> Self {
        self.https_only = true;
        self
    }

    const fn of(pages: Pages) -> Self {
        Self {
            pages,
            https_only: false,
        }
    }

    /// Whether a request with this `Origin`, sent to this host (the value of `Host`, or
    /// `:authority`), is accepted.
    #[must_use]
    pub fn allows(&self, origin: Option<&str>, host: &str) -> bool {
        let Some(origin) = origin else {
            return true;
        };
        if self.https_only && !is_https(origin) {
            return false;
        }
        match &self.pages {
            Pages::Any => true,
            Pages::List(names) => names
                .split(|&byte| byte == b'\n')
                .any(|name| !name.is_empty() && name.eq_ignore_ascii_case(origin.as_bytes())),
            Pages::SameOrigin => is_same_host(origin, host).unwrap_or(false),
        }
    }
}

/// No browser sends the slash, but an address copied from one has it. `file://` is complete.
fn without_slash(mut origin: String) -> String {
    if origin.ends_with('/') && !origin.ends_with("//") {
        origin.pop();
    }
    origin
}

fn is_https(origin: &str) -> bool {
    origin
        .split_once("://")
        .is_some_and(|(scheme, _)| is_secure(scheme) == Some(true))
}

/// Whether a scheme is that of TLS; `None` if it is none of the web. Some native clients send the
/// scheme of the WebSocket as that of their origin.
fn is_secure(scheme: &str) -> Option<bool> {
    let is_any = |names: [&str; 2]| names.iter().any(|name| scheme.eq_ignore_ascii_case(name));
    if is_any(["https", "wss"]) {
        Some(true)
    } else {
        is_any(["http", "ws"]).then_some(false)
    }
}

/// Here the server does not know whether it is behind TLS, so a host without a port gets the
/// default port of the origin's scheme.
fn is_same_host(origin: &str, host: &str) -> Option<bool> {
    let (scheme, origin) = origin.split_once(':')?;
    let origin = origin.strip_prefix("//")?;
    let secure = is_secure(scheme)?;
    if origin == host {
        return Some(Authority::parse(origin).is_ok());
    }
    let origin = Authority::parse(origin).ok()?;
    let host = Authority::parse(host).ok()?;
    let port = |authority: &Authority<'_>| authority.port.unwrap_or_else(|| default_port(secure));
    Some(origin.host == host.host && port(&origin) == port(&host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_list_allows_no_page() {
        let none = OriginPolicy::list([""; 0]);
        assert!(!none.allows(Some(""), "a"));
        assert!(!none.allows(Some("http://a"), "a"));
        assert!(none.allows(None, "a"));
        assert!(!OriginPolicy::list(["", "http://b"]).allows(Some(""), "a"));
    }

    #[test]
    fn a_slash_at_the_end_of_a_listed_name_is_left_out() {
        let list = OriginPolicy::list(["https://a/", "file://", "/", "b"]);
        assert!(list.allows(Some("https://a"), "a"));
        assert!(list.allows(Some("file://"), "a"));
        for other in [
            "https://a/",
            "https://a//",
            "file:/",
            "file:",
            "/",
            "",
            "https://b",
        ] {
            assert!(!list.allows(Some(other), "a"), "{other}");
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let hosts = ["a", "a:80", "a:443", "a:81", "A", "b", "[::1]", "[::1]:443"];
        for (origin, allowed) in [
            ("http://a", &["a", "a:80", "A"][..]),
            ("http://a:80", &["a", "a:80", "A"]),
            ("ws://a", &["a", "a:80", "A"]),
            ("https://a", &["a", "a:443", "A"]),
            ("HTTPS://a:443", &["a", "a:443", "A"]),
            ("wss://a", &["a", "a:443", "A"]),
            ("WSS://A:443", &["a", "a:443", "A"]),
            ("wss://a:81", &["a:81"]),
            ("ws://a:443", &["a:443"]),
            ("wss://[::1]", &["[::1]", "[::1]:443"]),
            ("wss://b", &["b"]),
            ("file://", &[]),
            ("file://a", &[]),
            ("null", &[]),
            ("", &[]),
            ("a", &[]),
            ("https:a", &[]),
            ("https://", &[]),
            ("https://a/", &[]),
            ("https://me@a", &[]),
            ("https://a b", &[]),
            ("wss://https://a", &[]),
            ("wsss://a", &[]),
            ("chrome-extension://a", &[]),
        ] {
            let is_secure = matches!(origin.get(..5), Some("https" | "HTTPS"))
                || matches!(origin.get(..4), Some("wss:" | "WSS:"));
            let policy = OriginPolicy::same_origin();
            for host in hosts {
                let is_allowed = allowed.contains(&host);
                assert_eq!(
                    policy.allows(Some(origin), host),
                    is_allowed,
                    "{origin} {host}"
                );
                let behind_tls = policy.clone().https_only();
                let expected = is_allowed && is_secure;
                assert_eq!(
                    behind_tls.allows(Some(origin), host),
                    expected,
                    "{origin} {host}"
                );
            }
        }
    }

    #[test]
    fn https_only_narrows_each_policy() {
        let list = OriginPolicy::list(["http://a", "https://a", "null"]);
        for policy in [OriginPolicy::same_origin(), list, OriginPolicy::any()] {
            assert!(policy.allows(Some("http://a"), "a"));
            let policy = policy.https_only();
            assert!(policy.allows(Some("HTTPS://a"), "a"));
            assert!(!policy.allows(Some("file://a"), "a"));
            assert!(!policy.allows(Some("ws://a"), "a"));
            assert!(!policy.allows(Some("https"), "a"));
            assert!(!policy.allows(Some("http://a"), "a"));
            assert!(!policy.allows(Some("null"), "a"));
            assert!(policy.allows(None, "a"));
        }
    }
}
