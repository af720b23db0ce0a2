//! What a client asks for, and where (RFC 6455, section 4.1).
//!
//! Invariant: whatever the application sets, the request that is written is valid.

use super::credentials::{basic, bearer};
use super::extension::Extension;
use super::fields;
use super::headers::{Headers, check_value};
use super::setup_error::SetupError;
use super::shown::{AllHidden, without_secrets};
use super::token::is_token;
use super::uri::Uri;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

/// What a client asks for, and where (RFC 6455, section 4.1).
///
/// It can be used for any number of connections: each handshake takes a new key.
///
/// ```
/// use sansocket::ClientRequest;
///
/// let request = ClientRequest::new("ws://Example.com:8080/chat?room=1")?
///     .subprotocol("chat")?
///     .header("Authorization", "Bearer x")?;
/// assert_eq!((request.host(), request.port()), ("example.com", 8080)); // connect to this
/// assert_eq!(request.authority(), "example.com:8080");
/// assert_eq!(request.uri(), "ws://example.com:8080/chat?room=1");
/// assert!(!request.is_secure());
/// # Ok::<(), sansocket::SetupError>(())
/// ```
#[derive(Clone)]
pub struct ClientRequest {
    uri: Uri,
    origin: Option<String>,
    subprotocols: Vec<String>,
    requires_subprotocol: bool,
    extensions: Vec<Extension>,
    required_extensions: Vec<String>,
    headers: Headers,
}

impl ClientRequest {
    /// Makes a request for the resource at a `ws://` or `wss://` URI (RFC 6455, section 3).
    ///
    /// The host is folded to lower case. Path and query are sent as they are, except that
    /// characters that are not ASCII are percent-encoded (RFC 6455, section 11.1.1); what every browser
    /// sends unescaped is accepted. A host that is not ASCII needs the feature `idna`.
    ///
    /// # Errors
    ///
    /// [`SetupError::Scheme`], [`SetupError::Syntax`], [`SetupError::Host`], [`SetupError::Port`],
    /// [`SetupError::Fragment`], or [`SetupError::Character`] with the character and its place.
    pub fn new(uri: &str) -> Result<Self, SetupError> {
        Ok(Self {
            uri: uri.parse()?,
            origin: None,
            subprotocols: Vec::new(),
            requires_subprotocol: false,
            extensions: Vec::new(),
            required_extensions: Vec::new(),
            headers: Headers::new(),
        })
    }

    /// Offers one more subprotocol; those offered first are preferred (RFC 6455, section 4.1).
    ///
    /// # Errors
    ///
    /// [`SetupError::Subprotocol`] if the name is not a token, or was offered already.
    pub fn subprotocol(mut self, name: &str) -> Result<Self, SetupError> {
        if !is_token(name.as_bytes()) || self.subprotocols.iter().any(|other| other == name) {
            return Err(SetupError::Subprotocol);
        }
        self.subprotocols.push(name.into());
        Ok(self)
    }

    /// Lets the handshake fail if the server chooses none of the subprotocols, as browsers do.
    ///
    /// ```
    /// # use sansocket::ClientRequest;
    /// let request = ClientRequest::new("wss://example.com/")?
    ///     .subprotocol("chat.v2")?
    ///     .subprotocol("chat.v1")?
    ///     .require_subprotocol();
    /// # Ok::<(), sansocket::SetupError>(())
    /// ```
    #[must_use]
    pub const fn require_subprotocol(mut self) -> Self {
        self.requires_subprotocol = true;
        self
    }

    /// Offers an extension that the application implements itself, above the connection
    /// (RFC 6455, section 9.1).
    ///
    /// If it is `required` and the server does not accept it, the connection is closed with 1010
    /// as soon as it is open (RFC 6455, section 7.4.1).
    ///
    /// ```
    /// # use sansocket::{ClientRequest, Extension};
    /// let extension = Extension::new("bbf-usp-protocol")?.param("eid", Some("x"))?;
    /// let request = ClientRequest::new("wss://example.com/")?.extension(extension, true);
    /// # Ok::<(), sansocket::SetupError>(())
    /// ```
    #[must_use]
    pub fn extension(mut self, extension: Extension, required: bool) -> Self {
        if required {
            self.required_extensions.push(extension.name().into());
        }
        self.extensions.push(extension);
        self
    }

    /// Says which site the client acts for, as browsers do (RFC 6455, section 4.1).
    ///
    /// # Errors
    ///
    /// [`SetupError::Value`] if it has control characters.
    pub fn origin(mut self, origin: &str) -> Result<Self, SetupError> {
        check_value(origin)?;
        self.origin = Some(origin.into());
        Ok(self)
    }

