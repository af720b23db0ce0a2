//! An echo server: tokio, a task for each connection; plain or with TLS.
//!
//!     cargo run --release --example echo_tokio -- [ADDRESS] [--max-message BYTES] [--deflate]
//!         [--hurry N] [--tls [--cert FILE --key FILE | --write-ca FILE]]
//!
//! Ctrl-C and SIGTERM close all connections with 1001. On `/count` another task sends numbers, as
//! fast as the client reads them, while the connection echoes.
//!
//!     cargo run --release --example echo_tokio -- --tls --write-ca /tmp/ca.pem
//!     cargo run --release --example client -- wss://localhost:9001/ --cafile /tmp/ca.pem

use anyhow::{Context, Result};
use bytes::{Buf, BytesMut};
use clap::Parser;
use sansocket::negotiation::OriginPolicy;
use sansocket::{
    CloseCode, DeadlinesConfig, Deflate, Endpoint, Event, HandshakeConfig, Input, ServerHandshake,
    State,
};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice, Write};
use std::mem;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{self, Poll};
use std::thread::available_parallelism;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

/// So much is read at once at most: nearly every message is there as a whole then, and is lent.
const MAX_READ: usize = 256 << 10;
/// So much if the last message was large: two of 1 MiB, and their headers.
const MAX_LARGE_READ: usize = (2 << 20) + 64;
/// From here on a payload is written from where it lies; shorter ones go together.
const LARGE: usize = 64 << 10;
/// With so much to be written, nothing more is read and no message of another task is taken.
const HIGH_WATER: usize = 64 << 10;
/// So many messages of other tasks wait beside it.
const QUEUE: usize = 16;

/// An echo server: tokio, a task for each connection; plain or with TLS
#[derive(Parser)]
struct Arguments {
    /// Where to listen; with port 0 the system picks one
    #[arg(default_value = "127.0.0.1:9001")]
    address: SocketAddr,
    /// The largest message that is taken
    #[arg(long, value_name = "BYTES", default_value = "16777216")]
    max_message: usize,
    /// Accept permessage-deflate
    #[arg(long)]
    deflate: bool,
    /// Make every deadline N times shorter
    #[arg(long, value_name = "N", default_value = "1")]
    hurry: NonZeroU32,
    /// Serve wss, with a certificate for localhost that is made now if none is given
    #[arg(long)]
    tls: bool,
    /// The certificate and those that it depends on (PEM)
    #[arg(long, value_name = "FILE", requires = "tls", requires = "key")]
    cert: Option<PathBuf>,
    /// The key of the certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Save the certificate that is made, for a client to trust
    #[arg(long, value_name = "FILE", requires = "tls", conflicts_with = "cert")]
    write_ca: Option<PathBuf>,
}

/// What all connections share.
struct Shared {
    config: HandshakeConfig,
    times: Arc<DeadlinesConfig>,
    tls: Option<TlsAcceptor>,
}

fn main() -> Result<()> {
    // With one core, no other thread could help.
    let mut runtime = match available_parallelism() {
        Ok(NonZeroUsize::MIN) => runtime::Builder::new_current_thread(),
        _ => runtime::Builder::new_multi_thread(),
    };
    let runtime = runtime.enable_all().build()?;
    runtime.block_on(listen(Arguments::parse()))
}

/// Serves all connections until a signal comes, and then to their end.
async fn listen(arguments: Arguments) -> Result<()> {
    let mut config = HandshakeConfig::default();
    // An echo has no secrets: pages of any site may connect. Yours should not say this.
    config.origin_policy = OriginPolicy::Any;
    config.deflate = arguments.deflate.then(Deflate::default); // all tasks share it
    config.connection.max_message_size = arguments.max_message;
    config.connection.max_frame_size = arguments.max_message;
    let times = Arc::new(DeadlinesConfig::default() / arguments.hurry.get());
    let tls = arguments.tls.then(|| tls(&arguments)).transpose()?;
    let shared = Arc::new(Shared { config, times, tls });

    // Every connection has a receiver: it hears when to stop, and is gone when that one is.
    let (stop, mut stopping) = watch::channel(());
    let stop = Arc::new(stop);
    let signal = stop.clone();
    ctrlc::set_handler(move || signal.send_replace(()))?;
    let listener = TcpListener::bind(arguments.address)
        .await
        .with_context(|| format!("cannot listen on {}", arguments.address))?;
    let scheme = if arguments.tls { "wss" } else { "ws" };
    let address = listener.local_addr()?;
    writeln!(io::stdout(), "listening on {scheme}://{address}/")?;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopping.changed() => break,
        };
        match accepted {
            // Whatever happens to one connection ends only its own task.
            Ok((stream, _)) => drop(tokio::spawn(accept(
                stream,
                shared.clone(),
                stopping.clone(),
            ))),
            // Too many open files, say: wait for some to be closed.
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
    drop((listener, stopping));
    // Each connection keeps to its own deadline; this one is for what they cannot know of.
    let _ = timeout(shared.times.close * 2, stop.closed()).await;
    Ok(())
}

