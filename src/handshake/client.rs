//! The client's opening handshake over HTTP/1.1 (RFC 6455, section 4.1). Its law: a response is
//! checked to the letter, and what refuses the handshake is handed over, not followed.

use super::config::HandshakeConfig;
use super::http1::{BodyReader, Head, HeadError, HeadReader, http_version};
use super::rejection::{is_reserved, write_field, write_fields};
use crate::connection::Connection;
use crate::frame::{CloseCode, Input, MaskingKeys};
use crate::handshake::error::ResponseError;
use crate::handshake::headers::{FieldError, Headers, is_token};
use crate::handshake::negotiation::{Agreement, Extension, check_upgrade, key};
use crate::handshake::response::Response;
use crate::handshake::uri::Uri;
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use bytes::BytesMut;
use core::mem;

/// What a client asks for (RFC 6455, section 4.1), to be filled in and handed to a
/// [`ClientHandshake`].
///
/// It can be used again: each handshake takes a new key.
///
/// ```
/// use sansocket::{ClientRequest, Uri};
///
/// let uri: Uri = "ws://example.com/chat".parse()?;
/// let request = ClientRequest::new(uri)
///     .subprotocol("chat")?
///     .header("Authorization", "Bearer x")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ClientRequest {
    uri: Uri,
    origin: Option<String>,
    subprotocols: Vec<String>,
    needs_subprotocol: bool,
    extensions: Vec<Extension>,
    needed_extensions: Vec<String>,
    headers: Headers,
}

impl ClientRequest {
    /// A request for the resource at `uri`.
    #[must_use]
    pub const fn new(uri: Uri) -> Self {
        Self {
            uri,
            origin: None,
            subprotocols: Vec::new(),
            needs_subprotocol: false,
            extensions: Vec::new(),
            needed_extensions: Vec::new(),
            headers: Headers::new(),
        }
    }

    /// Where to connect to.
    #[must_use]
    pub const fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Offers one more subprotocol; those offered first are preferred (RFC 6455, section 4.1).
    ///
    /// # Errors
    ///
    /// [`FieldError::Subprotocol`] if the name is not a token, or was offered already.
    pub fn subprotocol(mut self, name: &str) -> Result<Self, FieldError> {
        if !is_token(name.as_bytes()) || self.subprotocols.iter().any(|other| other == name) {
            return Err(FieldError::Subprotocol);
        }
        self.subprotocols.push(name.into());
        Ok(self)
    }

    /// Lets the handshake fail if the server chooses none of the subprotocols, as browsers do.
    #[must_use]
    pub const fn needs_subprotocol(mut self) -> Self {
        self.needs_subprotocol = true;
        self
    }

    /// Offers an extension which the application implements itself, above the connection
    /// (RFC 6455, section 9.1).
    #[must_use]
    pub fn extension(mut self, extension: Extension) -> Self {
        self.extensions.push(extension);
        self
    }

    /// As [`extension`](Self::extension); if the server does not accept it, the connection is
    /// closed with 1010 as soon as it is open (RFC 6455, section 7.4.1).
    #[must_use]
    pub fn needed_extension(mut self, extension: Extension) -> Self {
        self.needed_extensions.push(extension.name().into());
        self.extension(extension)
    }

    /// Says which site the client acts for; browsers do (RFC 6455, section 4.1).
    ///
    /// # Errors
    ///
    /// [`FieldError::Value`] if it has control characters.
    pub fn origin(mut self, origin: &str) -> Result<Self, FieldError> {
        Headers::new().push("Origin", origin)?;
        self.origin = Some(origin.into());
        Ok(self)
    }

