//! A chat in the browser, on one server or many.
//!
//!     cargo run --release -p chat -- [ADDRESS] [--redis URL]
//!
//! README.md says what it has, PROTOCOL.md what is said on the wire.

mod history;
mod http;
mod limits;
mod login;
mod name;
mod presence;
mod protocol;
mod room;
mod rooms;
mod session;
mod storage;

use common::{Arguments, Context, Result, Stopping, block_on};
use http::{App, Guest};
use login::Tokens;
use rooms::Rooms;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use storage::{Link, Storage, secret};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

const HELP: &str = "A chat in the browser, on one server or many

Usage: chat [OPTIONS] [ADDRESS]

Arguments:
  [ADDRESS]  Where to listen, as IP:PORT; with port 0 the system picks one [default: 127.0.0.1:9001]

Options:
      --redis <URL>  Share rooms with other servers, and keep them, in this Redis: redis://127.0.0.1/
  -h, --help         Print help
";

/// How long Redis may take at the start.
const START: Duration = Duration::from_secs(5);

fn main() -> Result<()> {
    let arguments = Arguments::parse(HELP.into());
    let address = arguments.positional("[ADDRESS]");
    let address = address.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 9001)));
    let redis = arguments.value::<String>("redis");
    block_on(async move {
        let (rooms, secret) = start(redis).await?;
        let listener = listen(address).with_context(|| format!("cannot listen on {address}"))?;
        writeln!(io::stdout(), "open http://{}/", listener.local_addr()?)?;
        serve(listener, rooms, Tokens::new(&secret)).await
    })
}

/// The rooms, and the secret that tokens are signed with.
async fn start(redis: Option<String>) -> Result<(Arc<Rooms>, [u8; 32])> {
    let new = secret()?;
    let started = match redis {
        None => (Arc::new(Rooms::new(Storage::memory())), new),
        Some(url) => {
            let link = Arc::new(Link::new(&url)?);
            let secret = link.secret(new).await?;
            let rooms = Arc::new(Rooms::new(Storage::Redis(link.clone())));
            tokio::spawn(storage::run(link.clone(), rooms.clone()));
            let online = timeout(START, link.until_online()).await;
            online.context("Redis does not answer")?;
            (rooms, secret)
        }
    };
    let rooms = started.0.clone();
    tokio::spawn(async move { rooms.keep().await });
    Ok(started)
}

/// A listener whose connections let the kernel queue little, so that a slow reader is seen early.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    socket.set_reuseaddr(true)?;
    socket.set_send_buffer_size(limits::KERNEL_QUEUE)?;
    socket.bind(address)?;
    socket.listen(1024)
}

/// Serves until a signal comes. Then every connection is told, and comes back by itself, to this server or another one.
async fn serve(listener: TcpListener, rooms: Arc<Rooms>, tokens: Tokens) -> Result<()> {
    let options = http::options();
    let config = options.config.clone();
    let app = http::app(App {
        rooms,
        tokens,
        options,
    });
    let places = Arc::new(Semaphore::new(limits::CONNECTIONS));
    let mut stopping = Stopping::new()?;
    loop {
        let accepted = async {
            let place = places.clone().acquire_owned().await;
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            accepted = accepted => accepted,
            () = stopping.stopped() => break,
        };
        match accepted {
            // Whatever happens to one connection ends only its own task.
            Ok((tcp, _)) => {
                let _ = tcp.set_nodelay(true);
                let guest = Guest {
                    stop: stopping.stop(),
                    _place: Arc::new(place?),
                };
                tokio::spawn(http::serve(tcp, app.clone(), guest));
            }
            // Too many open files, for instance: wait until some are closed.
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
    drop(listener);
    stopping.all_closed(&config).await;
    Ok(())
}
