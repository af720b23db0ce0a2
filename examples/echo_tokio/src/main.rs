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
use bytes::BytesMut;
use clap::Parser;
use sansocket::{
    CloseCode, Config, Deflate, Endpoint, Event, Input, OriginPolicy, SendError, Tick,
};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{self, IoSlice, Write};
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

/// Read at most this much at once: nearly every message is complete in it, and lent.
const MAX_READ: usize = 256 << 10;
/// The same after a large message: two of 1 MiB, and their headers.
const MAX_LARGE_READ: usize = (2 << 20) + 64;
/// A payload from this size on is written from where it lies; shorter ones are written together.
const LARGE: usize = 64 << 10;
/// With this much to write, nothing more is read and no message of another task is taken.
const HIGH_WATER: usize = 64 << 10;
/// How many messages of other tasks wait.
const QUEUE: usize = 16;

/// An echo server: tokio, a task for each connection; plain or with TLS
#[derive(Parser)]
struct Arguments {
    /// Where to listen; with port 0 the system picks one
    #[arg(default_value = "127.0.0.1:9001")]
    address: SocketAddr,
    /// The largest message that is taken
    #[arg(long, value_name = "BYTES", default_value = "16777216")]
    max_message: u64,
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
    config: Config,
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
    let mut config = Config::default();
    // An echo has no secrets, so pages of any site may connect. Yours should not say this.
    config.origins = OriginPolicy::any();
    config.deflate = arguments.deflate.then(Deflate::default);
    config.settings.max_message_size = arguments.max_message;
    config.times = config.times / arguments.hurry.get();
    let tls = arguments.tls.then(|| tls(&arguments)).transpose()?;
    let shared = Arc::new(Shared { config, tls });

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
            // Too many open files, for instance: wait until some are closed.
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
    drop((listener, stopping));
    // Each connection keeps to its own deadline; this one is for what they cannot know.
    let _ = timeout(shared.config.times.close * 2, stop.closed()).await;
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
            stream = timeout(shared.config.times.handshake, tls.accept(stream)) => stream??,
            _ = stopping.changed() => return Ok(()),
        };
        serve(stream, &shared, start, stopping).await
    })
    .await
}

/// Serves one connection to its end.
///
/// Nothing is lost whichever branch of the `select!` wins, nor if this future is dropped or made
/// part of another `select!`: all state, the protocol's and the bytes to be written, lives in
/// `client` and changes in code that does not wait. The futures of the branches keep nothing.
async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    shared: &Shared,
    start: Instant,
    mut stopping: watch::Receiver<()>,
) -> Result<()> {
    let mut client = Client {
        stream,
        ws: Endpoint::server(&shared.config, Duration::ZERO),
        max_read: MAX_READ,
        out: BytesMut::new(),
        is_flushed: true,
        inbox: None,
    };
    let (mut stop, mut is_stopping) = (pin!(stopping.changed()), false);
    let mut alarm = shared.config.times.handshake; // what the timer is set to
    let mut timer = pin!(sleep_until(start + alarm));
    loop {
        tokio::select! {
            wake = poll_fn(|context| client.turn(context, start.elapsed(), alarm)) => {
                let Some(wake) = wake else { return Ok(()) };
                timer.as_mut().reset(start + wake);
                alarm = wake;
            }
            _ = &mut stop, if !is_stopping => {
                is_stopping = true;
                let Client { ws, out, .. } = &mut client;
                let closed = ws.close(CloseCode::GOING_AWAY, "the server stops", out);
                if closed == Err(SendError::NotYetOpen) {
                    return Ok(());
                }
            }
            // One that fires too early is set anew.
            () = &mut timer, if alarm < Duration::MAX => alarm = Duration::MAX,
        }
    }
}

struct Client<S> {
    stream: S,
    ws: Endpoint,
    /// How much is read at once.
    max_read: usize,
    /// What is to be written. It holds no memory while it is empty.
    out: BytesMut,
    /// Whether the stream, which may be TLS, holds nothing back.
    is_flushed: bool,
    /// Messages of other tasks.
    inbox: Option<mpsc::Receiver<Message>>,
}

