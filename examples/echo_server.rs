//! An echo server: blocking `std::net`, a thread for each connection.
//!
//!     cargo run --release --example echo_server -- [ADDRESS] [--max-message BYTES] [--deflate] [--hurry N]

use anyhow::{Context, Result};
use bytes::{Buf, BytesMut};
use clap::Parser;
use sansocket::negotiation::OriginPolicy;
use sansocket::{CloseCode, DeadlinesConfig, Deflate, Endpoint, Event, HandshakeConfig, Input};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// An echo server: blocking `std::net`, a thread for each connection
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

    let listener = TcpListener::bind(arguments.address)
        .with_context(|| format!("cannot listen on {}", arguments.address))?;
    let address = listener.local_addr()?;
    writeln!(io::stdout(), "listening on ws://{address}/")?;

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
            let (config, times) = (config.clone(), times.clone());
            let (stop, guard) = (stop.clone(), guard.clone());
            // Whatever happens to one connection ends only its own thread. Without a thread to be
            // had, the connection is dropped.
            let _ = thread::Builder::new().spawn(move || {
                let _guard = guard;
                serve(stream, &config, times, &stop)
            });
        } else {
            // Too many open files, say: wait for some to be closed.
            thread::sleep(Duration::from_millis(50));
        }
    }
    drop((listener, guard));
    let _ = all_gone.recv_timeout(times.close * 2);
    Ok(())
}

/// Serves one connection to its end.
fn serve(
    mut stream: TcpStream,
    config: &HandshakeConfig,
    times: Arc<DeadlinesConfig>,
    stop: &AtomicBool,
) -> Result<()> {
    let start = Instant::now();
    stream.set_nodelay(true)?;
    // So often a thread looks whether it is to stop.
    let look = times.close / 5;
    // Only when a write returns it tells how far it came.
    stream.set_write_timeout(Some(times.write / 8))?;
    let mut endpoint = Endpoint::server(config, times, Duration::ZERO);
    let (mut buffer, mut out) = (vec![0; 16 << 10], BytesMut::new());
    loop {
        let now = start.elapsed();
        if stop.load(Ordering::Relaxed) {
            let Some(ws) = endpoint.connection() else {
                return Ok(());
            };
            let _ = ws.close(CloseCode::GOING_AWAY, "", &mut out); // once
        }
        let timer = endpoint.check(now, &mut out)?;
        // All of it before more is read: so a client cannot make `out` grow without end.
        if !out.is_empty() {
            let n = in_time(stream.write(&out))?.unwrap_or(0);
            out.advance(n);
            endpoint.wrote(n, out.len(), start.elapsed());
            continue;
        }
        if endpoint.must_close_transport() {
            stream.shutdown(Shutdown::Write)?;
        }
        out = BytesMut::new(); // an idle connection keeps no buffer

        stream.set_read_timeout(Some(timer.map_or(look, |time| look.min(time - now))))?;
        let Some(n) = in_time(stream.read(&mut buffer))? else {
            continue;
        };
        if n == 0 {
            return Ok(endpoint.receive_eof()?);
        }
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

/// What a blocking socket did; `None` if it had no time left.
fn in_time(result: io::Result<usize>) -> io::Result<Option<usize>> {
    use ErrorKind::{Interrupted, TimedOut, WouldBlock};
    match result {
        Err(error) if matches!(error.kind(), Interrupted | TimedOut | WouldBlock) => Ok(None),
        result => result.map(Some),
    }
}
