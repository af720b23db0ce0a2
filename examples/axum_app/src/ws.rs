//! The WebSocket: its handshake in axum's types, and its loop.
//!
//! Invariant: nothing is upgraded unless the core has passed every check.

use crate::http::Client;
use axum::extract::{Extension, Request, State};
use axum::response::Response;
use bytes::BytesMut;
use hyper::ext::Protocol;
use hyper::upgrade::{Upgraded, on};
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use tokio_sansocket::sansocket::{self, CloseCode};
use tokio_sansocket::{Error, Options, WebSocket, from_upgraded};

/// Opens a WebSocket, or says why not: over HTTP/1.1 by an upgrade, over HTTP/2 by extended CONNECT.
pub(crate) async fn handler(
    State(options): State<Arc<Options>>,
    Extension(client): Extension<Client>,
    http: Request,
) -> Response {
    let protocol = http.extensions().get().map(Protocol::as_str);
    let mut request = sansocket::Request::from_http(&http, protocol, &options.config);
    request.select_subprotocol(&["echo"]);
    let (peer, path) = (client.peer, http.uri().path());
    match request.answer() {
        Ok((response, connection)) => {
            let protocol = protocol.unwrap_or("none");
            eprintln!(
                "{peer} {path}: opened over {:?}, :protocol {protocol}",
                http.version()
            );
            tokio::spawn(async move {
                let stream = TokioIo::new(on(http).await.map_err(std::io::Error::other)?);
                echo(
                    from_upgraded(stream, connection, &options, BytesMut::new()),
                    client,
                )
                .await
            });
            response.into()
        }
        Err(error) => {
            eprintln!("{peer} {path}: refused: {error}");
            sansocket::Response::from(&error).into()
        }
    }
}

/// Sends back what comes, until the server stops.
async fn echo(mut ws: WebSocket<TokioIo<Upgraded>>, mut client: Client) -> Result<(), Error> {
    loop {
        let message = tokio::select! {
            message = ws.recv() => message?,
            () = client.stop.stopped() => {
                return ws.close(CloseCode::GOING_AWAY, "the server stops").await.map(drop);
            }
        };
        match message {
            Some(message) => ws.send(message).await?,
            None => return Ok(()),
        }
    }
}
