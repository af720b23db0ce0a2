//! One message to 10,000 connections, and what that costs: framed and compressed once, queued without a task or a channel for each.
//! The receivers are another process, which this one starts.
//!
//!     cargo run --release -p broadcast_tokio -- [--receivers N] [--bytes N] [--rounds N] [--deflate]

use common::{Arguments, Context, Result};
use std::io::{BufRead, BufReader, Write, stdout};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_sansocket::sansocket::{Config, Deflate, Prepared};
use tokio_sansocket::{Options, Sender, accept, connect};

const HELP: &str = "\
One message to many connections, and what that costs

Usage: broadcast_tokio [OPTIONS]

Options:
      --receivers <N>      How many connections; each takes a file here and one in the other process [default: 10000]
      --bytes <N>          The length of a message [default: 1024]
      --rounds <N>         How many messages [default: 20]
      --deflate            Compress them
      --receive <ADDRESS>  Be the other process
  -h, --help               Print help
";

fn main() -> Result<()> {
    let arguments = Arguments::parse(HELP.into());
    let receivers = arguments.value("receivers").unwrap_or(10_000);
    let mut config = Config::default();
    if arguments.flag("deflate") {
        let mut deflate = Deflate::default();
        deflate.server_no_context_takeover = true; // so that all compress alike
        config.deflate = Some(deflate);
    }
    let options = Options::from(config);
    if let Some(address) = arguments.value::<String>("receive") {
        return common::block_on(receive(&address, receivers, options));
    }
    let runtime = Runtime::new()?;
    let before = memory();
    let (mut others, senders) = runtime.block_on(gather(receivers, &options, &arguments))?;
    let each = memory()
        .zip(before)
        .map(|(after, before)| after.saturating_sub(before) / receivers);
    let mut lines = BufReader::new(others.stdout.take().context("no pipe")?).lines();

    let text: String = r#"{"event":"trade","price":1024.5},"#.chars().cycle().take(arguments.value("bytes").unwrap_or(1024)).collect();
    let rounds = arguments.value("rounds").unwrap_or(20_u32).max(1);
    let (mut times, mut missed) = (Vec::new(), 0);
    let before = computed();
    for _ in 0..rounds {
        let start = Instant::now();
        let news = Prepared::new(&*text);
        for sender in &senders {
            missed += usize::from(!sender.try_send(&news)?);
        }
        lines.next().context("the receivers are gone")??;
        times.push(start.elapsed());
    }
    let cost = computed()
        .zip(before)
        .map(|(after, before)| (after - before) / rounds / receivers as u32);
    others.kill()?;
    others.wait()?;
    times.sort();
    let unknown = || "unknown".to_owned();
    writeln!(
        stdout(),
        "{receivers} receivers, {} bytes: {} of CPU a delivery, {:.1?} until the last has it, {} bytes of memory a connection, {missed} missed",
        text.len(),
        cost.map_or_else(unknown, |cost| format!("{cost:.1?}")),
        times[times.len() / 2],
        each.map_or_else(unknown, |each| each.to_string()),
    )?;
    Ok(())
}

/// Starts the receivers and accepts all of them.
async fn gather(
    receivers: usize,
    options: &Options,
    arguments: &Arguments,
) -> Result<(Child, Vec<Sender>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args([
        "--receive",
        &listener.local_addr()?.to_string(),
        "--receivers",
        &receivers.to_string(),
    ]);
    if arguments.flag("deflate") {
        command.arg("--deflate");
    }
    let others = command.stdout(Stdio::piped()).spawn()?;
    let mut senders = Vec::with_capacity(receivers);
    while senders.len() < receivers {
        let (tcp, _) = listener.accept().await.context("see `ulimit -n`")?;
        tcp.set_nodelay(true)?;
        let mut ws = accept(tcp, options, Ok).await?;
        senders.push(ws.sender());
        tokio::spawn(async move { while let Ok(Some(_)) = ws.recv().await {} });
    }
    Ok((others, senders))
}

/// Says a line whenever all have received the same number of messages.
async fn receive(address: &str, receivers: usize, options: Options) -> Result<()> {
    let received = Arc::new(AtomicUsize::new(0));
    let mut tasks = Vec::with_capacity(receivers);
    for _ in 0..receivers {
        let (mut ws, _) = connect(&*format!("ws://{address}/"), &options).await?;
        let received = received.clone();
        tasks.push(tokio::spawn(async move {
            while let Ok(Some(_)) = ws.recv().await {
                if (received.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(receivers) {
                    let _ = writeln!(stdout());
                }
            }
        }));
    }
    for task in tasks {
        task.await?;
    }
    Ok(())
}

/// The processor time of this process, where the system tells it so.
fn computed() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<_> = stat.rsplit(')').next()?.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 10))
}

/// The resident memory of this process in bytes, where the system tells it so.
fn memory() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<usize>().ok()? << 10)
}
