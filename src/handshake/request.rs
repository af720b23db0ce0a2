//! A client's request, as the application sees it.
//!
//! Invariant: it has passed every rule, or `error` is set.

use super::config::Negotiator;
use super::error::HandshakeError;
use super::extension::{Extension, Extensions};
use super::fields::{self, write_field};
use super::headers::{Headers, Place};
use super::negotiation::key::{KEY_LEN, accept_of};
use super::negotiation::subprotocol::Subprotocols;
use super::response::Response;
use super::setup_error::SetupError;
use crate::connection::{Connection, Session, Settings};
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec::Vec;
use bytes::BytesMut;
use core::fmt;

/// An HTTP request that reached a server: an opening handshake that passed every rule (RFC 6455,
/// section 4.2.1), or any other request, for which [`error`](Self::error) says why it is not one.
///
/// It is answered once: `Endpoint::accept` takes it and opens the WebSocket, `Endpoint::respond`
/// sends a page or a refusal. If other software reads and writes the heads, [`read`](Self::read) and
/// [`answer`](Self::answer) are the whole handshake. A server may choose a subprotocol and add
/// headers before it accepts:
///
/// ```
/// # fn decide(mut request: sansocket::Request) -> Result<(), sansocket::SetupError> {
/// if request.path() == "/chat" {
///     request.select_subprotocol(&["chat", "superchat"]);
///     request.add_header("Set-Cookie", "session=1")?;
///     // ws.accept(request, &mut out)
/// }
/// # Ok(())
/// # }
/// ```
pub struct Request(Box<Parts>);

/// What a request is made of, boxed so that a [`Request`] is one pointer.
pub(super) struct Parts {
    start: Start,
    /// The host of the target; without one, that of `Host`.
    pub(super) host: Option<Place>,
    headers: Headers,
    /// What `Sec-WebSocket-Accept` answers: only HTTP/1.1 has it.
    pub(super) key: Option<[u8; KEY_LEN]>,
    pub(super) subprotocols: Subprotocols,
    pub(super) extensions: Extensions,
    pub(super) error: Option<HandshakeError>,
    /// Which subprotocol is chosen.
    selected: Option<usize>,
    accepted: Vec<Extension>,
    added: Headers,
    /// What negotiates permessage-deflate, and what it has accepted.
    pub(super) deflate: Option<(Negotiator, Extension)>,
    /// What a connection starts with.
    settings: Settings,
}

/// What a head says besides its fields. The places are in these.
pub(super) struct Start {
    pub(super) method: Cow<'static, str>,
    pub(super) target: Place,
    pub(super) version: Version,
}

/// A version of HTTP.
pub(super) enum Version {
    /// HTTP/1.x.
    Http1 { minor: u8 },
    /// HTTP/2 or HTTP/3, where one connection has many streams.
    Multiplexed {
        scheme: Place,
        protocol: Option<Place>,
    },
}

impl Request {
    /// A request of which nothing else is known yet.
    pub(super) fn new(start: Start, headers: Headers, settings: Settings) -> Self {
        Self(Box::new(Parts {
            start,
            host: None,
            headers,
            key: None,
            subprotocols: Subprotocols::default(),
            extensions: Extensions::default(),
            error: None,
            selected: None,
            accepted: Vec::new(),
            added: Headers::new(),
            deflate: None,
            settings,
        }))
    }

    pub(super) fn version(&self) -> &Version {
        &self.0.start.version
    }

    pub(super) fn parts(&mut self) -> &mut Parts {
        &mut self.0
    }

    /// Returns the method: GET, if this is an opening handshake; CONNECT over HTTP/2 and HTTP/3
    /// (RFC 8441, section 4).
    ///
    /// ```
    /// # use bytes::BytesMut;
    /// # use sansocket::{Config, Endpoint, Event, Input};
    /// # let (now, mut out) = (std::time::Duration::ZERO, BytesMut::new());
    /// # let mut ws = Endpoint::server(&Config::default(), now);
    /// let mut read = *b"GET /chat?room=1 HTTP/1.1\r\nHost: example.com\r\nCookie: id=7\r\n\r\n";
    /// let Some(Event::Http(request)) = ws.receive(&mut Input(&mut read), now, &mut out) else {
    ///     panic!("not an opening handshake");
    /// };
    /// assert_eq!((request.method(), request.target()), ("GET", "/chat?room=1"));
    /// assert_eq!((request.path(), request.query()), ("/chat", Some("room=1")));
    /// assert_eq!((request.host(), request.origin()), ("example.com", None));
    /// assert_eq!(request.headers().get("cookie"), Some("id=7"));
    /// assert_eq!(request.error().map(|error| error.status()), Some(426));
    /// ```
    #[must_use]
    pub fn method(&self) -> &str {
        &self.0.start.method
    }

