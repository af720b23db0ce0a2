//! Connections of HTTP/1.1 and HTTP/2, by hyper.
//!
//! Invariant: no connection waits for a silent client without a deadline; one with WebSockets has theirs.

use axum::Router;
use axum::body::Body;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use common::{Result, Stop};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_sansocket::MaybeTls;
use tokio_sansocket::sansocket::Config;
use tokio_sansocket::tokio_rustls::{TlsAcceptor, TlsStream};

/// Whose request it is. A WebSocket keeps it, and so its connection.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) peer: SocketAddr,
    pub(crate) stop: Stop,
    /// How many there were in its connection.
    requests: Arc<AtomicU64>,
}

/// How every connection is served.
pub(crate) fn builder(config: &Config) -> Builder<TokioExecutor> {
    let times = config.times;
    let mut builder = Builder::new(TokioExecutor::new());
    let mut http1 = builder.http1();
    http1
        .timer(TokioTimer::new())
        .header_read_timeout(times.handshake);
    let mut http2 = builder.http2();
    // Announces that extended CONNECT is taken: without this, browsers open WebSockets over HTTP/1.1.
    http2.enable_connect_protocol();
    http2
        .timer(TokioTimer::new())
        .keep_alive_interval(times.keepalive)
        .keep_alive_timeout(times.pong);
    builder
}

/// Serves one connection to its end.
pub(crate) async fn serve(
    tcp: TcpStream,
    tls: Option<TlsAcceptor>,
    builder: Builder<TokioExecutor>,
    app: Router,
    time: Duration,
    mut stop: Stop,
) -> Result<()> {
    let peer = tcp.peer_addr()?;
    let (stream, is_http2) = match tls {
        None => (MaybeTls::from(tcp), false),
        Some(tls) => {
            let stream = timeout(time, tls.accept(tcp)).await??;
            let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            (MaybeTls::from(TlsStream::from(stream)), is_http2)
        }
    };
    let builder = match is_http2 {
        true => builder.http2_only(),
        false => builder.http1_only(),
    };
    let app = TowerToHyperService::new(app);
    let client = Client {
        peer,
        stop: stop.clone(),
        requests: Arc::default(),
    };
    let requests = client.requests.clone();
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let mut request = request.map(Body::new);
        client.requests.fetch_add(1, Ordering::Relaxed);
        request.extensions_mut().insert(client.clone());
        let answer = timeout(time, hyper::service::Service::call(&app, request));
        // Its body comes too slowly.
        async {
            answer
                .await
                .unwrap_or_else(|_| Ok(StatusCode::REQUEST_TIMEOUT.into_response()))
        }
    });
    let mut connection =
        pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    let (mut is_stopping, mut before) = (false, 0);
    loop {
        tokio::select! {
            served = connection.as_mut() => return served.map_err(common::Error::from_boxed),
            () = stop.stopped(), if !is_stopping => {
                is_stopping = true;
                connection.as_mut().graceful_shutdown();
            }
            () = sleep(time) => {
                let so_far = requests.load(Ordering::Relaxed);
                // Those of this function and of the service: no request and no WebSocket has one.
                if Arc::strong_count(&requests) == 2 && so_far == before {
                    return Ok(());
                }
                before = so_far;
            }
        }
    }
}
