//! A client's opening handshake over a transport that is connected.
//!
//! Invariant: the seed of keys is fresh for each connection.

use crate::core::{Core, Opening};
use crate::error::Error;
use crate::options::Options;
use crate::shared::Shared;
use crate::transport::Transport;
use crate::websocket::WebSocket;
use sansocket::{ClientRequest, Response};
use std::future::poll_fn;

/// Does a client's opening handshake over a transport that is connected, and over TLS for `wss`
/// (RFC 6455, section 4.1). Returns the server's response as well: the subprotocol, header fields.
///
/// ```no_run
/// use tokio_sansocket::sansocket::ClientRequest;
/// use tokio::net::TcpStream;
/// use tokio_sansocket::{Error, Options, client};
///
/// # async fn hello() -> Result<(), Error> {
/// let request = ClientRequest::new("ws://localhost:9001/chat")?.subprotocol("chat")?;
/// let stream = TcpStream::connect((request.host(), request.port())).await?;
/// stream.set_nodelay(true)?;
/// let (mut ws, response) = client(stream, &request, &Options::default()).await?;
/// println!("subprotocol: {:?}", response.subprotocol());
/// ws.send("hello").await?;
/// # Ok(())
/// # }
/// ```
///
/// # Cancel safety
///
/// Dropping the future drops the transport.
///
/// # Errors
///
/// [`Error::Ended`] if there is no connection: [`End::Refused`](sansocket::End::Refused) has the
/// server's response or the rule that it breaks. [`Error::Setup`] if the operating system gives no
/// entropy.
///
/// # Panics
///
/// Outside of a tokio runtime with time enabled.
pub async fn client<S: Transport>(
    stream: S,
    request: &ClientRequest,
    options: &Options,
) -> Result<(WebSocket<S>, Response), Error> {
    let core = Core::client(stream, request, options, sansocket::seed()?);
    let shared = Shared::new(core);
    loop {
        match poll_fn(|context| shared.poll_opening(context)).await? {
            Opening::Opened(response) => return Ok((WebSocket::new(shared), response)),
            Opening::Request(_) => {} // a client gets none
        }
    }
}