    /// Returns the resource that the client asks for: path and query as they were sent, not
    /// decoded (RFC 6455, section 3).
    ///
    /// For the methods OPTIONS and CONNECT it may be `*` or a host and port (RFC 9112,
    /// section 3.2).
    #[must_use]
    pub fn target(&self) -> &str {
        self.text_at(&self.0.start.target)
    }

    /// Returns the target up to the query.
    #[must_use]
    pub fn path(&self) -> &str {
        let target = self.target();
        target.split_once('?').map_or(target, |(path, _)| path)
    }

    /// Returns what follows the `?` of the target.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.target().split_once('?').map(|(_, query)| query)
    }

    /// Returns the host, and the port if it was named, that the client wanted to reach (RFC 9112,
    /// section 3.2). It is empty if a client of HTTP/1.0 named none.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.host.as_ref().map_or("", |host| self.text_at(host))
    }

    /// Returns the scheme, `https` or `http`, that a client of HTTP/2 or HTTP/3 names; a client of
    /// HTTP/1.1 names none.
    ///
    /// Proxies pass it on or write their own: it does not prove that the client used TLS.
    #[must_use]
    pub fn scheme(&self) -> Option<&str> {
        match self.version() {
            Version::Multiplexed { scheme, .. } => Some(self.text_at(scheme)),
            Version::Http1 { .. } => None,
        }
    }

    fn text_at<'r>(&'r self, place: &'r Place) -> &'r str {
        self.0.headers.text_at(place)
    }

    /// Returns all header fields, for cookies, authorization and the like.
    ///
    /// Whatever is in them comes from the client. Compare secrets in constant time.
    #[must_use]
    pub fn headers(&self) -> &Headers {
        &self.0.headers
    }

    /// Returns the site that the page came from, if a browser sent the request.
    ///
    /// The [`OriginPolicy`](crate::OriginPolicy) allows it, unless [`error`](Self::error) says
    /// otherwise.
    #[must_use]
    pub fn origin(&self) -> Option<&str> {
        self.0.headers.get("origin").map(str::trim_ascii)
    }

    /// Returns the subprotocols that the client offers, in its order (RFC 6455, section 1.9).
    pub fn subprotocols(&self) -> impl Iterator<Item = &str> {
        self.0.subprotocols.iter()
    }

    /// Returns the extensions that the client offers, in its order (RFC 6455, section 9.1).
    pub fn extensions(&self) -> impl Iterator<Item = Extension> {
        self.0.extensions.iter()
    }

    /// Returns why the request is not an opening handshake that this server accepts; `None` for one
    /// that it accepts ([`Event::Request`](crate::Event::Request)).
    ///
    /// If there is an error, `Endpoint::accept` sends the refusal that `Response::from` makes of it,
    /// and [`answer`](Self::answer) returns it.
    #[must_use]
    pub fn error(&self) -> Option<&HandshakeError> {
        self.0.error.as_ref()
    }

    /// Chooses the first subprotocol in the client's order that the server supports, and returns
    /// it. With none in common the WebSocket opens without one (RFC 6455, section 4.2.2), which
    /// browsers do not accept.
    pub fn select_subprotocol(&mut self, supported: &[impl AsRef<str>]) -> Option<&str> {
        let parts = &mut *self.0;
        let is_supported = |name: &str| supported.iter().any(|other| other.as_ref() == name);
        parts.selected = parts.subprotocols.iter().position(is_supported);
        self.selected()
    }

    fn selected(&self) -> Option<&str> {
        self.subprotocols().nth(self.0.selected?)
    }

    /// Accepts an extension that the application implements itself, above the connection
    /// (RFC 6455, section 9.1). It cannot use the reserved bits of frames.
    ///
    /// ```
    /// # use sansocket::{Extension, Request, SetupError};
    /// fn decide(request: &mut Request) -> Result<(), SetupError> {
    ///     if request.extensions().any(|offered| offered.name() == "bbf-usp-protocol") {
    ///         request.select_extension(Extension::new("bbf-usp-protocol")?)?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`SetupError::NotOffered`] if the client did not offer one of this name, or if it is
    /// accepted already.
    pub fn select_extension(&mut self, extension: Extension) -> Result<(), SetupError> {
        let parts = &mut *self.0;
        let is_same = |other: &Extension| other.name() == extension.name();
        let deflate = parts.deflate.as_ref().map(|(_, element)| element);
        if !parts.extensions.iter().any(|offered| is_same(&offered))
            || parts.accepted.iter().chain(deflate).any(is_same)
        {
            return Err(SetupError::NotOffered);
        }
        parts.accepted.push(extension);
        Ok(())
    }

    /// Opens the WebSocket without permessage-deflate, although `Config::deflate` and the offer
    /// allow it.
    ///
    /// ```
    /// # use sansocket::Request;
    /// fn decide(request: &mut Request) {
    ///     if request.subprotocols().any(|name| name == "video") {
    ///         request.decline_deflate(); // pictures do not shrink
    ///     }
    /// }
    /// ```
    pub fn decline_deflate(&mut self) {
        self.0.deflate = None;
    }

    /// Adds a header field to the response that accepts, such as `Set-Cookie`.
    ///
    /// # Errors
    ///
    /// [`SetupError::Name`], [`SetupError::Value`], or [`SetupError::Reserved`] for what the
    /// handshake writes itself.
    pub fn add_header(&mut self, name: &str, value: &str) -> Result<(), SetupError> {
        fields::add(&mut self.0.added, name, value)
    }

    /// Whether the answer has no content (RFC 9110, section 9.3.2).
    pub(crate) fn is_head(&self) -> bool {
        self.method() == "HEAD"
    }

    /// The same request, if an endpoint, which speaks HTTP/1.1, can accept it.
    pub(crate) fn acceptable(self) -> Result<Self, HandshakeError> {
        match (&self.0.error, &self.0.key) {
            (None, Some(_)) => Ok(self),
            _ => Err(self.0.error.unwrap_or(HandshakeError::NotUpgrade {
                upgrade: false,
                connection: false,
            })),
        }
    }

    /// Returns the response that accepts and the open connection, for a caller whose own HTTP sends
    /// the response: status 101, or 200 over HTTP/2 and HTTP/3.
    ///
    /// Send all its headers, whose names are in lower case, and then nothing but what the connection
    /// puts into its output. [`Endpoint::open`](crate::Endpoint::open) gives it deadlines. What was
    /// read after the head of the request is the first [`Input`](crate::Input).
    ///
    /// # Errors
    ///
    /// [`error`](Self::error). Answer with `Response::from(&error)`.
    pub fn answer(self) -> Result<(Response, Connection), HandshakeError> {
        if let Some(error) = self.0.error {
            return Err(error);
        }
        let mut response = Response::opening(if self.0.key.is_some() { 101 } else { 200 });
        self.each_field(|name, value| response.headers.push_lower_case(name, value));
        let mut session = Session::server(self.0.settings, true);
        self.turn_on_deflate(&mut session);
        Ok((response, Connection(session)))
    }

    /// Accepts over HTTP/1.1: appends the response to `out`, and opens `session` (RFC 6455, section
    /// 4.2.2).
    pub(crate) fn open(self, session: &mut Session, out: &mut BytesMut) {
        debug_assert!(self.0.error.is_none() && self.0.key.is_some());
        out.reserve(160); // without subprotocol, extensions and headers of the application
        out.extend_from_slice(b"HTTP/1.1 101 Switching Protocols\r\n");
        self.each_field(|name, value| write_field(name, value, out));
        out.extend_from_slice(b"\r\n");
        session.open();
        self.turn_on_deflate(session);
    }

    /// The fields of the response that accepts.
    fn each_field(&self, mut field: impl FnMut(&str, &[u8])) {
        let parts = &*self.0;
        if let Some(key) = &parts.key {
            field("Upgrade", b"websocket");
            field("Connection", b"Upgrade");
            field("Sec-WebSocket-Accept", &accept_of(key));
        }
        if let Some(subprotocol) = self.selected() {
            field("Sec-WebSocket-Protocol", subprotocol.as_bytes());
        }
        let deflate = parts.deflate.as_ref().map(|(_, element)| element);
        for extension in deflate.into_iter().chain(&parts.accepted) {
            let extension = extension.to_string();
            field("Sec-WebSocket-Extensions", extension.as_bytes());
        }
        for (name, value) in parts.added.iter() {
            field(name, value);
        }
    }

    fn turn_on_deflate(&self, session: &mut Session) {
        if let Some((negotiator, element)) = &self.0.deflate {
            negotiator.apply(element, session);
        }
    }
}

/// The same request, with the same answer chosen so far.
impl PartialEq for Request {
    fn eq(&self, other: &Self) -> bool {
        let element = |parts: &Parts| parts.deflate.as_ref().map(|(_, element)| element.clone());
        let (a, b) = (&*self.0, &*other.0);
        a.start.method == b.start.method
            && self.target() == other.target()
            && self.host() == other.host()
            && a.headers == b.headers
            && a.error == b.error
            && a.selected == b.selected
            && a.accepted == b.accepted
            && a.added == b.added
            && element(a) == element(b)
    }
}

impl Eq for Request {}

impl fmt::Debug for Request {
    /// Hides the query, subprotocols (where browsers put tokens), and the values of fields that may
    /// hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method())
            .field("path", &self.path())
            .field("host", &self.host())
            .field("headers", self.headers())
            .field("extensions", &self.0.extensions)
            .field("error", &self.error())
            .finish_non_exhaustive()
    }
}