    /// Adds a header field, such as `Authorization` or `Cookie`.
    ///
    /// # Errors
    ///
    /// [`FieldError::Name`], [`FieldError::Value`], or [`FieldError::Reserved`] for what the
    /// handshake writes itself.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, FieldError> {
        if is_reserved(name) || name.eq_ignore_ascii_case("origin") {
            return Err(FieldError::Reserved);
        }
        self.headers.push(name, value)?;
        Ok(self)
    }

    /// Appends the request to `out`.
    fn write(&self, key: &str, out: &mut BytesMut) {
        for part in ["GET ", self.uri.resource_name(), " HTTP/1.1\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
        write_field("Host", self.uri.host_header().as_bytes(), out);
        write_field("Upgrade", b"websocket", out);
        write_field("Connection", b"Upgrade", out);
        write_field("Sec-WebSocket-Key", key.as_bytes(), out);
        write_field("Sec-WebSocket-Version", b"13", out);
        if let Some(origin) = &self.origin {
            write_field("Origin", origin.as_bytes(), out);
        }
        if !self.subprotocols.is_empty() {
            let list = self.subprotocols.join(", ");
            write_field("Sec-WebSocket-Protocol", list.as_bytes(), out);
        }
        if !self.extensions.is_empty() {
            let list: Vec<_> = self.extensions.iter().map(ToString::to_string).collect();
            write_field("Sec-WebSocket-Extensions", list.join(", ").as_bytes(), out);
        }
        write_fields(&self.headers, out);
        out.extend_from_slice(b"\r\n");
    }
}

/// The operating system gave no entropy for a seed.
#[cfg(feature = "entropy")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EntropyError;

#[cfg(feature = "entropy")]
impl core::fmt::Display for EntropyError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the operating system gave no entropy for masking keys")
    }
}

#[cfg(feature = "entropy")]
impl core::error::Error for EntropyError {}

/// The client's side of an opening handshake (RFC 6455, section 4.1).
///
/// It begins by writing the request; give it what was read until it yields the open connection.
/// What the server sent behind its response stays in the input, for the connection.
///
/// ```
/// use bytes::BytesMut;
/// use sansocket::{ClientHandshake, ClientRequest, HandshakeConfig, Input};
///
/// # fn write(_: &mut BytesMut) {}
/// # fn read() -> Vec<u8> { b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec() }
/// let request = ClientRequest::new("ws://example.com/chat".parse()?);
/// let mut out = BytesMut::new(); // what is to be written
/// let mut handshake = ClientHandshake::new(&request, &HandshakeConfig::default(), &mut out)?;
/// write(&mut out);
/// let result = loop {
///     let mut octets = read();
///     let mut input = Input::new(&mut octets);
///     match handshake.receive(&mut input, &mut out) {
///         Ok(None) => {} // go on reading
///         Ok(Some(opened)) => break Ok(opened.connection), // go on with `input` there
///         Err(error) => break Err(error),
///     }
/// };
/// # let error = result.unwrap_err();
/// # assert_eq!(error.to_string(), "the server refused with HTTP status 404");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ClientHandshake {
    request: ClientRequest,
    key: String,
    config: HandshakeConfig,
    state: Reading,
    /// Handed on to the connection.
    keys: MaskingKeys,
}

#[derive(Debug)]
enum Reading {
    Head {
        reader: HeadReader,
        interim: u8,
    },
    /// Of a response that refuses.
    Body(Head, u16, BodyReader),
    Over(Option<ResponseError>),
}

/// What a server's answer opened.
#[derive(Debug)]
#[non_exhaustive]
pub struct Opened {
    /// The open connection. It is closing already if a needed extension was not accepted.
    pub connection: Connection,
    /// The subprotocol that the server chose, one of those offered.
    pub subprotocol: Option<String>,
    /// The extensions that the server accepted, among those offered.
    pub extensions: Vec<Extension>,
    /// All header fields of the response, `Set-Cookie` among them.
    pub headers: Headers,
}

