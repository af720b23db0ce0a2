//! An echo server: tokio, a task for each connection; plain or with TLS.
//!
//!     cargo run --release --example echo_tokio -- [ADDR] [--max-message BYTES] [--deflate]
//!         [--hurry N] [--tls [--cert FILE --key FILE] [--write-ca FILE]]
//!
//! ADDR is 127.0.0.1:9001 if it is not given; with port 0 the system picks one. `--deflate`
//! accepts permessage-deflate. `--hurry N` makes every deadline N times shorter. Ctrl-C and SIGTERM
//! close all connections with 1001. On `/count` another task sends numbers, as fast as the client
//! reads them, while the connection echoes.
//!
//! `--tls` makes it wss. FILEs are PEM; without them it makes a certificate for localhost, which
//! `--write-ca` saves for a client to trust:
//!
//!     cargo run --release --example echo_tokio -- --tls --write-ca /tmp/ca.pem
//!     cargo run --release --example client -- wss://localhost:9001/ --cafile /tmp/ca.pem

use bytes::BytesMut;
use sansocket::negotiation::OriginPolicy;
use sansocket::{
    CloseCode, Connection, Deadlines, DeadlinesConfig, Deflate, Event, HandshakeConfig, Input,
    Rejection, ServerHandshake, State,
};
use std::ffi::OsString;
use std::io::{self, Write};
use std::mem;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

/// With so much to be written, nothing more is read and no message of another task is taken.
const HIGH_WATER: usize = 64 << 10;
/// So many messages of other tasks wait beside it.
const QUEUE: usize = 16;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main]
async fn main() -> ExitCode {
    let Err(error) = run().await else {
        return ExitCode::SUCCESS;
    };
    eprintln!("echo_tokio: {error}");
    ExitCode::FAILURE
}

async fn run() -> Result<()> {
    let (address, options) = arguments()?;
    let options = Arc::new(options);
    // Every connection has a receiver: it hears when to stop, and is gone when that one is.
    let (stop, mut stopping) = watch::channel(());
    let stop = Arc::new(stop);
    let signal = stop.clone();
    ctrlc::set_handler(move || signal.send_replace(()))?;

    let listener = TcpListener::bind(&address)
        .await
        .map_err(|error| format!("cannot listen on {address}: {error}"))?;
    let scheme = options.tls.as_ref().map_or("ws", |_| "wss");
    let address = listener.local_addr()?;
    writeln!(io::stdout(), "listening on {scheme}://{address}/")?;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopping.changed() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let (options, stopping) = (options.clone(), stopping.clone());
                // Whatever happens to one connection ends only its own task.
                tokio::spawn(async move { accept(stream, &options, stopping).await });
            }
            // Too many open files, say: wait for some to be closed.
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
    drop((listener, stopping));
    // Each connection keeps to its own deadline; this one is for what they cannot know of.
    let _ = timeout(options.times.close * 2, stop.closed()).await;
    Ok(())
}

struct Options {
    config: HandshakeConfig,
    times: DeadlinesConfig,
    tls: Option<TlsAcceptor>,
}

