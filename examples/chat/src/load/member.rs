//! A member: logs in, enters its room, and looks at what comes.
//!
//! Invariant: it holds nothing but its place in the room, so that ten thousand of them are cheap.

use crate::room::Room;
use common::{Context, Result};
use serde::Deserialize;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_sansocket::sansocket::ClientRequest;
use tokio_sansocket::{Options, WebSocket, client};

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Event {
    Messages {
        messages: Vec<Message>,
    },
    Entered,
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Message {
    id: u64,
    text: String,
}

/// Comes in, and stays in a task of its own.
pub(crate) async fn open(address: SocketAddr, number: usize, room: Arc<Room>) -> Result<()> {
    let token = log_in(address, &format!("member {number} of {}", room.name)).await?;
    let request = ClientRequest::new(&format!("ws://{address}/ws"))?;
    let request = request.subprotocol("chat.v1")?.bearer(&token)?;
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut ws, _) = client(stream, &request, &Options::default()).await?;
    let enter = serde_json::json!({"type": "enter", "room": room.name});
    ws.send(enter.to_string()).await?;
    loop {
        if let Event::Entered = next(&mut ws).await? {
            break;
        }
    }
    room.join(ws.sender());
    tokio::spawn(async move {
        let mut seen = 0;
        while let Ok(event) = next(&mut ws).await {
            if let Event::Messages { messages } = event {
                for message in messages {
                    room.received(&mut seen, message.id, &message.text);
                }
            }
        }
    });
    Ok(())
}

async fn next(ws: &mut WebSocket<TcpStream>) -> Result<Event> {
    let message = ws.recv().await?.context("the server has closed")?;
    Ok(serde_json::from_str(
        message.as_text().context("not text")?,
    )?)
}

/// The token of this name, by one request of HTTP.
async fn log_in(address: SocketAddr, name: &str) -> Result<String> {
    let body = serde_json::json!({"name": name}).to_string();
    let head = "POST /login HTTP/1.1\r\nContent-Type: application/json";
    let request = format!(
        "{head}\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (_, body) = answer
        .split_once("\r\n\r\n")
        .context("no answer to the login")?;
    let answer: serde_json::Value = serde_json::from_str(body)?;
    Ok(answer["token"].as_str().context("no token")?.into())
}
