//! An echo server with TLS: blocking `std::net` and rustls, a thread for each connection. Two
//! protocol machines without I/O in a row: octets read go through TLS to the WebSocket, and what
//! that says goes through TLS to the octets written.
//!
//!     cargo run --release --example echo_tls -- [ADDR] [--max-message BYTES] [--deflate]
//!         [--hurry N] [--cert FILE --key FILE] [--write-ca FILE]
//!
//! ADDR is 127.0.0.1:9001 if it is not given; with port 0 the system picks one. `--deflate`
//! accepts permessage-deflate. `--hurry N` makes every deadline N times shorter.
//!
//! FILEs are PEM; without them it makes a certificate for localhost, which `--write-ca` saves for a
//! client to trust:
//!
//!     cargo run --release --example echo_tls -- --write-ca /tmp/ca.pem
//!     cargo run --release --example client -- wss://localhost:9001/ --cafile /tmp/ca.pem

use bytes::{Buf, BytesMut};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustls::{ServerConfig, ServerConnection};
use sansocket::negotiation::OriginPolicy;
use sansocket::{
    Connection, Deadlines, DeadlinesConfig, Deflate, Event, HandshakeConfig, Input, Rejection,
    ServerHandshake,
};
use std::ffi::OsString;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> ExitCode {
    let Err(error) = run() else {
        return ExitCode::SUCCESS;
    };
    eprintln!("echo_tls: {error}");
    ExitCode::FAILURE
}

fn run() -> Result<()> {
    let (address, options) = arguments()?;
    let listener = TcpListener::bind(&address)
        .map_err(|error| format!("cannot listen on {address}: {error}"))?;
    let address = listener.local_addr()?;
    writeln!(io::stdout(), "listening on wss://{address}/")?;
    for stream in listener.incoming() {
        match stream {
            Ok(stream) => {
                let options = options.clone();
                // Whatever happens to one connection ends only its own thread. Without a thread
                // to be had, the connection is dropped.
                let _ = thread::Builder::new().spawn(move || serve(stream, &options));
            }
            // Too many open files, say: wait for some to be closed.
            Err(_) => thread::sleep(Duration::from_millis(50)),
        }
    }
    Ok(())
}

#[derive(Clone)]
struct Options {
    config: HandshakeConfig,
    times: DeadlinesConfig,
    tls: Arc<ServerConfig>,
}

/// Where to listen, and all that connections need.
fn arguments() -> Result<(String, Options)> {
    let (mut config, mut times) = (HandshakeConfig::default(), DeadlinesConfig::default());
    // An echo has no secrets: pages of any site may connect. Yours should not say this.
    config.origin_policy = OriginPolicy::Any;
    let (mut address, mut files) = (None, [None, None, None]);
    let words = std::env::args_os().skip(1).map(OsString::into_string);
    let mut words = words.map(|word| word.map_err(|word| format!("{word:?} is not UTF-8")));
    while let Some(word) = words.next().transpose()? {
        let mut value = || words.next().and_then(|value| value.ok());
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
            "--cert" => files[0] = Some(value().ok_or("--cert needs a file")?),
            "--key" => files[1] = Some(value().ok_or("--key needs a file")?),
            "--write-ca" => files[2] = Some(value().ok_or("--write-ca needs a file")?),
            _ if address.is_none() && !word.starts_with('-') => address = Some(word),
            _ => {
                let usage = "[ADDR] [--max-message BYTES] [--deflate] [--hurry N] \
                             [--cert FILE --key FILE] [--write-ca FILE]";
                return Err(format!("what is {word}? Usage: echo_tls {usage}").into());
            }
        }
    }
    let tls = tls_config(files)?;
    let address = address.unwrap_or_else(|| "127.0.0.1:9001".into());
    Ok((address, Options { config, times, tls }))
}