/// The certificate that is in the files, or one that is made now.
fn tls(arguments: &Arguments) -> Result<TlsAcceptor> {
    let (chain, key) = if let (Some(cert), Some(key)) = (&arguments.cert, &arguments.key) {
        let chain = CertificateDer::pem_file_iter(cert).and_then(Iterator::collect);
        let chain = chain.with_context(|| format!("no certificates in {}", cert.display()))?;
        let der = PrivateKeyDer::from_pem_file(key);
        (
            chain,
            der.with_context(|| format!("no key in {}", key.display()))?,
        )
    } else {
        let names = ["localhost", "127.0.0.1", "::1"].map(String::from);
        let made = rcgen::generate_simple_self_signed(names)?;
        if let Some(file) = &arguments.write_ca {
            let written = std::fs::write(file, made.cert.pem());
            written.with_context(|| format!("cannot write {}", file.display()))?;
        }
        (vec![made.cert.der().clone()], made.signing_key.into())
    };
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(chain, key);
    let mut config = config.context("that is not the certificate of a server")?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config).into())
}

/// Does the TLS handshake, if there is one, and serves the connection to its end.
async fn accept(
    stream: TcpStream,
    shared: Arc<Shared>,
    mut stopping: watch::Receiver<()>,
) -> Result<()> {
    let start = Instant::now();
    stream.set_nodelay(true)?;
    let Some(tls) = &shared.tls else {
        return serve(stream, &shared, start, stopping).await;
    };
    // In memory of its own, so that a task without TLS is smaller.
    Box::pin(async {
        let stream = tokio::select! {
            stream = timeout(shared.times.handshake, tls.accept(stream)) => stream??,
            _ = stopping.changed() => return Ok(()),
        };
        serve(stream, &shared, start, stopping).await
    })
    .await
}

/// Serves one connection to its end.
///
/// Nothing is lost whichever branch of the `select!` wins, nor if this future is dropped and made
/// part of another `select!`: all state, the protocol's and the octets to be written, lives in
/// `client` and changes in code that does not wait. The futures of the branches keep nothing.
async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    shared: &Shared,
    start: Instant,
    mut stopping: watch::Receiver<()>,
) -> Result<()> {
    let mut client = Client {
        stream,
        endpoint: Endpoint::server(&shared.config, shared.times.clone(), Duration::ZERO),
        max_read: MAX_READ,
        out: BytesMut::new(),
        flushed: Some(false),
        is_eof: false,
        inbox: None,
    };
    let mut stop = pin!(stopping.changed());
    let mut alarm = shared.times.handshake; // what the timer is set to
    let mut timer = pin!(sleep_until(start + alarm));
    loop {
        let state = client.endpoint.connection().map(|ws| ws.state());
        tokio::select! {
            wake = poll_fn(|context| client.turn(context, start.elapsed(), alarm)) => {
                let Some(wake) = wake? else { return Ok(()) };
                timer.as_mut().reset(start + wake);
                alarm = wake;
            }
            _ = &mut stop, if matches!(state, None | Some(State::Open)) => {
                let Some(ws) = client.endpoint.connection() else { return Ok(()) };
                // That fails only when the connection is closing by now.
                let _ = ws.close(CloseCode::GOING_AWAY, "the server stops", &mut client.out);
            }
            // One that fires too early is set anew.
            () = &mut timer, if alarm < Duration::MAX => alarm = Duration::MAX,
        }
    }
}

struct Client<S> {
    stream: S,
    endpoint: Endpoint<ServerHandshake>,
    /// So much is read at once.
    max_read: usize,
    /// What is to be written. It holds no memory while that is nothing.
    out: BytesMut,
    /// With which end all that was written is flushed.
    flushed: Option<bool>,
    /// Nothing more comes in.
    is_eof: bool,
    /// For who wants to send from other tasks.
    inbox: Option<mpsc::Receiver<Message>>,
}

