//! The rivals: echo servers, and two bare echoes without WebSocket.
//!
//! Invariant: each is written as its crate's documentation shows it, in its fastest way, on one thread.

use bytes::{Buf, BytesMut};
use futures::{SinkExt, StreamExt, TryStreamExt, future};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use mio::{Events, Interest, Poll, Token};
use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

pub type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const ANY_PORT: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);
/// The most that a bare echo reads at once: as much as `echo_mio` reads of large messages.
const MAX_READ: usize = (2 << 20) + 64;

/// Runs the server of this name until the process ends.
pub fn serve(name: &str) -> Result<()> {
    match name {
        "bare-mio" => bare_mio(),
        "bare-tokio" => on_tokio(bare_tokio),
        "fastwebsockets" => on_tokio(fastwebsockets),
        "tokio-tungstenite, forward" => on_tokio(tokio_tungstenite),
        "tokio-tungstenite, loop" => on_tokio(tokio_tungstenite_loop),
        "tokio-websockets" => on_tokio(tokio_websockets),
        _ => Err(format!("no server is called {name}").into()),
    }
}

/// Prints the line for which the generator waits.
fn listening(address: SocketAddr) {
    println!("listening on ws://{address}/");
}

/// A task for each connection, on one thread. No rival has a timer.
fn on_tokio<F: Future<Output = Result<()>> + Send + 'static>(
    echo: fn(TcpStream) -> F,
) -> Result<()> {
    run(Builder::new_current_thread().enable_io().build()?, echo)
}

/// The same with timers.
pub fn on_tokio_with_time<F: Future<Output = Result<()>> + Send + 'static>(
    echo: fn(TcpStream) -> F,
) -> Result<()> {
    run(Builder::new_current_thread().enable_all().build()?, echo)
}

fn run<F: Future<Output = Result<()>> + Send + 'static>(
    runtime: Runtime,
    echo: fn(TcpStream) -> F,
) -> Result<()> {
    runtime.block_on(async {
        let listener = TcpListener::bind(ANY_PORT).await?;
        listening(listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(echo(stream));
        }
    })
}

async fn bare_tokio(mut stream: TcpStream) -> Result<()> {
    let mut buffer = vec![0; MAX_READ];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            n => stream.write_all(&buffer[..n]).await?,
        }
    }
}

async fn fastwebsockets(stream: TcpStream) -> Result<()> {
    use ::fastwebsockets::{FragmentCollector, OpCode, upgrade};
    async fn echo(connection: upgrade::UpgradeFut) -> Result<()> {
        let mut ws = FragmentCollector::new(connection.await?);
        loop {
            let frame = ws.read_frame().await?;
            match frame.opcode {
                OpCode::Close => return Ok(()),
                OpCode::Text | OpCode::Binary => ws.write_frame(frame).await?,
                _ => {}
            }
        }
    }
    let service = service_fn(async |mut request| {
        let (response, connection) = upgrade::upgrade(&mut request)?;
        tokio::spawn(tokio::task::unconstrained(echo(connection)));
        Ok::<_, ::fastwebsockets::WebSocketError>(response)
    });
    let server = hyper::server::conn::http1::Builder::new();
    let served = server.serve_connection(TokioIo::new(stream), service);
    Ok(served.with_upgrades().await?)
}

/// `forward` writes only when nothing more can be read.
async fn tokio_tungstenite(stream: TcpStream) -> Result<()> {
    let ws = ::tokio_tungstenite::accept_async(stream).await?;
    let (sink, stream) = ws.split();
    let messages = stream.try_filter(|it| future::ready(it.is_text() || it.is_binary()));
    Ok(messages.forward(sink).await?)
}

/// As most write it: each message is written at once.
async fn tokio_tungstenite_loop(stream: TcpStream) -> Result<()> {
    let mut ws = ::tokio_tungstenite::accept_async(stream).await?;
    while let Some(message) = ws.next().await {
        let message = message?;
        if message.is_text() || message.is_binary() {
            ws.send(message).await?;
        }
    }
    Ok(())
}

async fn tokio_websockets(stream: TcpStream) -> Result<()> {
    let (_, mut ws) = ::tokio_websockets::ServerBuilder::new()
        .accept(stream)
        .await?;
    while let Some(message) = ws.next().await {
        let message = message?;
        if message.is_text() || message.is_binary() {
            ws.send(message).await?;
        }
    }
    Ok(())
}

const LISTENER: Token = Token(0);

fn bare_mio() -> Result<()> {
    let mut poll = Poll::new()?;
    let mut listener = mio::net::TcpListener::bind(ANY_PORT.into())?;
    let registry = poll.registry().try_clone()?;
    registry.register(&mut listener, LISTENER, Interest::READABLE)?;
    listening(listener.local_addr()?);
    let mut events = Events::with_capacity(1024);
    let mut buffer = vec![0; MAX_READ];
    let mut clients = BTreeMap::new();
    let mut tokens = (LISTENER.0 + 1..).map(Token);
    loop {
        poll.poll(&mut events, None)?;
        for token in events.iter().map(|event| event.token()) {
            if let Some(client) = clients.get_mut(&token) {
                if bare_turn(client, &mut buffer).is_err() {
                    clients.remove(&token);
                }
                continue;
            }
            while let (LISTENER, Ok((mut stream, _))) = (token, listener.accept()) {
                stream.set_nodelay(true)?;
                let token = tokens.next().expect("fewer than 2^64");
                registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
                clients.insert(token, (stream, BytesMut::new()));
            }
        }
    }
}

/// Reads and writes until the socket is empty, or takes no more; then the rest is kept.
fn bare_turn(
    (stream, out): &mut (mio::net::TcpStream, BytesMut),
    buffer: &mut [u8],
) -> io::Result<()> {
    loop {
        let n = write(stream, out)?;
        out.advance(n);
        if !out.is_empty() {
            return Ok(());
        }
        let n = match stream.read(buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            result => result?,
        };
        let written = write(stream, &buffer[..n])?;
        out.extend_from_slice(&buffer[written..n]);
        if n < buffer.len() {
            return Ok(());
        }
    }
}

/// Writes as much as the socket takes; returns how much that is.
fn write(stream: &mut mio::net::TcpStream, bytes: &[u8]) -> io::Result<usize> {
    let mut written = 0;
    while written < bytes.len() {
        match stream.write(&bytes[written..]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            result => written += result?,
        }
    }
    Ok(written)
}