    /// Adds a header field, such as `Authorization` or `Cookie`.
    ///
    /// # Errors
    ///
    /// [`SetupError::Name`], [`SetupError::Value`], or [`SetupError::Reserved`] for what the
    /// handshake writes itself.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, SetupError> {
        if name.eq_ignore_ascii_case("origin") {
            return Err(SetupError::Reserved);
        }
        fields::add(&mut self.headers, name, value)?;
        Ok(self)
    }

    /// Adds an `Authorization` with user and password (RFC 7617), in UTF-8.
    ///
    /// With `ws` everybody on the way can read it. If the URI has [userinfo](Self::userinfo), it is not
    /// sent, unless you give it to this.
    ///
    /// # Errors
    ///
    /// [`SetupError::Credentials`] if the user has a colon, or one of them a control character.
    pub fn basic_auth(self, user: &str, password: &str) -> Result<Self, SetupError> {
        self.authorization(&basic(user, password)?)
    }

    /// Adds an `Authorization` with this token (RFC 6750, section 2.1).
    ///
    /// # Errors
    ///
    /// [`SetupError::Credentials`] if it is not made of letters, digits, `-`, `.`, `_`, `~`, `+` and
    /// `/`, with `=` at its end.
    pub fn bearer(self, token: &str) -> Result<Self, SetupError> {
        self.authorization(&bearer(token)?)
    }

    /// Credentials instead of those that there are.
    fn authorization(mut self, value: &str) -> Result<Self, SetupError> {
        self.headers = self.headers.without("authorization");
        self.header("Authorization", value)
    }

    /// The same request to another place; without what may be secret if that has another origin.
    pub(super) fn to(&self, uri: Uri) -> Self {
        let is_same_origin = self.uri.is_same_origin(&uri);
        let (userinfo, headers) = if is_same_origin {
            (self.uri.userinfo.clone(), self.headers.clone())
        } else {
            (None, Headers::new())
        };
        Self {
            uri: Uri { userinfo, ..uri },
            headers,
            origin: self.origin.clone(),
            subprotocols: self.subprotocols.clone(),
            requires_subprotocol: self.requires_subprotocol,
            extensions: self.extensions.clone(),
            required_extensions: self.required_extensions.clone(),
        }
    }

    /// Where it leads.
    pub(super) const fn target(&self) -> &Uri {
        &self.uri
    }

    /// The host and the port, for a proxy.
    pub(super) fn host_and_port(&self) -> String {
        self.uri.host_and_port()
    }

    /// Returns the URI in its normal form, without userinfo.
    #[must_use]
    pub fn uri(&self) -> &str {
        &self.uri.text
    }

    /// Whether the scheme is `wss`: the connection goes through TLS.
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        self.uri.is_secure
    }

    /// Returns the host to connect to and to name in TLS: a name or an address, without brackets.
    ///
    /// An IPv6 address keeps its zone, as in `fe80::1%eth0` for `ws://[fe80::1%25eth0]/` (RFC 6874):
    /// the system needs it to connect, TLS and [`authority`](Self::authority) have no place for it.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.uri.host
    }

    /// Returns the port to connect to: 80 for `ws` and 443 for `wss` where the URI names none.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.uri.port
    }

    /// Returns host and port as in `Host`: the port is left out if it is the scheme's own
    /// (RFC 6455, section 4.1).
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.uri.authority
    }

    /// Returns what is before the `@` of the URI: this crate never sends it (RFC 9110, section
    /// 4.2.4).
    ///
    /// A caller who trusts the source of the URI may give it to [`basic_auth`](Self::basic_auth), with
    /// percent-encoding undone.
    ///
    /// ```
    /// # use sansocket::ClientRequest;
    /// let request = ClientRequest::new("wss://user:secret@example.com/")?;
    /// assert_eq!(request.userinfo(), Some("user:secret"));
    /// assert_eq!(request.uri(), "wss://example.com/");
    /// # Ok::<(), sansocket::SetupError>(())
    /// ```
    #[must_use]
    pub fn userinfo(&self) -> Option<&str> {
        self.uri.userinfo.as_deref()
    }

    pub(super) fn subprotocols(&self) -> &[String] {
        &self.subprotocols
    }

    pub(super) const fn requires_subprotocol(&self) -> bool {
        self.requires_subprotocol
    }

    pub(super) fn extensions(&self) -> &[Extension] {
        &self.extensions
    }

    pub(super) fn required_extensions(&self) -> &[String] {
        &self.required_extensions
    }

    pub(super) fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The site that the client acts for.
    pub(super) fn site(&self) -> Option<&str> {
        self.origin.as_deref()
    }

    /// Path and query.
    pub(super) fn resource_name(&self) -> &str {
        &self.uri.resource_name
    }
}

impl FromStr for ClientRequest {
    type Err = SetupError;

    fn from_str(uri: &str) -> Result<Self, SetupError> {
        Self::new(uri)
    }
}

impl TryFrom<&str> for ClientRequest {
    type Error = SetupError;

    fn try_from(uri: &str) -> Result<Self, SetupError> {
        Self::new(uri)
    }
}

impl fmt::Debug for ClientRequest {
    /// Hides userinfo, the query, subprotocols (where browsers put tokens), and the values of fields
    /// that may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_secure() { "wss" } else { "ws" };
        let resource = &*self.uri.resource_name;
        let (path, _query) = resource.split_once('?').unwrap_or((resource, ""));
        f.debug_struct("ClientRequest")
            .field(
                "uri",
                &format_args!("{scheme}://{}{path}", self.authority()),
            )
            .field("origin", &self.origin.as_deref().map(without_secrets))
            .field("subprotocols", &AllHidden(&self.subprotocols))
            .field("requires_subprotocol", &self.requires_subprotocol)
            .field("extensions", &self.extensions)
            .field("required_extensions", &self.required_extensions)
            .field("headers", &self.headers)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn a_debug_print_shows_no_secret() {
        let request = ClientRequest::new("wss://me:sesame@a/b?sesame")
            .unwrap()
            .header("Authorization", "sesame")
            .unwrap();
        let shown = format!("{request:?}");
        assert!(!shown.contains("sesame"), "{shown}");
        assert!(shown.contains("wss://a/b,"), "{shown}");
    }
}
