//! A client for the terminal: blocking `std::net`, with TLS for `wss://`. Each line of stdin goes
//! out as a text message, each text message that comes in is a line on stdout. The end of stdin
//! closes the connection, once the replies are in.
//!
//!     cargo run --release --example client -- [URL] [--subprotocol NAME]… [--origin ORIGIN]
//!         [--header 'Name: value']… [--deflate] [--cafile FILE] [--reconnect]
//!         [--keepalive SECONDS [--latency]]

use anyhow::{Context, Result, bail, ensure};
use bytes::{Buf, BytesMut};
use clap::Parser;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{CertificateError, ClientConfig, ClientConnection, RootCertStore};
use sansocket::{
    Backoff, BackoffConfig, ClientHandshake, ClientRequest, CloseCode, ClosedBy, DeadlinesConfig,
    Deflate, Endpoint, Event, Expired, HandshakeConfig, Input, ResponseError, State, Uri,
};
use std::error::Error;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::time::{Duration, Instant};
use std::{mem, thread};

/// For a reply after the end of stdin.
const REPLY_TIME: Duration = Duration::from_secs(5);

/// A client for the terminal: lines of stdin are messages, and messages are lines on stdout
#[derive(Parser)]
struct Arguments {
    /// Where to connect to: ws://host/path or wss://host/path
    #[arg(env = "WS_URL")]
    url: Uri,
    /// Offer a subprotocol; the first is preferred
    #[arg(long, value_name = "NAME")]
    subprotocol: Vec<String>,
    /// The site to act for, as browsers do
    #[arg(long)]
    origin: Option<String>,
    /// One more header field of the request
    #[arg(long, value_name = "'Name: value'")]
    header: Vec<String>,
    /// Offer permessage-deflate
    #[arg(long)]
    deflate: bool,
    /// Trust these certificates (PEM) instead of the system's
    #[arg(long, value_name = "FILE")]
    cafile: Option<PathBuf>,
    /// Try again when another try is worth it; a line that is not yet written is kept for it
    #[arg(long)]
    reconnect: bool,
    /// Send a Ping after so much silence
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    keepalive: Option<Duration>,
    /// Tell on stderr how long its Pong took
    #[arg(long, requires = "keepalive")]
    latency: bool,
}

fn seconds(word: &str) -> Result<Duration> {
    let time = Duration::try_from_secs_f64(word.parse()?)?;
    ensure!(!time.is_zero(), "a time of 0 s is none");
    Ok(time)
}

fn main() -> ExitCode {
    let Err(error) = Options::new(Arguments::parse()).and_then(|options| run(&options)) else {
        return ExitCode::SUCCESS;
    };
    eprintln!("client: {error:#}");
    ExitCode::FAILURE
}

/// What is the same for every connection.
struct Options {
    request: ClientRequest,
    config: HandshakeConfig,
    times: Arc<DeadlinesConfig>,
    tls: Option<Arc<ClientConfig>>,
    reconnect: bool,
    latency: bool,
}

impl Options {
    fn new(arguments: Arguments) -> Result<Self> {
        let is_secure = arguments.url.is_secure();
        let mut request = ClientRequest::new(arguments.url);
        for name in &arguments.subprotocol {
            request = request.subprotocol(name).context("--subprotocol")?;
        }
        if let Some(origin) = &arguments.origin {
            request = request.origin(origin).context("--origin")?;
        }
        for field in &arguments.header {
            let parts = field.split_once(':');
            let (name, value) = parts.context("--header needs 'Name: value'")?;
            request = request.header(name, value.trim()).context("--header")?;
        }
        let mut config = HandshakeConfig::default();
        config.deflate = arguments.deflate.then(Deflate::default);
        let mut times = DeadlinesConfig::default();
        times.keepalive = arguments.keepalive;
        let cafile = arguments.cafile.as_deref();
        ensure!(is_secure || cafile.is_none(), "--cafile is for wss://");
        Ok(Self {
            request,
            config,
            times: times.into(),
            tls: is_secure.then(|| tls_config(cafile)).transpose()?,
            reconnect: arguments.reconnect,
            latency: arguments.latency,
        })
    }
}

