//! The grammar of `ws` and `wss` URIs (RFC 6455, section 3).
//!
//! Invariant: what does not fit the grammar is an error before anything is sent.

use super::setup_error::SetupError;
use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use core::net::Ipv6Addr;
use core::str::FromStr;

/// A `ws://` or `wss://` URI.
///
/// Host names are folded to lower case. Path and query stay as they are, but characters that are
/// not ASCII are percent-encoded (RFC 6455, section 11.1.1). A host that is not ASCII needs the
/// feature `idna`.
#[derive(Clone)]
pub(super) struct Uri {
    pub(super) is_secure: bool,
    /// What is before an `@`; this crate never sends it (RFC 9110, section 4.2.4).
    pub(super) userinfo: Option<String>,
    /// A name or an address, without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// The value of `Host`: the port is left out if it is the scheme's own (RFC 6455, section 4.1).
    pub(super) authority: String,
    /// Path and query: what the request asks for.
    pub(super) resource_name: String,
    /// The normal form, without userinfo.
    pub(super) text: String,
}

impl FromStr for Uri {
    type Err = SetupError;

    fn from_str(uri: &str) -> Result<Self, SetupError> {
        let (scheme, rest) = uri.split_once(':').ok_or(SetupError::Scheme)?;
        let is_secure = match scheme {
            s if s.eq_ignore_ascii_case("ws") => false,
            s if s.eq_ignore_ascii_case("wss") => true,
            _ => return Err(SetupError::Scheme),
        };
        let rest = rest.strip_prefix("//").ok_or(SetupError::Syntax)?;
        if rest.contains('#') {
            return Err(SetupError::Fragment);
        }
        let (authority, resource) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (userinfo, authority) = match authority.rsplit_once('@') {
            Some((userinfo, authority)) => (Some(userinfo), authority),
            None => (None, authority),
        };
        if let Some(userinfo) = userinfo {
            let at = uri.len() - rest.len();
            check(userinfo, at, |b| is_reg_name_byte(b) || b == b':')?;
        }
        let ascii = to_ascii(authority)?;
        let Authority { host, port } = Authority::parse(&ascii)?;
        let port = port.unwrap_or_else(|| default_port(is_secure));
        let resource_name = resource_name(resource, uri.len() - resource.len())?;

        let mut authority = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.clone().into_owned()
        };
        if port != default_port(is_secure) {
            authority.push(':');
            authority.push_str(&port.to_string());
        }
        let scheme = if is_secure { "wss" } else { "ws" };
        Ok(Self {
            is_secure,
            userinfo: userinfo.map(String::from),
            text: format!("{scheme}://{authority}{resource_name}"),
            host: host.into_owned(),
            port,
            authority,
            resource_name,
        })
    }
}

/// A host and, if it was named, a port (RFC 3986, section 3.2).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Authority<'a> {
    /// In lower case, an IPv6 address without its brackets.
    pub(crate) host: Cow<'a, str>,
    pub(crate) port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// It is ASCII: a name that is not is mapped before, and only that of a URI which the application
    /// gives. A peer's `Host` or origin is never mapped.
    pub(crate) fn parse(authority: &'a str) -> Result<Self, SetupError> {
        let (host, port) = if let Some(literal) = authority.strip_prefix('[') {
            let (address, port) = literal.split_once(']').ok_or(SetupError::Host)?;
            address.parse::<Ipv6Addr>().map_err(|_| SetupError::Host)?;
            let port = match port.strip_prefix(':') {
                Some(port) => port,
                None if port.is_empty() => "",
                None => return Err(SetupError::Host),
            };
            (lower_case(address), port)
        } else {
            // By hand: `split_once` is a general search, which costs more than so short a name.
            let name_len = authority.bytes().position(|byte| byte == b':');
            let (name, port) = authority.split_at(name_len.unwrap_or(authority.len()));
            let port = port.strip_prefix(':').unwrap_or(port);
            if port.contains(':') {
                return Err(SetupError::Host); // an IPv6 address without brackets
            }
            (host_name(name)?, port)
        };
        let port = match port {
            "" => None,
            digits if digits.bytes().all(|b| b.is_ascii_digit()) => {
                Some(digits.parse().map_err(|_| SetupError::Port)?)
            }
            _ => return Err(SetupError::Port),
        };
        Ok(Self { host, port })
    }
}

