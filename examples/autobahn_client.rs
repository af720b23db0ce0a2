//! Runs every case of the Autobahn testsuite's fuzzing server: an echo client over blocking
//! `std::net`.
//!
//!     cargo run --release --example autobahn_client -- URL [--deflate]

use bytes::BytesMut;
use sansocket::{
    ClientHandshake, ClientRequest, Connection, Deflate, Event, HandshakeConfig, Input,
};
use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::time::Duration;

/// The suite is on this machine: a silence this long means that something is broken.
const SILENCE: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut config = HandshakeConfig::default();
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

fn run(url: &str, config: &HandshakeConfig) -> Result<(), Box<dyn Error>> {
    let mut count = String::new();
    let count_url = format!("{url}/getCaseCount");
    converse(&count_url, config, |_, event, _| {
        if let Event::Text(text) = event {
            count = text.into_owned();
        }
        Ok(())
    })?;
    let count: usize = count.parse()?;
    for case in 1..=count {
        println!("case {case} of {count}");
        let case_url = format!("{url}/runCase?case={case}&agent=sansocket");
        let result = converse(&case_url, config, echo);
        if let Err(error) = result {
            // Many cases end in a broken connection; the suite judges.
            println!("  {error}");
        }
    }
    let reports_url = format!("{url}/updateReports?agent=sansocket");
    converse(&reports_url, config, |_, _, _| Ok(()))
}

fn echo(ws: &mut Connection, event: Event<'_>, out: &mut BytesMut) -> Result<(), Box<dyn Error>> {
    match event {
        Event::Text(text) => ws.send_text(&text, out)?,
        Event::Binary(data) => ws.send_binary(&data, out)?,
        Event::Failed(error) => println!("  {error}"),
        _ => {} // Pings and Closes are answered already
    }
    Ok(())
}

/// Connects and handles events until the server ends the transport.
fn converse(
    url: &str,
    config: &HandshakeConfig,
    mut handle: impl FnMut(&mut Connection, Event<'_>, &mut BytesMut) -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let request = ClientRequest::new(url.parse()?);
    let uri = request.uri();
    let mut stream = TcpStream::connect((uri.host(), uri.port()))
        .map_err(|error| format!("cannot connect to {uri}: {error}"))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(SILENCE))?;

    let mut out = BytesMut::new();
    let mut handshake = ClientHandshake::new(&request, config, &mut out)?;
    let mut ws: Option<Connection> = None;
    let mut buffer = vec![0; 64 << 10];
    loop {
        let written = stream.write_all(&out);
        out.clear();
        // A reset is an end of the transport, too: whether it is clean, the connection knows.
        let n = match written.and_then(|()| stream.read(&mut buffer)) {
            Ok(n) => n,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => 0,
        };
        if n == 0 {
            return match ws {
                Some(mut ws) => Ok(ws.receive_eof()?),
                None => Err(handshake.receive_eof().into()),
            };
        }
        let mut input = Input::new(&mut buffer[..n]);
        if ws.is_none() {
            ws = handshake
                .receive(&mut input, &mut out)?
                .map(|opened| opened.connection);
        }
        if let Some(ws) = &mut ws {
            while let Some(event) = ws.receive(&mut input, &mut out) {
                handle(ws, event, &mut out)?;
            }
        }
    }
}
