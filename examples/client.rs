//! A client for the terminal: blocking `std::net`. Each line of stdin goes out as a text message,
//! each text message that comes in is a line on stdout. The end of stdin closes the connection,
//! once the replies are in.
//!
//!     cargo run --release --example client -- [URL] [--subprotocol NAME]… [--origin O]
//!         [--header 'Name: value']… [--deflate]
//!
//! Without URL the environment variable WS_URL names it. `--deflate` offers permessage-deflate.

use bytes::{Buf, BytesMut};
use sansocket::{
    ClientHandshake, ClientRequest, CloseCode, ClosedBy, Connection, Deflate, Event,
    HandshakeConfig, Input, ResponseError, State,
};
use std::error::Error;
use std::ffi::OsString;
use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

/// For connecting and the whole opening handshake.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// For a reply after the end of stdin, and then for the closing handshake.
const CLOSE_TIME: Duration = Duration::from_secs(5);
/// For a write in which the server takes nothing.
const WRITE_TIME: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    match arguments().and_then(|(request, config)| run(&request, &config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("client: {error}");
            ExitCode::FAILURE
        }
    }
}

fn arguments() -> Result<(ClientRequest, HandshakeConfig), Box<dyn Error>> {
    const USAGE: &str = "usage: client [URL] [--subprotocol NAME]… [--origin O] \
                         [--header 'Name: value']… [--deflate], URL also from WS_URL";
    let (mut url, mut options) = (None, Vec::new());
    let mut config = HandshakeConfig::default();
    let arguments = std::env::args_os().skip(1).map(OsString::into_string);
    let arguments = arguments.collect::<Result<Vec<_>, _>>();
    let mut arguments = arguments
        .map_err(|a| format!("{a:?} is not UTF-8"))?
        .into_iter();
    while let Some(argument) = arguments.next() {
        match &*argument {
            "--subprotocol" | "--origin" | "--header" => {
                let value = arguments
                    .next()
                    .ok_or_else(|| format!("{argument} needs a value"))?;
                options.push((argument, value));
            }
            "--deflate" => config.deflate = Some(Deflate::default()),
            option if option.starts_with('-') => {
                return Err(format!("unknown option {option}; {USAGE}").into());
            }
            _ if url.is_some() => return Err(format!("more than one URL; {USAGE}").into()),
            _ => url = Some(argument),
        }
    }
    let url = url.or_else(|| std::env::var("WS_URL").ok()).ok_or(USAGE)?;
    let mut request = ClientRequest::new(
        url.parse()
            .map_err(|error| format!("{}: {error}", url.escape_debug()))?,
    );
    for (option, value) in options {
        let with_option = match &*option {
            "--subprotocol" => request.subprotocol(&value),
            "--origin" => request.origin(&value),
            _ => {
                let (name, value) = value
                    .split_once(':')
                    .ok_or("--header needs 'Name: value'")?;
                request.header(name, value.trim())
            }
        };
        request = with_option.map_err(|error| format!("{option}: {error}"))?;
    }
    if request.uri().is_secure() {
        return Err("wss:// needs TLS, which this example does not speak".into());
    }
    Ok((request, config))
}

/// What the two reading threads tell the main one.
enum Incoming {
    Line(String),
    EndOfLines(io::Result<()>),
    Octets(Vec<u8>),
    EndOfTransport,
}

fn run(request: &ClientRequest, config: &HandshakeConfig) -> Result<(), Box<dyn Error>> {
    let (stream, ws, early) = connect(request, config)?;
    stream.set_read_timeout(None)?;
    // A short time-out: while the server takes nothing, what it sends must still be read.
    stream.set_write_timeout(Some(Duration::from_millis(50)))?;

    let (sender, incoming) = mpsc::sync_channel(16);
    let (next_line, line_wanted) = mpsc::channel();
    if !early.is_empty() {
        sender.send(Incoming::Octets(early))?;
    }
    let (reader, octets) = (stream.try_clone()?, sender.clone());
    thread::spawn(move || read_transport(reader, &octets));
    thread::spawn(move || read_lines(&line_wanted, &sender));

    let (out, last_write) = (BytesMut::new(), Instant::now());
    let mut session = Session {
        stream,
        ws,
        out,
        last_write,
        unanswered: 0,
        reason: String::new(),
    };
    session.converse(&incoming, &next_line)
}