/// Trusts the certificates in the file, or else those that the system trusts.
fn tls_config(cafile: Option<&Path>) -> Result<Arc<ClientConfig>> {
    let (certificates, place) = match cafile {
        Some(file) => {
            let place = format!("--cafile {}", file.display());
            let all = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
            (all.with_context(|| place.clone())?, place)
        }
        None => {
            let all = rustls_native_certs::load_native_certs().certs;
            (all, "this system: name some with --cafile".into())
        }
    };
    let mut roots = RootCertStore::empty();
    // Some that a system has are no good; the others will do.
    let (good, _) = roots.add_parsable_certificates(certificates);
    ensure!(good > 0, "there is no certificate to trust in {place}");
    let config = ClientConfig::builder().with_root_certificates(roots);
    let mut config = config.with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// What is wrong with the server's certificate, and what to do about it.
fn tls_problem(error: &rustls::Error, host: &str) -> String {
    use CertificateError as Bad;
    let rustls::Error::InvalidCertificate(bad) = error else {
        return format!("no TLS with {host}, if it speaks that at all: {error}");
    };
    let problem = match bad {
        Bad::Expired | Bad::ExpiredContext { .. } => {
            "has expired: the server needs a new one, or this machine's clock is wrong"
        }
        Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
            "is not valid yet: this machine's clock is wrong, or the server's was"
        }
        Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
            "is for another name: the URL needs one that is in the certificate"
        }
        Bad::UnknownIssuer => {
            "has an unknown issuer: if you trust it, name its certificate with --cafile"
        }
        Bad::BadSignature => "is not signed by the one that --cafile names, which may be outdated",
        // The type is that of a crate below rustls. `openssl req -x509` makes such certificates.
        Bad::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            "is one of a CA: the server needs one of its own, with basicConstraints=CA:FALSE"
        }
        _ => "is no good",
    };
    format!("the certificate of {host} {problem} ({error})")
}

/// Why a connection ended, and after which time another try is worth it.
struct Ended(String, Option<Duration>);

impl<E: Error> From<E> for Ended {
    fn from(error: E) -> Self {
        Self(error.to_string(), None)
    }
}

/// What the two reading threads tell the main one.
enum Incoming {
    Line(String),
    EndOfLines(io::Result<()>),
    /// From the connection with this number, which may not be the last one.
    Octets(u64, Vec<u8>),
    EndOfTransport(u64, io::Result<()>),
}

/// What outlives a connection.
struct Client<'a> {
    options: &'a Options,
    backoff: Backoff,
    sender: SyncSender<Incoming>,
    incoming: Receiver<Incoming>,
    next_line: Sender<()>,
    line_asked: bool,
    /// The line that is not written yet.
    line: Option<String>,
    lines_ended: Option<Instant>,
}

fn run(options: &Options) -> Result<()> {
    let (sender, incoming) = mpsc::sync_channel(16);
    let (next_line, line_wanted) = mpsc::channel();
    let line_sender = sender.clone();
    thread::spawn(move || read_lines(&line_wanted, &line_sender));
    let seed = RandomState::new().build_hasher().finish(); // from the system's entropy
    let mut client = Client {
        options,
        backoff: Backoff::new(&BackoffConfig::default(), seed),
        sender,
        incoming,
        next_line,
        line_asked: false,
        line: None,
        lines_ended: None,
    };
    for number in 0.. {
        let Err(Ended(why, again)) = client.connect(number) else {
            break;
        };
        let is_said = client.line.is_none() && client.lines_ended.is_some();
        let Some(delay) = again.filter(|_| options.reconnect && !is_said) else {
            bail!(why);
        };
        let seconds = delay.as_secs_f64();
        eprintln!("client: {why}; trying again in {seconds:.1} s");
        thread::sleep(delay);
    }
    Ok(())
}

/// Reads a line whenever one is wanted.
fn read_lines(wanted: &Receiver<()>, sender: &SyncSender<Incoming>) {
    let mut lines = io::stdin().lock().lines();
    while wanted.recv().is_ok() {
        let incoming = match lines.next() {
            Some(Ok(line)) => Incoming::Line(line),
            Some(Err(error)) => Incoming::EndOfLines(Err(error)),
            None => Incoming::EndOfLines(Ok(())),
        };
        if sender.send(incoming).is_err() {
            return;
        }
    }
}

