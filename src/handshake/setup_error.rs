//! Errors in the application's own part of a handshake.
//!
//! Invariant: nothing was written, and the value is unchanged.

use core::fmt;

/// The application asked for something that an opening handshake cannot contain, or the system has
/// no entropy.
///
/// Nothing was written: correct the argument and call again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetupError {
    /// RFC 9110, section 5.6.2: the name of a header field is a token.
    Name {
        /// The place of the first byte that does not fit: the number of bytes before it.
        at: usize,
    },
    /// RFC 9110, section 5.5: a value has no control character except tab. Often it is the line end of
    /// a file that held a token.
    Value {
        /// The first byte that does not fit.
        found: u8,
        /// Its place: the number of bytes before it.
        at: usize,
    },
    /// RFC 6455, section 4: the handshake writes this field itself.
    Reserved,
    /// RFC 6455, section 4.1: a subprotocol is a token and is offered once.
    Subprotocol,
    /// RFC 6455, section 9.1: names and values of an extension are tokens, and a list of
    /// extensions fits its grammar.
    Extension,
    /// RFC 6455, section 4.2.2: a server accepts each offered extension at most once, and no other.
    NotOffered,
    /// RFC 6455, section 3: the scheme of a URI is `ws` or `wss`.
    Scheme,
    /// RFC 3986, section 3: `//` and a host follow the scheme.
    Syntax,
    /// RFC 3986, section 3.2.2: the host is a name, an IPv4 address, or an IPv6 address in
    /// brackets. Without the feature `idna` it is ASCII.
    Host,
    /// RFC 3986, section 3.2.3: the port is a number, at most 65535.
    Port,
    /// RFC 6455, section 3: a URI has no fragment (`#…`).
    Fragment,
    /// RFC 3986, section 2: this character must be percent-encoded in a URI.
    Character {
        /// The character; `%` if two hex digits do not follow it.
        found: char,
        /// Its place: the number of bytes before it in the URI.
        at: usize,
    },
    /// RFC 7617, section 2, and RFC 6750, section 2.1: a user has no colon, user and password have no
    /// control characters, and a bearer token has only certain signs.
    Credentials,
    /// RFC 9110, section 15.4: a redirect has one of the statuses 301, 302, 303, 307 and 308, and one
    /// `Location`.
    NotRedirect,
    /// RFC 9110, section 17.9: a redirect from `wss` to `ws`, which is not followed, as everybody on the
    /// way could read what was secret.
    Insecure,
    /// RFC 6455, section 10.3: masking keys need entropy, and the operating system gave none.
    Entropy,
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name { at } => {
                return write!(
                    f,
                    "a header name must be a token, of letters, digits and '-'; it is none after {at} bytes (RFC 9110, section 5.6.2)"
                );
            }
            Self::Value { found, at } => {
                return write!(
                    f,
                    "a header value must have no control characters; it has {found:#04x} after {at} bytes (RFC 9110, section 5.5)"
                );
            }
            Self::Reserved => {
                "the handshake writes this header itself; use its own method (RFC 6455, section 4)"
            }
            Self::Subprotocol => {
                "a subprotocol must be a token, offered once (RFC 6455, section 4.1)"
            }
            Self::Extension => {
                "names and values of an extension must be tokens (RFC 6455, section 9.1)"
            }
            Self::NotOffered => {
                "the client did not offer this extension, or it is accepted already (RFC 6455, section 4.2.2)"
            }
            Self::Scheme => "the URI must start with ws:// or wss:// (RFC 6455, section 3)",
            Self::Syntax => "'//' and a host must follow the scheme (RFC 3986, section 3)",
            Self::Host => {
                "the host must be a name, an IPv4 address or an IPv6 address in brackets (RFC 3986, section 3.2.2); \
                 one that is not ASCII needs the feature `idna`"
            }
            Self::Port => "the port must be a number up to 65535 (RFC 3986, section 3.2.3)",
            Self::Fragment => {
                "a WebSocket URI has no fragment; write '#' as %23 (RFC 6455, section 3)"
            }
            Self::Character { found, at } => {
                return write!(
                    f,
                    "the character {found:?} after {at} bytes of the URI must be percent-encoded (RFC 3986, section 2.1)"
                );
            }
            Self::Credentials => {
                "a user must have no colon, user and password no control characters (RFC 7617, section 2); \
                 a token only letters, digits and '-._~+/=' (RFC 6750, section 2.1)"
            }
            Self::NotRedirect => {
                "the response is no redirect: it needs a status 301, 302, 303, 307 or 308 and one Location (RFC 9110, section 15.4)"
            }
            Self::Insecure => {
                "the redirect leads from wss:// to ws://, which is not followed (RFC 9110, section 17.9)"
            }
            Self::Entropy => {
                "the operating system gave no entropy for masking keys (RFC 6455, section 10.3)"
            }
        })
    }
}

impl core::error::Error for SetupError {}