/// Where to listen, and all that connections need.
fn arguments() -> Result<(String, Options)> {
    let (mut config, mut times) = (HandshakeConfig::default(), DeadlinesConfig::default());
    // An echo has no secrets: pages of any site may connect. Yours should not say this.
    config.origin_policy = OriginPolicy::Any;
    let (mut address, mut files, mut tls) = (None, [None, None, None], false);
    let words = std::env::args_os().skip(1).map(OsString::into_string);
    let mut words = words.map(|word| word.map_err(|word| format!("{word:?} is not UTF-8")));
    while let Some(word) = words.next().transpose()? {
        let mut value = || words.next().and_then(|value| value.ok());
        match &*word {
            "--max-message" => {
                let bytes = value().and_then(|value| value.parse().ok());
                let bytes = bytes.ok_or("--max-message needs a number of bytes")?;
                config.connection.max_message_size = bytes;
                config.connection.max_frame_size = bytes;
            }
            "--hurry" => {
                let n = value().and_then(|value| value.parse().ok());
                let n: u32 = n.filter(|n| *n > 0).ok_or("--hurry needs a number")?;
                times.handshake /= n;
                times.keepalive = times.keepalive.map(|time| time / n);
                times.pong /= n;
                times.close /= n;
                times.write /= n;
            }
            "--deflate" => config.deflate = Some(Deflate::default()), // all tasks share it
            "--tls" => tls = true,
            "--cert" => files[0] = Some(value().ok_or("--cert needs a file")?),
            "--key" => files[1] = Some(value().ok_or("--key needs a file")?),
            "--write-ca" => files[2] = Some(value().ok_or("--write-ca needs a file")?),
            _ if address.is_none() && !word.starts_with('-') => address = Some(word),
            _ => {
                let usage = "[ADDR] [--max-message BYTES] [--deflate] [--hurry N] \
                             [--tls [--cert FILE --key FILE] [--write-ca FILE]]";
                return Err(format!("what is {word}? Usage: echo_tokio {usage}").into());
            }
        }
    }
    let tls = match tls {
        true => Some(tls_config(files)?.into()),
        false if files.iter().all(Option::is_none) => None,
        false => return Err("a certificate needs --tls".into()),
    };
    let address = address.unwrap_or_else(|| "127.0.0.1:9001".into());
    Ok((address, Options { config, times, tls }))
}