fn read_transport(mut stream: TcpStream, number: u64, sender: &SyncSender<Incoming>) {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let incoming = match stream.read(&mut buffer) {
            Ok(n @ 1..) => Incoming::Octets(number, buffer[..n].to_vec()),
            Err(error) if is_temporary(&error) => continue,
            result => Incoming::EndOfTransport(number, result.map(|_| ())),
        };
        let is_end = matches!(incoming, Incoming::EndOfTransport(..));
        if sender.send(incoming).is_err() || is_end {
            return;
        }
    }
}

/// A read or write that was interrupted, or whose time is over.
fn is_temporary(error: &io::Error) -> bool {
    use ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | WouldBlock | TimedOut)
}

/// A socket, with TLS or without.
struct Transport {
    tcp: TcpStream,
    tls: Option<ClientConnection>,
    /// Writing has failed. What came before that is still to be read.
    is_broken: bool,
}

impl Transport {
    /// What the octets say that were read, and whether TLS says that it was the last.
    fn decrypt(&mut self, octets: Vec<u8>) -> Result<(Vec<u8>, bool), rustls::Error> {
        let Some(tls) = &mut self.tls else {
            return Ok((octets, false));
        };
        let (mut octets, mut plain) = (&octets[..], Vec::new());
        while !octets.is_empty() {
            let read = tls.read_tls(&mut octets);
            read.map_err(|error| rustls::Error::General(error.to_string()))?;
            let result = tls.process_new_packets();
            let _ = tls.reader().read_to_end(&mut plain); // until there is no more as yet
            if result.is_err() {
                let _ = tls.write_tls(&mut self.tcp); // the alert that says so
            }
            if result?.peer_has_closed() {
                return Ok((plain, true));
            }
        }
        Ok((plain, false))
    }

    /// Writes what the server takes at once.
    fn write(&mut self, out: &mut BytesMut) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            let n = self.tcp.write(out)?;
            out.advance(n);
            return Ok(n);
        };
        let n = tls.writer().write(out)?;
        out.advance(n);
        tls.write_tls(&mut self.tcp)
    }

    /// Whether there is something to write.
    fn is_pending(&self, out: &BytesMut) -> bool {
        let tls = self.tls.as_ref();
        !self.is_broken && (!out.is_empty() || tls.is_some_and(|tls| tls.wants_write()))
    }

    fn is_handshaking(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_handshaking())
    }

    fn close(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            let _ = tls.write_tls(&mut self.tcp);
        }
        let _ = self.tcp.shutdown(Shutdown::Both); // ends the reading thread, too
    }
}

impl Client<'_> {
    /// Serves one connection to its end.
    fn connect(&mut self, number: u64) -> Result<(), Ended> {
        let (start, uri) = (Instant::now(), self.options.request.uri());
        let tcp = dial(uri, self.options.times.handshake);
        let tcp = tcp.map_err(|why| Ended(why, Some(self.backoff.after_failure())))?;
        tcp.set_nodelay(true)?;
        // A short time-out: while the server takes nothing, what it sends must still be read.
        tcp.set_write_timeout(Some(Duration::from_millis(50)))?;
        let (mut tls, mut out) = (None, BytesMut::new());
        if let Some(config) = &self.options.tls {
            let name = ServerName::try_from(uri.host().to_owned())?;
            tls = Some(ClientConnection::new(config.clone(), name)?);
        }
        let Options {
            request, config, ..
        } = self.options;
        let handshake = ClientHandshake::new(request, config, &mut out)?;
        let times = self.options.times.clone();
        let endpoint = Endpoint::client(handshake, times, start.elapsed());
        let (reader, sender) = (tcp.try_clone()?, self.sender.clone());
        thread::spawn(move || read_transport(reader, number, &sender));
        let mut session = Session {
            number,
            start,
            endpoint,
            transport: Transport {
                tcp,
                tls,
                is_broken: false,
            },
            out,
            line_in_out: false,
            unanswered: 0,
            last_activity: start,
            reason: String::new(),
            client: self,
        };
        let result = session.converse();
        session.transport.close();
        result
    }
}

