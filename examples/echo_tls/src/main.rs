//! An echo server with TLS: blocking `std::net` and rustls, a thread for each connection. Two
//! protocol machines without I/O in a chain: bytes that are read go through TLS to the WebSocket, and what
//! that answers goes through TLS to the bytes that are written.
//!
//!     cargo run --release -p echo_tls -- [ADDRESS] [--max-message BYTES] [--deflate]
//!         [--same-origin] [--hurry N] [--cert FILE --key FILE | --write-ca FILE]
//!
//! A client has to trust the certificate:
//!
//!     cargo run --release -p echo_tls -- --write-ca /tmp/ca.pem
//!     cargo run --release -p client -- wss://localhost:9001/ --cafile /tmp/ca.pem

use bytes::BytesMut;
use common::Result;
use rustls::{ServerConfig, ServerConnection};
use sansocket::{CloseCode, Config, Endpoint, Event, Input, SendError, Tick};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

const ABOUT: &str =
    "An echo server with TLS: blocking `std::net` and rustls, a thread for each connection";
const OPTIONS: &str =
    "      --cert <FILE>          The certificate and those that it depends on (PEM); without it one is made for localhost
      --key <FILE>           The key of the certificate (PEM)
      --write-ca <FILE>      Save the certificate that is made, for a client to trust
";

fn main() -> Result<()> {
    let mut server = common::server("echo_tls", ABOUT, OPTIONS);
    // Pages that came without TLS may have been written by anybody on the way.
    server.config.origins = server.config.origins.https_only();
    let (config, tls) = (
        server.config.clone(),
        common::tls::config(&server.arguments)?,
    );
    common::serve_in_threads(&server, "wss", move |stream| {
        serve(stream, tls.clone(), &config)
    })
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
        if common::is_stopping()
            && ws.close(CloseCode::GOING_AWAY, "", &mut out) == Err(SendError::NotYetOpen)
        {
            return Ok(());
        }
        let now = start.elapsed();
        let wake = match ws.tick(now, &mut out) {
            Tick::Wait(wake) => wake,
            // First TLS says that this was all, then TCP.
            Tick::ShutDown(wake) => {
                tls.send_close_notify(); // calling it again does nothing
                if !tls.wants_write() {
                    let _ = tcp.shutdown(Shutdown::Write); // calling it again does no harm
                }
                wake
            }
            Tick::Done(end) => {
                common::log(&end);
                tls.send_close_notify();
                let _ = tls.write_tls(&mut tcp); // `close_notify`, or an alert about an error
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
            Err(error) if common::is_temporary(&error) => continue,
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
