//! The server: a task for each HTTP connection, and one for each of its requests.
//!
//! Invariant: a connection without a request has a deadline; one with WebSockets has theirs.

use crate::stream::{SEND_BUFFER, STREAMS, Stream, WINDOW};
use bytes::{Bytes, BytesMut};
use common::{Result, Stop, multiplexed};
use h2::ext::Protocol;
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream};
use http::{Request, Response};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_sansocket::{Options, from_upgraded, sansocket};

const ABOUT: &str = "An echo server over HTTP/2, with TLS";

pub(crate) fn run() -> Result<()> {
    let (server, tls, options) = multiplexed::server("http2 server", ABOUT, b"h2")?;
    let tls = TlsAcceptor::from(tls);
    common::serve_in_tasks(&server, "wss", move |tcp, stop| {
        serve(tcp, tls.clone(), options.clone(), stop)
    })
}

/// Serves one connection to its end.
async fn serve(
    tcp: TcpStream,
    tls: TlsAcceptor,
    options: Arc<Options>,
    mut stop: Stop,
) -> Result<()> {
    let (time, peer) = (options.config.times.handshake, tcp.peer_addr()?);
    let stream = timeout(time, tls.accept(tcp)).await??;
    let mut builder = Builder::new();
    builder
        .enable_connect_protocol()
        .max_concurrent_streams(STREAMS)
        .initial_window_size(WINDOW)
        .initial_connection_window_size(STREAMS * WINDOW)
        .max_send_buffer_size(SEND_BUFFER)
        .max_header_list_size(options.config.max_head_size.try_into().unwrap_or(u32::MAX));
    let mut http = timeout(time, builder.handshake(stream)).await??;
    let (mut tasks, mut is_stopping) = (JoinSet::new(), false);
    loop {
        tokio::select! {
            accepted = http.accept() => match accepted {
                Some(accepted) => {
                    let (request, respond) = accepted?;
                    tasks.spawn(answer(peer, request, respond, options.clone(), stop.clone()));
                }
                None => break,
            },
            Some(_) = tasks.join_next() => {}
            () = stop.stopped(), if !is_stopping => {
                is_stopping = true;
                http.graceful_shutdown(); // what is open may end in its own time
            }
            () = sleep(time), if tasks.is_empty() => {
                http.abrupt_shutdown(Reason::NO_ERROR);
                let _ = timeout(time, poll_fn(|context| http.poll_closed(context))).await;
                break;
            }
        }
    }
    // Their streams are at an end, too.
    while tasks.join_next().await.is_some() {}
    Ok(())
}

/// Answers a request, and is its WebSocket, if it asks for one.
async fn answer(
    peer: SocketAddr,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    options: Arc<Options>,
    stop: Stop,
) -> Result<()> {
    let protocol = request.extensions().get().map(Protocol::as_str);
    let asked = sansocket::Request::from_http(&request, protocol, &options.config);
    let (response, connection) = multiplexed::answer(asked, peer, "HTTP/2.0");
    let (head, body) = response.into_parts();
    let mut send = respond.send_response(Response::from_parts(head, ()), false)?;
    let Some(connection) = connection else {
        return Ok(send.send_data(body.into(), true)?);
    };
    let stream = Stream::new(send, request.into_body());
    let ws = from_upgraded(stream, connection, &options, BytesMut::new());
    multiplexed::echo(ws, stop).await
}
