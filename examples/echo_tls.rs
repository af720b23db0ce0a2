//! An echo server with TLS: blocking `std::net` and rustls, a thread for each connection. Two
//! protocol machines without I/O in a row: octets read go through TLS to the WebSocket, and what
//! that says goes through TLS to the octets written.
//!
//!     cargo run --release --example echo_tls -- [ADDRESS] [--max-message BYTES] [--deflate]
//!         [--hurry N] [--cert FILE --key FILE | --write-ca FILE]
//!
//! A client has to trust the certificate:
//!
//!     cargo run --release --example echo_tls -- --write-ca /tmp/ca.pem
//!     cargo run --release --example client -- wss://localhost:9001/ --cafile /tmp/ca.pem

use anyhow::{Context, Result};
use bytes::{Buf, BytesMut};
use clap::Parser;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustls::{ServerConfig, ServerConnection};
use sansocket::negotiation::OriginPolicy;
use sansocket::{CloseCode, DeadlinesConfig, Deflate, Endpoint, Event, HandshakeConfig, Input};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// An echo server with TLS: blocking `std::net` and rustls, a thread for each connection
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
    /// The certificate and those that it depends on (PEM); without it one is made for localhost
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// The key of the certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Save the certificate that is made, for a client to trust
    #[arg(long, value_name = "FILE", conflicts_with = "cert")]
    write_ca: Option<PathBuf>,
}

/// What all connections share.
#[derive(Clone)]
struct Shared {
    config: HandshakeConfig,
    times: Arc<DeadlinesConfig>,
    tls: Arc<ServerConfig>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut config = HandshakeConfig::default();
    // An echo has no secrets: pages of any site may connect. Yours should not say this.
    config.origin_policy = OriginPolicy::Any;
    config.deflate = arguments.deflate.then(Deflate::default); // all threads share it
    config.connection.max_message_size = arguments.max_message;
    config.connection.max_frame_size = arguments.max_message;
    let times = Arc::new(DeadlinesConfig::default() / arguments.hurry.get());
    let tls = tls_config(&arguments)?;
    let shared = Shared { config, times, tls };

    let listener = TcpListener::bind(arguments.address)
        .with_context(|| format!("cannot listen on {}", arguments.address))?;
    let address = listener.local_addr()?;
    writeln!(io::stdout(), "listening on wss://{address}/")?;

    let stop = Arc::new(AtomicBool::new(false));
    let signal = stop.clone();
    ctrlc::set_handler(move || {
        signal.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(address)); // wakes the loop below
    })?;
    // Every connection has a guard; when all are gone, there is nothing to wait for.
    let (guard, all_gone) = mpsc::channel::<()>();
    while !stop.load(Ordering::Relaxed) {
        if let Ok((stream, _)) = listener.accept() {
            let (shared, stop, guard) = (shared.clone(), stop.clone(), guard.clone());
            // Whatever happens to one connection ends only its own thread. Without a thread to be
            // had, the connection is dropped.
            let _ = thread::Builder::new().spawn(move || {
                let _guard = guard;
                serve(stream, shared, &stop)
            });
        } else {
            // Too many open files, say: wait for some to be closed.
            thread::sleep(Duration::from_millis(50));
        }
    }
    drop((listener, guard));
    let _ = all_gone.recv_timeout(shared.times.close * 2);
    Ok(())
}

/// The certificate that is in the files, or one that is made now.
fn tls_config(arguments: &Arguments) -> Result<Arc<ServerConfig>> {
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
    Ok(Arc::new(config))
}

/// Serves one connection to its end.
fn serve(mut tcp: TcpStream, shared: Shared, stop: &AtomicBool) -> Result<()> {
    let Shared { config, times, tls } = shared;
    let start = Instant::now();
    tcp.set_nodelay(true)?;
    // So often a thread looks whether it is to stop.
    let look = times.close / 5;
    // Only when a write returns it tells how far it came.
    tcp.set_write_timeout(Some(times.write / 8))?;
    let mut tls = ServerConnection::new(tls)?;
    let mut endpoint = Endpoint::server(&config, times, Duration::ZERO);
    let (mut buffer, mut out) = (vec![0; 16 << 10], BytesMut::new());
    let mut is_eof = false;
    loop {
        let now = start.elapsed();
        if stop.load(Ordering::Relaxed) {
            let Some(ws) = endpoint.connection() else {
                return Ok(());
            };
            let _ = ws.close(CloseCode::GOING_AWAY, "", &mut out); // once
        }
        let timer = endpoint.check(now, &mut out)?;
        let is_last = endpoint.must_close_transport() || is_eof;
        if is_last && out.is_empty() {
            tls.send_close_notify(); // once
        }
        // All of it before more is read: so a client cannot make `out` grow without end.
        if !out.is_empty() || tls.wants_write() {
            // TLS takes a part, so that it never holds a second copy of it all.
            let n = tls.writer().write(&out)?;
            out.advance(n);
            let written = in_time(tls.write_tls(&mut tcp))?.unwrap_or(0);
            let left = out.len() + usize::from(tls.wants_write());
            endpoint.wrote(written, left, start.elapsed());
            continue;
        }
        if is_eof {
            return Ok(endpoint.receive_eof()?);
        }
        if is_last {
            tcp.shutdown(Shutdown::Write)?;
        }
        out = BytesMut::new(); // an idle connection keeps no buffer

        tcp.set_read_timeout(Some(timer.map_or(look, |time| look.min(time - now))))?;
        match in_time(tls.read_tls(&mut tcp))? {
            None => continue,
            Some(0) => return Ok(endpoint.receive_eof()?),
            Some(_) => {}
        }
        match tls.process_new_packets() {
            Ok(state) => is_eof = state.peer_has_closed(),
            Err(error) => {
                let _ = tls.write_tls(&mut tcp); // the alert that says so
                return Err(error.into());
            }
        }
        // An error says that nothing more is complete yet.
        while let Ok(n @ 1..) = tls.reader().read(&mut buffer) {
            let (mut input, now) = (Input::new(&mut buffer[..n]), start.elapsed());
            if let Some(request) = endpoint.request(&mut input, now, &mut out) {
                endpoint.accept(request.accept(), now, &mut out);
            }
            while let Some((event, ws)) = endpoint.receive(&mut input, now, &mut out) {
                // Sending fails only when the connection is closing: nothing is left to be said.
                let _ = match event {
                    Event::Text(text) => ws.send_text(&text, &mut out),
                    Event::Binary(data) => ws.send_binary(&data, &mut out),
                    _ => Ok(()), // Pings and Closes are answered already
                };
            }
        }
    }
}

/// What a blocking socket did; `None` if it had no time left.
fn in_time(result: io::Result<usize>) -> io::Result<Option<usize>> {
    use ErrorKind::{Interrupted, TimedOut, WouldBlock};
    match result {
        Err(error) if matches!(error.kind(), Interrupted | TimedOut | WouldBlock) => Ok(None),
        result => result.map(Some),
    }
}
