//! A server's opening handshake.
//!
//! Invariant: whoever gets a WebSocket has answered the request, also if he polls nothing from then on.

use crate::core::{Core, Opening};
use crate::error::Error;
use crate::options::Options;
use crate::shared::Shared;
use crate::transport::Transport;
use crate::websocket::WebSocket;
use sansocket::{Request, Response};
use std::future::{poll_fn, ready};
use std::sync::Arc;

/// Reads and answers a client's opening handshake (RFC 6455, section 4.2).
///
/// `decide` gets a request that has passed every check of the protocol; the core does not know which
/// paths the server has. `Ok(request)` accepts, after
/// [`select_subprotocol`](Request::select_subprotocol) and the like; `Err(response)` refuses. Requests
/// that fail a check, and other HTTP, are answered by [`Options::answer_http`] or by default.
///
/// ```
/// use sansocket::Response;
/// use tokio::net::TcpStream;
/// use tokio_sansocket::{Error, Options, accept};
///
/// async fn serve(stream: TcpStream, options: &Options) -> Result<(), Error> {
///     let mut ws = accept(stream, options, |mut request| match request.path() {
///         "/chat" => {
///             request.select_subprotocol(&["chat"]);
///             Ok(request)
///         }
///         _ => Err(Response::new(404)),
///     })
///     .await?;
///     while let Some(message) = ws.recv().await? {
///         ws.send(message).await?;
///     }
///     Ok(())
/// }
/// ```
///
/// # Cancel safety
///
/// Dropping the future drops the transport.
///
/// # Errors
///
/// [`Error::Ended`] if there is no connection: [`End::Refused`](sansocket::End::Refused) says which
/// rule the request breaks, [`End::Responded`](sansocket::End::Responded) that it was answered by a
/// response of yours, [`End::Expired`](sansocket::End::Expired) that it took too long.
///
/// # Panics
///
/// Outside of a tokio runtime with time enabled.
pub async fn accept<S: Transport>(
    stream: S,
    options: &Options,
    decide: impl FnOnce(Request) -> Result<Request, Response>,
) -> Result<WebSocket<S>, Error> {
    accept_async(stream, options, |request| ready(decide(request))).await
}

/// As [`accept`], with a decision that takes time, such as one that asks a database. No deadline runs
/// meanwhile.
///
/// ```
/// # use sansocket::Response;
/// # use tokio::net::TcpStream;
/// # use tokio_sansocket::{Error, Options, WebSocket, accept_async};
/// # async fn may_enter(token: &str) -> bool { token == "secret" }
/// async fn enter(stream: TcpStream, options: &Options) -> Result<WebSocket<TcpStream>, Error> {
///     accept_async(stream, options, async |request| {
///         match request.query() {
///             Some(token) if may_enter(token).await => Ok(request),
///             _ => Err(Response::new(401)),
///         }
///     })
///     .await
/// }
/// ```
///
/// # Errors
///
/// As [`accept`].
///
/// # Panics
///
/// As [`accept`].
pub async fn accept_async<S: Transport, D>(
    stream: S,
    options: &Options,
    decide: impl FnOnce(Request) -> D,
) -> Result<WebSocket<S>, Error>
where
    D: Future<Output = Result<Request, Response>>,
{
    let shared = Shared::new(Core::server(stream, options));
    let opening = poll_fn(|context| shared.poll_opening(context)).await?;
    if let Opening::Request(request) = opening {
        let decision = match request.error() {
            None => decide(request).await,
            Some(_) => options.http_response(&request).map_or(Ok(request), Err),
        };
        shared.decide(decision);
    }
    opened(shared).await
}

/// Waits until it is open and the response is written.
async fn opened<S: Transport>(shared: Arc<Shared<S>>) -> Result<WebSocket<S>, Error> {
    poll_fn(|context| shared.poll_opened(context)).await?;
    Ok(WebSocket::new(shared))
}