/// The port of a scheme (RFC 6455, section 3).
pub(crate) const fn default_port(secure: bool) -> u16 {
    if secure { 443 } else { 80 }
}

fn host_name(name: &str) -> Result<Cow<'_, str>, SetupError> {
    // The common case, in one pass over the bytes instead of three.
    let is_plain = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
    if !name.is_empty() && name.bytes().all(is_plain) {
        return Ok(Cow::Borrowed(name));
    }
    if name.is_empty() || find_not(name, is_reg_name_byte).is_some() {
        return Err(SetupError::Host);
    }
    Ok(lower_case(name))
}

/// Copied only if it is not in lower case yet.
fn lower_case(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

/// The authority of a URI with its name mapped to ASCII.
///
/// The mapping judges neither characters that are ASCII already nor those that become so, such as the
/// wide forms of `/`, `:` and `@`, and may leave nothing: the result is judged as strictly as a name
/// can be.
fn to_ascii(authority: &str) -> Result<Cow<'_, str>, SetupError> {
    if authority.is_ascii() {
        return Ok(Cow::Borrowed(authority));
    }
    let name_len = authority.find(':').unwrap_or(authority.len());
    let (name, port) = authority.split_at(name_len);
    let mut ascii = ascii_host_name(name)?;
    let is_host_byte =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if ascii.is_empty() || !ascii.bytes().all(is_host_byte) {
        return Err(SetupError::Host);
    }
    ascii.push_str(port);
    Ok(Cow::Owned(ascii))
}

#[cfg(feature = "idna")]
fn ascii_host_name(name: &str) -> Result<String, SetupError> {
    idna::domain_to_ascii(name).map_err(|_| SetupError::Host)
}

#[cfg(not(feature = "idna"))]
fn ascii_host_name(_: &str) -> Result<String, SetupError> {
    Err(SetupError::Host)
}

/// RFC 6455, section 3: `/` for an empty path, and the query if there is one. `at` is the place of
/// `resource` in the URI.
fn resource_name(resource: &str, at: usize) -> Result<String, SetupError> {
    let (path, query) = resource.split_once('?').unwrap_or((resource, ""));
    check(path, at, |b| is_path_byte(b) || !b.is_ascii())?;
    let query_at = at + path.len() + 1;
    check(query, query_at, |b| {
        is_path_byte(b) || b == b'?' || !b.is_ascii()
    })?;

    let mut name = String::with_capacity(resource.len() + 1);
    name.push_str(if path.is_empty() { "/" } else { "" });
    push_encoded(path, &mut name);
    if !query.is_empty() {
        name.push('?');
        push_encoded(query, &mut name);
    }
    Ok(name)
}

