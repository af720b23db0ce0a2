//! The clients: receivers that count bytes, and connections that are opened and dropped.
//!
//! Invariant: they parse nothing while the time is taken.

use crate::Result;
use crate::process::Server;
use mio::{Events, Interest, Poll, Token};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, client::Resumption};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
const PATIENCE: Duration = Duration::from_secs(20);
/// After the last byte has come the server soon waits, and the kernel updates its times.
const PAUSE: Duration = Duration::from_millis(10);

/// What a round has cost.
pub struct Round {
    /// Nanoseconds of the server's processor time for each receiver.
    pub cpu: f64,
    /// Milliseconds until the last of them had it.
    pub time: f64,
}

pub struct Receivers {
    poll: Poll,
    streams: Vec<mio::net::TcpStream>,
    /// The length of the frame.
    frame: usize,
}

/// A request, and the whole of its response.
fn hand_shake(stream: &mut (impl Read + Write), is_offering: bool) -> Result<()> {
    let offer = if is_offering { OFFER } else { "" };
    stream.write_all(format!("{REQUEST}{offer}\r\n").as_bytes())?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let is_open = head.starts_with(b"HTTP/1.1 101 ");
    let error = String::from_utf8_lossy(&head).into_owned();
    is_open.then_some(()).ok_or(error.into())
}

fn connect(server: &Server) -> Result<TcpStream> {
    let stream = TcpStream::connect(server.address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

impl Receivers {
    /// Opens all, and has one message come.
    pub fn open(server: &mut Server, n: usize) -> Result<Self> {
        let poll = Poll::new()?;
        let mut streams = Vec::new();
        for _ in 0..n {
            let mut stream = connect(server)?;
            hand_shake(&mut stream, true)?;
            streams.push(stream);
        }
        server.is_ready()?;
        server.order()?;
        let mut frame = 0;
        for stream in &mut streams {
            let mut header = [0; 2];
            stream.read_exact(&mut header)?;
            let (mut len, mut header_len) = (usize::from(header[1]), 2);
            if len == 126 {
                let mut extended = [0; 2];
                stream.read_exact(&mut extended)?;
                (len, header_len) = (u16::from_be_bytes(extended).into(), 4);
            }
            stream.read_exact(&mut vec![0; len])?;
            frame = header_len + len;
        }
        let mut nonblocking = Vec::new();
        for (index, stream) in streams.into_iter().enumerate() {
            stream.set_nonblocking(true)?;
            let mut stream = mio::net::TcpStream::from_std(stream);
            (poll.registry()).register(&mut stream, Token(index), Interest::READABLE)?;
            nonblocking.push(stream);
        }
        sleep(PAUSE);
        Ok(Self {
            poll,
            streams: nonblocking,
            frame,
        })
    }

    /// One message to all.
    pub fn round(&mut self, server: &mut Server) -> Result<Round> {
        let (mut events, mut buffer) = (Events::with_capacity(1024), vec![0; 64 << 10]);
        let mut left = vec![self.frame; self.streams.len()];
        let mut missing = left.len();
        let (cpu, start) = (server.cpu()?, Instant::now());
        server.order()?;
        while missing > 0 {
            self.poll.poll(&mut events, Some(PATIENCE))?;
            if events.is_empty() {
                return Err("nothing comes".into());
            }
            for event in &events {
                let index = event.token().0;
                match self.streams[index].read(&mut buffer) {
                    Ok(0) => return Err("a receiver is gone".into()),
                    Ok(n) => {
                        left[index] = left[index].checked_sub(n).ok_or("too much came")?;
                        missing -= usize::from(left[index] == 0);
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        let time = start.elapsed().as_secs_f64() * 1e3;
        sleep(PAUSE);
        let cpu = (server.cpu()? - cpu) / self.streams.len() as f64;
        Ok(Round { cpu, time })
    }
}

/// A certificate for localhost, its key, and a client that trusts it.
pub struct Identity {
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
    client: Arc<ClientConfig>,
}

impl Identity {
    pub fn new() -> Result<Self> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        let certificate = made.cert.der().clone();
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone())?;
        let client = ClientConfig::builder().with_root_certificates(roots);
        let mut client = client.with_no_client_auth();
        client.resumption = Resumption::disabled(); // each is a complete handshake
        Ok(Self {
            certificate,
            key: made.signing_key.serialize_der(),
            client: client.into(),
        })
    }

    /// What the server has to know.
    pub fn environment(&self) -> [(&'static str, String); 2] {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        [
            ("CERTIFICATE", hex(&self.certificate)),
            ("KEY", hex(&self.key)),
        ]
    }
}

/// Opens and drops connections, one after the other; returns the server's nanoseconds for each. A first byte says which
/// are TLS.
pub fn open_many(server: &Server, n: usize, tls: Option<&Identity>) -> Result<f64> {
    let cpu = server.cpu()?;
    for _ in 0..n {
        let mut stream = connect(server)?;
        match tls {
            None => hand_shake(&mut stream, false)?,
            Some(identity) => {
                let name = ServerName::try_from("localhost")?;
                let tls = ClientConnection::new(identity.client.clone(), name)?;
                hand_shake(&mut StreamOwned::new(tls, stream), false)?;
            }
        }
    }
    sleep(PAUSE);
    Ok((server.cpu()? - cpu) / n as f64)
}
