//! What the example programs share: their arguments, and how a server starts and stops.
//!
//! Invariant: nothing here is what an example shows: its transport and its loop are in the program.

mod arguments;
#[cfg(feature = "multiplexed")]
pub mod multiplexed;
mod stop;
#[cfg(feature = "tokio")]
mod tasks;
#[cfg(feature = "terminal")]
pub mod terminal;
mod threads;
#[cfg(feature = "tls")]
pub mod tls;

pub use anyhow::{Context, Error, Result};
pub use arguments::{Arguments, subcommand};
pub use stop::{is_stopping, on_stop, stop_time, wake_to_stop};
#[cfg(feature = "tokio")]
pub use tasks::{Stop, Stopping, block_on, serve_in_tasks};
pub use threads::serve_in_threads;

use sansocket::{Config, Deflate, End, OriginPolicy};
use std::io::{self, ErrorKind, Write};
use std::net::SocketAddr;
use std::num::NonZeroU32;

/// An echo server's arguments.
#[derive(Debug)]
pub struct Server {
    /// Where to listen.
    pub address: SocketAddr,
    /// The path of its WebSockets, for its first line.
    pub path: &'static str,
    /// The settings of all its connections.
    pub config: Config,
    /// All arguments, for options that only this server has.
    pub arguments: Arguments,
}

/// Parses the arguments of an echo server. `options` are lines for the help: options that only this server has.
pub fn server(name: &str, about: &str, options: &str) -> Server {
    let arguments = Arguments::parse(format!(
        "{about}

Usage: {name} [OPTIONS] [ADDRESS]

Arguments:
  [ADDRESS]  Where to listen, as IP:PORT; with port 0 the system picks one [default: 127.0.0.1:9001]

Options:
      --max-message <BYTES>  The largest message that is taken [default: 16777216]
      --deflate              Accept permessage-deflate
      --same-origin          Refuse web pages of another host or port
      --hurry <N>            Make every deadline N times shorter [default: 1]
{options}  -h, --help                 Print help
"
    ));
    let mut config = Config::default();
    if !arguments.flag("same-origin") {
        // An echo has no secrets, so pages of any site may connect. Yours should not say this.
        config.origins = OriginPolicy::any();
    }
    config.deflate = arguments.flag("deflate").then(Deflate::default);
    config.settings.max_message_size = arguments.value("max-message").unwrap_or(16 << 20);
    config.times = config.times / arguments.value("hurry").unwrap_or(NonZeroU32::MIN).get();
    let address = arguments.positional("[ADDRESS]");
    Server {
        address: address.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 9001))),
        path: "/",
        config,
        arguments,
    }
}

/// Says where a server listens, on stdout.
pub fn announce(scheme: &str, address: SocketAddr, path: &str) -> io::Result<()> {
    writeln!(io::stdout(), "listening on {scheme}://{address}{path}")
}

/// Tells the operator on stderr why a request was refused. How a connection ends is not worth a line.
pub fn log(end: &End) {
    if let End::Refused(why) = end {
        let _ = writeln!(io::stderr(), "refused: {why}");
    }
}

/// Whether a read or write was only interrupted, or reached its timeout.
pub fn is_temporary(error: &io::Error) -> bool {
    use ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}
