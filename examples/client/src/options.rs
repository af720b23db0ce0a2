//! The arguments of the client, and what they mean for every connection.

use crate::proxy::{Proxies, user_and_password};
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
      --proxy <URL>             The way out: http://user:password@host:port [env: HTTP_PROXY, HTTPS_PROXY, NO_PROXY]
      --follow <N>              Follow this many redirects, never from wss:// to ws:// [default: 0]
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
    pub(crate) proxies: Proxies,
    /// The number of redirects that are followed.
    pub(crate) follow: u32,
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
        let mut names = Vec::new();
        for field in arguments.values("header") {
            let parts = field.split_once(':');
            let (name, value) = parts.context("--header needs 'Name: value'")?;
            request = request.header(name, value.trim()).context("--header")?;
            names.push(name.to_ascii_lowercase());
        }
        if let Some(userinfo) = request.userinfo()
            && !names.iter().any(|name| name == "authorization")
        {
            let (user, password) = user_and_password(userinfo)?;
            request = request.basic_auth(&user, &password).context("<URL>")?;
        }
        let mut config = Config::default();
        config.deflate = arguments.flag("deflate").then(Deflate::default);
        config.times = config.times / arguments.value("hurry").unwrap_or(NonZeroU32::MIN).get();
        config.times.keepalive = keepalive.map(|seconds| seconds.0);
        let (is_secure, cafile) = (request.is_secure(), arguments.value::<PathBuf>("cafile"));
        let follow = arguments.value("follow").unwrap_or(0);
        // A redirect may lead to TLS.
        let may_use_tls = is_secure || follow > 0;
        ensure!(may_use_tls || cafile.is_none(), "--cafile is for wss://");
        let tls = may_use_tls.then(|| tls_config(cafile.as_deref()));
        Ok(Self {
            request,
            config,
            tls: tls.transpose()?,
            proxies: Proxies::new(arguments.value("proxy"))?,
            follow,
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
