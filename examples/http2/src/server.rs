//! The server: a task for each HTTP connection, and one for each of its requests.
//!
//! Invariant: a connection without a request has a deadline; one with WebSockets has theirs.

use crate::stream::{SEND_BUFFER, STREAMS, Stream, WINDOW};
use bytes::{Bytes, BytesMut};
use common::{Result, Stop};
use h2::ext::Protocol;
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream};
use http::{Method, Request, Response, StatusCode};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_sansocket::sansocket::{self, CloseCode};
use tokio_sansocket::{Options, WebSocket, from_upgraded};

const ABOUT: &str = "An echo server over HTTP/2, with TLS";
const OPTIONS: &str =
    "      --cert <FILE>          The certificate and those that it depends on (PEM)
      --key <FILE>           The key of the certificate (PEM)
      --write-ca <FILE>      Save the certificate that is made for localhost, for a client to trust
";

pub(crate) fn run() -> Result<()> {
    let server = common::server("http2 server", ABOUT, OPTIONS);
    let mut tls = common::tls::config(&server.arguments)?;
    Arc::make_mut(&mut tls).alpn_protocols = vec![b"h2".to_vec()];
    let tls = TlsAcceptor::from(tls);
    let mut options = Options::from(server.config.clone());
    // Pages that came without TLS may have been written by anybody on the way.
    options.config.origins = options.config.origins.https_only();
    let options = Arc::new(options);
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
    let mut asked = sansocket::Request::from_http(&request, protocol, &options.config);
    asked.select_subprotocol(&["echo"]);
    let is_page = request.method() == Method::GET;
    let (path, protocol) = (request.uri().path(), protocol.unwrap_or("none"));
    let response: Response<Vec<u8>> = match asked.answer() {
        Ok((response, connection)) => {
            eprintln!("{peer} {path}: opened over HTTP/2.0, :protocol {protocol}");
            let response: Response<Vec<u8>> = response.into();
            let send = respond.send_response(response.map(drop), false)?;
            let stream = Stream::new(send, request.into_body());
            return echo(
                from_upgraded(stream, connection, &options, BytesMut::new()),
                stop,
            )
            .await;
        }
        Err(_) if is_page && path == "/" => Response::new("An echo of WebSockets\n".into()),
        Err(_) if is_page => {
            let mut response = Response::new("There is nothing here\n".into());
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
        Err(error) => {
            eprintln!("{peer} {path}: refused: {error}");
            sansocket::Response::from(&error).into()
        }
    };
    let (head, body) = response.into_parts();
    let mut send = respond.send_response(Response::from_parts(head, ()), false)?;
    send.send_data(body.into(), true)?;
    Ok(())
}

/// Sends back what comes, until the server stops.
async fn echo(mut ws: WebSocket<Stream>, mut stop: Stop) -> Result<()> {
    loop {
        let message = tokio::select! {
            message = ws.recv() => message?,
            () = stop.stopped() => {
                ws.close(CloseCode::GOING_AWAY, "the server stops").await?;
                return Ok(());
            }
        };
        match message {
            Some(message) => ws.send(message).await?,
            None => return Ok(()),
        }
    }
}
