//! A client for the terminal over WebSockets that are open: lines of stdin are messages, and messages are lines on stdout.
//!
//! Invariant: what comes is read while lines are written, so a server that only echoes never blocks it.

mod options;

pub use options::Options;

use anyhow::{Error, Result};
use sansocket::{CloseCode, End, HandshakeError};
use std::io::{self, BufRead, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_sansocket::{Message, ReadHalf, Transport, WebSocket, WriteHalf};

/// How long it waits for a reply after the end of stdin.
const REPLY_TIME: Duration = Duration::from_secs(5);

/// Runs a client: it fails with one line on stderr.
pub fn run(client: impl Future<Output = Result<()>>) -> ExitCode {
    let Err(error) = crate::block_on(client) else {
        return ExitCode::SUCCESS;
    };
    eprintln!("client: {error:#}");
    ExitCode::FAILURE
}

/// What to tell about a handshake that failed: the error, and the first line of the server's page, if it sent one.
#[must_use]
pub fn refusal(error: &HandshakeError, body: &[u8]) -> Error {
    let body = String::from_utf8_lossy(body);
    let words = body.lines().next().unwrap_or_default().trim();
    let words: String = words.chars().take(80).collect();
    match &*words {
        "" => Error::msg(error.to_string()),
        words => Error::msg(format!("{error}: {}", words.escape_debug())),
    }
}

/// Sends each line of stdin on the next of the WebSockets, prints what comes, and closes when all lines have their replies.
pub async fn converse<S: Transport>(sockets: Vec<WebSocket<S>>) -> Result<()> {
    let mut tasks = JoinSet::new();
    let mut senders = Vec::new();
    for ws in sockets {
        let (sender, lines) = mpsc::channel(1);
        senders.push(sender);
        tasks.spawn(talk(ws, lines));
    }
    // A thread, as nothing can end a read of stdin. It ends with the program.
    thread::spawn(move || {
        let next = senders.iter().cycle();
        for (line, sender) in io::stdin().lock().lines().zip(next) {
            let is_last = line.is_err();
            if sender.blocking_send(line).is_err() || is_last {
                return;
            }
        }
    });
    // The end of one leaves the others as they are; the first error is the one reported.
    let mut result = Ok(());
    while let Some(task) = tasks.join_next().await {
        result = result.and(task?);
    }
    result
}

/// Messages sent, and messages received: what is missing are the replies to wait for.
#[derive(Default)]
struct Counts {
    sent: AtomicU64,
    received: AtomicU64,
    changed: Notify,
}

impl Counts {
    fn are_equal(&self) -> bool {
        self.received.load(Ordering::Relaxed) >= self.sent.load(Ordering::Relaxed)
    }
}

/// One WebSocket to its end.
async fn talk<S: Transport>(
    ws: WebSocket<S>,
    lines: mpsc::Receiver<io::Result<String>>,
) -> Result<()> {
    let (mut read, write) = ws.split();
    let counts = Counts::default();
    let listened = {
        let mut listening = std::pin::pin!(listen(&mut read, &counts));
        tokio::select! {
            listened = &mut listening => listened,
            said = say(write, lines, &counts) => {
                said?;
                listening.await
            }
        }
    };
    let reason = listened?;
    match read.end() {
        Some(End::Closed { code, by_peer }) if !by_peer || code == CloseCode::NORMAL => Ok(()),
        Some(End::Closed { code, .. }) => {
            let reason = format!("{} {}", code.0, reason.escape_debug());
            let reason = reason.trim_end();
            Err(Error::msg(format!(
                "the server closed the connection: {reason}"
            )))
        }
        Some(end) => Err(Error::msg(end.to_string())),
        None => Ok(()),
    }
}

/// Sends lines, waits for the replies, and closes.
async fn say<S: Transport>(
    mut write: WriteHalf<S>,
    mut lines: mpsc::Receiver<io::Result<String>>,
    counts: &Counts,
) -> Result<()> {
    while let Some(line) = lines.recv().await {
        counts.sent.fetch_add(1, Ordering::Relaxed);
        if write.send(line?).await.is_err() {
            return Ok(()); // listening tells why
        }
    }
    while !counts.are_equal() {
        if timeout(REPLY_TIME, counts.changed.notified())
            .await
            .is_err()
        {
            break;
        }
    }
    let _ = write.close(CloseCode::NORMAL, "").await; // listening tells how it ends
    Ok(())
}

/// Prints what comes until the end. Returns the reason of the server's Close.
async fn listen<S: Transport>(read: &mut ReadHalf<S>, counts: &Counts) -> Result<String> {
    let mut reason = String::new();
    loop {
        match read.recv().await {
            Ok(Some(Message::Text(text))) => {
                writeln!(io::stdout(), "{}", &*text)?;
                counts.received.fetch_add(1, Ordering::Relaxed);
                counts.changed.notify_one();
            }
            Ok(Some(Message::Close { reason: why, .. })) => reason = why.to_string(),
            Ok(Some(_)) => {}
            Ok(None) => return Ok(reason),
            Err(error) => return Err(error.into()),
        }
    }
}