/// Appends `part`, with what is not ASCII percent-encoded (RFC 6455, section 11.1.1).
fn push_encoded(part: &str, out: &mut String) {
    for byte in part.bytes() {
        if byte.is_ascii() {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

/// Checks that `part`, at `at` in the URI, contains only what is allowed.
fn check(part: &str, at: usize, allowed: impl Fn(u8) -> bool) -> Result<(), SetupError> {
    match find_not(part, allowed) {
        None => Ok(()),
        Some((found, place)) => Err(SetupError::Character {
            found,
            at: at + place,
        }),
    }
}

/// The first character in `part` that is not allowed, and its place. A percent sign needs two hex
/// digits after it.
///
/// `allowed` must give the same answer for all bytes that are not ASCII.
pub(crate) fn find_not(part: &str, allowed: impl Fn(u8) -> bool) -> Option<(char, usize)> {
    let mut bytes = part.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        let is_good = match byte {
            b'%' => {
                let digits = [bytes.next(), bytes.next()];
                digits
                    .iter()
                    .all(|d| d.is_some_and(|(_, d)| d.is_ascii_hexdigit()))
            }
            other => allowed(other),
        };
        if !is_good {
            let found = part.get(at..).and_then(|rest| rest.chars().next());
            debug_assert!(found.is_some(), "a character starts here");
            return Some((found.unwrap_or(char::REPLACEMENT_CHARACTER), at));
        }
    }
    None
}

/// RFC 3986, section 3.2.2: unreserved characters and sub-delimiters.
const fn is_reg_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'_' | b'~')
        || matches!(byte, b'!' | b'$' | b'&'..=b',' | b';' | b'=')
}

/// RFC 3986, section 3.3: what may be in a path.
pub(crate) const fn is_path_byte(byte: u8) -> bool {
    is_reg_name_byte(byte) || matches!(byte, b':' | b'@' | b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_character_is_named_with_its_place() {
        for (uri, found, at) in [
            ("ws://a/b c", ' ', 8),
            ("ws://a/b?c\"", '"', 10),
            ("ws://a/?%4", '%', 8),
            ("ws://u ser@a/", ' ', 6),
            ("ws://u\u{e9}@a/", '\u{e9}', 6),
            ("ws://a/\u{e9}\\", '\\', 9),
        ] {
            let error = uri.parse::<Uri>().err();
            assert_eq!(error, Some(SetupError::Character { found, at }), "{uri}");
        }
    }

    #[test]
    fn the_normal_form_has_no_userinfo() {
        let uri: Uri = "WSS://me:pw@EXAMPLE.com:443?q=\u{e9}".parse().unwrap();
        assert_eq!(uri.text, "wss://example.com/?q=%C3%A9");
        assert_eq!(uri.userinfo.as_deref(), Some("me:pw"));
        let uri: Uri = "ws://[::1]:81/".parse().unwrap();
        assert_eq!((&*uri.host, &*uri.authority), ("::1", "[::1]:81"));
    }

    /// One character that is not ASCII must not let any other past the checks.
    #[test]
    fn a_host_that_is_mapped_has_only_what_a_host_may_have() {
        let parse = |uri: &str| uri.parse::<Uri>().map(|uri| uri.text);
        for c in (0..=0x7f).map(char::from) {
            let is_taken = parse(&format!("ws://\u{e9}.a{c}b")).is_ok();
            // `/` and `?` end the host, and `@` starts it.
            let may_be = c.is_ascii_alphanumeric() || "-._/?@".contains(c);
            assert!(!is_taken || may_be, "{c:?}");
        }
        for c in "\u{ff0f}\u{ff20}\u{ff1a}\u{3000}\u{ff03}\u{ff1f}\u{ff05}\u{ff3c}".chars() {
            let uri = format!("ws://a{c}41b/");
            assert_eq!(parse(&uri), Err(SetupError::Host), "{c}");
        }
        for uri in ["ws://\u{ad}/", "ws://\u{ad}:80/", "ws://[\u{e9}]/"] {
            assert_eq!(parse(uri), Err(SetupError::Host), "{uri}");
        }
        assert!(parse("ws://a:\u{ff18}/").is_err());
    }

    #[cfg(feature = "idna")]
    #[test]
    fn a_host_that_is_not_ascii_is_mapped() {
        let uri: Uri = "ws://\u{c9}.test:81/\u{e9}".parse().unwrap();
        assert_eq!(uri.text, "ws://xn--9ca.test:81/%C3%A9");
    }

    #[test]
    fn what_a_peer_sends_is_never_mapped() {
        for host in ["\u{e9}.test", "\u{e9}.test:80", "\u{ff41}"] {
            assert!(Authority::parse(host).is_err(), "{host}");
        }
    }
}
