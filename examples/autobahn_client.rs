//! Runs every case of the Autobahn testsuite's fuzzing server: an echo client over blocking
//! `std::net`.
//!
//!     cargo run --release --example autobahn_client -- URL

use bytes::BytesMut;
use sansocket::{ClientHandshake, ClientRequest, Connection, Event, HandshakeConfig, Input};
use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::time::Duration;

/// The suite is on this machine: a silence this long means that something is broken.
const SILENCE: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let Some(url) = std::env::args().nth(1) else {
        eprintln!("usage: autobahn_client URL");
        return ExitCode::FAILURE;
    };
    match run(url.trim_end_matches('/')) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("autobahn_client: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(url: &str) -> Result<(), Box<dyn Error>> {
    let mut count = String::new();
    converse(&format!("{url}/getCaseCount"), |_, event, _| {
        if let Event::Text(text) = event {
            count = text.into_owned();
        }
        Ok(())
    })?;
    let count: usize = count.parse()?;
    for case in 1..=count {
        println!("case {case} of {count}");
        let result = converse(&format!("{url}/runCase?case={case}&agent=sansocket"), echo);
        if let Err(error) = result {
            // Many cases end in a broken connection; the suite judges.
            println!("  {error}");
        }
    }
    converse(
        &format!("{url}/updateReports?agent=sansocket"),
        |_, _, _| Ok(()),
    )
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
    mut handle: impl FnMut(&mut Connection, Event<'_>, &mut BytesMut) -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let request = ClientRequest::new(url.parse()?);
    let uri = request.uri();
    let mut stream = TcpStream::connect((uri.host(), uri.port()))
        .map_err(|error| format!("cannot connect to {uri}: {error}"))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(SILENCE))?;

    let mut out = BytesMut::new();
    let mut handshake = ClientHandshake::new(&request, &HandshakeConfig::default(), &mut out)?;
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
