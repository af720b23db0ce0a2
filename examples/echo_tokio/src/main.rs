//! An echo server: tokio, a task for each connection; plain or with TLS.
//!
//!     cargo run --release -p echo_tokio -- [ADDRESS] [--max-message BYTES] [--deflate]
//!         [--same-origin] [--hurry N] [--tls [--cert FILE --key FILE | --write-ca FILE]]
//!
//! Ctrl-C and SIGTERM close all connections with 1001. On `/count` another task sends numbers, as
//! fast as the client reads them, while the connection echoes.
//!
//!     cargo run --release -p echo_tokio -- --tls --write-ca /tmp/ca.pem
//!     cargo run --release -p client -- wss://localhost:9001/ --cafile /tmp/ca.pem

mod client;
mod inbox;
mod transfer;

use client::serve;
use common::{Context, Result, Server};
use sansocket::Config;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsAcceptor;

const ABOUT: &str = "An echo server: tokio, a task for each connection; plain or with TLS";
const OPTIONS: &str =
    "      --tls                  Serve wss, with a certificate for localhost that is made now if none is given
      --cert <FILE>          The certificate and those that it depends on (PEM)
      --key <FILE>           The key of the certificate (PEM)
      --write-ca <FILE>      Save the certificate that is made, for a client to trust
";

/// What all connections share.
struct Shared {
    config: Config,
    tls: Option<TlsAcceptor>,
}

fn main() -> Result<()> {
    // With one core, no other thread could help.
    let mut runtime = match available_parallelism() {
        Ok(NonZeroUsize::MIN) => runtime::Builder::new_current_thread(),
        _ => runtime::Builder::new_multi_thread(),
    };
    let runtime = runtime.enable_all().build()?;
    runtime.block_on(listen(common::server("echo_tokio", ABOUT, OPTIONS)))
}

/// Serves all connections until a signal comes, and then to their end.
async fn listen(server: Server) -> Result<()> {
    let tls = common::tls::config_if_wanted(&server.arguments)?;
    let (mut config, mut scheme) = (server.config, "ws");
    if tls.is_some() {
        scheme = "wss";
        // Pages that came without TLS may have been written by anybody on the way.
        config.origins = config.origins.https_only();
    }
    let tls = tls.map(TlsAcceptor::from);
    let shared = Arc::new(Shared { config, tls });

    // Every connection has a receiver: it reports when to stop, and is dropped with the connection.
    let (stop, mut stopping) = watch::channel(());
    let stop = Arc::new(stop);
    let signal = stop.clone();
    common::on_stop(move || signal.send_replace(()))?;
    let listener = TcpListener::bind(server.address)
        .await
        .with_context(|| format!("cannot listen on {}", server.address))?;
    common::announce(scheme, listener.local_addr()?)?;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopping.changed() => break,
        };
        match accepted {
            // Whatever happens to one connection ends only its own task.
            Ok((stream, _)) => drop(tokio::spawn(accept(
                stream,
                shared.clone(),
                stopping.clone(),
            ))),
            // Too many open files, for instance: wait until some are closed.
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
    drop((listener, stopping));
    let _ = timeout(common::stop_time(&shared.config), stop.closed()).await;
    Ok(())
}

/// Does the TLS handshake, if there is one, and serves the connection to its end.
async fn accept(
    stream: TcpStream,
    shared: Arc<Shared>,
    mut stopping: watch::Receiver<()>,
) -> Result<()> {
    let start = Instant::now();
    stream.set_nodelay(true)?;
    let Some(tls) = &shared.tls else {
        return serve(stream, &shared.config, start, stopping).await;
    };
    // Boxed, so that a task without TLS is smaller.
    Box::pin(async {
        let stream = tokio::select! {
            stream = timeout(shared.config.times.handshake, tls.accept(stream)) => stream??,
            _ = stopping.changed() => return Ok(()),
        };
        serve(stream, &shared.config, start, stopping).await
    })
    .await
}
