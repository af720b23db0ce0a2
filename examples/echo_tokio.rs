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
    CloseCode, DeadlinesConfig, Deflate, Endpoint, Event, HandshakeConfig, Input, State,
};
use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::io::{self, IoSlice, Write};
use std::mem;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

/// So much is read at once at most: nearly every message is there as a whole then, and is lent.
const MAX_READ: usize = 2 << 20;
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

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
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
/// part of another `select!`: all state, the protocol's and the octets to be written, lives out
/// here and changes in code that does not wait. The futures of the branches keep nothing. When one
/// is dropped, `read` and `recv_many` have taken nothing, and `write` has taken from `out` just what
/// it has written and goes on where it was.
async fn serve<S: AsyncRead + AsyncWrite>(
    stream: S,
    shared: &Shared,
    start: Instant,
    mut stopping: watch::Receiver<()>,
) -> Result<()> {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let mut inbox = None; // for who wants to send from other tasks
    let mut endpoint = Endpoint::server(&shared.config, shared.times.clone(), Duration::ZERO);
    let mut timer = pin!(sleep(shared.times.handshake));
    let (mut out, mut messages) = (BytesMut::new(), Vec::new());
    // What the last write took, and with which end all of it was flushed.
    let (mut written, mut flushed) = (0, Some(false));
    let mut is_eof = false;
    loop {
        let left = out.len() + usize::from(flushed.is_none());
        endpoint.wrote(mem::take(&mut written), left, start.elapsed());
        let wake = endpoint
            .check(start.elapsed(), &mut out)?
            .map(|wake| start + wake);
        if let Some(wake) = wake.filter(|wake| timer.is_elapsed() || *wake < timer.deadline()) {
            timer.as_mut().reset(wake); // one that fires too early is set anew
        }
        let is_last = endpoint.must_close_transport();
        let is_pending = !out.is_empty() || flushed != Some(is_last);
        // Who ends only its writing is still sent the last octets, but no others.
        if is_eof && !(is_last && is_pending) {
            return Ok(endpoint.receive_eof()?);
        }
        let state = endpoint.connection().map(|ws| ws.state());
        let has_room = out.len() < HIGH_WATER;
        tokio::select! {
            (mut buffer, n) = read(&mut reader), if has_room && !is_eof => {
                is_eof = n == 0;
                if out.is_empty() {
                    out = OUT.take();
                }
                let (mut input, now) = (Input::new(&mut buffer[..n]), start.elapsed());
                if let Some(request) = endpoint.request(&mut input, now, &mut out) {
                    if request.path() == "/count" {
                        let (sender, receiver) = mpsc::channel(QUEUE);
                        inbox = Some(receiver);
                        tokio::spawn(count(Sender(sender)));
                    }
                    endpoint.accept(request.accept(), now, &mut out);
                }
                while let Some((event, ws)) = endpoint.receive(&mut input, now, &mut out) {
                    let payload = match &event {
                        Event::Text(text) => ws.send_apart(&**text, &mut out),
                        Event::Binary(data) => ws.send_apart(&**data, &mut out),
                        _ => continue, // Pings and Closes are answered already
                    };
                    // Sending fails only when the connection is closing: nothing is left to be said.
                    match payload.unwrap_or_default() {
                        large if large.len() >= LARGE => {
                            written += write_now(&mut writer, &mut out, large).await?;
                            flushed = None;
                        }
                        payload => out.extend_from_slice(payload),
                    }
                }
                BUFFER.set(buffer);
                if out.is_empty() {
                    OUT.set(mem::take(&mut out)); // an idle connection keeps no buffer
                }
            }
            result = write(&mut writer, &mut out, is_last), if is_pending => {
                let (n, is_flushed) = result?;
                (written, flushed) = (n, is_flushed.then_some(is_last));
                if out.is_empty() {
                    OUT.set(mem::take(&mut out));
                }
            }
            _ = receive(&mut inbox, &mut messages), if has_room && state == Some(State::Open) => {
                let Some(ws) = endpoint.connection() else { continue };
                for message in messages.drain(..) {
                    let _ = match message {
                        Message::Text(text) => ws.send_text(&text, &mut out),
                        Message::Binary(data) => ws.send_binary(&data, &mut out),
                    };
                }
            }
            _ = stopping.changed(), if matches!(state, None | Some(State::Open)) => {
                let Some(ws) = endpoint.connection() else { return Ok(()) };
                ws.close(CloseCode::GOING_AWAY, "the server stops", &mut out)?;
            }
            () = &mut timer, if !timer.is_elapsed() => {}
        }
    }
}

/// Takes what other tasks want to be sent, if there are any.
async fn receive(inbox: &mut Option<mpsc::Receiver<Message>>, messages: &mut Vec<Message>) {
    match inbox {
        Some(inbox) => drop(inbox.recv_many(messages, QUEUE).await),
        None => pending().await,
    }
}

thread_local! {
    /// What all connections of this thread read into, and what they begin to write from. Whoever
    /// takes one puts it back before it waits, or keeps it while something is in it.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    static OUT: Cell<BytesMut> = Cell::default();
}

/// Reads into the buffer of this thread. Returns that, to be put back, and how much came: nothing at
/// the end, and a reset is one as well.
async fn read(reader: &mut (impl AsyncRead + Unpin)) -> (Vec<u8>, usize) {
    poll_fn(|context| {
        let mut buffer = BUFFER.take();
        if buffer.is_empty() {
            buffer = vec![0; MAX_READ];
        }
        let mut octets = ReadBuf::new(&mut buffer);
        let result = Pin::new(&mut *reader).poll_read(context, &mut octets);
        let n = octets.filled().len();
        if result.is_pending() {
            BUFFER.set(buffer);
            return Poll::Pending;
        }
        Poll::Ready((buffer, n))
    })
    .await
}

/// Writes some of it; if nothing is left, what TLS still holds, and the end if this is the last.
/// Returns how much it wrote, and whether all of that is done.
async fn write(
    writer: &mut (impl AsyncWrite + Unpin),
    out: &mut BytesMut,
    is_last: bool,
) -> io::Result<(usize, bool)> {
    poll_fn(|context| {
        let mut writer = Pin::new(&mut *writer);
        let mut written = 0;
        if !out.is_empty() {
            written = ready!(writer.as_mut().poll_write(context, out))?;
            out.advance(written);
            if !out.is_empty() {
                return Poll::Ready(Ok((written, false)));
            }
        }
        let flushed = match is_last {
            false => writer.poll_flush(context)?,
            true => writer.poll_shutdown(context)?,
        };
        match flushed {
            Poll::Pending if written == 0 => Poll::Pending,
            flushed => Poll::Ready(Ok((written, flushed.is_ready()))),
        }
    })
    .await
}

/// Writes what can be written of `out` and the payload behind it without waiting. The rest is `out`
/// then.
async fn write_now(
    writer: &mut (impl AsyncWrite + Unpin),
    out: &mut BytesMut,
    payload: &[u8],
) -> io::Result<usize> {
    poll_fn(|context| {
        let parts = [IoSlice::new(out), IoSlice::new(payload)];
        let written = match Pin::new(&mut *writer).poll_write_vectored(context, &parts) {
            Poll::Ready(result) => result?,
            Poll::Pending => 0,
        };
        let of_out = written.min(out.len());
        out.advance(of_out);
        out.extend_from_slice(&payload[written - of_out..]);
        Poll::Ready(Ok(written))
    })
    .await
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