/// The certificate that is in the files, or one that is made now.
fn tls_config([cert, key, write_ca]: [Option<String>; 3]) -> Result<Arc<ServerConfig>> {
    let (chain, key) = match (cert, key, write_ca) {
        (Some(cert), Some(key), None) => {
            let chain = CertificateDer::pem_file_iter(&cert).and_then(Iterator::collect);
            let chain = chain.map_err(|e| format!("{cert}: {e}"))?;
            let key_der = PrivateKeyDer::from_pem_file(&key);
            (chain, key_der.map_err(|e| format!("{key}: {e}"))?)
        }
        (None, None, write_ca) => {
            let names = ["localhost", "127.0.0.1", "::1"].map(String::from);
            let made = rcgen::generate_simple_self_signed(names)?;
            if let Some(file) = write_ca {
                std::fs::write(&file, made.cert.pem()).map_err(|e| format!("{file}: {e}"))?;
            }
            (vec![made.cert.der().clone()], made.signing_key.into())
        }
        _ => return Err("--cert and --key go together, and without --write-ca".into()),
    };
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(chain, key);
    let mut config = config.map_err(|e| format!("not the certificate of a server: {e}"))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Serves one connection to its end.
fn serve(tcp: TcpStream, options: &Options) -> Result<()> {
    let start = Instant::now();
    tcp.set_nodelay(true)?;
    let limit = options.times.write;
    tcp.set_write_timeout(Some(limit / WRITE_STEPS))?;
    let tls = ServerConnection::new(options.tls.clone())?;
    let mut transport = Transport { tcp, tls, limit };
    let mut deadlines = Deadlines::new(options.times, start.elapsed());
    let mut handshake = ServerHandshake::new(&options.config);
    let mut ws: Option<Connection> = None;
    let mut out = BytesMut::new();
    let (mut encrypted, mut buffer) = (vec![0; 16 << 10], vec![0; 16 << 10]);
    loop {
        let wake = match deadlines.check(ws.as_mut(), start.elapsed(), &mut out) {
            Ok(wake) => wake,
            Err(expired) => match (expired.http_status(), expired.close_code()) {
                (Some(status), _) => {
                    Rejection::new(status)?.send(&mut out);
                    return transport.close(&mut out, options.times.close);
                }
                (None, Some(_)) => continue, // a Close frame is in `out`
                (None, None) => return Err(expired.into()),
            },
        };
        // All of it, before more is read: so a client cannot make `out` grow without end.
        transport.write(&mut out)?;

        let left = wake.map(|wake| wake.saturating_sub(start.elapsed()));
        let mut octets = match transport.read(&mut encrypted, left) {
            Ok(n @ 1..) => &encrypted[..n],
            Err(error) if is_temporary(&error) => continue, // `check` knows what is due
            // Ended or reset; the result says whether the WebSocket was closed before.
            _ => return ws.map_or(Ok(()), |mut ws| Ok(ws.receive_eof()?)),
        };
        deadlines.received(start.elapsed());
        let mut has_ended = false;
        while !octets.is_empty() && !has_ended {
            transport.tls.read_tls(&mut octets)?;
            match transport.tls.process_new_packets() {
                Ok(state) => has_ended = state.peer_has_closed(),
                Err(error) => {
                    transport.write(&mut out)?; // the alert that says so
                    return Err(error.into());
                }
            }
            // An error says that nothing more is complete yet.
            while let Ok(n @ 1..) = transport.tls.reader().read(&mut buffer) {
                let mut input = Input::new(&mut buffer[..n]);
                if ws.is_none() {
                    match handshake.receive(&mut input, &mut out) {
                        Ok(None) => {}
                        Ok(Some(request)) => ws = Some(request.accept().send(&mut out)),
                        // The refusal is in `out`.
                        Err(_) => return transport.close(&mut out, options.times.close),
                    }
                }
                let Some(ws) = &mut ws else { continue };
                while let Some(event) = ws.receive(&mut input, &mut out) {
                    deadlines.event(&event, start.elapsed());
                    // Sending fails only after a Close of ours: then nothing more is to be said.
                    let _ = match event {
                        Event::Text(text) => ws.send_text(&text, &mut out),
                        Event::Binary(data) => ws.send_binary(&data, &mut out),
                        _ => Ok(()), // Pings and Closes are answered already
                    };
                }
                if ws.must_close_transport() {
                    return transport.close(&mut out, options.times.close);
                }
            }
        }
        if has_ended {
            // TLS says that nothing follows, which is the end of the transport.
            let result = ws.map_or(Ok(()), |mut ws| ws.receive_eof());
            transport.close(&mut out, options.times.close)?;
            return Ok(result?);
        }
    }
}

/// TLS over a socket.
struct Transport {
    tcp: TcpStream,
    tls: ServerConnection,
    /// For a write in which the client takes nothing.
    limit: Duration,
}

/// A blocked write returns so often in its time to look at the clock.
const WRITE_STEPS: u32 = 10;

impl Transport {
    /// Reads what TLS is to decrypt, but for no longer than this.
    fn read(&mut self, buffer: &mut [u8], left: Option<Duration>) -> io::Result<usize> {
        // Zero would mean no limit.
        let left = left.map(|left| left.max(Duration::from_millis(1)));
        self.tcp.set_read_timeout(left)?;
        self.tcp.read(buffer)
    }

    /// Encrypts and writes all of it, as long as the client goes on taking some.
    fn write(&mut self, out: &mut BytesMut) -> io::Result<()> {
        let mut progress = Instant::now();
        while !out.is_empty() || self.tls.wants_write() {
            // TLS takes a part, so that it never holds a second copy of it all.
            let n = self.tls.writer().write(out)?;
            out.advance(n);
            match self.tls.write_tls(&mut self.tcp) {
                Ok(_) => progress = Instant::now(),
                Err(error) if is_temporary(&error) && progress.elapsed() < self.limit => {}
                Err(error) => return Err(error),
            }
        }
        *out = BytesMut::new(); // an idle connection holds no memory for it
        Ok(())
    }

    /// Writes the last octets and closes in steps, so that no reset can destroy them.
    fn close(&mut self, out: &mut BytesMut, limit: Duration) -> Result<()> {
        let end = Instant::now() + limit;
        self.write(out)?;
        self.tls.send_close_notify();
        self.write(out)?;
        self.tcp.shutdown(Shutdown::Write)?;
        let mut rest = [0; 4096];
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            match self.read(&mut rest, Some(left)) {
                Ok(1..) => {}
                Err(error) if is_temporary(&error) => {}
                _ => break,
            }
        }
        Ok(())
    }
}

/// A read or write that was interrupted, or whose time is over.
fn is_temporary(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut
    )
}
