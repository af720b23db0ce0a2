//! A client for the terminal: blocking `std::net`, with TLS for `wss://`. Each line of stdin goes
//! out as a text message, each text message that comes in is a line on stdout. The end of stdin
//! closes the connection, once the replies are in.
//!
//!     cargo run --release --example client -- [URL] [--subprotocol NAME]… [--origin ORIGIN]
//!         [--header 'Name: value']… [--deflate] [--cafile FILE] [--reconnect]
//!         [--keepalive SECONDS [--latency]]

use anyhow::{Context, Result, bail, ensure};
use bytes::BytesMut;
use clap::Parser;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{CertificateError, ClientConfig, ClientConnection, RootCertStore};
use sansocket::{
    Backoff, ClientRequest, CloseCode, Config, Deflate, End, Endpoint, Event, Expired,
    HandshakeError, Input, Tick, seed,
};
use std::error::Error;
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
    url: ClientRequest,
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
    config: Config,
    tls: Option<Arc<ClientConfig>>,
    reconnect: bool,
    latency: bool,
}

impl Options {
    fn new(arguments: Arguments) -> Result<Self> {
        let mut request = arguments.url;
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
        let mut config = Config::default();
        config.deflate = arguments.deflate.then(Deflate::default);
        config.times.keepalive = arguments.keepalive;
        let (is_secure, cafile) = (request.is_secure(), arguments.cafile.as_deref());
        ensure!(is_secure || cafile.is_none(), "--cafile is for wss://");
        Ok(Self {
            request,
            config,
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
    // A system may have some that are no good; the others will do.
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
    Bytes(u64, Vec<u8>),
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
    let mut client = Client {
        options,
        backoff: Backoff::new(seed()?),
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
            Ok(n @ 1..) => Incoming::Bytes(number, buffer[..n].to_vec()),
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
    /// What the bytes say that were read, and whether TLS says that they were the last.
    fn decrypt(&mut self, bytes: Vec<u8>) -> Result<(Vec<u8>, bool), rustls::Error> {
        let Some(tls) = &mut self.tls else {
            return Ok((bytes, false));
        };
        let (mut bytes, mut plain) = (&bytes[..], Vec::new());
        while !bytes.is_empty() {
            let read = tls.read_tls(&mut bytes);
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
    fn write(&mut self, ws: &mut Endpoint, out: &mut BytesMut, start: Instant) -> io::Result<()> {
        let Some(tls) = &mut self.tls else {
            let n = self.tcp.write(out)?;
            ws.wrote(n, start.elapsed(), out);
            return Ok(());
        };
        let n = tls.writer().write(out)?;
        ws.wrote(n, start.elapsed(), out);
        let written = tls.write_tls(&mut self.tcp);
        let n = *written.as_ref().unwrap_or(&0);
        ws.flushed(n, tls.wants_write(), start.elapsed());
        written.map(drop)
    }

    /// Whether there is something to write.
    fn is_pending(&self, out: &BytesMut) -> bool {
        let tls = self.tls.as_ref();
        !self.is_broken && (!out.is_empty() || tls.is_some_and(|tls| tls.wants_write()))
    }

    fn is_handshaking(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_handshaking())
    }

    /// Nothing more will be written.
    fn shut_down(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify(); // again does nothing
            let _ = tls.write_tls(&mut self.tcp);
        }
        let _ = self.tcp.shutdown(Shutdown::Write); // again does no harm
    }
}

impl Client<'_> {
    /// Connects and converses to the end of the connection.
    fn connect(&mut self, number: u64) -> Result<(), Ended> {
        let start = Instant::now();
        let Options {
            request, config, ..
        } = self.options;
        let tcp = dial(request, config.times.handshake);
        let tcp = tcp.map_err(|why| Ended(why, Some(self.backoff.after_failure())))?;
        tcp.set_nodelay(true)?;
        // A short time-out: while the server takes nothing, what it sends must still be read.
        tcp.set_write_timeout(Some(Duration::from_millis(50)))?;
        let (mut tls, mut out) = (None, BytesMut::new());
        if let Some(config) = &self.options.tls {
            let name = ServerName::try_from(request.host().to_owned())?;
            tls = Some(ClientConnection::new(config.clone(), name)?);
        }
        let ws = Endpoint::client(request, config, seed()?, start.elapsed(), &mut out);
        let (reader, sender) = (tcp.try_clone()?, self.sender.clone());
        thread::spawn(move || read_transport(reader, number, &sender));
        let mut conversation = Conversation {
            number,
            start,
            ws,
            transport: Transport {
                tcp,
                tls,
                is_broken: false,
            },
            out,
            line_in_out: false,
            unanswered: 0,
            last_activity: start,
            latency: None,
            reason: String::new(),
            read_error: None,
            client: self,
        };
        let result = conversation.converse();
        conversation.transport.shut_down();
        let _ = conversation.transport.tcp.shutdown(Shutdown::Both); // ends the reading thread
        result
    }
}

/// Opens the transport.
fn dial(request: &ClientRequest, limit: Duration) -> Result<TcpStream, String> {
    let end = Instant::now() + limit;
    let mut last_error = io::Error::from(ErrorKind::NotFound);
    let addresses = (request.host(), request.port()).to_socket_addrs();
    addresses
        .map_err(|error| format!("cannot find {}: {error}", request.host()))?
        .find_map(|address| {
            let left = end.checked_duration_since(Instant::now())?;
            let stream = TcpStream::connect_timeout(&address, left);
            stream.map_err(|error| last_error = error).ok()
        })
        .ok_or_else(|| format!("cannot connect to {}: {last_error}", request.uri()))
}

/// One connection, from the opening handshake to its end.
struct Conversation<'s, 'a> {
    client: &'s mut Client<'a>,
    number: u64,
    start: Instant,
    ws: Endpoint,
    transport: Transport,
    out: BytesMut,
    /// The client's line is in `out`, or was.
    line_in_out: bool,
    /// Messages sent less messages received: replies to wait for.
    unanswered: u64,
    last_activity: Instant,
    latency: Option<Duration>,
    /// What the server's Close says.
    reason: String,
    /// How reading failed, if that was the end.
    read_error: Option<io::Error>,
}

impl Conversation<'_, '_> {
    fn converse(&mut self) -> Result<(), Ended> {
        loop {
            self.write_some();
            let now = self.start.elapsed();
            let wake = match self.ws.tick(now, &mut self.out) {
                Tick::Wait(wake) => wake,
                Tick::ShutDown(wake) => {
                    self.transport.shut_down();
                    wake
                }
                Tick::Done(end) => return self.end(&end),
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
                Ok(Incoming::Bytes(number, bytes)) if number == self.number => {
                    self.receive(bytes)?;
                }
                Ok(Incoming::EndOfTransport(number, result)) if number == self.number => {
                    self.read_error = result.err();
                    self.ws.receive_eof();
                }
                Ok(_) => {}  // of an earlier connection
                Err(_) => {} // see what is due
            }
        }
    }

    /// Writes what the server takes at once.
    fn write_some(&mut self) {
        if self.transport.is_pending(&self.out) {
            let written = self
                .transport
                .write(&mut self.ws, &mut self.out, self.start);
            if written.is_err_and(|error| !is_temporary(&error)) {
                self.transport.is_broken = true; // the reading thread tells of its end
                self.out.clear();
                self.ws.flushed(0, false, self.start.elapsed());
            }
        }
        let is_written = !self.transport.is_broken && !self.transport.is_pending(&self.out);
        if self.line_in_out && is_written {
            (self.client.line, self.line_in_out) = (None, false);
        }
    }

    /// Sends the next line, or closes after the last one. Returns until when it waits for replies.
    fn say(&mut self) -> Result<Option<Duration>, Ended> {
        let client = &mut *self.client;
        // One line at a time, and only when the last one is written.
        let is_busy = self.transport.is_broken || self.transport.is_pending(&self.out);
        if is_busy || !self.ws.is_open() {
            return Ok(None);
        }
        if let Some(line) = &client.line {
            self.ws.send(line, &mut self.out)?;
            self.line_in_out = true;
            self.unanswered += 1;
            self.last_activity = Instant::now();
        } else if let Some(ended) = client.lines_ended {
            let reply_by = self.last_activity.max(ended) + REPLY_TIME;
            if self.unanswered == 0 || Instant::now() >= reply_by {
                self.ws.close(CloseCode::NORMAL, "", &mut self.out)?;
            }
            return Ok(Some(reply_by - self.start));
        } else if !client.line_asked {
            client.line_asked = client.next_line.send(()).is_ok();
        }
        Ok(None)
    }

    /// Handles what came from the server.
    fn receive(&mut self, bytes: Vec<u8>) -> Result<(), Ended> {
        let now = self.start.elapsed();
        let host = self.client.options.request.host();
        let plain = self.transport.decrypt(bytes);
        let (mut plain, is_last) = plain.map_err(|error| Ended(tls_problem(&error, host), None))?;
        let mut input = Input(&mut plain);
        let before = mem::replace(&mut self.last_activity, Instant::now());
        while let Some(event) = self.ws.receive(&mut input, now, &mut self.out) {
            match event {
                Event::Text(text) => {
                    writeln!(io::stdout(), "{}", &*text)?;
                    self.unanswered = self.unanswered.saturating_sub(1);
                }
                Event::Close { reason, .. } => self.reason = reason.into_string(),
                Event::Pong(_) => {
                    self.last_activity = before; // it answers a Ping, but no line
                    let latency = self.ws.latency();
                    let is_new = mem::replace(&mut self.latency, latency) != latency;
                    if let Some(time) = latency.filter(|_| is_new && self.client.options.latency) {
                        eprintln!("client: Pong after {:.3} ms", time.as_secs_f64() * 1e3);
                    }
                }
                _ => {} // Pings and Closes are answered already
            }
        }
        if is_last {
            self.ws.receive_eof();
        }
        Ok(())
    }

    /// What to say about the end, and whether another try is worth it.
    fn end(&mut self, end: &End) -> Result<(), Ended> {
        let request = &self.client.options.request;
        let no_response = |why| format!("no response from {}: {why}", request.uri());
        let why = match end {
            End::Closed { code, by_peer }
                if end.is_clean() && (*code == CloseCode::NORMAL || !by_peer) =>
            {
                return Ok(());
            }
            End::Closed {
                code,
                by_peer: true,
            } => {
                let reason = format!("{} {}", code.0, self.reason.escape_debug());
                format!("the server closed the connection: {}", reason.trim_end())
            }
            End::Expired(Expired::Handshake) | End::Refused(HandshakeError::TransportEnded)
                if self.transport.is_handshaking() =>
            {
                format!("no TLS with {}: it ended the connection", request.host())
            }
            End::Expired(Expired::Handshake) => no_response(ErrorKind::TimedOut.to_string()),
            End::Refused(HandshakeError::TransportEnded) => {
                let error = self.read_error.take();
                no_response(error.map_or_else(|| "it ended".into(), |error| error.to_string()))
            }
            End::Refused(error) => refusal(error),
            _ => end.to_string(),
        };
        let again = self.client.backoff.after(end, self.start.elapsed());
        Err(Ended(why, again))
    }
}

/// One line about a handshake that failed, with what the server's own first line says.
fn refusal(error: &HandshakeError) -> String {
    let HandshakeError::Refused(response) = error else {
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