impl ClientHandshake {
    /// Appends the request to `out`, with a key and later masking keys from the operating
    /// system's entropy.
    ///
    /// Write `out`, and then nothing until [`receive`](Self::receive) has yielded the connection.
    ///
    /// # Errors
    ///
    /// [`EntropyError`] if the operating system gave none; nothing was appended.
    #[cfg(feature = "entropy")]
    pub fn new(
        request: &ClientRequest,
        config: &HandshakeConfig,
        out: &mut BytesMut,
    ) -> Result<Self, EntropyError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|_| EntropyError)?;
        Ok(Self::with_seed(request, config, seed, out))
    }

    /// As `new`, with key and masking keys out of `seed`.
    ///
    /// The seed must be fresh and unpredictable (RFC 6455, section 10.3): take it from the
    /// device's source of entropy, and never use it twice.
    #[must_use]
    pub fn with_seed(
        request: &ClientRequest,
        config: &HandshakeConfig,
        seed: [u8; 32],
        out: &mut BytesMut,
    ) -> Self {
        let mut keys = MaskingKeys::new(seed);
        let key = key(&keys.nonce());
        #[cfg_attr(not(feature = "deflate"), allow(unused_mut))]
        let mut request = request.clone();
        #[cfg(feature = "deflate")]
        if let Some(deflate) = &config.deflate {
            request.extensions.insert(0, deflate.offer());
        }
        request.write(&key, out);
        let reader = HeadReader::new(config);
        Self {
            request,
            key,
            config: config.clone(),
            state: Reading::Head { reader, interim: 0 },
            keys,
        }
    }

    /// Takes what came from the server and returns the open connection once the response is
    /// there and has passed every rule of RFC 6455, section 4.1; `None` until then.
    ///
    /// Call it after each read. It takes no octet behind a response that opens a connection. `out` is
    /// written only when a needed extension was not accepted. There is no clock here: put a
    /// limit to the time for the whole handshake.
    ///
    /// # Errors
    ///
    /// The rule that the response breaks, or [`ResponseError::Refused`] with the response, when
    /// its body is there or has reached the limit. Close the transport.
    pub fn receive(
        &mut self,
        input: &mut Input<'_>,
        out: &mut BytesMut,
    ) -> Result<Option<Opened>, ResponseError> {
        let result = self.step(input, out);
        match &result {
            Ok(None) => {}
            Ok(Some(_)) => self.state = Reading::Over(None),
            Err(error) => {
                input.take_rest();
                self.state = Reading::Over(Some(error.clone()));
            }
        }
        result
    }

    /// The transport has ended before the handshake did.
    ///
    /// Call it when a read returns no octets, and when reading or writing fails.
    ///
    /// Returns why there is no connection: [`ResponseError::Refused`] if this was the end of a
    /// refusal's body, the error that [`receive`](Self::receive) gave if it gave one, or
    /// [`ResponseError::TransportEnded`].
    pub fn receive_eof(&mut self) -> ResponseError {
        let error = self.end(true);
        self.state = Reading::Over(Some(error.clone()));
        error
    }

    /// The time is over. Returns the refusal if a part of it has come.
    pub(crate) fn give_up(&mut self) -> Option<ResponseError> {
        match self.end(false) {
            ResponseError::TransportEnded => None,
            error => Some(error),
        }
    }

    fn step(
        &mut self,
        input: &mut Input<'_>,
        out: &mut BytesMut,
    ) -> Result<Option<Opened>, ResponseError> {
        loop {
            match &mut self.state {
                Reading::Head { reader, interim } => {
                    let head = reader.receive(input).map_err(|error| match error {
                        HeadError::Malformed => ResponseError::Malformed,
                        HeadError::LineTooLong | HeadError::TooLarge => ResponseError::HeadTooLarge,
                        HeadError::TooManyHeaders => ResponseError::TooManyHeaders,
                    })?;
                    let Some(head) = head else {
                        return Ok(None);
                    };
                    match status_line(head.first_line())? {
                        101 => return self.check(head, out).map(Some),
                        // RFC 9110, section 15.2: skipped.
                        100..200 if *interim == self.config.max_interim_responses => {
                            return Err(ResponseError::TooManyInterimResponses);
                        }
                        100..200 => *interim += 1,
                        status => {
                            let max_size = self.config.max_body_size;
                            let body = BodyReader::new(status, &head.headers, max_size);
                            self.state = Reading::Body(head, status, body);
                        }
                    }
                }
                Reading::Body(_, _, body) => {
                    if !body.receive(input) {
                        return Ok(None);
                    }
                    return Err(self.end(false));
                }
                Reading::Over(None) => return Ok(None),
                Reading::Over(Some(error)) => return Err(error.clone()),
            }
        }
    }

    /// The handshake is over without a connection; why.
    fn end(&mut self, transport_ended: bool) -> ResponseError {
        match mem::replace(&mut self.state, Reading::Over(None)) {
            Reading::Body(head, status, body) => refused(head, status, body, transport_ended),
            Reading::Over(Some(error)) => error,
            Reading::Head { .. } | Reading::Over(None) => ResponseError::TransportEnded,
        }
    }

    /// RFC 6455, section 4.1: what a response with status 101 must have.
    fn check(&self, head: Head, out: &mut BytesMut) -> Result<Opened, ResponseError> {
        let headers = head.headers;
        check_upgrade(headers.iter(), &self.key)?;
        let request = &self.request;
        let Agreement {
            subprotocol,
            extensions,
        } = Agreement::read(headers.iter(), &request.subprotocols, &request.extensions)?;
        if request.needs_subprotocol && subprotocol.is_none() {
            return Err(ResponseError::Subprotocol);
        }

        let mut connection = Connection::with_keys(&self.config.connection, self.keys.clone());
        #[cfg(feature = "deflate")]
        if let Some(deflate) = &self.config.deflate
            && let Some(params) = deflate.agree(&request.extensions, &extensions)?
        {
            connection = connection.with_deflate(deflate, &params);
        }
        let missing: Vec<&str> = request
            .needed_extensions
            .iter()
            .map(String::as_str)
            .filter(|name| !extensions.iter().any(|accepted| accepted.name() == *name))
            .collect();
        if !missing.is_empty() {
            // RFC 6455, section 7.4.1: the reason lists what was needed, as far as it fits.
            let code = CloseCode::MANDATORY_EXTENSION;
            let closed = connection
                .close(code, &missing.join(", "), out)
                .or_else(|_| connection.close(code, "", out));
            debug_assert_eq!(closed, Ok(()));
        }
        Ok(Opened {
            connection,
            subprotocol,
            extensions,
            headers,
        })
    }
}

fn refused(head: Head, status: u16, body: BodyReader, ended: bool) -> ResponseError {
    let (body, is_complete) = body.finish(ended);
    ResponseError::Refused(Box::new(Response {
        status,
        headers: head.headers,
        body,
        is_complete,
    }))
}

/// Version and status (RFC 9112, section 4); the words behind them mean nothing.
fn status_line(line: &str) -> Result<u16, ResponseError> {
    let (version, rest) = line.split_once(' ').ok_or(ResponseError::Malformed)?;
    let (status, _) = rest.split_once(' ').unwrap_or((rest, ""));
    let version = http_version(version).ok_or(ResponseError::Malformed)?;
    let status = match *status.as_bytes() {
        [b'1'..=b'9', b'0'..=b'9', b'0'..=b'9'] => status.parse(),
        _ => return Err(ResponseError::Malformed),
    };
    match (version, status.map_err(|_| ResponseError::Malformed)?) {
        ((1, 1..), status) => Ok(status),
        // There is no 101 in HTTP/1.0 (RFC 9110, section 15.2).
        (_, 100..200) => Err(ResponseError::HttpVersion),
        ((1, 0), status) => Ok(status),
        _ => Err(ResponseError::HttpVersion),
    }
}
