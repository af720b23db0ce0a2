//! Runs every case of the Autobahn testsuite's fuzzing server: an echo client over blocking
//! `std::net`.
//!
//!     cargo run --release --example autobahn_client -- URL [--deflate]

use bytes::BytesMut;
use sansocket::{ClientRequest, Config, Deflate, Endpoint, Event, Input, Session, Tick, seed};
use std::error::Error;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The suite is on this machine: a silence this long means that something is broken.
const SILENCE: Duration = Duration::from_secs(10);

/// The longest time that a read or write waits before the next look at the clock.
const MAX_WAIT: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut config = Config::default();
    config.times.idle = Some(SILENCE);
    config.times.keepalive = None; // no case asks for a Ping of ours
    let url = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [url] => url,
        [url, "--deflate"] => {
            config.deflate = Some(Deflate::default());
            url
        }
        _ => {
            eprintln!("usage: autobahn_client URL [--deflate]");
            return ExitCode::FAILURE;
        }
    };
    match run(url.trim_end_matches('/'), &config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("autobahn_client: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(url: &str, config: &Config) -> Result<(), Box<dyn Error>> {
    let mut count = String::new();
    let count_url = format!("{url}/getCaseCount");
    converse(&count_url, config, |_, event, _| {
        if let Event::Text(text) = event {
            count = text.into_string();
        }
        Ok(())
    })?;
    let count: usize = count.parse()?;
    for case in 1..=count {
        println!("case {case} of {count}");
        let case_url = format!("{url}/runCase?case={case}&agent=sansocket");
        if let Err(error) = converse(&case_url, config, echo) {
            // Many cases end in a broken connection; the suite judges.
            println!("  {error}");
        }
    }
    let reports_url = format!("{url}/updateReports?agent=sansocket");
    converse(&reports_url, config, |_, _, _| Ok(()))
}

fn echo(ws: &mut Session, event: Event<'_>, out: &mut BytesMut) -> Result<(), Box<dyn Error>> {
    match event {
        Event::Text(text) => ws.send(&text, out)?,
        Event::Binary(data) => ws.send(&data, out)?,
        Event::Failed(error) => println!("  {error}"),
        _ => {} // Pings and Closes are answered already
    }
    Ok(())
}

/// Connects and handles events until the end of the transport.
fn converse(
    url: &str,
    config: &Config,
    mut handle: impl FnMut(&mut Session, Event<'_>, &mut BytesMut) -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let request = ClientRequest::new(url)?;
    let mut stream = TcpStream::connect((request.host(), request.port()))
        .map_err(|error| format!("cannot connect to {}: {error}", request.uri()))?;
    stream.set_nodelay(true)?;
    let start = Instant::now();
    let (mut buffer, mut out) = (vec![0; 64 << 10], BytesMut::new());
    let mut ws = Endpoint::client(&request, config, seed()?, Duration::ZERO, &mut out);
    loop {
        let now = start.elapsed();
        let wake = match ws.tick(now, &mut out) {
            Tick::Wait(wake) => wake,
            Tick::ShutDown(wake) => {
                let _ = stream.shutdown(Shutdown::Write); // calling it again does no harm
                wake
            }
            Tick::Done(end) if end.is_clean() => return Ok(()),
            Tick::Done(end) => return Err(end.into()),
        };
        // The timeouts of sockets may be late, and more so if they are long.
        let wait = wake.map_or(MAX_WAIT, |wake| (wake - now).min(MAX_WAIT));
        let is_writing = !out.is_empty();
        let result = if is_writing {
            stream.set_write_timeout(Some(wait))?;
            stream.write(&out)
        } else {
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
                    handle(&mut ws, event, &mut out)?;
                }
            }
            Err(error) if common::is_temporary(&error) => {}
            // The server has ended the transport, or it is broken.
            _ => {
                out.clear();
                ws.receive_eof();
            }
        }
    }
}
