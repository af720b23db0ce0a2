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
use std::future::poll_fn;
use std::task::ready;

/// Reads and answers a client's opening handshake (RFC 6455, section 4.2).
///
/// `decide` gets a request that has passed every check of the protocol; the core does not know which
/// paths the server has. `Ok(request)` accepts, after
/// [`select_subprotocol`](Request::select_subprotocol) and the like; `Err(response)` refuses. Requests
/// that fail a check, and other HTTP, are answered by [`Options::answer_http`] or by default.
///
/// ```
/// use tokio_sansocket::sansocket::Response;
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
pub fn accept<S: Transport>(
    stream: S,
    options: &Options,
    decide: impl FnOnce(Request) -> Result<Request, Response>,
) -> impl Future<Output = Result<WebSocket<S>, Error>> {
    let shared = Shared::new(Core::server(stream, options));
    let mut decide = Some(decide);
    // Not an `async fn` around another one: room for what this future holds is in the task of a connection
    // to its end.
    poll_fn(move |context| {
        if decide.is_some() {
            let opening = ready!(shared.poll_opening(context))?;
            if let (Opening::Request(request), Some(decide)) = (opening, decide.take()) {
                shared.decide(match request.error() {
                    None => decide(request),
                    Some(_) => failed(request, options),
                });
            }
        }
        shared
            .poll_opened(context)
            .map_ok(|()| WebSocket::new(shared.clone()))
    })
}

/// As [`accept`], with a decision that takes time, such as one that asks a database. No deadline runs
/// meanwhile.
///
/// ```
/// # use tokio_sansocket::sansocket::Response;
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
            Some(_) => failed(request, options),
        };
        shared.decide(decision);
    }
    poll_fn(|context| shared.poll_opened(context)).await?;
    Ok(WebSocket::new(shared))
}

/// What answers a request that failed its checks: a response of the options, or else the default one.
fn failed(request: Request, options: &Options) -> Result<Request, Response> {
    options.http_response(&request).map_or(Ok(request), Err)
}