thread_local! {
    /// What all connections of this thread read into, and what they begin to write from.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; MAX_LARGE_READ]);
    static OUT: Cell<BytesMut> = Cell::default();
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// Does all that can be done now. It is ready when the timer is to be set, to this time, which is
    /// before `alarm`; with `None` at the end of the connection.
    fn turn(
        &mut self,
        context: &mut task::Context<'_>,
        now: Duration,
        alarm: Duration,
    ) -> Poll<Result<Option<Duration>>> {
        if self.out.is_empty() {
            self.out = OUT.take();
        }
        let wake = loop {
            self.write(context, &[], now)?;
            if self.out.len() < HIGH_WATER && (self.read(context, now)? | self.send(context)) {
                continue;
            }
            let left = self.out.len();
            let wake = self.endpoint.check(now, &mut self.out)?;
            if self.out.len() == left {
                break wake;
            }
        };
        let is_last = self.endpoint.must_close_transport();
        let is_written = self.out.is_empty() && self.flushed == Some(is_last);
        if self.out.is_empty() {
            OUT.set(mem::take(&mut self.out)); // an idle connection keeps no buffer
        }
        // Who ends only its writing is still sent the last octets, but no others.
        if self.is_eof && (is_written || !is_last) {
            self.endpoint.receive_eof()?;
            return Poll::Ready(Ok(None));
        }
        match wake {
            Some(wake) if wake < alarm => Poll::Ready(Ok(Some(wake))),
            _ => Poll::Pending,
        }
    }

    /// Reads once and handles what came. Returns whether something did.
    fn read(&mut self, context: &mut task::Context<'_>, now: Duration) -> io::Result<bool> {
        if self.is_eof {
            return Ok(false);
        }
        BUFFER.with_borrow_mut(|buffer| {
            let stream = Pin::new(&mut self.stream);
            let mut octets = ReadBuf::new(&mut buffer[..self.max_read]);
            // A reset is an end as well.
            if stream.poll_read(context, &mut octets).is_pending() {
                return Ok(false);
            }
            let octets = octets.filled_mut();
            self.is_eof = octets.is_empty();
            let mut input = Input::new(octets);
            if let Some(request) = self.endpoint.request(&mut input, now, &mut self.out) {
                if request.path() == "/count" {
                    let (sender, receiver) = mpsc::channel(QUEUE);
                    self.inbox = Some(receiver);
                    tokio::spawn(count(Sender(sender)));
                }
                self.endpoint.accept(request.accept(), now, &mut self.out);
            }
            while let Some((event, ws)) = self.endpoint.receive(&mut input, now, &mut self.out) {
                let payload = match &event {
                    Event::Text(text) => ws.send_apart(&**text, &mut self.out),
                    Event::Binary(data) => ws.send_apart(&**data, &mut self.out),
                    _ => continue, // Pings and Closes are answered already
                };
                // Sending fails only when the connection is closing: nothing is left to be said.
                let payload = payload.unwrap_or_default();
                if payload.len() < LARGE {
                    self.out.extend_from_slice(payload);
                    self.max_read = MAX_READ;
                } else {
                    self.write(context, payload, now)?;
                    self.max_read = MAX_LARGE_READ;
                }
            }
            Ok(true)
        })
    }

    /// Sends what other tasks want to be sent. Returns whether that was something.
    fn send(&mut self, context: &mut task::Context<'_>) -> bool {
        let (Some(ws), Some(inbox)) = (self.endpoint.connection(), &mut self.inbox) else {
            return false;
        };
        let mut messages = Vec::new();
        let is_open = ws.state() == State::Open;
        if !is_open || (inbox.poll_recv_many(context, &mut messages, QUEUE)).is_pending() {
            return false;
        }
        if messages.is_empty() {
            self.inbox = None; // nobody is there any more
        }
        for message in messages {
            let _ = match message {
                Message::Text(text) => ws.send_text(&text, &mut self.out),
                Message::Binary(data) => ws.send_binary(&data, &mut self.out),
            };
        }
        true
    }

    /// Writes what the stream takes of `out` and the payload behind it; the rest is `out` then. If
    /// nothing is left, also what TLS still holds, and the end if this is the last.
    fn write(
        &mut self,
        context: &mut task::Context<'_>,
        mut payload: &[u8],
        now: Duration,
    ) -> io::Result<()> {
        let is_last = self.endpoint.must_close_transport();
        if self.out.is_empty() && payload.is_empty() && self.flushed == Some(is_last) {
            return Ok(());
        }
        let (mut stream, mut written) = (Pin::new(&mut self.stream), 0);
        while !self.out.is_empty() || !payload.is_empty() {
            let parts = [IoSlice::new(&self.out), IoSlice::new(payload)];
            let n = match payload {
                [] => stream.as_mut().poll_write(context, &self.out),
                _ => stream.as_mut().poll_write_vectored(context, &parts),
            };
            let n = match n? {
                Poll::Ready(0) => return Err(ErrorKind::WriteZero.into()),
                Poll::Ready(n) => n,
                Poll::Pending => break,
            };
            let of_out = n.min(self.out.len());
            match of_out == self.out.len() {
                true => self.out.clear(), // goes on where it began, which costs less
                false => self.out.advance(of_out),
            }
            payload = &payload[n - of_out..];
            written += n;
        }
        self.out.extend_from_slice(payload);
        let is_flushed = self.out.is_empty()
            && match is_last {
                false => stream.poll_flush(context)?.is_ready(),
                true => stream.poll_shutdown(context)?.is_ready(),
            };
        self.flushed = is_flushed.then_some(is_last);
        let left = self.out.len() + usize::from(!is_flushed);
        self.endpoint.wrote(written, left, now);
        Ok(())
    }
}

/// What another task wants to be sent.
enum Message {
    Text(String),
    #[expect(dead_code, reason = "for your application")]
    Binary(Vec<u8>),
}

/// The sending half of a connection, for any number of other tasks.
#[derive(Clone)]
struct Sender(mpsc::Sender<Message>);

impl Sender {
    /// Waits while the client does not read: neither the queue nor `out` grows without end. An
    /// error says that the connection is closed.
    async fn send(&self, message: Message) -> Result<()> {
        Ok(self.0.send(message).await?)
    }
}

async fn count(sender: Sender) {
    for i in 0_u64.. {
        if sender.send(Message::Text(i.to_string())).await.is_err() {
            return;
        }
    }
}