/// The certificate that is in the files, or one that is made now.
fn tls_config([cert, key, write_ca]: [Option<String>; 3]) -> Result<Arc<ServerConfig>> {
    let (chain, key) = match (cert, key, write_ca) {
        (Some(cert), Some(key), None) => {
            let chain = CertificateDer::pem_file_iter(&cert).and_then(Iterator::collect);
            let chain = chain.map_err(|e| format!("{cert}: {e}"))?;
            let key_der = PrivateKeyDer::from_pem_file(&key);
            (chain, key_der.map_err(|e| format!("{key}: {e}"))?)
        }
        (None, None, write_ca) => {
            let names = ["localhost", "127.0.0.1", "::1"].map(String::from);
            let made = rcgen::generate_simple_self_signed(names)?;
            if let Some(file) = write_ca {
                std::fs::write(&file, made.cert.pem()).map_err(|e| format!("{file}: {e}"))?;
            }
            (vec![made.cert.der().clone()], made.signing_key.into())
        }
        _ => return Err("--cert and --key go together, and without --write-ca".into()),
    };
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(chain, key);
    let mut config = config.map_err(|e| format!("not the certificate of a server: {e}"))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Does the TLS handshake, if there is one, and serves the connection to its end.
async fn accept(
    stream: TcpStream,
    options: &Options,
    mut stopping: watch::Receiver<()>,
) -> Result<()> {
    let start = Instant::now();
    stream.set_nodelay(true)?;
    let Some(tls) = &options.tls else {
        return serve(stream, options, start, stopping).await;
    };
    tokio::select! {
        stream = timeout(options.times.handshake, tls.accept(stream)) => {
            serve(stream??, options, start, stopping).await
        }
        _ = stopping.changed() => Ok(()),
    }
}

/// Serves one connection to its end.
///
/// Nothing is lost whichever branch of the `select!` wins, nor if this future is dropped and made
/// part of another `select!`: all state, the protocol's and the octets to be written, lives out
/// here and changes in code that does not wait. The futures of the branches keep nothing. When one
/// is dropped, `read` and `recv_many` have taken nothing, `write_buf` has taken from `out` just what
/// it has written, and `flush` goes on where it was.
async fn serve<S: AsyncRead + AsyncWrite>(
    stream: S,
    options: &Options,
    start: Instant,
    mut stopping: watch::Receiver<()>,
) -> Result<()> {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let (sender, mut inbox) = mpsc::channel(QUEUE);
    let mut deadlines = Deadlines::new(options.times, Duration::ZERO);
    let mut timer = pin!(sleep(options.times.handshake));
    let mut handshake = ServerHandshake::new(&options.config);
    let mut ws: Option<Connection> = None;
    let mut buffer = vec![0; 16 << 10];
    let mut out = BytesMut::new();
    let (mut written, mut is_flushed) = (0, true);
    let mut messages = Vec::new();
    loop {
        let left = out.len() + usize::from(!is_flushed);
        deadlines.wrote(mem::take(&mut written), left, start.elapsed());
        match deadlines.check(ws.as_mut(), start.elapsed(), &mut out) {
            Ok(Some(wake)) if timer.is_elapsed() || start + wake < timer.deadline() => {
                timer.as_mut().reset(start + wake);
            }
            Ok(_) => {} // a timer that fires too early is set anew
            Err(expired) => match (expired.http_status(), expired.close_code()) {
                (Some(status), _) => {
                    Rejection::new(status)?.send(&mut out);
                    break;
                }
                (None, Some(_)) => continue, // a Close frame is in `out`
                (None, None) => return Err(expired.into()),
            },
        }
        let is_open = ws.as_ref().is_some_and(|ws| ws.state() == State::Open);
        let has_room = out.len() < HIGH_WATER;
        tokio::select! {
            read = reader.read(&mut buffer), if has_room => {
                let n = read.unwrap_or(0);
                if n == 0 {
                    // Ended or reset; the result says whether the WebSocket was closed before.
                    return ws.map_or(Ok(()), |mut ws| Ok(ws.receive_eof()?));
                }
                let now = start.elapsed();
                deadlines.received(now);
                let mut input = Input::new(&mut buffer[..n]);
                if ws.is_none() {
                    match handshake.receive(&mut input, &mut out) {
                        Ok(None) => {}
                        Ok(Some(request)) => {
                            if request.path() == "/count" {
                                tokio::spawn(count(Sender(sender.clone())));
                            }
                            ws = Some(request.accept().send(&mut out));
                        }
                        Err(_) => break, // the refusal is in `out`
                    }
                }
                if let Some(ws) = &mut ws {
                    while let Some(event) = ws.receive(&mut input, &mut out) {
                        deadlines.event(&event, now);
                        // Sending fails only after a Close of ours: then nothing more is to be said.
                        let _ = match event {
                            Event::Text(text) => ws.send_text(&text, &mut out),
                            Event::Binary(data) => ws.send_binary(&data, &mut out),
                            _ => Ok(()), // Pings and Closes are answered already
                        };
                    }
                    if ws.must_close_transport() {
                        break;
                    }
                }
            }
            result = write(&mut writer, &mut out), if !out.is_empty() || !is_flushed => {
                written = result?;
                is_flushed = written == 0;
                if !has_room {
                    // Who is not read from cannot be heard; taking octets is a sign of life, too.
                    deadlines.received(start.elapsed());
                }
                if out.is_empty() {
                    out = BytesMut::new(); // an idle connection holds no memory for it
                }
            }
            _ = inbox.recv_many(&mut messages, QUEUE), if is_open && has_room => {
                let Some(ws) = &mut ws else { continue };
                for message in messages.drain(..) {
                    match message {
                        Message::Text(text) => ws.send_text(&text, &mut out)?,
                        Message::Binary(data) => ws.send_binary(&data, &mut out)?,
                    }
                }
            }
            _ = stopping.changed(), if is_open || ws.is_none() => {
                let Some(ws) = &mut ws else { return Ok(()) };
                ws.close(CloseCode::GOING_AWAY, "the server stops", &mut out)?;
            }
            () = &mut timer, if !timer.is_elapsed() => {}
        }
    }
    // In steps, so that no reset can destroy the last octets.
    timeout(options.times.close, async {
        writer.write_all(&out).await?;
        writer.shutdown().await?;
        while reader.read(&mut buffer).await? > 0 {}
        Ok(())
    })
    .await?
}

/// Writes some of it; once nothing is left, lets TLS write what it still holds.
async fn write(writer: &mut (impl AsyncWrite + Unpin), out: &mut BytesMut) -> io::Result<usize> {
    if out.is_empty() {
        return writer.flush().await.map(|()| 0);
    }
    writer.write_buf(out).await
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
