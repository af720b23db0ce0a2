//! An echo server: blocking `std::net`, a thread for each connection.
//!
//!     cargo run --release --example echo_server -- [ADDRESS] [--max-message BYTES] [--deflate] [--hurry N]

use anyhow::{Context, Result};
use bytes::BytesMut;
use clap::Parser;
use sansocket::{
    CloseCode, Config, Deflate, Endpoint, Event, Input, OriginPolicy, SendError, Tick,
};
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
    max_message: u64,
    /// Accept permessage-deflate
    #[arg(long)]
    deflate: bool,
    /// Make every deadline N times shorter
    #[arg(long, value_name = "N", default_value = "1")]
    hurry: NonZeroU32,
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

    let listener = TcpListener::bind(arguments.address)
        .with_context(|| format!("cannot listen on {}", arguments.address))?;
    let address = listener.local_addr()?;
    writeln!(io::stdout(), "listening on ws://{address}/")?;
    ctrlc::set_handler(move || {
        STOP.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(address)); // wakes the loop below
    })?;

    // Every connection holds a guard: when all are dropped, there is nothing to wait for.
    let (guard, all_gone) = mpsc::channel::<()>();
    while !STOP.load(Ordering::Relaxed) {
        if let Ok((stream, _)) = listener.accept() {
            let (config, guard) = (config.clone(), guard.clone());
            // Whatever happens to a connection ends only its own thread. If the system has no
            // thread left, the connection is dropped.
            let _ = thread::Builder::new().spawn(move || {
                let _guard = guard;
                serve(stream, &config)
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

/// Serves one connection to its end.
fn serve(mut stream: TcpStream, config: &Config) -> io::Result<()> {
    let start = Instant::now();
    stream.set_nodelay(true)?;
    // A thread checks this often whether the server is stopping.
    let look = config.times.close / 5;
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
            Tick::ShutDown(wake) => {
                let _ = stream.shutdown(Shutdown::Write); // again does no harm
                wake
            }
            Tick::Done(_end) => return Ok(()),
        };
        let wait = wake.map_or(look, |wake| look.min(wake - now));

        // Write everything before reading more, so that no client makes `out` grow without end.
        let is_writing = !out.is_empty();
        let result = if is_writing {
            stream.set_write_timeout(Some(wait))?;
            stream.write(&out)
        } else {
            out = BytesMut::new(); // an idle connection keeps no buffer
            stream.set_read_timeout(Some(wait))?;
            stream.read(&mut buffer)
        };
        let now = start.elapsed();
        match result {
            Ok(n @ 1..) if is_writing => {
                ws.wrote(n, now, &mut out);
            }
            Ok(n @ 1..) => {
                let mut input = Input(&mut buffer[..n]);
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
            Err(error) if is_temporary(&error) => {}
            // The client has ended the transport, or it is broken.
            _ => {
                out.clear();
                ws.receive_eof();
            }
        }
    }
}

/// A read or write that was interrupted, or whose time ran out.
fn is_temporary(error: &io::Error) -> bool {
    use ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}
