//! `ws` and `wss` URIs (RFC 6455, section 3). Its law: what does not fit the grammar is an
//! error before anything is sent.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;
use core::net::Ipv6Addr;
use core::str::FromStr;

/// A `ws://` or `wss://` URI (RFC 6455, section 3).
///
/// Host names are folded to lower case; path and query stay octet for octet, but characters
/// that are not ASCII are percent-encoded (RFC 6455, section 11.1.1). A host that is not ASCII
/// needs the feature `idna`.
///
/// ```
/// use sansocket::Uri;
///
/// let uri: Uri = "ws://Example.com:8080/chat?room=1".parse()?;
/// assert_eq!(uri.host(), "example.com");
/// assert_eq!(uri.port(), 8080);
/// assert_eq!(uri.resource_name(), "/chat?room=1");
/// # Ok::<(), sansocket::UriError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Uri {
    secure: bool,
    userinfo: Option<String>,
    authority: Authority<'static>,
    resource_name: String,
}

impl Uri {
    /// Whether the scheme is `wss`: the connection goes through TLS.
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        self.secure
    }

    /// The host to connect to and to name in TLS: a name or an address, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.authority.host
    }

    /// The port to connect to: 80 for `ws` and 443 for `wss` where the URI names none.
    #[must_use]
    pub fn port(&self) -> u16 {
        let default = || default_port(self.secure);
        self.authority.port.unwrap_or_else(default)
    }

    /// The path and query, `/` if the path is empty: what the request asks for.
    #[must_use]
    pub fn resource_name(&self) -> &str {
        &self.resource_name
    }

    /// What stands before an `@`: never sent by this crate (RFC 9110, section 4.2.4).
    ///
    /// A caller who trusts where the URI came from may make an `Authorization` header of it.
    #[must_use]
    pub fn userinfo(&self) -> Option<&str> {
        self.userinfo.as_deref()
    }

    /// The value of the `Host` header: the port is left out if it is the scheme's own
    /// (RFC 6455, section 4.1).
    #[must_use]
    pub fn host_header(&self) -> String {
        let host = self.host();
        let brackets = if host.contains(':') {
            ("[", "]")
        } else {
            ("", "")
        };
        let mut value = format!("{}{host}{}", brackets.0, brackets.1);
        if self.port() != default_port(self.secure) {
            value.push(':');
            value.push_str(&self.port().to_string());
        }
        value
    }
}

impl FromStr for Uri {
    type Err = UriError;

    fn from_str(uri: &str) -> Result<Self, UriError> {
        let (scheme, rest) = uri.split_once(':').ok_or(UriError::Scheme)?;
        let secure = match scheme {
            s if s.eq_ignore_ascii_case("ws") => false,
            s if s.eq_ignore_ascii_case("wss") => true,
            _ => return Err(UriError::Scheme),
        };
        let rest = rest.strip_prefix("//").ok_or(UriError::Syntax)?;
        if rest.contains('#') {
            return Err(UriError::Fragment);
        }
        let (authority, resource) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (userinfo, authority) = match authority.rsplit_once('@') {
            Some((userinfo, authority)) => (Some(userinfo), authority),
            None => (None, authority),
        };
        if userinfo.is_some_and(|u| !is_made_of(u, |b| is_reg_name_octet(b) || b == b':')) {
            return Err(UriError::Character);
        }
        Ok(Self {
            secure,
            userinfo: userinfo.map(String::from),
            authority: Authority::parse(authority)?.into_owned(),
            resource_name: resource_name(resource)?,
        })
    }
}

impl fmt::Display for Uri {
    /// The URI in its normal form, without userinfo.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "wss" } else { "ws" };
        write!(f, "{scheme}://{}{}", self.host_header(), self.resource_name)
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uri({self})")
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
    pub(crate) fn parse(authority: &'a str) -> Result<Self, UriError> {
        let (host, port) = if let Some(literal) = authority.strip_prefix('[') {
            let (address, port) = literal.split_once(']').ok_or(UriError::Host)?;
            address.parse::<Ipv6Addr>().map_err(|_| UriError::Host)?;
            let port = match port.strip_prefix(':') {
                Some(port) => port,
                None if port.is_empty() => "",
                None => return Err(UriError::Host),
            };
            (lower_case(address), port)
        } else {
            let (name, port) = authority.split_once(':').unwrap_or((authority, ""));
            if port.contains(':') {
                return Err(UriError::Host); // an IPv6 address without brackets
            }
            (host_name(name)?, port)
        };
        let port = match port {
            "" => None,
            digits if digits.bytes().all(|b| b.is_ascii_digit()) => {
                Some(digits.parse().map_err(|_| UriError::Port)?)
            }
            _ => return Err(UriError::Port),
        };
        Ok(Self { host, port })
    }

