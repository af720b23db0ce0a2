//! WebSockets over HTTP/2 (RFC 8441), several in one connection: server and client on the crate h2.
//!
//!     cargo run --release -p http2 -- server [ADDRESS] [--max-message BYTES] [--deflate]
//!         [--same-origin] [--hurry N] [--cert FILE --key FILE | --write-ca FILE]
//!     cargo run --release -p http2 -- client URL [--streams N] [--subprotocol NAME]… [--origin ORIGIN]
//!         [--header 'Name: value']… [--deflate] [--cafile FILE] [--hurry N]
//!
//! The server echoes, on any path; `/` is also a page. The client sends lines of stdin and prints what comes.
//!
//!     cargo run --release -p http2 -- server --write-ca /tmp/ca.pem
//!     cargo run --release -p http2 -- client wss://localhost:9001/ --cafile /tmp/ca.pem --streams 2

mod client;
mod server;
mod stream;

use std::process::ExitCode;

const ABOUT: &str = "WebSockets over HTTP/2, several in one connection";

fn main() -> ExitCode {
    common::multiplexed::run("http2", ABOUT, server::run, client::run)
}
