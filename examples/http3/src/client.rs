//! The client: one HTTP connection, and as many WebSockets in it as are wanted.
//!
//! Invariant: nothing is asked of a server that does not say that it takes extended CONNECT.

use crate::http3::head::{self, Head};
use crate::http3::{Http3, PATIENCE, code};
use crate::quic::transport;
use crate::stream::Stream;
use bytes::BytesMut;
use common::terminal::{Options, converse, refusal};
use common::{Context, Error, Result};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, Endpoint};
use sansocket::{HandshakeError, Offer, seed};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::lookup_host;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_sansocket::{WebSocket, from_upgraded};

const ABOUT: &str =
    "A client over HTTP/3: lines of stdin are messages, and messages are lines on stdout";
const LATE: &str = "the server did not answer in time";
/// How much later the next address of a host is tried, too (RFC 8305, section 5).
const NEXT_ADDRESS: Duration = Duration::from_millis(250);
/// The number of interim responses that are passed over.
const INTERIM: usize = 8;

pub(crate) async fn run() -> Result<()> {
    let options = Options::new("http3 client", ABOUT, b"h3")?;
    let connected = timeout(options.options.config.times.handshake, connect(&options)).await;
    let (endpoint, connection) = connected.context(LATE)??;
    let result = talk(&options, connection).await;
    // However it ended, the server is told, once.
    endpoint.close(code::NO_ERROR, b"");
    let _ = timeout(PATIENCE, endpoint.wait_idle()).await;
    result
}

/// Opens the WebSockets, and sends and prints to the end of each.
async fn talk(options: &Options, connection: Connection) -> Result<()> {
    let config = &options.options.config;
    let opened = timeout(config.times.handshake, async {
        let mut http = Http3::start(connection, config.max_head_size).await?;
        if !http.takes_extended_connect().await? {
            let authority = options.request.authority();
            return Err(Error::msg(format!(
                "{authority} takes no WebSockets over HTTP/3"
            )));
        }
        let mut sockets = Vec::new();
        for _ in 0..options.streams {
            sockets.push(open(options, &http).await?);
        }
        Ok((http, sockets))
    });
    let (http, sockets) = opened.await.context(LATE)??;
    let result = converse(sockets).await;
    http.close().await;
    result
}

/// QUIC to the first address that answers.
async fn connect(options: &Options) -> Result<(Endpoint, Connection)> {
    let (host, port) = (options.request.host(), options.request.port());
    let authority = options.request.authority();
    let tls = Arc::new(QuicClientConfig::try_from(options.tls.clone())?);
    let mut config = ClientConfig::new(tls);
    config.transport_config(transport(0)); // a server asks for nothing
    let addresses = lookup_host((host, port)).await;
    let addresses = addresses.with_context(|| format!("cannot connect to {authority}"))?;
    let name = host.split('%').next().unwrap_or_default(); // no zone
    let mut attempts = JoinSet::new();
    for (number, address) in (0..).zip(addresses) {
        let (config, name) = (config.clone(), name.to_owned());
        attempts.spawn(async move {
            sleep(NEXT_ADDRESS * number).await;
            let any: SocketAddr = match address {
                SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
                SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
            };
            let endpoint = Endpoint::client(any)?;
            let connection = endpoint.connect_with(config, address, &name)?.await?;
            Ok::<_, Error>((endpoint, connection))
        });
    }
    let mut failure = None;
    while let Some(attempt) = attempts.join_next().await {
        match attempt? {
            Ok(connected) => return Ok(connected),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    let failure = failure.context("the host has no address")?;
    Err(failure.context(format!("no HTTP/3 with {authority}")))
}

/// One more WebSocket.
async fn open(options: &Options, http: &Http3) -> Result<WebSocket<Stream>> {
    let config = &options.options.config;
    let offer = Offer::extended_connect(&options.request, config, seed()?);
    let opened = http.open().await?;
    let (mut send, mut frames) = opened.context("the server takes no more requests")?;
    let mut out = BytesMut::new();
    head::put(offer.headers().iter(), &mut out)?;
    send.write_all(&out).await?;
    for _ in 0..=INTERIM {
        let head = head::read(&mut frames, config.max_head_size).await?;
        let fields = match head.context("the server ended the stream without a response")? {
            Head::Fields(fields) => fields,
            Head::TooLarge => return Err(Error::msg("the response is too large")),
        };
        let status = head::status(&fields).context("the response has no status")?;
        if matches!(status, 100..=199) {
            continue;
        }
        let fields = fields.iter().map(|field| (&field.name, &field.value));
        let checked = offer.check(status, fields);
        let mut stream = Stream::new(send, frames, http.lingering());
        return match checked {
            Ok((_, connection)) => {
                let nothing = BytesMut::new();
                Ok(from_upgraded(stream, connection, &options.options, nothing))
            }
            Err(error @ HandshakeError::Refused(_)) => {
                let mut page = BytesMut::new();
                let _ = timeout(PATIENCE, stream.read_buf(&mut page)).await;
                Err(refusal(&error, &page))
            }
            Err(error) => Err(error.into()),
        };
    }
    Err(Error::msg("too many interim responses"))
}
