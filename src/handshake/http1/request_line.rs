//! The first line of a request (RFC 9112, section 3).
//!
//! Invariant: a target has the form that its method asks for, and no byte that two servers could
//! read in two ways.

use super::version::http_version;
use crate::handshake::error::HandshakeError;
use crate::handshake::token::is_token;
use crate::handshake::uri::{Authority, find_not, is_path_byte};
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
    pub(in crate::handshake) fn parse(line: &'l str) -> Result<Self, HandshakeError> {
        const MALFORMED: HandshakeError = HandshakeError::Malformed { line: 1 };
        let mut parts = line.split(' ');
        let (Some(method), Some(target), Some(version), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(MALFORMED);
        };
        if !is_token(method.as_bytes()) || target.is_empty() {
            return Err(MALFORMED);
        }
        let minor = match http_version(version) {
            Some((1, minor)) => minor,
            Some((major, minor)) => return Err(HandshakeError::HttpVersion { major, minor }),
            None => return Err(MALFORMED),
        };
        let (target, authority) = match (method, target) {
            ("CONNECT", authority) => authority_form(authority)?,
            _ if target.starts_with(['/', '*']) => (path_form(method, target)?.into(), None),
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
        _ if target.starts_with('/') => checked(target, 0),
        _ => Err(bad(target, 0)),
    }
}

/// Proxies send a target with scheme and authority; this authority is used, not `Host` (RFC 9112,
/// section 3.2.2).
fn absolute_form(target: &str) -> Result<(Cow<'_, str>, Option<&str>), HandshakeError> {
    let (scheme, rest) = target.split_once("://").ok_or_else(|| bad(target, 0))?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(bad(target, 0));
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, resource) = rest.split_at(end);
    let at = scheme.len() + 3;
    Authority::parse(authority).map_err(|_| bad(target, at))?;
    let resource = checked(resource, at + end)?;
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
        _ => Err(bad(target, 0)),
    }
}

/// A path and query, at `at` in the target.
fn checked(resource: &str, at: usize) -> Result<&str, HandshakeError> {
    match find_not(resource, |byte| is_path_byte(byte) || is_lenient(byte)) {
        None => Ok(resource),
        Some((found, place)) => Err(HandshakeError::Target {
            found,
            at: at + place,
        }),
    }
}

/// The error for a target that is wrong from this place on.
fn bad(target: &str, at: usize) -> HandshakeError {
    let found = target.get(at..).and_then(|rest| rest.chars().next());
    let found = found.unwrap_or(' '); // the one that ends the target
    HandshakeError::Target { found, at }
}

/// What browsers leave unescaped in paths and queries, besides the query's own `?`.
const fn is_lenient(byte: u8) -> bool {
    matches!(
        byte,
        b'?' | b'[' | b']' | b'|' | b'^' | b'{' | b'}' | b'\\' | b'`'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(line: &str) -> Result<(Cow<'_, str>, Option<&str>), HandshakeError> {
        RequestLine::parse(line).map(|line| (line.target, line.authority))
    }

    #[test]
    fn each_method_has_its_forms_of_target() {
        for (line, found, authority) in [
            ("GET /a?b HTTP/1.1", "/a?b", None),
            ("PUT http://a:1?b HTTP/1.0", "/?b", Some("a:1")),
            ("OPTIONS * HTTP/1.1", "*", None),
            ("CONNECT a:1 HTTP/1.1", "a:1", Some("a:1")),
        ] {
            let expected = (found.into(), authority);
            assert_eq!(target(line), Ok(expected), "{line}");
        }
        for (line, found, at) in [
            ("GET * HTTP/1.1", '*', 0),
            ("GET a:1 HTTP/1.1", 'a', 0),
            ("GET ftp://a/ HTTP/1.1", 'f', 0),
            ("GET http:// HTTP/1.1", ' ', 7),
            ("GET http://a@b/ HTTP/1.1", 'a', 7),
            ("GET http://a/\u{e9} HTTP/1.1", '\u{e9}', 9),
            ("GET /a#b HTTP/1.1", '#', 2),
            ("CONNECT a HTTP/1.1", 'a', 0),
            ("CONNECT /a HTTP/1.1", '/', 0),
        ] {
            assert_eq!(
                target(line),
                Err(HandshakeError::Target { found, at }),
                "{line}"
            );
        }
    }
}
