//! An echo server: tokio-sansocket, a task for each connection; plain or with TLS.
//!
//!     cargo run --release -p echo_tokio -- [ADDRESS] [--max-message BYTES] [--deflate]
//!         [--same-origin] [--hurry N] [--tls [--cert FILE --key FILE | --write-ca FILE]]
//!
//! Ctrl-C and SIGTERM close all connections with 1001. On `/count` another task sends numbers, as
//! fast as the client reads them, while the connection echoes.
//!
//!     cargo run --release -p echo_tokio -- --tls --write-ca /tmp/ca.pem
//!     cargo run --release -p client -- wss://localhost:9001/ --cafile /tmp/ca.pem

use common::{Result, Stop};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_sansocket::sansocket::CloseCode;
use tokio_sansocket::tokio_rustls::{TlsAcceptor, TlsStream};
use tokio_sansocket::{Error, MaybeTls, Options, Sender, WebSocket, accept};

const ABOUT: &str = "An echo server: tokio, a task for each connection; plain or with TLS";
const OPTIONS: &str =
    "      --tls                  Serve wss, with a certificate for localhost that is made now if none is given
      --cert <FILE>          The certificate and those that it depends on (PEM)
      --key <FILE>           The key of the certificate (PEM)
      --write-ca <FILE>      Save the certificate that is made, for a client to trust
";

/// What all connections share.
struct Shared {
    options: Options,
    tls: Option<TlsAcceptor>,
}

fn main() -> Result<()> {
    let server = common::server("echo_tokio", ABOUT, OPTIONS);
    let tls = common::tls::config_if_wanted(&server.arguments)?.map(TlsAcceptor::from);
    let (mut options, mut scheme) = (Options::from(server.config.clone()), "ws");
    if tls.is_some() {
        scheme = "wss";
        // Pages that came without TLS may have been written by anybody on the way.
        options.config.origins = options.config.origins.https_only();
    }
    let shared = Arc::new(Shared { options, tls });
    common::serve_in_tasks(&server, scheme, move |tcp, stop| {
        serve(tcp, shared.clone(), stop)
    })
}

/// Serves one connection to its end.
async fn serve(tcp: TcpStream, shared: Arc<Shared>, mut stop: Stop) -> Result<(), Error> {
    let mut stopped = pin!(stop.stopped());
    // In memory of its own, which is given back: an open connection is smaller.
    let opening = Box::pin(open(tcp, &shared));
    let mut ws = tokio::select! {
        opened = opening => opened?,
        () = &mut stopped => return Ok(()),
    };
    tokio::select! {
        echoed = echo(&mut ws) => echoed,
        () = &mut stopped => ws.close(CloseCode::GOING_AWAY, "the server stops").await.map(drop),
    }
}

/// Does the TLS handshake, if there is one, and the opening handshake.
async fn open(tcp: TcpStream, shared: &Shared) -> Result<WebSocket<MaybeTls>, Error> {
    let stream = match &shared.tls {
        None => MaybeTls::from(tcp),
        Some(tls) => {
            let time = shared.options.config.times.handshake;
            let stream = timeout(time, tls.accept(tcp)).await;
            let stream = stream.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
            MaybeTls::from(TlsStream::from(stream))
        }
    };
    let mut is_counting = false;
    let opened = accept(stream, &shared.options, |request| {
        is_counting = request.path() == "/count";
        Ok(request)
    });
    let ws = opened.await.inspect_err(|error| {
        error.end().into_iter().for_each(common::log);
    })?;
    if is_counting {
        tokio::spawn(count(ws.sender()));
    }
    Ok(ws)
}

/// Sends back what comes.
async fn echo(ws: &mut WebSocket<MaybeTls>) -> Result<(), Error> {
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    Ok(())
}

/// Sends numbers until the connection is closed.
async fn count(sender: Sender) -> Result<(), Error> {
    for i in 0_u64.. {
        sender.send(i.to_string()).await?;
    }
    Ok(())
}
