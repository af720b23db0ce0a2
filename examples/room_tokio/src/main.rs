//! A chat room: what anybody says goes to everybody, framed and compressed once.
//!
//!     cargo run --release -p room_tokio -- [ADDRESS] [--max-message BYTES] [--deflate] [--same-origin] [--hurry N]
//!     cargo run --release -p client -- ws://127.0.0.1:9001/Ada     # and others in other terminals

use common::{Result, Stop};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::TcpStream;
use tokio_sansocket::sansocket::{CloseCode, Prepared, Response};
use tokio_sansocket::{Error, Options, Sender, WebSocket, accept};

/// Who is here.
#[derive(Default)]
struct Room(Mutex<Vec<Sender>>);

impl Room {
    fn enter(&self, sender: Sender) {
        self.lock().push(sender);
    }

    /// Nobody waits for the slow: with too much waiting to be taken, one has to leave.
    fn say(&self, text: &str) {
        let news = Prepared::new(text);
        self.lock().retain(|sender| match sender.try_send(&news) {
            Ok(true) => true,
            Ok(false) => {
                let _ = sender.close(CloseCode::POLICY_VIOLATION, "too slow");
                false
            }
            Err(_) => false, // it has left, or is about to
        });
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Sender>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn main() -> Result<()> {
    let server = common::server(
        "room_tokio",
        "A chat room: tokio, a task for each person",
        "",
    );
    let options = Arc::new(Options::from(server.config.clone()));
    let room = Arc::<Room>::default();
    common::serve_in_tasks(&server, "ws", move |tcp, stop| {
        serve(tcp, options.clone(), room.clone(), stop)
    })
}

/// Serves one person, who is called what the path says.
async fn serve(
    tcp: TcpStream,
    options: Arc<Options>,
    room: Arc<Room>,
    mut stop: Stop,
) -> Result<(), Error> {
    let mut name = String::new();
    let opened = accept(tcp, &options, |request| {
        name = request.path().trim_start_matches('/').to_owned();
        match &*name {
            "" => Err(Response::new(404).body("connect to /YOUR-NAME\n")),
            _ => Ok(request),
        }
    });
    let mut ws = tokio::select! {
        opened = opened => opened?,
        () = stop.stopped() => return Ok(()),
    };
    room.enter(ws.sender());
    room.say(&format!("{name} is here"));
    let ended = tokio::select! {
        ended = talk(&mut ws, &name, &room) => ended,
        () = stop.stopped() => ws.close(CloseCode::GOING_AWAY, "the room closes").await.map(drop),
    };
    room.say(&format!("{name} has left"));
    ended
}

async fn talk(ws: &mut WebSocket<TcpStream>, name: &str, room: &Room) -> Result<(), Error> {
    while let Some(message) = ws.recv().await? {
        let Some(text) = message.as_text() else {
            return ws
                .close(CloseCode::UNSUPPORTED_DATA, "text only")
                .await
                .map(drop);
        };
        room.say(&format!("{name}: {text}"));
    }
    Ok(())
}