    fn into_owned(self) -> Authority<'static> {
        Authority {
            host: Cow::Owned(self.host.into_owned()),
            port: self.port,
        }
    }
}

/// The port of a scheme (RFC 6455, section 3).
pub(crate) const fn default_port(secure: bool) -> u16 {
    if secure { 443 } else { 80 }
}

fn host_name(name: &str) -> Result<Cow<'_, str>, UriError> {
    if !name.is_ascii() {
        return ascii_host_name(name).map(Cow::Owned);
    }
    if name.is_empty() || !is_made_of(name, is_reg_name_octet) {
        return Err(UriError::Host);
    }
    Ok(lower_case(name))
}

/// Copied only if it is not in lower case yet.
fn lower_case(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|octet| octet.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

#[cfg(feature = "idna")]
fn ascii_host_name(name: &str) -> Result<String, UriError> {
    idna::domain_to_ascii(name).map_err(|_| UriError::Host)
}

#[cfg(not(feature = "idna"))]
fn ascii_host_name(_: &str) -> Result<String, UriError> {
    Err(UriError::Host)
}

/// RFC 6455, section 3: `/` for an empty path, and the query if there is one.
fn resource_name(resource: &str) -> Result<String, UriError> {
    let (path, query) = resource.split_once('?').unwrap_or((resource, ""));
    let mut name = String::with_capacity(resource.len() + 1);
    name.push_str(if path.is_empty() { "/" } else { "" });
    push_encoded(path, is_path_octet, &mut name)?;
    if !query.is_empty() {
        name.push('?');
        push_encoded(query, |b| is_path_octet(b) || b == b'?', &mut name)?;
    }
    Ok(name)
}

/// Appends `part`, with what is not ASCII percent-encoded (RFC 6455, section 11.1.1).
fn push_encoded(
    part: &str,
    allowed: impl Fn(u8) -> bool,
    out: &mut String,
) -> Result<(), UriError> {
    if !is_made_of(part, |b| allowed(b) || !b.is_ascii()) {
        return Err(UriError::Character);
    }
    for octet in part.bytes() {
        if octet.is_ascii() {
            out.push(char::from(octet));
        } else {
            out.push_str(&format!("%{octet:02X}"));
        }
    }
    Ok(())
}

/// Whether `part` has only allowed octets and percent signs with two hex digits behind them.
pub(crate) fn is_made_of(part: &str, allowed: impl Fn(u8) -> bool) -> bool {
    let mut octets = part.bytes();
    while let Some(octet) = octets.next() {
        let ok = match octet {
            b'%' => {
                let digits = [octets.next(), octets.next()];
                digits
                    .iter()
                    .all(|d| d.is_some_and(|d| d.is_ascii_hexdigit()))
            }
            other => allowed(other),
        };
        if !ok {
            return false;
        }
    }
    true
}

/// RFC 3986, section 3.2.2: unreserved characters and sub-delimiters.
const fn is_reg_name_octet(octet: u8) -> bool {
    octet.is_ascii_alphanumeric()
        || matches!(octet, b'-' | b'.' | b'_' | b'~')
        || matches!(octet, b'!' | b'$' | b'&'..=b',' | b';' | b'=')
}

/// RFC 3986, section 3.3: what may be in a path.
pub(crate) const fn is_path_octet(octet: u8) -> bool {
    is_reg_name_octet(octet) || matches!(octet, b':' | b'@' | b'/')
}

/// Why a text is no `ws` or `wss` URI (RFC 6455, section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UriError {
    /// RFC 6455, section 3: the scheme is `ws` or `wss`.
    Scheme,
    /// RFC 3986, section 3: `//` and a host follow the scheme.
    Syntax,
    /// RFC 3986, section 3.2.2: the host is a name, an IPv4 address, or an IPv6 address in
    /// brackets. Without the feature `idna` it is ASCII, too.
    Host,
    /// RFC 3986, section 3.2.3: the port is a number, at most 65535.
    Port,
    /// RFC 6455, section 3: there is no fragment (`#…`).
    Fragment,
    /// RFC 3986, section 2: other characters are percent-encoded.
    Character,
}

impl fmt::Display for UriError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "the URI must begin with ws:// or wss:// (RFC 6455, section 3)",
            Self::Syntax => "'//' and a host must follow the scheme (RFC 3986, section 3)",
            Self::Host => {
                "the host must be a name, an IPv4 address or an IPv6 address in brackets (RFC 3986, section 3.2.2); \
                 one that is not ASCII needs the feature `idna`"
            }
            Self::Port => "the port must be a number up to 65535 (RFC 3986, section 3.2.3)",
            Self::Fragment => {
                "a WebSocket URI has no fragment; write '#' as %23 (RFC 6455, section 3)"
            }
            Self::Character => {
                "a character must be percent-encoded (RFC 3986, section 2.1)"
            }
        })
    }
}

impl core::error::Error for UriError {}
