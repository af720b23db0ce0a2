//! The arguments of the client, and what they mean for every connection.

use crate::tls::tls_config;
use anyhow::{Context, Result, ensure};
use common::Arguments;
use rustls::ClientConfig;
use sansocket::{ClientRequest, Config, Deflate};
use std::env;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

const HELP: &str = "\
A client for the terminal: lines of stdin are messages, and messages are lines on stdout

Usage: client [OPTIONS] <URL>

Arguments:
  <URL>  Where to connect to: ws://host/path or wss://host/path [env: WS_URL]

Options:
      --subprotocol <NAME>      Offer a subprotocol; the first is preferred
      --origin <ORIGIN>         The site to act for, as browsers do
      --header <'Name: value'>  One more header field of the request
      --deflate                 Offer permessage-deflate
      --cafile <FILE>           Trust these certificates (PEM) instead of the system's
      --reconnect               Try again when another try is worth it; a line that is not yet written is kept for it
      --keepalive <SECONDS>     Send a Ping after this much silence
      --latency                 Tell on stderr how long its Pong took
      --hurry <N>               Make every other deadline N times shorter [default: 1]
  -h, --help                    Print help
";

/// What is the same for every connection.
pub(crate) struct Options {
    pub(crate) request: ClientRequest,
    pub(crate) config: Config,
    pub(crate) tls: Option<Arc<ClientConfig>>,
    pub(crate) reconnect: bool,
    pub(crate) latency: bool,
}

impl Options {
    /// Reads the arguments. An argument that is wrong by itself ends the program.
    pub(crate) fn new() -> Result<Self> {
        let arguments = Arguments::parse(HELP.into());
        let url = arguments.positional("<URL>");
        let keepalive = arguments.value::<Seconds>("keepalive");
        let latency = arguments.flag("latency");
        let mut missing = Vec::new();
        if latency && keepalive.is_none() {
            missing.push("--keepalive <SECONDS>");
        }
        let url = url.or_else(|| {
            let url = env::var_os("WS_URL")?.into_string();
            let url = url.unwrap_or_else(|_| arguments.not_text());
            Some(arguments.parsed("<URL>", &url))
        });
        if url.is_none() {
            missing.push("<URL>");
        }
        let Some(mut request) = url.filter(|_: &ClientRequest| missing.is_empty()) else {
            let options = ["--keepalive <SECONDS>", "--latency"];
            arguments.missing(&missing, if latency { &options } else { &[] })
        };
        for name in arguments.values("subprotocol") {
            request = request.subprotocol(name).context("--subprotocol")?;
        }
        if let Some(origin) = arguments.value::<String>("origin") {
            request = request.origin(&origin).context("--origin")?;
        }
        for field in arguments.values("header") {
            let parts = field.split_once(':');
            let (name, value) = parts.context("--header needs 'Name: value'")?;
            request = request.header(name, value.trim()).context("--header")?;
        }
        let mut config = Config::default();
        config.deflate = arguments.flag("deflate").then(Deflate::default);
        config.times = config.times / arguments.value("hurry").unwrap_or(NonZeroU32::MIN).get();
        config.times.keepalive = keepalive.map(|seconds| seconds.0);
        let (is_secure, cafile) = (request.is_secure(), arguments.value::<PathBuf>("cafile"));
        ensure!(is_secure || cafile.is_none(), "--cafile is for wss://");
        let tls = is_secure.then(|| tls_config(cafile.as_deref()));
        Ok(Self {
            request,
            config,
            tls: tls.transpose()?,
            reconnect: arguments.flag("reconnect"),
            latency,
        })
    }
}

/// A time in seconds, which is more than 0.
struct Seconds(Duration);

impl FromStr for Seconds {
    type Err = anyhow::Error;

    fn from_str(word: &str) -> Result<Self> {
        let time = Duration::try_from_secs_f64(word.parse()?)?;
        ensure!(!time.is_zero(), "a time of 0 s is none");
        Ok(Self(time))
    }
}
