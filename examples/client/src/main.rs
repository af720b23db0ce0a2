//! A client for the terminal: blocking `std::net`, with TLS for `wss://`. Each line of stdin goes
//! out as a text message, each text message that comes in is a line on stdout. The end of stdin
//! closes the connection, once the replies are in.
//!
//!     cargo run --release -p client -- [URL] [--subprotocol NAME]… [--origin ORIGIN]
//!         [--header 'Name: value']… [--deflate] [--cafile FILE] [--proxy URL] [--follow N]
//!         [--reconnect] [--keepalive SECONDS [--latency]] [--hurry N]

mod conversation;
mod dial;
mod ended;
mod options;
mod proxy;
mod tls;
mod transport;

use anyhow::{Result, bail};
use bytes::BytesMut;
use conversation::Conversation;
use ended::{Ended, Then};
use options::Options;
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use sansocket::{Backoff, ClientRequest, Endpoint, seed};
use std::io::{self, BufRead, Read};
use std::net::{Shutdown, TcpStream};
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::thread;
use std::time::{Duration, Instant};
use transport::Transport;

fn main() -> ExitCode {
    let Err(error) = Options::new().and_then(|options| run(&options)) else {
        return ExitCode::SUCCESS;
    };
    eprintln!("client: {error:#}");
    ExitCode::FAILURE
}

/// What the two reading threads send to the main thread.
pub(crate) enum Incoming {
    Line(String),
    EndOfLines(io::Result<()>),
    /// From the connection with this number, which may not be the last one.
    Bytes(u64, Vec<u8>),
    EndOfTransport(u64, io::Result<()>),
}

/// What is kept from one connection to the next.
pub(crate) struct Client<'a> {
    pub(crate) options: &'a Options,
    /// That of the options, or where a redirect leads.
    pub(crate) request: ClientRequest,
    /// The number of redirects that are still followed.
    pub(crate) redirects: u32,
    pub(crate) backoff: Backoff,
    sender: SyncSender<Incoming>,
    pub(crate) incoming: Receiver<Incoming>,
    pub(crate) next_line: Sender<()>,
    pub(crate) line_asked: bool,
    /// The line that is not written yet.
    pub(crate) line: Option<String>,
    pub(crate) lines_ended: Option<Instant>,
}

fn run(options: &Options) -> Result<()> {
    let (sender, incoming) = mpsc::sync_channel(16);
    let (next_line, line_wanted) = mpsc::channel();
    let line_sender = sender.clone();
    thread::spawn(move || read_lines(&line_wanted, &line_sender));
    let mut client = Client {
        options,
        request: options.request.clone(),
        redirects: options.follow,
        backoff: Backoff::new(seed()?),
        sender,
        incoming,
        next_line,
        line_asked: false,
        line: None,
        lines_ended: None,
    };
    for number in 0.. {
        let Err(Ended { why, then }) = client.connect(number) else {
            break;
        };
        let is_said = client.line.is_none() && client.lines_ended.is_some();
        match then {
            Then::Redirect(request) => {
                client.redirects -= 1;
                client.request = *request;
            }
            Then::TryAgain(delay) if options.reconnect && !is_said => {
                let seconds = delay.as_secs_f64();
                eprintln!("client: {why}; trying again in {seconds:.1} s");
                thread::sleep(delay);
                // A redirect was for that time.
                (client.request, client.redirects) = (options.request.clone(), options.follow);
            }
            Then::TryAgain(_) | Then::Nothing => bail!(why),
        }
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
            Err(error) if common::is_temporary(&error) => continue,
            result => Incoming::EndOfTransport(number, result.map(|_| ())),
        };
        let is_end = matches!(incoming, Incoming::EndOfTransport(..));
        if sender.send(incoming).is_err() || is_end {
            return;
        }
    }
}

impl Client<'_> {
    /// Connects and converses to the end of the connection.
    fn connect(&mut self, number: u64) -> Result<(), Ended> {
        let start = Instant::now();
        let (tcp, early) = self.dial(start)?;
        // A short timeout: while the server does not read, what it sends must still be read.
        tcp.set_write_timeout(Some(Duration::from_millis(50)))?;
        let (mut tls, mut out) = (None, BytesMut::new());
        let (request, options) = (&self.request, self.options);
        if request.is_secure() {
            let config = options
                .tls
                .as_ref()
                .ok_or_else(|| io::Error::other("no TLS"))?;
            let name = request.host().split('%').next().unwrap_or_default(); // no zone
            let name = ServerName::try_from(name.to_owned())?;
            tls = Some(ClientConnection::new(config.clone(), name)?);
        }
        let (seed, now) = (seed()?, start.elapsed());
        let ws = Endpoint::client(request, &options.config, seed, now, &mut out);
        let (reader, sender) = (tcp.try_clone()?, self.sender.clone());
        if !early.is_empty() {
            sender.send(Incoming::Bytes(number, early))?;
        }
        thread::spawn(move || read_transport(reader, number, &sender));
        let transport = Transport::new(tcp, tls);
        let mut conversation = Conversation::new(self, number, start, ws, transport, out);
        let result = conversation.converse();
        conversation.transport.shut_down();
        let _ = conversation.transport.tcp.shutdown(Shutdown::Both); // ends the reading thread
        result
    }
}
