//! An echo server: blocking `std::net`, a thread for each connection.
//!
//!     cargo run --release --example echo_server -- [ADDR] [--max-message BYTES] [--deflate] [--hurry N]
//!
//! ADDR is 127.0.0.1:9001 if it is not given; with port 0 the system picks one. `--deflate`
//! accepts permessage-deflate, `--hurry` makes every deadline N times shorter.

use bytes::{Buf, BytesMut};
use sansocket::negotiation::OriginPolicy;
use sansocket::{
    Connection, Deadlines, DeadlinesConfig, Deflate, Event, Expired, HandshakeConfig, Input,
    Rejection, ServerHandshake,
};
use std::error::Error;
use std::ffi::OsString;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

fn main() -> ExitCode {
    let Err(error) = run() else {
        return ExitCode::SUCCESS;
    };
    eprintln!("echo_server: {error}");
    ExitCode::FAILURE
}

fn run() -> Result<(), Box<dyn Error>> {
    let (address, config, times) = arguments()?;
    let listener = TcpListener::bind(&address)
        .map_err(|error| format!("cannot listen on {address}: {error}"))?;
    let address = listener.local_addr()?;
    writeln!(io::stdout(), "listening on ws://{address}/")?;
    loop {
        if let Ok((stream, _)) = listener.accept() {
            let config = config.clone();
            // Whatever happens to one connection ends only its own thread. Without a thread to be
            // had, the connection is dropped.
            let _ = thread::Builder::new().spawn(move || serve(stream, &config, times).is_ok());
        } else {
            // Too many open files, say: wait for some to be closed.
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Serves one connection to its end.
fn serve(
    mut stream: TcpStream,
    config: &HandshakeConfig,
    times: DeadlinesConfig,
) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    stream.set_nodelay(true)?;
    let mut handshake = ServerHandshake::new(config);
    let mut ws: Option<Connection> = None;
    let mut refused = false;
    let mut deadlines = Deadlines::new(times, start.elapsed());
    // A client that was refused has the time of a closing handshake to end the transport.
    let mut refused_times = times;
    refused_times.handshake = times.close;
    let mut buffer = vec![0; 16 << 10];
    let mut out = BytesMut::new();
    loop {
        let now = start.elapsed();
        let wait = match deadlines.check(ws.as_mut(), now, &mut out) {
            Ok(time) => time.map(|time| time - now),
            Err(Expired::Pong | Expired::Idle) => continue, // the Close frame is in `out`
            Err(Expired::Handshake) if !refused => {
                Rejection::new(408)?.send(&mut out);
                (refused, deadlines) = (true, Deadlines::new(refused_times, now));
                continue;
            }
            Err(expired) => return Err(expired.into()),
        };

        if !out.is_empty() {
            // All of it before more is read: so a client cannot make `out` grow without end. In
            // steps of time, for only when a write returns it tells how far it came.
            let step = times.write / 8;
            stream.set_write_timeout(Some(wait.map_or(step, |wait| wait.min(step))))?;
            let n = in_time(stream.write(&out))?.unwrap_or(0);
            out.advance(n);
            let now = start.elapsed();
            deadlines.wrote(n, out.len(), now);
            if out.is_empty() {
                out = BytesMut::new(); // an idle connection keeps no buffer
            } else if n > 0 {
                deadlines.received(now); // nothing is read meanwhile: this is a sign of life, too
            }
            continue;
        }
        let is_ending = ws.as_ref().map(Connection::must_close_transport);
        if is_ending.unwrap_or(refused) {
            // Writing ends first, and what still comes in is dropped: a socket that is closed
            // before it is read to the end sends a reset, which can destroy the last octets.
            stream.shutdown(Shutdown::Write)?;
        }

        stream.set_read_timeout(wait)?;
        let Some(n) = in_time(stream.read(&mut buffer))? else {
            continue;
        };
        if n == 0 {
            // Afterwards `ws.close_code()` and `ws.is_clean()` tell how it ended.
            return Ok(ws.map_or(Ok(()), |mut ws| ws.receive_eof())?);
        }
        let now = start.elapsed();
        deadlines.received(now);
        let mut input = Input::new(&mut buffer[..n]);
        if ws.is_none() && !refused {
            match handshake.receive(&mut input, &mut out) {
                Ok(None) => {}
                Ok(Some(request)) => ws = Some(request.accept().send(&mut out)),
                // The refusal is in `out`.
                Err(_) => (refused, deadlines) = (true, Deadlines::new(refused_times, now)),
            }
        }
        let Some(ws) = &mut ws else { continue };
        while let Some(event) = ws.receive(&mut input, &mut out) {
            deadlines.event(&event, now);
            // Sending fails only after a Close frame of ours: then there is nothing more to say.
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

fn arguments() -> Result<(String, HandshakeConfig, DeadlinesConfig), String> {
    let (mut config, mut times) = (HandshakeConfig::default(), DeadlinesConfig::default());
    // An echo has no secrets: pages of any site may connect. Yours should not say this.
    config.origin_policy = OriginPolicy::Any;
    let mut address = None;
    let words = std::env::args_os().skip(1).map(OsString::into_string);
    let mut words = words.map(|word| word.map_err(|word| format!("{word:?} is not UTF-8")));
    while let Some(word) = words.next().transpose()? {
        let mut value = || words.next()?.ok();
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
            "--deflate" => config.deflate = Some(Deflate::default()), // all threads share it
            _ if address.is_none() && !word.starts_with('-') => address = Some(word),
            _ => {
                let usage = "[ADDR] [--max-message BYTES] [--deflate] [--hurry N]";
                return Err(format!("what is {word}? Usage: echo_server {usage}"));
            }
        }
    }
    let address = address.unwrap_or_else(|| "127.0.0.1:9001".into());
    Ok((address, config, times))
}
