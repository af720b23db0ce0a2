//! Echo servers on tokio-sansocket: one for each way to use it.
//!
//! Invariant: each is what a user would write; only public names are used.

use crate::rivals::{Result, on_tokio_with_time};
use futures::{SinkExt, StreamExt};
use std::sync::LazyLock;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_sansocket::{Options, accept};

/// Made once, and lent to each connection.
static OPTIONS: LazyLock<Options> = LazyLock::new(Options::default);

/// What comes after the name of the crate.
pub const WAYS: [&str; 4] = [
    "tokio-sansocket, recv + send",
    "tokio-sansocket, Stream + Sink",
    "tokio-sansocket, split + forward",
    "tokio-sansocket, two tasks",
];

/// Runs the server of this name until the process ends; `None` if there is none.
pub fn serve(name: &str) -> Option<Result<()>> {
    Some(match WAYS.iter().position(|way| *way == name)? {
        0 => on_tokio_with_time(recv_send),
        1 => on_tokio_with_time(stream_sink),
        2 => on_tokio_with_time(split_forward),
        _ => on_tokio_with_time(two_tasks),
    })
}

async fn recv_send(stream: TcpStream) -> Result<()> {
    let mut ws = accept(stream, &OPTIONS, Ok).await?;
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    Ok(())
}

async fn stream_sink(stream: TcpStream) -> Result<()> {
    let mut ws = accept(stream, &OPTIONS, Ok).await?;
    while let Some(message) = ws.next().await {
        SinkExt::send(&mut ws, message?).await?;
    }
    Ok(())
}

async fn split_forward(stream: TcpStream) -> Result<()> {
    let ws = accept(stream, &OPTIONS, Ok).await?;
    let (reader, writer) = ws.split();
    Ok(reader.forward(writer).await?)
}

/// One reads and one writes, with a channel between.
async fn two_tasks(stream: TcpStream) -> Result<()> {
    let ws = accept(stream, &OPTIONS, Ok).await?;
    let (mut reader, mut writer) = ws.split();
    let (sender, mut queue) = mpsc::channel(32);
    tokio::spawn(async move {
        while let Some(message) = queue.recv().await {
            if writer.send(message).await.is_err() {
                return;
            }
        }
    });
    while let Some(message) = reader.recv().await? {
        sender.send(message).await?;
    }
    Ok(())
}