/// Opens the transport.
fn dial(uri: &Uri, limit: Duration) -> Result<TcpStream, String> {
    let end = Instant::now() + limit;
    let mut last_error = io::Error::from(ErrorKind::NotFound);
    let addresses = (uri.host(), uri.port()).to_socket_addrs();
    addresses
        .map_err(|error| format!("cannot find {}: {error}", uri.host()))?
        .find_map(|address| {
            let left = end.checked_duration_since(Instant::now())?;
            let stream = TcpStream::connect_timeout(&address, left);
            stream.map_err(|error| last_error = error).ok()
        })
        .ok_or_else(|| format!("cannot connect to {uri}: {last_error}"))
}

/// One connection, from the opening handshake to its end.
struct Session<'s, 'a> {
    client: &'s mut Client<'a>,
    number: u64,
    start: Instant,
    endpoint: Endpoint<ClientHandshake>,
    transport: Transport,
    out: BytesMut,
    /// The client's line is in `out`, or was.
    line_in_out: bool,
    /// Messages sent less messages received: replies to wait for.
    unanswered: u64,
    last_activity: Instant,
    /// What the server's Close says.
    reason: String,
}

impl Session<'_, '_> {
    fn converse(&mut self) -> Result<(), Ended> {
        loop {
            self.write_some();
            let now = self.start.elapsed();
            let checked = self.endpoint.check(now, &mut self.out);
            if let Some(expired @ (Expired::Pong | Expired::Idle | Expired::Write)) =
                self.endpoint.expired()
            {
                self.write_some(); // the Close frame, which nobody may answer
                let again = self.client.backoff.after_expiry(now);
                return Err(Ended(expired.to_string(), Some(again)));
            }
            let Ok(wake) = checked else {
                return self.end(Err(ErrorKind::TimedOut.into()));
            };
            let reply = self.say()?;
            let wait = match self.transport.is_pending(&self.out) {
                true => Duration::ZERO,
                false => wake
                    .into_iter()
                    .chain(reply)
                    .min()
                    .map_or(Duration::MAX, |time| time.saturating_sub(now)),
            };
            match self.client.incoming.recv_timeout(wait) {
                Ok(Incoming::Line(line)) => {
                    (self.client.line, self.client.line_asked) = (Some(line), false);
                }
                Ok(Incoming::EndOfLines(result)) => {
                    result.map_err(|error| Ended(format!("reading stdin: {error}"), None))?;
                    self.client.lines_ended = Some(Instant::now());
                }
                Ok(Incoming::Octets(number, octets)) if number == self.number => {
                    if self.receive(octets)? {
                        return self.end(Ok(()));
                    }
                }
                Ok(Incoming::EndOfTransport(number, result)) if number == self.number => {
                    return self.end(result);
                }
                Ok(_) => {}  // of a former connection
                Err(_) => {} // see what is due
            }
        }
    }

    /// Writes what the server takes at once.
    fn write_some(&mut self) {
        if self.transport.is_pending(&self.out) {
            let written = self.transport.write(&mut self.out).unwrap_or_else(|error| {
                self.transport.is_broken = !is_temporary(&error);
                0
            });
            let left = usize::from(self.transport.is_pending(&self.out));
            self.endpoint.wrote(written, left, self.start.elapsed());
        }
        let is_written = !self.transport.is_broken && !self.transport.is_pending(&self.out);
        if self.line_in_out && is_written {
            (self.client.line, self.line_in_out) = (None, false);
        }
    }

