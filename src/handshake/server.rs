//! The server's opening handshake over HTTP/1.1 (RFC 6455, section 4.2). Its law: the
//! application sees only a request that passed every rule.

use super::config::HandshakeConfig;
use super::http1::{Head, HeadError, HeadReader, http_version};
use super::rejection::{Rejection, is_reserved, write_field, write_fields};
use crate::connection::{Config, Connection};
#[cfg(feature = "deflate")]
use crate::deflate::{Deflate, DeflateParams};
use crate::frame::Input;
use crate::handshake::error::RequestError;
use crate::handshake::headers::{FieldError, Headers, is_token};
use crate::handshake::negotiation::{
    Extension, Offered, Once, OriginPolicy, accept_octets, select_subprotocol, upgrade_key,
};
use crate::handshake::uri::{Authority, is_made_of, is_path_octet};
use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use bytes::BytesMut;

/// The server's side of an opening handshake (RFC 6455, section 4.2).
///
/// Give it what was read until it yields a [`Request`], which the application accepts or rejects.
/// What the client sent behind its request stays in the input, for the connection.
///
/// ```
/// use bytes::BytesMut;
/// use sansocket::{Connection, HandshakeConfig, Input, Rejection, RequestError, ServerHandshake};
///
/// # fn read() -> Vec<u8> {
/// #     b"GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
/// #       Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
/// #       Sec-WebSocket-Version: 13\r\n\r\n".to_vec()
/// # }
/// let mut handshake = ServerHandshake::new(&HandshakeConfig::default());
/// let mut out = BytesMut::new(); // what is to be written
/// let connection: Option<Connection> = loop {
///     let mut octets = read();
///     let mut input = Input::new(&mut octets);
///     match handshake.receive(&mut input, &mut out) {
///         Ok(None) => {} // go on reading
///         Ok(Some(request)) if request.path() == "/chat" => {
///             break Some(request.accept().send(&mut out)); // go on with `input` there
///         }
///         Ok(Some(_)) => {
///             Rejection::new(404).expect("an error status").send(&mut out);
///             break None;
///         }
///         Err(_error) => break None, // the response is in `out` already
///     }
/// };
/// assert!(connection.is_some());
/// assert!(out.starts_with(b"HTTP/1.1 101 "));
/// ```
#[derive(Debug)]
pub struct ServerHandshake {
    reader: HeadReader,
    origin_policy: OriginPolicy,
    connection: Config,
    #[cfg(feature = "deflate")]
    deflate: Option<Deflate>,
    outcome: Option<Result<(), RequestError>>,
}

impl ServerHandshake {
    /// A handshake that waits for its request.
    #[must_use]
    pub fn new(config: &HandshakeConfig) -> Self {
        Self {
            reader: HeadReader::new(config),
            origin_policy: config.origin_policy.clone(),
            connection: config.connection,
            #[cfg(feature = "deflate")]
            deflate: config.deflate.clone(),
            outcome: None,
        }
    }

    /// Takes what came from the client and returns its request once it is there as a whole and
    /// has passed every rule of RFC 6455, section 4.2.1; `None` until then.
    ///
    /// Call it after each read. It takes no octet behind the request, neither then nor when it is
    /// called again. There is no clock here: put a limit to the time for the whole handshake
    /// (10 s in the examples).
    ///
    /// # Errors
    ///
    /// The rule that the request breaks. The HTTP response is in `out`: write it, then close the
    /// transport. Octets behind the request are dropped.
    pub fn receive(
        &mut self,
        input: &mut Input<'_>,
        out: &mut BytesMut,
    ) -> Result<Option<Request>, RequestError> {
        match self.outcome {
            Some(Ok(())) => return Ok(None),
            Some(Err(error)) => {
                input.take_rest();
                return Err(error);
            }
            None => {}
        }
        let head = self.reader.receive(input).map_err(|error| match error {
            HeadError::Malformed => RequestError::Malformed,
            HeadError::LineTooLong => RequestError::TargetTooLong,
            HeadError::TooLarge => RequestError::HeadTooLarge,
            HeadError::TooManyHeaders => RequestError::TooManyHeaders,
        });
        let request = match head {
            Ok(None) => return Ok(None),
            Ok(Some(head)) => self.check(head),
            Err(error) => Err(error),
        };
        self.outcome = Some(request.as_ref().map(|_| ()).map_err(|error| *error));
        if let Err(error) = request {
            // Nothing behind a refused request is another one.
            input.take_rest();
            Rejection::from(error).send(out);
        }
        request.map(Some)
    }