thread_local! {
    /// What all connections of this thread read into, and what they start to write from.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; MAX_LARGE_READ]);
    static OUT: Cell<BytesMut> = Cell::default();
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// Does everything that can be done now. It is ready when the timer is to be set to this time,
    /// which is before `alarm`; with `None` at the end of the connection.
    fn turn(
        &mut self,
        context: &mut task::Context<'_>,
        now: Duration,
        alarm: Duration,
    ) -> Poll<Option<Duration>> {
        if self.out.is_empty() {
            self.out = OUT.take();
        }
        let wake = loop {
            let mut is_busy =
                self.out.len() < HIGH_WATER && (self.read(context, now) | self.send(context));
            let wake = match self.ws.tick(now, &mut self.out) {
                Tick::Wait(wake) => wake,
                Tick::ShutDown(wake) => {
                    // Again does no harm. An error is the end, which reading tells as well.
                    let _ = Pin::new(&mut self.stream).poll_shutdown(context);
                    wake
                }
                Tick::Done(_end) => return Poll::Ready(None),
            };
            is_busy |= self.write(context, &[], now);
            if !is_busy {
                break wake;
            }
        };
        if self.out.is_empty() {
            OUT.set(mem::take(&mut self.out)); // an idle connection keeps no buffer
        }
        match wake {
            Some(wake) if wake < alarm => Poll::Ready(Some(wake)),
            _ => Poll::Pending,
        }
    }

    /// Reads once and handles what came. Returns whether something did.
    fn read(&mut self, context: &mut task::Context<'_>, now: Duration) -> bool {
        BUFFER.with_borrow_mut(|buffer| {
            let stream = Pin::new(&mut self.stream);
            let mut bytes = ReadBuf::new(&mut buffer[..self.max_read]);
            // A reset is an end as well.
            if stream.poll_read(context, &mut bytes).is_pending() {
                return false;
            }
            let bytes = bytes.filled_mut();
            if bytes.is_empty() {
                self.ws.receive_eof();
                return false;
            }
            let mut input = Input(bytes);
            while let Some(event) = self.ws.receive(&mut input, now, &mut self.out) {
                let payload = match event {
                    Event::Text(ref text) => self.ws.send_apart(text, &mut self.out),
                    Event::Binary(ref data) => self.ws.send_apart(data, &mut self.out),
                    Event::Request(request) => {
                        if request.path() == "/count" {
                            let (sender, receiver) = mpsc::channel(QUEUE);
                            self.inbox = Some(receiver);
                            tokio::spawn(count(Sender(sender)));
                        }
                        self.ws.accept(request, &mut self.out).map(|()| &[][..])
                    }
                    _ => continue, // Pings, Closes and errors are answered already
                };
                // Sending fails only when the connection is closing: nothing is left to say.
                let payload = payload.unwrap_or_default();
                if payload.len() < LARGE {
                    self.out.extend_from_slice(payload);
                    self.max_read = MAX_READ;
                } else {
                    self.write(context, payload, now);
                    self.max_read = MAX_LARGE_READ;
                }
            }
            true
        })
    }

    /// Sends what other tasks want to be sent. Returns whether that was something.
    fn send(&mut self, context: &mut task::Context<'_>) -> bool {
        let Some(inbox) = self.inbox.as_mut().filter(|_| self.ws.is_open()) else {
            return false;
        };
        let mut messages = Vec::new();
        if inbox
            .poll_recv_many(context, &mut messages, QUEUE)
            .is_pending()
        {
            return false;
        }
        if messages.is_empty() {
            self.inbox = None; // nobody is there any more
        }
        for message in messages {
            let _ = match message {
                Message::Text(text) => self.ws.send(&text, &mut self.out),
                Message::Binary(data) => self.ws.send(&data, &mut self.out),
            };
        }
        true
    }

    /// Writes what the stream takes of `out` and the payload after it; the rest is in `out` then.
    /// What the stream holds back is flushed once nothing is left. Returns whether bytes moved.
    fn write(
        &mut self,
        context: &mut task::Context<'_>,
        mut payload: &[u8],
        now: Duration,
    ) -> bool {
        let (mut stream, mut written) = (Pin::new(&mut self.stream), 0);
        while !self.out.is_empty() || !payload.is_empty() {
            let parts = [IoSlice::new(&self.out), IoSlice::new(payload)];
            let result = match payload {
                [] => stream.as_mut().poll_write(context, &self.out),
                _ => stream.as_mut().poll_write_vectored(context, &parts),
            };
            match result {
                Poll::Ready(Ok(n @ 1..)) => {
                    payload = &payload[self.ws.wrote(n, now, &mut self.out)..];
                    written += n;
                }
                Poll::Ready(_) => {
                    self.out.clear();
                    self.is_flushed = true;
                    self.ws.flushed(0, false, now);
                    self.ws.receive_eof();
                    return true;
                }
                Poll::Pending => break,
            }
        }
        self.out.extend_from_slice(payload);
        if written == 0 && self.is_flushed {
            return false;
        }
        self.is_flushed = self.out.is_empty() && stream.poll_flush(context).is_ready();
        self.ws.flushed(written, !self.is_flushed, now);
        written > 0 || self.is_flushed
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
    /// Waits while the client does not read, so neither the queue nor `out` grows without end. An
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