    /// Sends the next line, or closes after the last one. Returns until when it waits for replies.
    fn say(&mut self) -> Result<Option<Duration>, Ended> {
        let client = &mut *self.client;
        let Some(ws) = self.endpoint.connection() else {
            return Ok(None);
        };
        // One line at a time, and only when the last one is written.
        let is_busy = self.transport.is_broken || self.transport.is_pending(&self.out);
        if is_busy || ws.state() != State::Open {
            return Ok(None);
        }
        if let Some(line) = &client.line {
            ws.send_text(line, &mut self.out)?;
            self.line_in_out = true;
            self.unanswered += 1;
            self.last_activity = Instant::now();
        } else if let Some(ended) = client.lines_ended {
            let reply_by = self.last_activity.max(ended) + REPLY_TIME;
            if self.unanswered == 0 || Instant::now() >= reply_by {
                ws.close(CloseCode::NORMAL, "", &mut self.out)?;
            }
            return Ok(Some(reply_by - self.start));
        } else if !client.line_asked {
            client.line_asked = client.next_line.send(()).is_ok();
        }
        Ok(None)
    }

    /// Handles what came from the server; true if it is the last.
    fn receive(&mut self, octets: Vec<u8>) -> Result<bool, Ended> {
        let now = self.start.elapsed();
        let host = self.client.options.request.uri().host();
        let plain = self.transport.decrypt(octets);
        let (mut plain, is_last) = plain.map_err(|error| Ended(tls_problem(&error, host), None))?;
        let mut input = Input::new(&mut plain);
        self.endpoint.opened(&mut input, now, &mut self.out);
        let before = mem::replace(&mut self.last_activity, Instant::now());
        while let Some((event, _)) = self.endpoint.receive(&mut input, now, &mut self.out) {
            match event {
                Event::Text(text) => {
                    writeln!(io::stdout(), "{text}")?;
                    self.unanswered = self.unanswered.saturating_sub(1);
                }
                Event::Close(Some(frame)) => self.reason = frame.reason.into_owned(),
                Event::Pong(_) => {
                    self.last_activity = before; // it answers a Ping, but no line
                    let latency = self.endpoint.latency();
                    if let Some(time) = latency.filter(|_| self.client.options.latency) {
                        eprintln!("client: Pong after {:.3} ms", time.as_secs_f64() * 1e3);
                    }
                }
                _ => {} // Pings and Closes are answered already
            }
        }
        Ok(is_last || self.endpoint.failure().is_some())
    }

    /// The transport has ended, or is to end now.
    fn end(&mut self, result: io::Result<()>) -> Result<(), Ended> {
        let uri = self.client.options.request.uri();
        let ended = self.endpoint.receive_eof();
        if let Some(ws) = self.endpoint.connection() {
            let why = match (ended, ws.close_code()) {
                (Err(error), _) => error.to_string(),
                (Ok(()), Some(CloseCode::NORMAL)) => return Ok(()),
                _ if ws.closed_by() == Some(ClosedBy::Us) => return Ok(()),
                (Ok(()), code) => {
                    let code = code.map_or(0, |code| code.0);
                    let reason = format!("{code} {}", self.reason.escape_debug());
                    format!("the server closed the connection: {}", reason.trim_end())
                }
            };
            let again = self
                .client
                .backoff
                .after_connection(ws, self.start.elapsed());
            return Err(Ended(why, again));
        }
        if self.transport.is_handshaking() {
            let again = self.client.backoff.after_failure();
            let why = format!("no TLS with {}: it ended the connection", uri.host());
            return Err(Ended(why, Some(again)));
        }
        // The end of a refusal, too, whose body may lack its own.
        let failure = self.endpoint.failure();
        let is_silent = |error: &&ResponseError| matches!(error, ResponseError::TransportEnded);
        Err(match (failure.filter(|error| !is_silent(error)), result) {
            (Some(error), _) => {
                let again = self.client.backoff.after_handshake(error);
                Ended(refusal(error), again)
            }
            (None, result) => {
                let again = self.client.backoff.after_failure();
                let why = result.map_or_else(|error| error.to_string(), |()| "it ended".into());
                Ended(format!("no response from {uri}: {why}"), Some(again))
            }
        })
    }
}

/// One line about a handshake that failed, with what the server's own first line says.
fn refusal(error: &ResponseError) -> String {
    let ResponseError::Refused(response) = error else {
        return error.to_string();
    };
    let body = String::from_utf8_lossy(&response.body);
    let words = body.lines().next().unwrap_or_default().trim();
    let words: String = words.chars().take(80).collect();
    match &*words {
        "" => error.to_string(),
        words => format!("{error}: {}", words.escape_debug()),
    }
}
