//! The server: a task for each HTTP connection, and one for each of its requests.
//!
//! Invariant: a connection without a request has a deadline, and so has a request; one with WebSockets has theirs.

use crate::http3::head::{self, Head};
use crate::http3::{Frames, Http3, Kind, Lingering, PATIENCE, code, put_head};
use crate::quic::{STREAMS, transport};
use crate::stream::Stream;
use bytes::BytesMut;
use common::{Context, Result, Server, Stop, Stopping, announce, multiplexed};
use http::{Response, StatusCode};
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Endpoint, Incoming, SendStream, ServerConfig};
use sansocket::{Config, Connection, HandshakeError, Request};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_sansocket::{Options, from_upgraded};

const ABOUT: &str = "An echo server over HTTP/3";
/// While this many handshakes are under way, a new client must show that its address is its own (RFC 9000, section 8.1.2).
const CROWD: usize = 100;

pub(crate) fn run() -> Result<()> {
    let (server, tls, options) = multiplexed::server("http3 server", ABOUT, b"h3")?;
    let tls = Arc::new(QuicServerConfig::try_from(tls)?);
    let mut config = ServerConfig::with_crypto(tls);
    config.transport_config(transport(STREAMS));
    common::block_on(accept(server, config, options))
}

/// Accepts connections until a signal comes. Then it waits until they are closed.
async fn accept(server: Server, config: ServerConfig, options: Arc<Options>) -> Result<()> {
    let mut stopping = Stopping::new()?;
    let handshakes = Arc::new(()); // each holds it
    let endpoint = Endpoint::server(config, server.address)
        .with_context(|| format!("cannot listen on {}", server.address))?;
    announce("wss", endpoint.local_addr()?, server.path)?;
    loop {
        tokio::select! {
            Some(incoming) = endpoint.accept() => {
                if incoming.may_retry() && Arc::strong_count(&handshakes) > CROWD {
                    let _ = incoming.retry(); // never an error then
                } else {
                    // Whatever happens to one connection ends only its own task.
                    let handshake = handshakes.clone();
                    tokio::spawn(serve(incoming, handshake, options.clone(), stopping.stop()));
                }
            }
            () = stopping.stopped() => break,
        }
    }
    endpoint.set_server_config(None); // nobody new
    stopping.all_closed(&server.config).await;
    endpoint.close(code::NO_ERROR, b"");
    let _ = timeout(PATIENCE, endpoint.wait_idle()).await;
    Ok(())
}

/// Serves one connection to its end.
async fn serve(
    incoming: Incoming,
    handshake: Arc<()>,
    options: Arc<Options>,
    mut stop: Stop,
) -> Result<()> {
    let (time, max_head) = (options.config.times.handshake, options.config.max_head_size);
    let connection = timeout(time, incoming).await??;
    drop(handshake);
    let peer = connection.remote_address();
    let mut http = timeout(time, Http3::start(connection, max_head)).await??;
    let (mut tasks, mut is_stopping) = (JoinSet::new(), false);
    while !is_stopping || !tasks.is_empty() {
        tokio::select! {
            accepted = http.accept() => match accepted {
                Ok((send, frames)) => {
                    let asked = Asked { peer, send, frames, lingering: http.lingering() };
                    tasks.spawn(asked.answer(options.clone(), stop.clone()));
                }
                Err(_) => break,
            },
            Some(_) = tasks.join_next() => {}
            () = stop.stopped(), if !is_stopping => {
                is_stopping = true;
                http.go_away().await?; // what is open may end in its own time
            }
            () = sleep(time), if tasks.is_empty() => break,
        }
    }
    // Their streams are at an end, too.
    while tasks.join_next().await.is_some() {}
    http.close().await;
    Ok(())
}

/// A request.
struct Asked {
    peer: SocketAddr,
    send: SendStream,
    frames: Frames,
    lingering: Lingering,
}

impl Asked {
    /// Answers the request, and is its WebSocket, if it asks for one.
    async fn answer(mut self, options: Arc<Options>, stop: Stop) -> Result<()> {
        let (time, max) = (options.config.times.handshake, options.config.max_head_size);
        let head = timeout(time, head::read(&mut self.frames, max)).await;
        let Ok(Ok(Some(head))) = head else {
            // An end, a reset, a broken rule, or nothing in time.
            let _ = self.send.reset(code::REQUEST_INCOMPLETE);
            self.frames.stop(code::REQUEST_INCOMPLETE);
            return Ok(());
        };
        let (response, connection) = self.judge(head, &options.config);
        let (head, body) = response.into_parts();
        let status = (":status", head.status.as_str().as_bytes());
        let fields = head.headers.iter();
        let fields = fields.map(|(name, value)| (name.as_str(), value.as_bytes()));
        let mut out = BytesMut::new();
        head::put([status].into_iter().chain(fields), &mut out)?;
        if !body.is_empty() {
            put_head(Kind::Data, body.len(), &mut out);
            out.extend_from_slice(&body);
        }
        if connection.is_none() {
            // RFC 9114, sections 4.1 and 4.1.2: what the client still sends is of no use.
            let is_malformed = head.status == StatusCode::BAD_REQUEST;
            self.frames.stop(match is_malformed {
                true => code::MESSAGE_ERROR,
                false => code::NO_ERROR,
            });
        }
        // The client may give no room.
        timeout(time, self.send.write_all(&out)).await??;
        if let Some(connection) = connection {
            let stream = Stream::new(self.send, self.frames, self.lingering);
            let ws = from_upgraded(stream, connection, &options, BytesMut::new());
            return multiplexed::echo(ws, stop).await;
        }
        self.send.finish()?;
        let _ = timeout(time, self.send.stopped()).await; // it has all of it
        Ok(())
    }

    /// What to send, and the connection if it opens one.
    fn judge(&self, head: Head, config: &Config) -> (Response<Vec<u8>>, Option<Connection>) {
        let error = match head {
            Head::Fields(fields) => {
                let fields = fields.iter().map(|field| (&field.name, &field.value));
                let request = Request::read(fields, config);
                if request.scheme().is_some() {
                    return multiplexed::answer(request, self.peer, "HTTP/3.0");
                }
                // The core takes it for one of HTTP/1.1, or it is a plain CONNECT.
                HandshakeError::PseudoHeader(":scheme".into())
            }
            Head::TooLarge => HandshakeError::HeadTooLarge {
                max: config.max_head_size,
            },
        };
        (sansocket::Response::from(&error).into(), None)
    }
}
