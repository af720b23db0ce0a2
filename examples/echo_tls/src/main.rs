//! An echo server with TLS: blocking `std::net` and rustls, a thread for each connection. Two
//! protocol machines without I/O in a chain: bytes read go through TLS to the WebSocket, and what
//! that has to say goes through TLS to the bytes written.
//!
//!     cargo run --release --example echo_tls -- [ADDRESS] [--max-message BYTES] [--deflate]
//!         [--hurry N] [--cert FILE --key FILE | --write-ca FILE]
//!
//! A client has to trust the certificate:
//!
//!     cargo run --release --example echo_tls -- --write-ca /tmp/ca.pem
//!     cargo run --release --example client -- wss://localhost:9001/ --cafile /tmp/ca.pem

use anyhow::{Context, Result};
use bytes::BytesMut;
use clap::Parser;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustls::{ServerConfig, ServerConnection};
use sansocket::{
    CloseCode, Config, Deflate, Endpoint, Event, Input, OriginPolicy, SendError, Tick,
};
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
    max_message: u64,
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

/// Whether the server is stopping.
static STOP: AtomicBool = AtomicBool::new(false);

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut config = Config::default();
    // An echo has no secrets, so pages of any site may connect. Yours should not say this.
    config.origins = OriginPolicy::any();
    config.deflate = arguments.deflate.then(Deflate::default);
    config.settings.max_message_size = arguments.max_message;
    config.times = config.times / arguments.hurry.get();
    let config = Arc::new(config);
    let tls = tls_config(&arguments)?;

    let listener = TcpListener::bind(arguments.address)
        .with_context(|| format!("cannot listen on {}", arguments.address))?;
    let address = listener.local_addr()?;
    writeln!(io::stdout(), "listening on wss://{address}/")?;
    ctrlc::set_handler(move || {
        STOP.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(address)); // wakes the loop below
    })?;

    // Every connection holds a guard: when all are dropped, there is nothing to wait for.
    let (guard, all_gone) = mpsc::channel::<()>();
    while !STOP.load(Ordering::Relaxed) {
        if let Ok((stream, _)) = listener.accept() {
            let (config, tls, guard) = (config.clone(), tls.clone(), guard.clone());
            // Whatever happens to a connection ends only its own thread. If the system has no
            // thread left, the connection is dropped.
            let _ = thread::Builder::new().spawn(move || {
                let _guard = guard;
                serve(stream, tls, &config)
            });
        } else {
            // Too many open files, for instance: wait until some are closed.
            thread::sleep(Duration::from_millis(50));
        }
    }
    drop((listener, guard));
    let _ = all_gone.recv_timeout(config.times.close * 2);
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
fn serve(mut tcp: TcpStream, tls: Arc<ServerConfig>, config: &Config) -> Result<()> {
    let start = Instant::now();
    tcp.set_nodelay(true)?;
    // A thread checks this often whether the server is stopping.
    let look = config.times.close / 5;
    let mut tls = ServerConnection::new(tls)?;
    let mut ws = Endpoint::server(config, Duration::ZERO);
    let (mut buffer, mut out) = (vec![0; 16 << 10], BytesMut::new());
    loop {
        // The first call closes the connection, later ones find it closed.
        if STOP.load(Ordering::Relaxed)
            && ws.close(CloseCode::GOING_AWAY, "", &mut out) == Err(SendError::NotYetOpen)
        {
            return Ok(());
        }
        let now = start.elapsed();
        let wake = match ws.tick(now, &mut out) {
            Tick::Wait(wake) => wake,
            // First TLS says that this was all, then TCP.
            Tick::ShutDown(wake) => {
                tls.send_close_notify(); // again does nothing
                if !tls.wants_write() {
                    let _ = tcp.shutdown(Shutdown::Write); // again does no harm
                }
                wake
            }
            Tick::Done(_end) => {
                tls.send_close_notify();
                let _ = tls.write_tls(&mut tcp); // that, or the alert about what was wrong
                return Ok(());
            }
        };
        let wait = wake.map_or(look, |wake| look.min(wake - now));

        // Write everything before reading more, so that no client makes `out` grow without end.
        let is_writing = !out.is_empty() || tls.wants_write();
        let result = if is_writing {
            // TLS takes a part, so that it never holds a second copy of it all.
            let n = tls.writer().write(&out)?;
            ws.wrote(n, now, &mut out);
            tcp.set_write_timeout(Some(wait))?;
            let result = tls.write_tls(&mut tcp);
            let n = *result.as_ref().unwrap_or(&0);
            ws.flushed(n, tls.wants_write(), start.elapsed());
            result
        } else {
            out = BytesMut::new(); // an idle connection keeps no buffer
            tcp.set_read_timeout(Some(wait))?;
            tls.read_tls(&mut tcp)
        };
        match result {
            Ok(_) if is_writing => continue,
            Err(error) if is_temporary(&error) => continue,
            // The client has ended the transport, or it is broken.
            Ok(0) | Err(_) => {
                out.clear();
                ws.flushed(0, false, now);
                ws.receive_eof();
                continue;
            }
            Ok(_) => {}
        }
        let Ok(state) = tls.process_new_packets() else {
            ws.receive_eof();
            continue;
        };
        // An error of the reader says that nothing more is complete yet.
        while let Ok(n @ 1..) = tls.reader().read(&mut buffer) {
            let (mut input, now) = (Input(&mut buffer[..n]), start.elapsed());
            while let Some(event) = ws.receive(&mut input, now, &mut out) {
                // Sending fails only when the connection is closing: nothing is left to say.
                let _ = match event {
                    Event::Request(request) => ws.accept(request, &mut out),
                    Event::Text(text) => ws.send(&text, &mut out),
                    Event::Binary(data) => ws.send(&data, &mut out),
                    _ => Ok(()), // Pings, Closes and errors are answered already
                };
            }
        }
        if state.peer_has_closed() {
            ws.receive_eof();
        }
    }
}

/// A read or write that was interrupted, or whose time ran out.
fn is_temporary(error: &io::Error) -> bool {
    use ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}
