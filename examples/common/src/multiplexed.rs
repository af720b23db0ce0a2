//! What the servers over HTTP/2 and HTTP/3 share: arguments, answers and the echo.
//!
//! Invariant: what HTTP carries, and how, is not here; nothing opens unless the core has passed every check.

use crate::{Result, Server, Stop, tls};
use rustls::ServerConfig;
use sansocket::{CloseCode, Connection, HandshakeError, Request, Response};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use tokio_sansocket::{Options, Transport, WebSocket};

const OPTIONS: &str =
    "      --cert <FILE>          The certificate and those that it depends on (PEM)
      --key <FILE>           The key of the certificate (PEM)
      --write-ca <FILE>      Save the certificate that is made for localhost, for a client to trust
";
const COMMANDS: [(&str, &str); 2] = [
    ("server", "Echo what comes"),
    ("client", "Send lines of stdin, and print what comes"),
];

/// Runs the command that the arguments name.
pub fn run<F: Future<Output = Result<()>>>(
    name: &str,
    about: &str,
    server: impl FnOnce() -> Result<()>,
    client: impl FnOnce() -> F,
) -> ExitCode {
    match crate::subcommand(name, about, &COMMANDS) {
        "client" => crate::terminal::run(client()),
        _ => match server() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("Error: {error:?}");
                ExitCode::FAILURE
            }
        },
    }
}

/// Reads the arguments of a server that speaks only TLS, with this in its ALPN.
pub fn server(
    name: &str,
    about: &str,
    alpn: &[u8],
) -> Result<(Server, Arc<ServerConfig>, Arc<Options>)> {
    let server = crate::server(name, about, OPTIONS);
    let mut tls = tls::config(&server.arguments)?;
    Arc::make_mut(&mut tls).alpn_protocols = vec![alpn.to_vec()];
    let mut options = Options::from(server.config.clone());
    // Pages that came without TLS may have been written by anybody on the way.
    options.config.origins = options.config.origins.https_only();
    Ok((server, tls, Arc::new(options)))
}

/// What to send for a request, and the connection if it opens one. `version` is that of HTTP, for the log.
pub fn answer(
    mut request: Request,
    peer: SocketAddr,
    version: &str,
) -> (http::Response<Vec<u8>>, Option<Connection>) {
    request.select_subprotocol(&["echo"]);
    let (path, method) = (request.path().to_owned(), request.method().to_owned());
    let mut response = match request.answer() {
        Ok((response, connection)) => {
            // Nothing else opens one there.
            eprintln!("{peer} {path}: opened over {version}, :protocol websocket");
            return (response.into(), Some(connection));
        }
        // Whatever else is wrong with it, a GET is no page.
        Err(HandshakeError::NotExtendedConnect) if method == "GET" => match &*path {
            "/" => Response::new(200).body("An echo of WebSockets\n"),
            _ => Response::new(404).body("There is nothing here\n"),
        },
        Err(error) => {
            eprintln!("{peer} {path}: refused: {error}");
            Response::from(&error)
        }
    };
    if method == "HEAD" {
        response.body.clear();
    }
    (response.into(), None)
}

/// Sends back what comes, until the server stops.
pub async fn echo<S: Transport>(mut ws: WebSocket<S>, mut stop: Stop) -> Result<()> {
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