    /// RFC 6455, section 4.2.1.
    fn check(&self, head: Head) -> Result<Request, RequestError> {
        let headers = &head.headers;
        let (target, authority) = request_line(head.first_line())?;
        let (mut host, mut content_length) = (Once::ABSENT, Once::ABSENT);
        let mut has_transfer_encoding = false;
        for (name, value) in headers.raw() {
            match name {
                n if n.eq_ignore_ascii_case(b"host") => host.found(value),
                n if n.eq_ignore_ascii_case(b"content-length") => content_length.found(value),
                n if n.eq_ignore_ascii_case(b"transfer-encoding") => has_transfer_encoding = true,
                _ => {}
            }
        }
        let Ok(Some(host)) = host.0 else {
            return Err(RequestError::Host);
        };
        let host = core::str::from_utf8(host).map_err(|_| RequestError::Host)?;
        Authority::parse(host).map_err(|_| RequestError::Host)?;
        // RFC 9110, section 9.3.1: content would be read as frames.
        if has_transfer_encoding || !matches!(content_length.0, Ok(None | Some(b"0"))) {
            return Err(RequestError::Content);
        }
        let key = upgrade_key(headers.raw())?.as_bytes().try_into();
        let key = key.map_err(|_| RequestError::Key)?;
        let Offered {
            subprotocols,
            extensions,
            origin,
        } = Offered::read(headers.raw())?;
        if !self.origin_policy.allows(origin, authority.unwrap_or(host)) {
            return Err(RequestError::OriginForbidden);
        }
        #[cfg(feature = "deflate")]
        let deflate = self.deflate.as_ref().and_then(|deflate| {
            let params = deflate.accept(&extensions)?;
            Some((deflate.clone(), params))
        });
        Ok(Request {
            target,
            authority: authority.map(ToOwned::to_owned),
            key,
            subprotocols,
            extensions,
            headers: head.headers,
            connection: self.connection,
            #[cfg(feature = "deflate")]
            deflate,
        })
    }
}

/// Method, target and version (RFC 9112, section 3). Returns the resource name, and the
/// authority if the target has one.
fn request_line(line: &str) -> Result<(String, Option<&str>), RequestError> {
    let mut parts = line.split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(RequestError::Malformed);
    };
    if !is_token(method.as_bytes()) || target.is_empty() {
        return Err(RequestError::Malformed);
    }
    match http_version(version) {
        Some((1, 1..)) => {}
        Some(_) => return Err(RequestError::HttpVersion),
        None => return Err(RequestError::Malformed),
    }
    if method != "GET" {
        return Err(RequestError::Method);
    }
    let (target, authority) = if target.starts_with('/') {
        (target.to_owned(), None)
    } else {
        absolute_form(target).ok_or(RequestError::Target)?
    };
    if !is_made_of(&target, |octet| is_path_octet(octet) || is_lenient(octet)) {
        return Err(RequestError::Target);
    }
    Ok((target, authority))
}