/// Connects and does the opening handshake. Returns what came behind it, too.
fn connect(
    request: &ClientRequest,
    config: &HandshakeConfig,
) -> Result<(TcpStream, Connection, Vec<u8>), Box<dyn Error>> {
    let deadline = Instant::now() + HANDSHAKE_TIME;
    let uri = request.uri();
    let mut last_error = io::Error::from(ErrorKind::NotFound);
    let addresses = (uri.host(), uri.port()).to_socket_addrs();
    let mut stream = addresses
        .map_err(|error| format!("cannot find {}: {error}", uri.host()))?
        .find_map(|address| {
            let left = deadline.checked_duration_since(Instant::now())?;
            TcpStream::connect_timeout(&address, left)
                .map_err(|error| last_error = error)
                .ok()
        })
        .ok_or_else(|| format!("cannot connect to {uri}: {last_error}"))?;
    stream.set_nodelay(true)?;

    let mut out = BytesMut::new();
    let mut handshake = ClientHandshake::new(request, config, &mut out)?;
    stream.write_all(&out)?;
    let mut buffer = vec![0; 16 << 10];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let result = match left.is_zero() {
            true => Err(ErrorKind::TimedOut.into()),
            false => stream
                .set_read_timeout(Some(left))
                .and_then(|()| stream.read(&mut buffer)),
        };
        let n = match result {
            Err(error) if is_temporary(&error) && !left.is_zero() => continue,
            Ok(n @ 1..) => n,
            // The end: of a refusal, too, whose body may lack its own.
            ended => {
                return match (handshake.receive_eof(), ended) {
                    (error @ ResponseError::Refused(_), _) | (error, Ok(_)) => Err(refusal(error)),
                    (_, Err(error)) => Err(format!("no response from {uri}: {error}").into()),
                };
            }
        };
        let mut input = Input::new(&mut buffer[..n]);
        if let Some(opened) = handshake.receive(&mut input, &mut out).map_err(refusal)? {
            return Ok((stream, opened.connection, input.take_rest().to_vec()));
        }
    }
}

/// One line about a handshake that failed, with what the server's own first line says.
fn refusal(error: ResponseError) -> Box<dyn Error> {
    let mut line = error.to_string();
    if let ResponseError::Refused(response) = &error {
        let body = String::from_utf8_lossy(&response.body);
        if let Some(words) = body.lines().next().filter(|words| !words.trim().is_empty()) {
            line += &format!(
                ": {}",
                words
                    .trim()
                    .chars()
                    .take(80)
                    .collect::<String>()
                    .escape_debug()
            );
        }
    }
    line.into()
}

/// A read or write that was interrupted, or whose time is over.
fn is_temporary(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut
    )
}

fn read_transport(mut stream: TcpStream, sender: &SyncSender<Incoming>) {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let incoming = match stream.read(&mut buffer) {
            Ok(n @ 1..) => Incoming::Octets(buffer[..n].to_vec()),
            Err(error) if is_temporary(&error) => continue,
            _ => Incoming::EndOfTransport,
        };
        let is_end = matches!(incoming, Incoming::EndOfTransport);
        if sender.send(incoming).is_err() || is_end {
            return;
        }
    }
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

struct Session {
    stream: TcpStream,
    ws: Connection,
    out: BytesMut,
    last_write: Instant,
    /// Messages sent less messages received: replies to wait for.
    unanswered: u64,
    /// What the server's Close says.
    reason: String,
}

