//! The grammar of `ws` and `wss` URIs (RFC 6455, section 3).
//!
//! Invariant: what does not fit the grammar is an error before anything is sent.

use super::setup_error::SetupError;
use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
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
    /// A name or an address, without brackets; an IPv6 address with its zone after a `%`.
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
            let is_bad = |b| !is_reg_name_byte(b) && b != b':';
            check_at(find_strictly(userinfo, is_bad), at)?;
        }
        let (authority, zone) = without_zone(authority)?;
        let ascii = to_ascii(&authority)?;
        let Authority { host, port } = Authority::parse(&ascii)?;
        let port = port.unwrap_or_else(|| default_port(is_secure));
        let resource_name = resource_name(resource, uri.len() - resource.len())?;

        let [open, close] = if host.contains(':') {
            ["[", "]"]
        } else {
            [""; 2]
        };
        let port_part = match port {
            port if port == default_port(is_secure) => String::new(),
            port => format!(":{port}"),
        };
        let [zone_part, escaped_zone] = match zone {
            None => [String::new(), String::new()],
            Some(zone) => [format!("%{zone}"), format!("%25{zone}")],
        };
        let scheme = if is_secure { "wss" } else { "ws" };
        Ok(Self {
            is_secure,
            userinfo: userinfo.map(String::from),
            text: format!("{scheme}://{open}{host}{escaped_zone}{close}{port_part}{resource_name}"),
            authority: format!("{open}{host}{close}{port_part}"),
            host: format!("{host}{zone_part}"),
            port,
            resource_name,
        })
    }
}

impl Uri {
    /// Whether it leads to the same scheme, host and port (RFC 6454, section 4).
    pub(super) fn is_same_origin(&self, other: &Self) -> bool {
        self.is_secure == other.is_secure && self.host == other.host && self.port == other.port
    }

    /// The authority with the port, also if it is the scheme's own.
    pub(super) fn host_and_port(&self) -> String {
        if self.port == default_port(self.is_secure) {
            format!("{}:{}", self.authority, self.port)
        } else {
            self.authority.clone()
        }
    }
}