/// Proxies send a target with scheme and authority, and the latter counts (RFC 9112, section
/// 3.2.2).
fn absolute_form(target: &str) -> Option<(String, Option<&str>)> {
    let (scheme, rest) = target.split_once("://")?;
    if !is_http(scheme) {
        return None;
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at(end);
    Authority::parse(authority).ok()?;
    let root = if target.starts_with('/') { "" } else { "/" };
    Some(([root, target].concat(), Some(authority)))
}

fn is_http(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
}

/// What browsers leave unescaped in paths and queries, beside the query's own `?`.
const fn is_lenient(octet: u8) -> bool {
    matches!(
        octet,
        b'?' | b'[' | b']' | b'|' | b'^' | b'{' | b'}' | b'\\' | b'`'
    )
}

/// A client's request for a WebSocket, checked (RFC 6455, section 4.2.1), which the application
/// [accepts](Self::accept) or answers with a [`Rejection`].
#[derive(Debug)]
pub struct Request {
    target: String,
    /// That of the target; without one the `Host` counts.
    authority: Option<String>,
    key: [u8; 24],
    subprotocols: Vec<String>,
    extensions: Vec<Extension>,
    headers: Headers,
    connection: Config,
    /// What is agreed on if the request is accepted.
    #[cfg(feature = "deflate")]
    deflate: Option<(Deflate, DeflateParams)>,
}

impl Request {
    /// The resource that the client asks for: path and query as they were sent, not decoded
    /// (RFC 6455, section 3).
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The target up to the query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target
            .split_once('?')
            .map_or(&*self.target, |(path, _)| path)
    }

    /// What stands behind the `?` of the target.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    /// The host, and the port if it was named, that the client wanted to reach (RFC 9112,
    /// section 3.2).
    #[must_use]
    pub fn host(&self) -> &str {
        let authority = self.authority.as_deref();
        authority.unwrap_or_else(|| self.headers.get_str("host").unwrap_or_default())
    }

    /// Which site the page came from, if a browser sent the request. The
    /// [`OriginPolicy`] has let it in.
    #[must_use]
    pub fn origin(&self) -> Option<&str> {
        self.headers.get_str("origin")
    }

    /// The subprotocols that the client offers, in its order (RFC 6455, section 1.9).
    #[must_use]
    pub fn subprotocols(&self) -> &[String] {
        &self.subprotocols
    }

    /// The extensions that the client offers, in its order (RFC 6455, section 9.1).
    #[must_use]
    pub fn extensions(&self) -> &[Extension] {
        &self.extensions
    }

    /// All header fields, for cookies, authorization and the like.
    ///
    /// Whatever is in them comes from the client. Compare secrets in constant time.
    #[must_use]
    pub const fn headers(&self) -> &Headers {
        &self.headers
    }

    /// Begins the answer that opens the WebSocket.
    ///
    /// ```
    /// # use bytes::BytesMut;
    /// # use sansocket::{FieldError, Connection, Request};
    /// # fn accept(request: &Request, out: &mut BytesMut) -> Result<Connection, FieldError> {
    /// let ws = request
    ///     .accept()
    ///     .subprotocol_among(&["chat", "superchat"])
    ///     .header("Set-Cookie", "session=1")?
    ///     .send(out);
    /// # Ok(ws)
    /// # }
    /// ```
    pub const fn accept(&self) -> Accept<'_> {
        Accept {
            request: self,
            config: self.connection,
            #[cfg(feature = "deflate")]
            deflate: self.deflate.as_ref(),
            subprotocol: None,
            extensions: Vec::new(),
            headers: Headers::new(),
        }
    }
}

/// The answer that opens a WebSocket (RFC 6455, section 4.2.2), to be filled in and sent.
#[derive(Debug)]
#[must_use = "the answer is written by `send`"]
pub struct Accept<'r> {
    request: &'r Request,
    config: Config,
    #[cfg(feature = "deflate")]
    deflate: Option<&'r (Deflate, DeflateParams)>,
    subprotocol: Option<&'r str>,
    extensions: Vec<Extension>,
    headers: Headers,
}

