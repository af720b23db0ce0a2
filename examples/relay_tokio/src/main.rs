//! A relay: each client is connected to another server, and what either says goes to the other in pieces, as it comes. However
//! large a message is, a connection holds at most what waits to be written.
//!
//!     cargo run --release -p relay_tokio -- --to URL [ADDRESS] [--max-message BYTES] [--deflate] [--same-origin] [--hurry N]

use common::{Result, Stop};
use std::io::{Write, stderr};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_sansocket::sansocket::{ClientRequest, CloseCode, Deliver, Request, Response, SendError};
use tokio_sansocket::{
    Error, MaybeTls, Message, Options, ReadHalf, Transport, WebSocket, WriteHalf, accept_async,
    connect,
};

const ABOUT: &str =
    "A relay: tokio, what clients and a server say to each other is passed on in pieces";
const OPTIONS: &str =
    "      --to <URL>             The server that clients are connected to (ws or wss)\n";

struct Shared {
    options: Options,
    to: ClientRequest,
}

fn main() -> Result<()> {
    let server = common::server("relay_tokio", ABOUT, OPTIONS);
    let to = server.arguments.value("to");
    let to = to.unwrap_or_else(|| server.arguments.missing(&["--to <URL>"], &["--to <URL>"]));
    let mut options = Options::from(server.config.clone());
    options.config.settings.deliver = Deliver::Pieces;
    options.show_control = true; // to pass on the reason of a Close
    let shared = Arc::new(Shared { options, to });
    common::serve_in_tasks(&server, "ws", move |tcp, stop| {
        serve(tcp, shared.clone(), stop)
    })
}

/// Serves one client: it is accepted once the server has accepted us.
async fn serve(tcp: TcpStream, shared: Arc<Shared>, mut stop: Stop) -> Result<(), Error> {
    let mut server = None;
    let opened = accept_async(tcp, &shared.options, async |mut request| {
        match reach(&request, &shared).await {
            Ok((ws, response)) => {
                request.select_subprotocol(response.subprotocol().as_slice());
                server = Some(ws);
                Ok(request)
            }
            Err(error) => {
                let _ = writeln!(stderr(), "{}: {error}", shared.to.authority());
                Err(Response::new(502))
            }
        }
    });
    let client = tokio::select! {
        opened = opened => opened?,
        () = stop.stopped() => return Ok(()),
    };
    let Some(server) = server else {
        return Ok(()); // nobody is accepted without one
    };
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.split(), server.split());
    let passed = async {
        tokio::try_join!(
            pass_on(&mut from_client, &mut to_server),
            pass_on(&mut from_server, &mut to_client),
        )
    };
    let (code, reason) = tokio::select! {
        passed = passed => match passed {
            Ok(_) => return Ok(()),
            Err(_) => (CloseCode::BAD_GATEWAY, "the other end is gone"),
        },
        () = stop.stopped() => (CloseCode::GOING_AWAY, "the relay stops"),
    };
    drop((from_client, from_server)); // what they still say is for nobody
    // In the middle of a message there is no way to say why.
    let _ = tokio::join!(to_client.close(code, reason), to_server.close(code, reason));
    Ok(())
}

/// Connects to the server, and asks it for what the client asks for.
async fn reach(
    request: &Request,
    shared: &Shared,
) -> Result<(WebSocket<MaybeTls>, Response), Error> {
    let mut to = shared.to.clone();
    for name in request.subprotocols() {
        to = to.subprotocol(name)?;
    }
    connect(to, &shared.options).await
}

/// Passes on pieces as they come, and the Close, until the end. Who speaks waits while the other does
/// not take it.
async fn pass_on<A: Transport, B: Transport>(
    from: &mut ReadHalf<A>,
    to: &mut WriteHalf<B>,
) -> Result<(), Error> {
    while let Some(message) = from.recv().await? {
        if matches!(message, Message::Ping(_) | Message::Pong(_)) {
            continue; // each end has its own
        }
        match to.send(message).await {
            Err(Error::Send(SendError::Closed)) => {} // it said goodbye first
            sent => sent?,
        }
    }
    Ok(())
}
