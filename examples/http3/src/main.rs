//! WebSockets over HTTP/3 (RFC 9220), several in one connection: server and client on the crate quinn.
//!
//!     cargo run --release -p http3 -- server [ADDRESS] [--max-message BYTES] [--deflate]
//!         [--same-origin] [--hurry N] [--cert FILE --key FILE | --write-ca FILE]
//!     cargo run --release -p http3 -- client URL [--streams N] [--subprotocol NAME]… [--origin ORIGIN]
//!         [--header 'Name: value']… [--deflate] [--cafile FILE] [--hurry N]
//!
//! The server echoes, on any path; `/` is also a page. The client sends lines of stdin and prints what comes.
//!
//!     cargo run --release -p http3 -- server --write-ca /tmp/ca.pem
//!     cargo run --release -p http3 -- client wss://localhost:9001/ --cafile /tmp/ca.pem --streams 2
//!
//! `http3` is the part of HTTP/3 that this needs. The crate h3 has no release yet that takes the `:protocol`
//! `websocket` (0.0.8 rejects it, its repository has the fix); when it has one, h3 takes the place of that folder.

mod client;
mod http3;
mod quic;
mod server;
mod stream;

use std::process::ExitCode;

const ABOUT: &str = "WebSockets over HTTP/3, several in one connection";

fn main() -> ExitCode {
    common::multiplexed::run("http3", ABOUT, server::run, client::run)
}
