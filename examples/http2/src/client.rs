//! The client: one HTTP connection, and as many WebSockets in it as are wanted.
//!
//! Invariant: nothing is asked of a server that does not say that it takes extended CONNECT.

use crate::stream::{SEND_BUFFER, STREAMS, Stream, WINDOW};
use bytes::{Bytes, BytesMut};
use common::terminal::{Options, converse, refusal};
use common::{Context, Error, Result};
use h2::Ping;
use h2::client::{Builder, SendRequest};
use h2::ext::Protocol;
use sansocket::{HandshakeError, Offer, seed};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_sansocket::{WebSocket, from_upgraded};

const ABOUT: &str =
    "A client over HTTP/2: lines of stdin are messages, and messages are lines on stdout";
/// How long it waits for what only helps: a page that says why, the last bytes of a connection.
const PATIENCE: Duration = Duration::from_secs(1);

pub(crate) async fn run() -> Result<()> {
    let options = Options::new("http2 client", ABOUT, b"h2")?;
    let time = options.options.config.times.handshake;
    let stream = timeout(time, connect(&options)).await;
    let stream = stream.context("the server did not answer in time")??;
    let mut builder = Builder::new();
    builder
        .enable_push(false)
        .initial_window_size(WINDOW)
        .initial_connection_window_size(STREAMS * WINDOW)
        .max_send_buffer_size(SEND_BUFFER);
    let (http, mut connection) = builder.handshake::<_, Bytes>(stream).await?;
    let mut ping = connection.ping_pong().context("h2 has one")?;
    let connection = tokio::spawn(connection);
    let opened = timeout(time, async {
        // Whatever answers a PING has sent its SETTINGS before (RFC 9113, section 3.4).
        ping.ping(Ping::opaque()).await?;
        if !http.is_extended_connect_protocol_enabled() {
            let authority = options.request.authority();
            return Err(Error::msg(format!(
                "{authority} takes no WebSockets over HTTP/2"
            )));
        }
        let mut sockets = Vec::new();
        for _ in 0..options.streams {
            sockets.push(open(&options, http.clone()).await?);
        }
        Ok(sockets)
    });
    let sockets = opened
        .await
        .context("the server did not answer in time")??;
    let result = converse(sockets).await;
    drop(http); // then the connection says GOAWAY and ends
    let _ = timeout(PATIENCE, connection).await;
    result
}

/// TCP and TLS.
async fn connect(options: &Options) -> Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let (host, port) = (options.request.host(), options.request.port());
    let authority = options.request.authority();
    let tcp = TcpStream::connect((host, port)).await;
    let tcp = tcp.with_context(|| format!("cannot connect to {authority}"))?;
    tcp.set_nodelay(true)?;
    let tls = TlsConnector::from(Arc::new(options.tls.clone()));
    let name = host.split('%').next().unwrap_or_default(); // no zone
    let name = ServerName::try_from(name.to_owned())?;
    let stream = tls.connect(name, tcp).await;
    let stream = stream.with_context(|| format!("no TLS with {authority}"))?;
    match stream.get_ref().1.alpn_protocol() {
        Some(b"h2") => Ok(stream),
        _ => Err(Error::msg(format!("{authority} does not speak HTTP/2"))),
    }
}

/// One more WebSocket.
async fn open(options: &Options, http: SendRequest<Bytes>) -> Result<WebSocket<Stream>> {
    let config = &options.options.config;
    let offer = Offer::extended_connect(&options.request, config, seed()?);
    let mut request: http::Request<()> = offer.to_http()?;
    request
        .extensions_mut()
        .insert(Protocol::from_static("websocket"));
    let (response, send) = http.ready().await?.send_request(request, false)?;
    let (head, mut body) = response.await?.into_parts();
    match offer.check(head.status.as_u16(), &head.headers) {
        Ok((_, connection)) => {
            let stream = Stream::new(send, body);
            Ok(from_upgraded(
                stream,
                connection,
                &options.options,
                BytesMut::new(),
            ))
        }
        Err(error @ HandshakeError::Refused(_)) => {
            let page = timeout(PATIENCE, body.data()).await.ok().flatten();
            let page = page.and_then(std::result::Result::ok).unwrap_or_default();
            Err(refusal(&error, &page))
        }
        Err(error) => Err(error.into()),
    }
}
