//! Runs every case of the Autobahn testsuite's fuzzing server: an echo client with tokio-sansocket.
//!
//!     cargo run --release -p autobahn_client_tokio -- URL [--deflate]

use anyhow::{Context, Result, bail};
use std::time::Duration;
use tokio_sansocket::sansocket::{Config, Deflate};
use tokio_sansocket::{Error, Options, connect};

/// The suite is on this machine: a silence this long means that something is broken.
const SILENCE: Duration = Duration::from_secs(10);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut config = Config::default();
    config.times.idle = Some(SILENCE);
    config.times.keepalive = None; // no case asks for a Ping of ours
    let url = match arguments[..] {
        [url] => url,
        [url, "--deflate"] => {
            config.deflate = Some(Deflate::default());
            url
        }
        _ => bail!("usage: autobahn_client_tokio URL [--deflate]"),
    };
    run(url.trim_end_matches('/'), &Options::from(config)).await
}

async fn run(url: &str, options: &Options) -> Result<()> {
    let (mut ws, _) = connect(&*format!("{url}/getCaseCount"), options).await?;
    let count = ws.recv().await?.context("the suite says nothing")?;
    let count: usize = count.as_text().context("no number")?.parse()?;
    while ws.recv().await?.is_some() {}
    for case in 1..=count {
        println!("case {case} of {count}");
        let url = format!("{url}/runCase?case={case}&agent=tokio-sansocket");
        if let Err(error) = echo(&url, options).await {
            // Many cases end in a broken connection; the suite judges.
            println!("  {error}");
        }
    }
    let (mut ws, _) = connect(
        &*format!("{url}/updateReports?agent=tokio-sansocket"),
        options,
    )
    .await?;
    while ws.recv().await?.is_some() {}
    Ok(())
}

/// Connects, and sends back what comes until the end.
async fn echo(url: &str, options: &Options) -> Result<(), Error> {
    let (mut ws, _) = connect(url, options).await?;
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    Ok(())
}
