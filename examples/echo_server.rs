//! An echo server: blocking `std::net`, a thread for each connection.
//!
//!     cargo run --release --example echo_server -- [ADDR] [--max-message BYTES] [--deflate]
//!
//! ADDR is 127.0.0.1:9001 if it is not given; with port 0 the system picks one. `--deflate`
//! accepts permessage-deflate.

use bytes::BytesMut;
use sansocket::negotiation::OriginPolicy;
use sansocket::{
    Connection, Deflate, Event, HandshakeConfig, Input, Rejection, SendError, ServerHandshake,
};
use std::error::Error;
use std::ffi::OsString;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

/// For the whole opening handshake, however the client dribbles.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// For the client to end the transport once all is said.
const CLOSE_TIME: Duration = Duration::from_secs(5);
/// For a write in which the client takes nothing.
const WRITE_TIME: Duration = Duration::from_secs(30);
/// How exactly that is kept: a blocked write returns this often to look at the time.
const WRITE_STEP: Duration = Duration::from_secs(1);
/// A buffer that grew beyond this for a large message is given back after it.
const KEPT_BUFFER: usize = 64 << 10;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo_server: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let (address, config) = arguments()?;
    let listener = TcpListener::bind(&address)
        .map_err(|error| format!("cannot listen on {address}: {error}"))?;
    writeln!(
        io::stdout(),
        "listening on ws://{}/",
        listener.local_addr()?
    )?;
    for stream in listener.incoming() {
        match stream {
            Ok(stream) => {
                let config = config.clone();
                // Whatever happens to one connection ends only its own thread. Without a thread
                // to be had, the connection is dropped.
                let _ = thread::Builder::new().spawn(move || serve(stream, &config));
            }
            // Too many open files, say: wait for some to be closed.
            Err(_) => thread::sleep(Duration::from_millis(50)),
        }
    }
    Ok(())
}

fn arguments() -> Result<(String, HandshakeConfig), String> {
    const USAGE: &str = "usage: echo_server [ADDR] [--max-message BYTES] [--deflate]";
    let mut config = HandshakeConfig::default();
    // An echo has no secrets: pages of any site may connect. Yours should not say this.
    config.origin_policy = OriginPolicy::Any;
    let mut address = None;
    let arguments = std::env::args_os().skip(1).map(OsString::into_string);
    let arguments = arguments.collect::<Result<Vec<_>, _>>();
    let mut arguments = arguments
        .map_err(|a| format!("{a:?} is not UTF-8"))?
        .into_iter();
    while let Some(argument) = arguments.next() {
        match &*argument {
            "--max-message" => {
                let bytes = arguments.next().and_then(|bytes| bytes.parse().ok());
                let bytes = bytes.ok_or("--max-message needs a number of bytes")?;
                config.connection.max_message_size = bytes;
                config.connection.max_frame_size = bytes;
            }
            // The threads share its states.
            "--deflate" => config.deflate = Some(Deflate::default()),
            option if option.starts_with('-') => {
                return Err(format!("unknown option {option}; {USAGE}"));
            }
            _ if address.is_some() => return Err(format!("more than one address; {USAGE}")),
            _ => address = Some(argument),
        }
    }
    Ok((address.unwrap_or_else(|| "127.0.0.1:9001".into()), config))
}

/// Serves one connection to its end.
fn serve(mut stream: TcpStream, config: &HandshakeConfig) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(WRITE_STEP))?;

    let mut handshake = ServerHandshake::new(config);
    let mut ws: Option<Connection> = None;
    let mut deadline = Some(Instant::now() + HANDSHAKE_TIME);
    let mut buffer = vec![0; 16 << 10];
    let mut out = BytesMut::new();
    loop {
        let n = match read(&mut stream, &mut buffer, deadline) {
            // Ended, without a closing handshake: `ws.receive_eof()` would say so.
            Ok(0) => return Ok(()),
            Ok(n) => n,
            Err(error) if error.kind() == ErrorKind::TimedOut && ws.is_none() => {
                Rejection::new(408)
                    .map_err(io::Error::other)?
                    .send(&mut out);
                return close(stream, &out);
            }
            Err(error) => return Err(error),
        };
        let mut input = Input::new(&mut buffer[..n]);

        if ws.is_none() {
            match handshake.receive(&mut input, &mut out) {
                Ok(None) => {}
                Ok(Some(request)) => {
                    ws = Some(request.accept().send(&mut out));
                    deadline = None;
                }
                Err(_) => return close(stream, &out), // the refusal is in `out`
            }
        }
        if let Some(ws) = &mut ws {
            echo(ws, &mut input, &mut out).map_err(io::Error::other)?;
            if ws.must_close_transport() {
                return close(stream, &out);
            }
        }

        // All of it, before more is read: so a client cannot make `out` grow without end.
        write(&mut stream, &out)?;
        out.clear();
        if out.capacity() > KEPT_BUFFER {
            out = BytesMut::new();
        }
    }
}

/// Answers all messages that are in the input.
fn echo(ws: &mut Connection, input: &mut Input<'_>, out: &mut BytesMut) -> Result<(), SendError> {
    while let Some(event) = ws.receive(input, out) {
        match event {
            Event::Text(text) => ws.send_text(&text, out)?,
            Event::Binary(data) => ws.send_binary(&data, out)?,
            _ => {} // Pings and Closes are answered already
        }
    }
    Ok(())
}

/// Reads, but not beyond the deadline.
fn read(stream: &mut TcpStream, buffer: &mut [u8], deadline: Option<Instant>) -> io::Result<usize> {
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Err(ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(left)?;
        match stream.read(buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // What a blocking socket says when its time is over: the deadline decides.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            result => return result,
        }
    }
}

/// Writes all of it, as long as the client goes on taking some.
fn write(stream: &mut TcpStream, mut out: &[u8]) -> io::Result<()> {
    let mut deadline = Instant::now() + WRITE_TIME;
    while !out.is_empty() {
        match stream.write(out) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(n) => {
                out = &out[n..];
                deadline = Instant::now() + WRITE_TIME;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock && Instant::now() < deadline => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Writes the last octets and closes in steps, so that no reset can destroy them.
fn close(mut stream: TcpStream, out: &[u8]) -> io::Result<()> {
    let deadline = Instant::now() + CLOSE_TIME;
    write(&mut stream, out)?;
    stream.shutdown(Shutdown::Write)?;
    let mut rest = [0; 4096];
    while read(&mut stream, &mut rest, Some(deadline))? > 0 {}
    Ok(())
}
