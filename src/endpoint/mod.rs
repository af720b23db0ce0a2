//! One end of a WebSocket over one transport: opening handshake, connection and deadlines as one.
//!
//! Invariant: at any time it says what the transport does next, and after a bounded time that it is
//! over.

mod end;
mod event;
mod phase;
mod retry;
mod turn;

pub use end::{End, Tick};
pub use event::Event;

use crate::connection::{Connection, SendError, Session};
use crate::frame::{Input, MaskingKeys};
use crate::handshake::{ClientHandshake, ClientRequest, Config, Request, Response};
use crate::time::{Deadlines, Expired, Moment, Stage};
use bytes::{Buf, BytesMut};
use core::ops::{Deref, DerefMut};
use core::time::Duration;
use phase::Phase;

/// One end of a WebSocket over one transport, from its first byte to its last.
///
/// It does the opening handshake, then the connection, with all deadlines; the caller's loop drives
/// it. It does no I/O and has no clock: `now` is the time since an origin of the caller's, the same at
/// every call, and must not go back; `out` is what is to be written. It derefs to [`Session`], which
/// sends.
///
/// One loop for each transport: **`tick`, write and `wrote`, read and `receive`**.
///
/// ```
/// use bytes::BytesMut;
/// use sansocket::{Config, Endpoint, Event, Input, Tick};
/// use std::io::{self, Read, Write};
/// use std::net::{Shutdown, TcpStream};
/// use std::time::{Duration, Instant};
///
/// /// Serves one client: an echo.
/// fn serve(mut stream: TcpStream, config: &Config) -> io::Result<()> {
///     stream.set_nodelay(true)?;
///     let start = Instant::now();
///     let mut ws = Endpoint::server(config, Duration::ZERO);
///     let (mut buffer, mut out) = (vec![0; 16 << 10], BytesMut::new());
///     loop {
///         let now = start.elapsed();
///         let wake = match ws.tick(now, &mut out) {
///             Tick::Wait(wake) => wake,
///             Tick::ShutDown(wake) => {
///                 let _ = stream.shutdown(Shutdown::Write); // calling it again does no harm
///                 wake
///             }
///             Tick::Done(_end) => return Ok(()),
///         };
///         // At most 1 s: Linux ends the timeout of a socket up to an eighth too late.
///         let wait = wake.map(|wake| (wake - now).min(Duration::from_secs(1)));
///         if !out.is_empty() {
///             stream.set_write_timeout(wait)?;
///             if let Some(n) = in_time(stream.write(&out))? {
///                 ws.wrote(n, start.elapsed(), &mut out);
///             }
///             continue;
///         }
///         stream.set_read_timeout(wait)?;
///         let n = match in_time(stream.read(&mut buffer))? {
///             None => continue,
///             Some(0) => {
///                 ws.receive_eof();
///                 continue;
///             }
///             Some(n) => n,
///         };
///         let (mut input, now) = (Input(&mut buffer[..n]), start.elapsed());
///         while let Some(event) = ws.receive(&mut input, now, &mut out) {
///             let _ = match event {
///                 Event::Request(request) => ws.accept(request, &mut out),
///                 Event::Text(text) => ws.send(&text, &mut out),
///                 Event::Binary(data) => ws.send(&data, &mut out),
///                 _ => Ok(()), // Pings, Closes and errors are answered already
///             };
///         }
///     }
/// }
///
/// /// `None` if nothing happened before the timeout.
/// fn in_time(result: io::Result<usize>) -> io::Result<Option<usize>> {
///     use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
///     match result {
///         Ok(n) => Ok(Some(n)),
///         Err(error) if matches!(error.kind(), Interrupted | TimedOut | WouldBlock) => Ok(None),
///         Err(error) => Err(error),
///     }
/// }
/// # use sansocket::{ClientRequest, CloseCode, End};
/// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// # let mut stream = TcpStream::connect(listener.local_addr()?)?;
/// # let server = std::thread::spawn(move || serve(listener.accept()?.0, &Config::default()));
/// # let (request, mut out) = (ClientRequest::new("ws://localhost/")?, BytesMut::new());
/// # let mut ws = Endpoint::client(&request, &Config::default(), [7; 32], Duration::ZERO, &mut out);
/// # let mut buffer = [0; 1024];
/// # let end = loop {
/// #     if let Tick::Done(end) = ws.tick(Duration::ZERO, &mut out) { break end }
/// #     stream.write_all(&out)?;
/// #     ws.wrote(out.len(), Duration::ZERO, &mut out);
/// #     let n = stream.read(&mut buffer)?;
/// #     if n == 0 { ws.receive_eof() }
/// #     let mut input = Input(&mut buffer[..n]);
/// #     while let Some(event) = ws.receive(&mut input, Duration::ZERO, &mut out) {
/// #         match event {
/// #             Event::Opened(_) => ws.send("hello", &mut out)?,
/// #             Event::Text(text) => { assert_eq!(text, "hello"); ws.close(CloseCode::NORMAL, "", &mut out)? }
/// #             _ => {}
/// #         }
/// #     }
/// # };
/// # assert_eq!(end, End::Closed { code: CloseCode::NORMAL, by_peer: false });
/// # server.join().unwrap()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Endpoint {
    session: Session,
    phase: Phase,
    deadlines: Deadlines,
    /// What took too long first, if the connection is being closed for it.
    expired: Option<Expired>,
    is_done: bool,
    transport_ended: bool,
    /// The length of the output when we last saw it; counted up to 4 GiB.
    out_len: u32,
    /// Whether a layer below the output holds bytes back; `None` if there is no such layer.
    holds_more: Option<bool>,
}