impl Session {
    fn converse(
        &mut self,
        incoming: &Receiver<Incoming>,
        next_line: &Sender<()>,
    ) -> Result<(), Box<dyn Error>> {
        let (mut line_asked, mut lines_ended) = (false, false);
        let mut deadline = None;
        loop {
            self.write_some()?;
            // One line at a time, and only when the last one is written.
            if self.out.is_empty() && !line_asked && self.ws.state() == State::Open {
                line_asked = next_line.send(()).is_ok();
            }
            let wait = match deadline {
                _ if !self.out.is_empty() => Duration::ZERO,
                None => Duration::MAX,
                Some(deadline) => Instant::saturating_duration_since(&deadline, Instant::now()),
            };
            match incoming.recv_timeout(wait) {
                Ok(Incoming::Line(line)) => {
                    line_asked = false;
                    if self.ws.state() == State::Open {
                        self.ws.send_text(&line, &mut self.out)?;
                        self.unanswered += 1;
                    }
                }
                Ok(Incoming::EndOfLines(result)) => {
                    result.map_err(|error| format!("reading stdin: {error}"))?;
                    lines_ended = true;
                    deadline = Some(Instant::now() + CLOSE_TIME);
                }
                Ok(Incoming::Octets(mut octets)) => {
                    let was_open = self.ws.state() == State::Open;
                    self.receive(&mut octets)?;
                    if lines_ended && was_open || self.ws.close_expected() && deadline.is_none() {
                        deadline = Some(Instant::now() + CLOSE_TIME);
                    }
                }
                Ok(Incoming::EndOfTransport) | Err(RecvTimeoutError::Disconnected) => {
                    return self.end();
                }
                Err(RecvTimeoutError::Timeout) if !self.out.is_empty() => {}
                // No further reply came: close. Or the server does not end: leave it.
                Err(RecvTimeoutError::Timeout) if self.ws.state() == State::Open => {
                    self.unanswered = 0;
                }
                Err(RecvTimeoutError::Timeout) => return self.end(),
            }
            if lines_ended && self.unanswered == 0 && self.ws.state() == State::Open {
                self.ws.close(CloseCode::NORMAL, "", &mut self.out)?;
                deadline = Some(Instant::now() + CLOSE_TIME);
            }
        }
    }

    /// Handles what came from the server.
    fn receive(&mut self, octets: &mut [u8]) -> io::Result<()> {
        let mut input = Input::new(octets);
        while let Some(event) = self.ws.receive(&mut input, &mut self.out) {
            match event {
                Event::Text(text) => {
                    writeln!(io::stdout(), "{text}")?;
                    self.unanswered = self.unanswered.saturating_sub(1);
                }
                Event::Close(Some(frame)) => self.reason = frame.reason.into_owned(),
                _ => {} // Pings and Closes are answered already
            }
        }
        Ok(())
    }

    /// Writes what the server takes at once.
    fn write_some(&mut self) -> Result<(), Box<dyn Error>> {
        if self.out.is_empty() {
            self.last_write = Instant::now();
            return Ok(());
        }
        match self.stream.write(&self.out) {
            Ok(n) => {
                self.out.advance(n);
                self.last_write = Instant::now();
            }
            Err(error) if is_temporary(&error) && self.last_write.elapsed() < WRITE_TIME => {}
            Err(error) if is_temporary(&error) => return Err("the server takes nothing".into()),
            // The server has gone; what it said before is still to be read.
            Err(_) => self.out.clear(),
        }
        Ok(())
    }

    /// The transport has ended, or is to end now.
    fn end(&mut self) -> Result<(), Box<dyn Error>> {
        self.ws.receive_eof()?;
        match self.ws.close_code() {
            Some(CloseCode::NORMAL) => Ok(()),
            _ if self.ws.closed_by() == Some(ClosedBy::Us) => Ok(()),
            code => {
                let code = code.map_or(0, |code| code.0);
                let reason = format!("{code} {}", self.reason.escape_debug());
                Err(format!("the server closed the connection: {}", reason.trim_end()).into())
            }
        }
    }
}