/// An authority without the zone of its IPv6 address, which means something only to this host, and
/// that zone (RFC 6874, section 2).
fn without_zone(authority: &str) -> Result<(Cow<'_, str>, Option<&str>), SetupError> {
    let is_zone_byte = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    match authority.split_once("%25") {
        Some((address, rest)) if address.starts_with('[') => {
            let (zone, port) = rest.split_once(']').ok_or(SetupError::Host)?;
            if zone.is_empty() || !zone.bytes().all(is_zone_byte) {
                return Err(SetupError::Host);
            }
            Ok(([address, "]", port].concat().into(), Some(zone)))
        }
        _ => Ok((authority.into(), None)),
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
    if name.is_empty() || find_strictly(name, |b| !is_reg_name_byte(b)).is_some() {
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
    check_at(find(path, |b| !is_path_byte(b)), at)?;
    let query_at = at + path.len() + 1;
    check_at(find(query, |b| !is_query_byte(b)), query_at)?;

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

/// The error for a character that was found at this place of the part that starts at `at` in the URI.
fn check_at(found: Option<(char, usize)>, at: usize) -> Result<(), SetupError> {
    found.map_or(Ok(()), |(found, place)| {
        let at = at + place;
        Err(SetupError::Character { found, at })
    })
}

/// The first character of `part` that is bad, and its place.
///
/// `is_bad` must give the same answer for all bytes that are not ASCII.
fn find(part: &str, is_bad: impl Fn(u8) -> bool) -> Option<(char, usize)> {
    let at = part.bytes().position(is_bad)?;
    Some((char_at(part, at), at))
}

/// As [`find`], where a percent sign needs two hex digits after it.
fn find_strictly(part: &str, is_bad: impl Fn(u8) -> bool) -> Option<(char, usize)> {
    let mut bytes = part.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        let mut is_digit = || bytes.next().is_some_and(|(_, b)| b.is_ascii_hexdigit());
        let is_good = match byte {
            b'%' => is_digit() && is_digit(),
            other => !is_bad(other),
        };
        if !is_good {
            return Some((char_at(part, at), at));
        }
    }
    None
}

fn char_at(part: &str, at: usize) -> char {
    let found = part.get(at..).and_then(|rest| rest.chars().next());
    debug_assert!(found.is_some(), "a character starts here");
    found.unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// RFC 3986, section 3.2.2: unreserved characters and sub-delimiters.
const fn is_reg_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'_' | b'~')
        || matches!(byte, b'!' | b'$' | b'&'..=b',' | b';' | b'=')
}

/// What may be in a path (RFC 3986, section 3.3), and what every browser leaves there as it is. What is
/// not ASCII will be encoded.
const fn is_path_byte(byte: u8) -> bool {
    is_reg_name_byte(byte)
        || matches!(byte, b':' | b'@' | b'/')
        || matches!(byte, b'%' | b'[' | b']' | b'|')
        || !byte.is_ascii()
}

/// As [`is_path_byte`], for a query.
const fn is_query_byte(byte: u8) -> bool {
    is_path_byte(byte) || matches!(byte, b'?' | b'{' | b'}' | b'^' | b'`' | b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_character_is_named_with_its_place() {
        for (uri, found, at) in [
            ("ws://a/b c", ' ', 8),
            ("ws://a/b?c\"", '"', 10),
            ("ws://u%4@a/", '%', 6),
            ("ws://u ser%@a/", ' ', 6),
            ("ws://u%ser @a/", '%', 6),
            ("ws://u\u{e9}@a/", '\u{e9}', 6),
            ("ws://a/\u{e9}\\", '\\', 9),
        ] {
            let error = uri.parse::<Uri>().err();
            assert_eq!(error, Some(SetupError::Character { found, at }), "{uri}");
        }
    }

    /// A zone means something only to this host, so no server is told.
    #[test]
    fn a_zone_is_kept_for_dialling_and_left_out_of_host() {
        let uri: Uri = "ws://[FE80::1%25eth0]:81/a".parse().unwrap();
        assert_eq!((&*uri.host, uri.port), ("fe80::1%eth0", 81));
        assert_eq!(uri.authority, "[fe80::1]:81");
        assert_eq!(uri.text, "ws://[fe80::1%25eth0]:81/a");
        let again: Uri = uri.text.parse().unwrap();
        assert_eq!((again.host, again.text), (uri.host, uri.text));
        for uri in [
            "ws://[fe80::1%eth0]/",
            "ws://[fe80::1%25]/",
            "ws://[fe80::1%25a%25b]/",
            "ws://[fe80::1%25a b]/",
            "ws://[fe80::1%25\u{e9}]/",
            "ws://[fe80::1%25eth0",
            "ws://[fe80::1%25a]x]/",
            "ws://[1.2.3.4%25eth0]/",
        ] {
            assert_eq!(uri.parse::<Uri>().err(), Some(SetupError::Host), "{uri}");
        }
        assert!(Authority::parse("[fe80::1%25eth0]").is_err(), "of a peer");
        let uri: Uri = "ws://a%25b/".parse().unwrap();
        assert_eq!(uri.authority, "a%25b", "a name has no zone");
    }

    /// What every browser leaves as it is, is sent; anything else is named.
    #[test]
    fn brackets_bars_and_percent_signs_are_sent_as_they_are() {
        for (resource, bad) in [
            ("/[a]|%x%4?[b]|%", None),
            ("/?{a}^`\\%zz'", None),
            ("/{", Some(('{', 9))),
            ("/a}", Some(('}', 10))),
            ("/a^", Some(('^', 10))),
            ("/`", Some(('`', 9))),
            ("/\\", Some(('\\', 9))),
            ("/?<", Some(('<', 10))),
            ("/?a\"", Some(('"', 11))),
        ] {
            let uri = format!("ws://a:1{resource}").parse::<Uri>();
            match (uri, bad) {
                (Ok(uri), None) => assert_eq!(uri.resource_name, resource),
                (Err(error), Some((found, at))) => {
                    assert_eq!(error, SetupError::Character { found, at }, "{resource}");
                }
                (uri, _) => panic!("{resource}: {:?}", uri.err()),
            }
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
    fn a_host_from_a_peer_is_never_mapped() {
        for host in ["\u{e9}.test", "\u{e9}.test:80", "\u{ff41}"] {
            assert!(Authority::parse(host).is_err(), "{host}");
        }
    }
}