impl Endpoint {
    /// Makes a server's endpoint for a transport that has just been accepted.
    ///
    /// The deadline of the opening handshake runs from `now`.
    #[must_use]
    pub fn server(config: &Config, now: Duration) -> Self {
        let session = Session::server(config.settings, false);
        Self::new(session, Phase::server(config), Stage::Opening, config, now)
    }

    /// Makes a client's endpoint for a transport that has just been connected, and appends the
    /// request to `out`.
    ///
    /// With `wss` the transport is TLS, which the caller sets up first. Nothing can be sent before
    /// [`Event::Opened`].
    ///
    /// The key of the handshake and all masking keys are derived from `seed`. It must be fresh and
    /// unpredictable (RFC 6455, section 10.3): take it from the operating system (`seed()`) or from
    /// the device's source of entropy, and never use it twice.
    ///
    /// ```
    /// use bytes::BytesMut;
    /// use sansocket::{ClientRequest, CloseCode, Config, Endpoint, Event, SendError};
    /// use std::time::Duration;
    ///
    /// # #[cfg(feature = "entropy")] {
    /// # let now = Duration::ZERO;
    /// let request = ClientRequest::new("ws://example.com/chat")?;
    /// let mut out = BytesMut::new(); // the request, to be written first
    /// let mut ws = Endpoint::client(&request, &Config::default(), sansocket::seed()?, now, &mut out);
    /// # assert!(out.starts_with(b"GET /chat HTTP/1.1\r\n"));
    /// # }
    ///
    /// // In the loop: says hello, prints the answer, closes.
    /// fn handle(ws: &mut Endpoint, event: Event, out: &mut BytesMut) -> Result<(), SendError> {
    ///     match event {
    ///         Event::Opened(_response) => ws.send("hello", out),
    ///         Event::Text(text) => {
    ///             println!("{}", &*text);
    ///             ws.close(CloseCode::NORMAL, "", out)
    ///         }
    ///         _ => Ok(()), // `Tick::Done` says how it ended, a refusal as well
    ///     }
    /// }
    /// # Ok::<(), sansocket::SetupError>(())
    /// ```
    #[must_use]
    pub fn client(
        request: &ClientRequest,
        config: &Config,
        seed: [u8; 32],
        now: Duration,
        out: &mut BytesMut,
    ) -> Self {
        let mut keys = MaskingKeys::new(seed);
        let handshake = ClientHandshake::new(request, config, keys.nonce(), out);
        let session = Session::client(config.settings, keys, false);
        let phase = Phase::client(handshake);
        Self::new(session, phase, Stage::Opening, config, now)
    }

    /// Makes an endpoint of a connection for which something else did the opening handshake.
    ///
    /// Of `config` only the `times` matter: limits and delivery are the
    /// [`Settings`](crate::Settings) that `connection` was made with. A server writes its response
    /// before anything of `out`. What was read after the handshake is the first [`Input`].
    ///
    /// ```
    /// use bytes::BytesMut;
    /// use sansocket::{Config, Connection, Endpoint, Event, Input};
    /// use std::time::Duration;
    ///
    /// let config = Config::default();
    /// let connection = Connection::server(config.settings);
    /// let mut ws = Endpoint::open(connection, &config, Duration::ZERO);
    ///
    /// // What came in the same read as the end of the request's head: a masked text frame.
    /// let mut early = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    /// let (mut input, mut out) = (Input(&mut early), BytesMut::new());
    /// while let Some(event) = ws.receive(&mut input, Duration::ZERO, &mut out) {
    ///     assert!(matches!(event, Event::Text(text) if text == "Hello"));
    /// }
    /// ```
    #[must_use]
    pub fn open(connection: Connection, config: &Config, now: Duration) -> Self {
        Self::new(connection.0, Phase::Open, Stage::Open, config, now)
    }

