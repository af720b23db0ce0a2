//! One connection: what it asks for, from its welcome to its end.
//!
//! Invariant: however it ends, its person leaves every room.

use crate::limits::{self, Rate};
use crate::name::Name;
use crate::protocol::{Draft, Event, LIMITS, Position, Refusal, Request, is_key, is_text};
use crate::rooms::{Rooms, Shared};
use crate::storage::random;
use common::Stop;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tokio_sansocket::sansocket::CloseCode;
use tokio_sansocket::{Error, Sender, Transport, WebSocket};

/// Serves one connection to its end.
pub(crate) async fn serve(
    mut ws: WebSocket<impl Transport>,
    name: Name,
    rooms: Arc<Rooms>,
    mut stop: Stop,
) -> Result<(), Error> {
    let mut session = Session::new(name, rooms, ws.sender());
    tokio::select! {
        ended = session.talk(&mut ws) => ended,
        () = stop.stopped() => {
            let why = "the server restarts; come back in a moment";
            ws.close(CloseCode::SERVICE_RESTART, why).await.map(drop)
        }
    }
}

struct Session {
    id: u64,
    name: Name,
    sender: Sender,
    rooms: Arc<Rooms>,
    entered: BTreeMap<Name, Arc<Shared>>,
    rate: Rate,
    /// For keys of those who do not give one.
    key: String,
    said: u64,
}

/// Why a request was not done, in which room, and the key of what was said.
struct Refused {
    room: String,
    key: Option<String>,
    code: Refusal,
}

impl Session {
    fn new(name: Name, rooms: Arc<Rooms>, sender: Sender) -> Self {
        Self {
            id: rooms.admit(sender.clone()),
            name,
            sender,
            rooms,
            entered: BTreeMap::new(),
            rate: Rate::new(Instant::now()),
            key: random(),
            said: 0,
        }
    }

    /// Does what is asked for, until the connection ends.
    async fn talk(&mut self, ws: &mut WebSocket<impl Transport>) -> Result<(), Error> {
        let welcome = Event::Welcome {
            you: &self.name,
            rooms: &self.rooms.shown(),
            limits: LIMITS,
            stored: self.rooms.storage.is_online(),
        };
        ws.send(welcome.to_json()).await?;
        loop {
            let Some(message) = ws.recv().await? else {
                return Ok(());
            };
            let Some(text) = message.as_text() else {
                return close(ws, CloseCode::UNSUPPORTED_DATA, "chat.v1 is text").await;
            };
            if !self.rate.take(Instant::now()) {
                let why = "too many messages: see `limits` in `welcome`";
                return close(ws, CloseCode::POLICY_VIOLATION, why).await;
            }
            let Ok(request) = serde_json::from_str(text) else {
                let why = "that is not a message of chat.v1";
                return close(ws, CloseCode::POLICY_VIOLATION, why).await;
            };
            if let Err(refused) = self.handle(request, ws).await? {
                let event = Event::Refused {
                    room: &refused.room,
                    key: refused.key.as_deref(),
                    code: refused.code,
                    why: refused.code.why(),
                };
                ws.send(event.to_json()).await?;
            }
        }
    }

    async fn handle(
        &mut self,
        request: Request,
        ws: &mut WebSocket<impl Transport>,
    ) -> Result<Result<(), Refused>, Error> {
        let refused = |room, key, code| Refused { room, key, code };
        Ok(match request {
            Request::Enter { room, after } => match self.enter(&room).await {
                Ok(shared) => {
                    self.catch_up(&shared, after, ws).await?;
                    Ok(())
                }
                Err(code) => Err(refused(room, None, code)),
            },
            Request::Leave { room } => {
                let entered = Name::of_room(&room).and_then(|name| self.entered.remove(&name));
                match entered {
                    Some(shared) => {
                        self.leave(&shared);
                        Ok(())
                    }
                    None => Err(refused(room, None, Refusal::NotEntered)),
                }
            }
            Request::Say { room, key, text } => {
                let said = self.say(&room, key.as_deref(), text);
                said.map_err(|code| refused(room, key, code))
            }
            Request::Typing { room } => match self.entered(&room) {
                Some(shared) => {
                    self.rooms.types(shared, self.id);
                    Ok(())
                }
                None => Err(refused(room, None, Refusal::NotEntered)),
            },
            Request::Ping => {
                ws.send(Event::Pong.to_json()).await?;
                Ok(())
            }
            Request::Unknown => Ok(()),
        })
    }

    async fn enter(&mut self, room: &str) -> Result<Arc<Shared>, Refusal> {
        let name = Name::of_room(room).ok_or(Refusal::BadRoom)?;
        if self.entered.len() >= limits::ROOMS_EACH && !self.entered.contains_key(&name) {
            return Err(Refusal::TooManyRooms);
        }
        let shared = self.rooms.open(&name).await?;
        let mut locked = shared.lock();
        locked.enter(self.id, &self.name, &self.sender)?;
        self.rooms.tell_others(&mut locked);
        drop(locked);
        self.entered.insert(name, shared.clone());
        Ok(shared)
    }

    /// Sends what was missed, as fast as the client takes it, until nothing is missing.
    async fn catch_up(
        &self,
        shared: &Shared,
        mut position: Option<Position>,
        ws: &mut WebSocket<impl Transport>,
    ) -> Result<(), Error> {
        loop {
            let is_live = shared.lock().catch_up(self.id, &mut position)?;
            if is_live {
                return Ok(());
            }
            ws.flush().await?;
        }
    }

    fn say(&mut self, room: &str, key: Option<&str>, text: String) -> Result<(), Refusal> {
        if !is_text(&text) {
            return Err(Refusal::BadText);
        }
        if key.is_some_and(|key| !is_key(key)) {
            return Err(Refusal::BadKey);
        }
        self.said += 1;
        let draft = Draft {
            key: key.map_or_else(|| format!("{}-{}", self.key, self.said), String::from),
            from: self.name.clone(),
            at: now(),
            text,
        };
        let shared = self.entered(room).ok_or(Refusal::NotEntered)?;
        self.rooms.say(shared, self.id, draft)
    }

    fn entered(&self, room: &str) -> Option<&Arc<Shared>> {
        self.entered.get(&Name::of_room(room)?)
    }

    fn leave(&self, shared: &Shared) {
        let mut room = shared.lock();
        room.leave(self.id);
        self.rooms.tell_others(&mut room);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        for shared in self.entered.values() {
            self.leave(shared);
        }
        self.rooms.dismiss(self.id);
    }
}

async fn close(
    ws: &mut WebSocket<impl Transport>,
    code: CloseCode,
    why: &str,
) -> Result<(), Error> {
    ws.close(code, why).await.map(drop)
}

/// Milliseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}
