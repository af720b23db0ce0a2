//! The first line of a request (RFC 9112, section 3).
//!
//! Invariant: a target has the form that its method asks for, and no byte that two servers could
//! read in two ways.

use super::version::http_version;
use crate::handshake::error::HandshakeError;
use crate::handshake::fault::LineFault;
use crate::handshake::token::is_token_byte;
use crate::handshake::uri::Authority;
use alloc::borrow::Cow;

/// A request line of HTTP/1.x.
pub(in crate::handshake) struct RequestLine<'l> {
    pub(in crate::handshake) method: Cow<'static, str>,
    /// Path and query; `*` or an authority for the methods that have these.
    pub(in crate::handshake) target: Cow<'l, str>,
    /// The host and port of a target that names them.
    pub(in crate::handshake) authority: Option<&'l str>,
    /// The version is 1 and this.
    pub(in crate::handshake) minor: u8,
}

impl<'l> RequestLine<'l> {
    pub(in crate::handshake) fn parse(line: &'l [u8]) -> Result<Self, HandshakeError> {
        let malformed = |at| HandshakeError::Malformed {
            line: 1,
            at,
            fault: LineFault::RequestLine,
        };
        let mut words = line.split(|&byte| byte == b' ');
        let (Some(method), Some(target), Some(version)) =
            (words.next(), words.next(), words.next())
        else {
            return Err(malformed(line.len()));
        };
        let version_at = method.len() + target.len() + 2;
        if words.next().is_some() {
            return Err(malformed(version_at + version.len()));
        }
        let is_bad = |byte: &u8| !is_token_byte(*byte);
        let method = match (method.iter().position(is_bad), core::str::from_utf8(method)) {
            (None, Ok(method)) if !method.is_empty() => method,
            (at, _) => return Err(malformed(at.unwrap_or(0))),
        };
        if target.is_empty() {
            return Err(malformed(method.len() + 1));
        }
        let minor = match http_version(version) {
            Some((1, minor)) => minor,
            Some((major, minor)) => return Err(HandshakeError::HttpVersion { major, minor }),
            None => return Err(malformed(version_at)),
        };
        let target = visible(target)?;
        let (target, authority) = match (method, target) {
            ("CONNECT", authority) => authority_form(authority)?,
            ("OPTIONS", "*") => ("*".into(), None),
            _ if target.starts_with('/') => (target.into(), None),
            _ => absolute_form(target)?,
        };
        Ok(Self {
            method: match method {
                "GET" => Cow::Borrowed("GET"),
                other => Cow::Owned(other.into()),
            },
            target,
            authority,
            minor,
        })
    }
}

/// A path and query, or the `*` of OPTIONS (RFC 9112, sections 3.2.1 and 3.2.4).
pub(in crate::handshake) fn path_form<'t>(
    method: &str,
    target: &'t str,
) -> Result<&'t str, HandshakeError> {
    match (method, target) {
        ("OPTIONS", "*") => Ok(target),
        _ if target.starts_with('/') => visible(target.as_bytes()),
        _ => Err(bad(target.as_bytes(), 0)),
    }
}

/// A target may have any visible ASCII character but `#`: which of them must be percent-encoded
/// clients do not agree on, and nothing here depends on it.
fn visible(target: &[u8]) -> Result<&str, HandshakeError> {
    let is_bad = |byte: &u8| !byte.is_ascii_graphic() || *byte == b'#';
    let at = target.iter().position(is_bad);
    match (at, core::str::from_utf8(target)) {
        (None, Ok(target)) => Ok(target),
        (at, _) => Err(bad(target, at.unwrap_or(0))),
    }
}

/// Proxies send a target with scheme and authority; this authority is used, not `Host` (RFC 9112,
/// section 3.2.2). Some clients write the scheme of the WebSocket there.
fn absolute_form(target: &str) -> Result<(Cow<'_, str>, Option<&str>), HandshakeError> {
    const SCHEMES: [&str; 4] = ["http", "https", "ws", "wss"];
    let bad = |at| bad(target.as_bytes(), at);
    let (scheme, rest) = target.split_once("://").ok_or_else(|| bad(0))?;
    if !SCHEMES.iter().any(|s| s.eq_ignore_ascii_case(scheme)) {
        return Err(bad(0));
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, resource) = rest.split_at(end);
    Authority::parse(authority).map_err(|_| bad(scheme.len() + 3))?;
    let resource = if resource.starts_with('/') {
        resource.into()
    } else {
        ["/", resource].concat().into()
    };
    Ok((resource, Some(authority)))
}

/// The host and port that a CONNECT names (RFC 9112, section 3.2.3).
fn authority_form(target: &str) -> Result<(Cow<'_, str>, Option<&str>), HandshakeError> {
    match Authority::parse(target) {
        Ok(Authority { port: Some(_), .. }) => Ok((target.into(), Some(target))),
        _ => Err(bad(target.as_bytes(), 0)),
    }
}

/// The error for a target that is wrong from this place on.
fn bad(target: &[u8], at: usize) -> HandshakeError {
    // The space is the one that ends the target.
    let found = target.get(at).copied().unwrap_or(b' ');
    HandshakeError::Target { found, at }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(line: &str) -> Result<(Cow<'_, str>, Option<&str>), HandshakeError> {
        RequestLine::parse(line.as_bytes()).map(|line| (line.target, line.authority))
    }

    #[test]
    fn each_method_has_its_forms_of_target() {
        for (line, found, authority) in [
            ("GET /a?b HTTP/1.1", "/a?b", None),
            ("PUT http://a:1?b HTTP/1.0", "/?b", Some("a:1")),
            ("GET WSS://a:1/b?c HTTP/1.1", "/b?c", Some("a:1")),
            ("OPTIONS * HTTP/1.1", "*", None),
            ("CONNECT a:1 HTTP/1.1", "a:1", Some("a:1")),
        ] {
            let expected = (found.into(), authority);
            assert_eq!(target(line), Ok(expected), "{line}");
        }
        for (line, found, at) in [
            ("GET * HTTP/1.1", b'*', 0),
            ("GET a:1 HTTP/1.1", b'a', 0),
            ("GET ftp://a/ HTTP/1.1", b'f', 0),
            ("GET http:// HTTP/1.1", b' ', 7),
            ("GET http://a@b/ HTTP/1.1", b'a', 7),
            ("GET http://a/\u{e9} HTTP/1.1", 0xc3, 9),
            ("GET /a#b HTTP/1.1", b'#', 2),
            ("CONNECT a HTTP/1.1", b'a', 0),
            ("CONNECT /a HTTP/1.1", b'/', 0),
        ] {
            assert_eq!(
                target(line),
                Err(HandshakeError::Target { found, at }),
                "{line}"
            );
        }
    }
}