    fn new(session: Session, phase: Phase, stage: Stage, config: &Config, now: Duration) -> Self {
        Self {
            // A connection may have ended before it came here.
            transport_ended: session.transport_has_ended(),
            session,
            phase,
            deadlines: Deadlines::new(&config.times, stage, now),
            expired: None,
            is_done: false,
            out_len: 0,
            holds_more: None,
        }
    }

    /// The connection without its deadlines, if the opening handshake is complete.
    ///
    /// It is `None`, too, while bytes wait that came before [`accept`](Self::accept): first call
    /// [`receive`](Self::receive) until it returns `None`.
    ///
    /// ```
    /// # use bytes::BytesMut;
    /// # use sansocket::{Config, Endpoint};
    /// # let (now, mut out) = (std::time::Duration::ZERO, BytesMut::new());
    /// let ws = Endpoint::server(&Config::default(), now);
    /// assert!(ws.into_connection().is_none()); // no request has come
    /// ```
    #[must_use]
    pub fn into_connection(self) -> Option<Connection> {
        let is_open = matches!(self.phase, Phase::Open) && !self.is_done;
        is_open.then_some(Connection(self.session))
    }

    /// Takes what came from the peer and returns the next event; `None` when `input` holds no
    /// further one.
    ///
    /// Call it in a loop after each read, until it returns `None`. Bytes in `input` are a sign of
    /// life, so call it only with what was just read (and what waits there in place). While a
    /// request is not answered it yields nothing, and keeps what the client sends, up to
    /// [`Config::max_head_size`]: it is best not to read meanwhile. Input after a refusal is discarded.
    ///
    /// The answers in `out` are as short as [`Connection::receive`] says, beside a response to what is no
    /// HTTP.
    #[inline]
    pub fn receive<'b>(
        &mut self,
        input: &mut Input<'b>,
        now: Duration,
        out: &mut BytesMut,
    ) -> Option<Event<'b>> {
        let now = Moment::new(now);
        if !input.is_empty() {
            self.deadlines.received(now);
        }
        let event = match self.phase {
            Phase::Open => self.session.receive(input, out)?,
            _ => self.receive_opening(input, out)?,
        };
        self.note(&event, now);
        Some(event)
    }

    /// As [`receive`](Self::receive), from a buffer that the caller gives up: the events own their
    /// payloads. See [`Connection::receive_owned`].
    ///
    /// ```
    /// # use bytes::BytesMut;
    /// # use sansocket::{Config, Connection, Endpoint, Event, Settings};
    /// # let (now, mut out) = (std::time::Duration::ZERO, BytesMut::new());
    /// # let connection = Connection::client(Settings::default(), [7; 32]);
    /// # let mut ws = Endpoint::open(connection, &Config::default(), now);
    /// let mut read = BytesMut::from(&b"\x81\x05Hello"[..]);
    /// let event: Option<Event<'static>> = ws.receive_owned(&mut read, now, &mut out);
    /// assert!(matches!(event, Some(Event::Text(text)) if text == "Hello"));
    /// ```
    pub fn receive_owned(
        &mut self,
        input: &mut BytesMut,
        now: Duration,
        out: &mut BytesMut,
    ) -> Option<Event<'static>> {
        let now = Moment::new(now);
        if !input.is_empty() {
            self.deadlines.received(now);
        }
        let event = match self.phase {
            Phase::Open => self.session.receive_owned(input, out)?.into(),
            _ => self.receive_opening_owned(input, out)?,
        };
        self.note(&event, now);
        Some(event)
    }

    /// Tells the deadlines about an event.
    #[inline]
    fn note(&mut self, event: &Event<'_>, now: Moment) {
        match event {
            Event::Text(_) | Event::Binary(_) | Event::Piece(_) => self.deadlines.message(now),
            Event::Pong(payload) => self.deadlines.pong(payload, now),
            _ => {}
        }
    }

    /// Reports that the transport has ended, in whatever way: call it when a read returns no bytes
    /// or fails. When a write fails, nothing more can be written: clear `out` first, and call
    /// `flushed(0, false, now)` if a layer below holds bytes.
    ///
    /// The next [`tick`](Self::tick) says that it is over; after an end of file it may first ask for
    /// the rest of `out` to be written, such as the answer to a Close. A peer that shuts down writing
    /// without a Close has ended the connection (RFC 6455, section 7.1.5):
    /// [`End::Failed`] with [`TransportEnded`](crate::ProtocolError::TransportEnded).
    pub fn receive_eof(&mut self) {
        self.transport_ended = true;
        self.phase.receive_eof();
        self.session.receive_eof();
    }

    /// Accepts the request of an [`Event::Request`]: appends the response to `out` and opens the
    /// connection. Messages may follow at once.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] if there is no request to answer any more: it was answered, or its
    /// client has left. [`SendError::NotYetOpen`] if none has come yet. Nothing was appended.
    pub fn accept(&mut self, request: Request, out: &mut BytesMut) -> Result<(), SendError> {
        self.phase.accept(request, &mut self.session, out)?;
        self.stop_if_over();
        Ok(())
    }

    /// Answers a request with a page, a refusal, or any other response that opens no connection.
    ///
    /// It may be called before a request has arrived, for example by a server that is full (503).
    /// The client has [`Times::close`](crate::Times::close) to read the response and to end the
    /// transport.
    ///
    /// A page and a health check on the port of the WebSocket:
    ///
    /// ```
    /// use bytes::BytesMut;
    /// use sansocket::{Endpoint, Event, Response, SendError};
    ///
    /// fn handle(
    ///     ws: &mut Endpoint,
    ///     event: Event,
    ///     page: &Response,
    ///     out: &mut BytesMut,
    /// ) -> Result<(), SendError> {
    ///     match event {
    ///         Event::Http(request) => match (request.method(), request.path()) {
    ///             ("GET" | "HEAD", "/") => ws.respond(page.clone(), out),
    ///             ("GET" | "HEAD", "/health") => ws.respond(Response::new(200), out),
    ///             _ => Ok(()), // the default answer: 405, 426, 400, 403 …
    ///         },
    ///         Event::Request(request) if request.path() == "/chat" => ws.accept(request, out),
    ///         Event::Request(_) => ws.respond(Response::new(404), out),
    ///         _ => Ok(()),
    ///     }
    /// }
    ///
    /// // Made once. Without a `Content-Type` a body is plain text.
    /// let page = Response::new(200)
    ///     .header("Content-Type", "text/html; charset=utf-8")?
    ///     .body("<h1>hello</h1>\n");
    /// # use sansocket::{Config, Input};
    /// # use std::time::Duration;
    /// # for (line, status) in [("GET /health", "200"), ("HEAD /", "200"), ("GET /x", "426"), ("PUT /", "405")] {
    /// #     let (mut ws, mut out) = (Endpoint::server(&Config::default(), Duration::ZERO), BytesMut::new());
    /// #     let mut read = format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes();
    /// #     let mut input = Input(&mut read);
    /// #     while let Some(event) = ws.receive(&mut input, Duration::ZERO, &mut out) {
    /// #         handle(&mut ws, event, &page, &mut out)?;
    /// #     }
    /// #     assert!(out.starts_with(format!("HTTP/1.1 {status} ").as_bytes()), "{line}: {out:?}");
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] if there is nothing to answer any more. Nothing was appended.
    pub fn respond(&mut self, response: Response, out: &mut BytesMut) -> Result<(), SendError> {
        self.phase.respond(&response, out)?;
        self.stop_if_over();
        Ok(())
    }

    /// Receives while there is no connection yet.
    #[cold]
    fn receive_opening<'b>(
        &mut self,
        input: &mut Input<'b>,
        out: &mut BytesMut,
    ) -> Option<Event<'b>> {
        let event = self.phase.receive(&mut self.session, input, out);
        self.stop_if_over();
        event
    }

    /// The same from a buffer that the caller gives up.
    #[cold]
    fn receive_opening_owned(
        &mut self,
        input: &mut BytesMut,
        out: &mut BytesMut,
    ) -> Option<Event<'static>> {
        let mut cursor = Input(input);
        let event = self
            .receive_opening(&mut cursor, out)
            .map(Event::into_owned);
        let left = cursor.len();
        input.advance(input.len() - left);
        event
    }

    /// Forbids sending once the opening handshake has ended without a connection.
    fn stop_if_over(&mut self) {
        if let Phase::Over(_) = self.phase {
            self.session.never_open();
        }
    }
}

impl Deref for Endpoint {
    type Target = Session;

    #[inline]
    fn deref(&self) -> &Session {
        &self.session
    }
}

impl DerefMut for Endpoint {
    #[inline]
    fn deref_mut(&mut self) -> &mut Session {
        &mut self.session
    }
}