impl<'r> Accept<'r> {
    /// Chooses this subprotocol (RFC 6455, section 4.2.2).
    ///
    /// # Errors
    ///
    /// [`FieldError::SubprotocolNotOffered`] if the client did not offer it.
    pub fn subprotocol(mut self, name: &str) -> Result<Self, FieldError> {
        let offered = self
            .request
            .subprotocols()
            .iter()
            .find(|other| *other == name);
        self.subprotocol = Some(offered.ok_or(FieldError::SubprotocolNotOffered)?);
        Ok(self)
    }

    /// Chooses the first subprotocol in the client's order which the server supports, or none.
    pub fn subprotocol_among(mut self, supported: &[impl AsRef<str>]) -> Self {
        self.subprotocol = select_subprotocol(self.request.subprotocols(), supported);
        self
    }

    /// Accepts an extension which the application implements itself, above the connection
    /// (RFC 6455, section 9.1). It cannot use the reserved bits of frames.
    ///
    /// # Errors
    ///
    /// [`FieldError::ExtensionNotOffered`] if the client did not offer one of this name, or if it
    /// is accepted already.
    pub fn extension(mut self, extension: Extension) -> Result<Self, FieldError> {
        let is_same = |other: &Extension| other.name() == extension.name();
        #[cfg(feature = "deflate")]
        if self.deflate.is_some() && extension.name() == Deflate::NAME {
            return Err(FieldError::ExtensionNotOffered);
        }
        if !self.request.extensions().iter().any(is_same) || self.extensions.iter().any(is_same) {
            return Err(FieldError::ExtensionNotOffered);
        }
        self.extensions.push(extension);
        Ok(self)
    }

    /// Adds a header field, such as `Set-Cookie`.
    ///
    /// # Errors
    ///
    /// [`FieldError::Name`], [`FieldError::Value`], or [`FieldError::Reserved`] for what the
    /// handshake writes itself.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, FieldError> {
        if is_reserved(name) {
            return Err(FieldError::Reserved);
        }
        self.headers.push(name, value)?;
        Ok(self)
    }

    /// Gives this connection limits of its own, for a path that takes larger messages, say.
    pub const fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Accepts the request without permessage-deflate, although
    /// [`HandshakeConfig::deflate`](crate::HandshakeConfig::deflate) and the offer allow it.
    #[cfg(feature = "deflate")]
    pub const fn without_deflate(mut self) -> Self {
        self.deflate = None;
        self
    }

    /// What is agreed on for permessage-deflate, if it is (RFC 7692, section 7).
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn deflate_params(&self) -> Option<DeflateParams> {
        self.deflate.map(|(_, params)| *params)
    }

    /// The subprotocol that was chosen so far.
    #[must_use]
    pub const fn chosen_subprotocol(&self) -> Option<&'r str> {
        self.subprotocol
    }

    /// Appends the response to `out` and returns the open connection, which may send at once
    /// (RFC 6455, section 4.2.2).
    ///
    /// Send one answer to a request: this one or a [`Rejection`].
    pub fn send(self, out: &mut BytesMut) -> Connection {
        const BEGIN: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Accept: ";
        let accept = accept_octets(&self.request.key);
        out.reserve(BEGIN.len() + accept.len() + 4);
        for part in [BEGIN, &accept, b"\r\n"] {
            out.extend_from_slice(part);
        }
        if let Some(subprotocol) = self.subprotocol {
            write_field("Sec-WebSocket-Protocol", subprotocol.as_bytes(), out);
        }
        let extensions = self.extensions.iter().map(ToString::to_string);
        #[cfg(feature = "deflate")]
        let extensions = {
            let params = self.deflate_params();
            let element = params.map(|params| params.to_extension().to_string());
            element.into_iter().chain(extensions)
        };
        for extension in extensions {
            write_field("Sec-WebSocket-Extensions", extension.as_bytes(), out);
        }
        write_fields(&self.headers, out);
        out.extend_from_slice(b"\r\n");
        let connection = Connection::server(&self.config);
        #[cfg(feature = "deflate")]
        if let Some((deflate, params)) = self.deflate {
            return connection.with_deflate(deflate, params);
        }
        connection
    }
}
