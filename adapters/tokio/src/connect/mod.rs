//! A client from a URI to an open WebSocket.
//!
//! Invariant: what it takes until there is a transport is bounded by one time.

mod dial;
mod proxy;
mod stream;
#[cfg(feature = "rustls")]
mod tls;
#[cfg(not(feature = "rustls"))]
#[path = "no_tls.rs"]
mod tls;

pub use proxy::Proxy;
pub use stream::MaybeTls;

use crate::client::client;
use crate::error::Error;
use crate::options::Options;
use crate::websocket::WebSocket;
use sansocket::{ClientRequest, End, Response, Tunnel};
use std::io::{self, ErrorKind};
use tls::Tls;
use tokio::time::timeout;

/// Connects to a `ws://` or `wss://` URI and does the opening handshake (RFC 6455, section 4.1).
/// Returns the server's response as well: the subprotocol, header fields.
///
/// `request` is the URI, or a [`ClientRequest`] with subprotocols or header fields. All addresses of
/// the host are tried, IPv6 and IPv4 in turn, 250 ms after one another or as soon as one fails; the
/// first connection wins (RFC 8305). Small writes are sent at once (`TCP_NODELAY`).
///
/// `wss://` needs the feature `rustls-native-roots` or `rustls-webpki-roots`, or
/// [`Options::tls`](Options#structfield.tls). [`Options::proxy`](Options#structfield.proxy) goes through a
/// proxy. Redirects are not followed. For another transport, such
/// as a Unix socket or a TLS of your own, see [`client`].
///
/// ```no_run
/// use tokio_sansocket::{Error, Options, connect};
///
/// # async fn hello() -> Result<(), Error> {
/// let (mut ws, _response) = connect("ws://localhost:9001/chat", &Options::default()).await?;
/// ws.send("hello").await?;
/// while let Some(message) = ws.recv().await? {
///     println!("{:?}", message.as_text());
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Cancel safety
///
/// Dropping the future drops all that was connected.
///
/// # Errors
///
/// [`Error::Setup`] if the URI is wrong. [`Error::Io`] if there is no transport, which says for each
/// address why; [`TimedOut`](ErrorKind::TimedOut) after
/// [`Options::connect_timeout`](Options#structfield.connect_timeout); and
/// [`Unsupported`](ErrorKind::Unsupported) for `wss://` without a feature for it. A proxy that refuses is
/// an [`Error::Ended`] with [`HandshakeError::ProxyRefused`](sansocket::HandshakeError::ProxyRefused).
/// Then as [`client`].
///
/// # Panics
///
/// Outside of a tokio runtime with I/O and time enabled.
pub async fn connect<R>(
    request: R,
    options: &Options,
) -> Result<(WebSocket<MaybeTls>, Response), Error>
where
    R: TryInto<ClientRequest>,
    Error: From<R::Error>,
{
    let (request, mut tunnel) = (request.try_into()?, None);
    let stream = transport(&request, options, &mut tunnel);
    let stream = timeout(options.connect_timeout, stream).await;
    let stream = stream.unwrap_or_else(|_| {
        // The proxy has refused, and keeps the connection open.
        if let Some(refused) = tunnel.as_mut().and_then(Tunnel::give_up) {
            return Err(End::Refused(refused).into());
        }
        let what = "no connection to";
        let (authority, time) = (request.authority(), options.connect_timeout);
        let error = format!("{what} {authority} in {time:?} (`Options::connect_timeout`)");
        Err(io::Error::new(ErrorKind::TimedOut, error).into())
    });
    client(stream?, &request, options).await
}

/// The way to the server: through a proxy, if there is one, and with TLS if the URI wants it.
async fn transport(
    request: &ClientRequest,
    options: &Options,
    tunnel: &mut Option<Tunnel>,
) -> Result<MaybeTls, Error> {
    let tls = match request.is_secure() {
        true => Some(Tls::new(request.host(), options).await?),
        false => None,
    };
    let tcp = match &options.proxy {
        None => dial::tcp(request.host(), request.port()).await?,
        Some(proxy) => proxy.dial(request, options, tunnel).await?,
    };
    tcp.set_nodelay(true)?;
    match tls {
        None => Ok(tcp.into()),
        Some(tls) => Ok(tls.handshake(tcp).await?),
    }
}
