//! The connection of this server to Redis: what was said goes there, and comes from there in the order of the room.
//!
//! Invariant: nothing that was said is forgotten before Redis has given it its place.

use super::live::{Live, PULSE, channel, room_of};
use super::scripts::{self, Stored};
use super::{Claim, random};
use crate::name::Name;
use crate::protocol::Draft;
use crate::rooms::{Rooms, lock};
use common::{Context, Result};
use futures_util::StreamExt;
use redis::aio::{MultiplexedConnection, PubSubSink, PubSubStream};
use redis::{
    AsyncConnectionConfig, Client, ErrorKind, Pipeline, RedisError, RedisResult, cmd, pipe,
};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::mem;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::{interval, sleep, timeout};

/// How long Redis may take for an answer.
const ANSWER: Duration = Duration::from_secs(2);
/// How often this server tells itself that it is there.
const BEAT: Duration = Duration::from_secs(3);
/// Without a word from Redis for this long it is lost.
const SILENCE: Duration = Duration::from_secs(8);
/// How long to wait before the next try.
const AGAIN: Duration = Duration::from_millis(500);
/// How many seconds somebody has a name without logging in again.
const NAME_KEPT: u64 = crate::login::DAYS * 24 * 3600;

/// The connection to Redis.
pub(crate) struct Link {
    client: Client,
    /// What others know this server by.
    server: String,
    online: watch::Sender<bool>,
    /// Rooms with work for Redis.
    rooms: Mutex<BTreeSet<Name>>,
    /// Rooms that are not listened to any more.
    forgotten: Mutex<Vec<Name>>,
    work: Notify,
    commands: Mutex<Option<MultiplexedConnection>>,
}

impl Link {
    pub(crate) fn new(url: &str) -> Result<Self> {
        // Without the URL, which may hold a password.
        let client = Client::open(url).context("that is not the URL of a Redis server")?;
        Ok(Self {
            client,
            server: random(),
            online: watch::Sender::new(false),
            rooms: Mutex::default(),
            forgotten: Mutex::default(),
            work: Notify::new(),
            commands: Mutex::new(None),
        })
    }

    /// The secret that all servers sign with. The first of them makes it.
    pub(crate) async fn secret(&self, new: [u8; 32]) -> Result<[u8; 32]> {
        let mut commands = self.connect().await.context("cannot reach Redis")?;
        let mut pipe = pipe();
        pipe.atomic();
        pipe.cmd("SETNX").arg("chat:secret").arg(&new[..]).ignore();
        pipe.cmd("GET").arg("chat:secret");
        let (secret,): (Vec<u8>,) = pipe.query_async(&mut commands).await?;
        <[u8; 32]>::try_from(secret)
            .ok()
            .context("`chat:secret` in Redis has another length than 32 bytes")
    }

    /// Whether Redis is there, and has all that was said.
    pub(crate) fn is_online(&self) -> bool {
        *self.online.borrow()
    }

    /// Waits until it is.
    pub(crate) async fn until_online(&self) {
        let _ = self.online.subscribe().wait_for(|online| *online).await;
    }

    /// This room has work.
    pub(crate) fn wake(&self, room: &Name) {
        lock(&self.rooms).insert(room.clone());
        self.work.notify_one();
    }

    /// These rooms are gone.
    pub(crate) fn forget(&self, rooms: Vec<Name>) {
        if !rooms.is_empty() {
            lock(&self.forgotten).extend(rooms);
            self.work.notify_one();
        }
    }

    pub(super) async fn claim(&self, name: &Name, owner: &str) -> Claim {
        let mut set = cmd("SET");
        set.arg(key_of(name)).arg(owner).arg("NX").arg("GET");
        set.arg("EX").arg(NAME_KEPT);
        let Some(mut commands) = self.commands() else {
            return Claim::Unavailable;
        };
        match set.query_async::<Option<String>>(&mut commands).await {
            Ok(None) => Claim::Given,
            Ok(Some(known)) if known == owner => {
                let mut expire = cmd("EXPIRE");
                expire.arg(key_of(name)).arg(NAME_KEPT);
                match expire.exec_async(&mut commands).await {
                    Ok(()) => Claim::Given,
                    Err(_) => Claim::Unavailable,
                }
            }
            Ok(Some(_)) => Claim::Taken,
            Err(_) => Claim::Unavailable,
        }
    }

    /// If Redis is lost, the name is free when its time is over.
    pub(super) async fn release(&self, name: &Name, owner: &str) {
        if let Some(mut commands) = self.commands() {
            let release = scripts::release(&key_of(name), owner);
            let _ = release.exec_async(&mut commands).await;
        }
    }

    fn commands(&self) -> Option<MultiplexedConnection> {
        lock(&self.commands).clone()
    }

    async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(ANSWER))
            .set_response_timeout(Some(ANSWER));
        self.client
            .get_multiplexed_async_connection_with_config(&config)
            .await
    }
}

fn key_of(name: &Name) -> String {
    format!("chat:name:{}", name.folded())
}

/// Keeps this server and Redis together, for ever.
pub(crate) async fn run(link: Arc<Link>, rooms: Arc<Rooms>) {
    loop {
        let Err(error) = serve(&link, &rooms).await;
        *lock(&link.commands) = None;
        if link.online.send_replace(false) {
            eprintln!("Redis is lost: {error}");
            rooms.tell_storage(false);
        }
        sleep(AGAIN).await;
    }
}

/// One connection to Redis, to its end.
async fn serve(link: &Link, rooms: &Rooms) -> RedisResult<Infallible> {
    let commands = link.connect().await?;
    let listening = timeout(ANSWER, link.client.get_async_pubsub());
    let (mut sink, stream) = listening.await.map_err(|_| silence())??.split();
    timeout(ANSWER, sink.subscribe(PULSE))
        .await
        .map_err(|_| silence())??;
    *lock(&link.commands) = Some(commands.clone());
    for shared in rooms.all() {
        let mut room = shared.lock();
        room.start_over();
        link.wake(room.name());
    }
    let listened = tokio::select! {
        ended = read(link, rooms, stream) => ended,
        ended = write(link, rooms, sink, commands.clone()) => ended,
        ended = beat(commands) => ended,
    };
    listened
}

/// Hears what all servers say.
async fn read(link: &Link, rooms: &Rooms, mut stream: PubSubStream) -> RedisResult<Infallible> {
    loop {
        let heard = timeout(SILENCE, stream.next()).await;
        let message = heard.ok().flatten().ok_or_else(silence)?;
        let Some(room) = room_of(message.get_channel_name()) else {
            continue;
        };
        let live = serde_json::from_slice::<Live>(message.get_payload_bytes());
        if let (Ok(live), Some(shared)) = (live, rooms.find(room))
            && live.act(&link.server, &shared)
        {
            link.wake(shared.lock().name());
        }
    }
}

/// Does the work of the rooms, whenever there is some.
async fn write(
    link: &Link,
    rooms: &Rooms,
    mut sink: PubSubSink,
    mut commands: MultiplexedConnection,
) -> RedisResult<Infallible> {
    let mut listening = BTreeSet::new();
    loop {
        let forgotten = mem::take(&mut *lock(&link.forgotten));
        for name in forgotten {
            // It may be there again.
            if rooms.find(&name).is_none() && listening.remove(&name) {
                sink.unsubscribe(channel(&name)).await?;
            }
        }
        let names = mem::take(&mut *lock(&link.rooms));
        for name in &names {
            load(link, rooms, name, &mut sink, &mut listening, &mut commands).await?;
        }
        let mut said = Vec::new();
        let mut pipe = pipe();
        for name in &names {
            publish(link, rooms, name, &mut said, &mut pipe);
        }
        if !pipe.is_empty() {
            let answers: Vec<Stored> = pipe.query_async(&mut commands).await?;
            for ((name, draft), stored) in said.iter().zip(answers) {
                confirm(link, rooms, name, draft, stored);
            }
        }
        // All rooms have caught up, and what was said meanwhile is stored.
        if !link.online.send_replace(true) {
            rooms.tell_storage(true);
        }
        link.work.notified().await;
    }
}

/// Listens to a room, and asks for what is missing of it.
async fn load(
    link: &Link,
    rooms: &Rooms,
    name: &Name,
    sink: &mut PubSubSink,
    listening: &mut BTreeSet<Name>,
    commands: &mut MultiplexedConnection,
) -> RedisResult<()> {
    let Some(shared) = rooms.find(name) else {
        return Ok(());
    };
    let (epoch, last) = {
        let mut room = shared.lock();
        if !mem::take(&mut room.work.load) {
            return Ok(());
        }
        (room.history().epoch().to_owned(), room.history().last())
    };
    if listening.insert(name.clone()) {
        timeout(ANSWER, sink.subscribe(channel(name)))
            .await
            .map_err(|_| silence())??;
        let server = link.server.clone();
        let mut ask = cmd("PUBLISH");
        ask.arg(channel(name)).arg(Live::Ask { server }.to_json());
        ask.exec_async(commands).await?;
    }
    let answer = scripts::load(name, &random(), &epoch, last);
    let (epoch, messages) = scripts::loaded(answer.query_async(commands).await?)?;
    shared.lock().loaded(epoch, &messages);
    shared.is_loaded.send_replace(true);
    Ok(())
}

/// Puts what a room has to say into a pipeline; `said` gets the room of each message.
fn publish(
    link: &Link,
    rooms: &Rooms,
    name: &Name,
    said: &mut Vec<(Name, Draft)>,
    pipe: &mut Pipeline,
) {
    let Some(shared) = rooms.find(name) else {
        return;
    };
    let mut room = shared.lock();
    let channel = channel(name);
    for draft in room.unsent() {
        pipe.add_command(scripts::say(name, &channel, &random(), draft));
        said.push((name.clone(), draft.clone()));
    }
    let server = &link.server;
    let mut tell = |live: Live| {
        pipe.cmd("PUBLISH")
            .arg(&channel)
            .arg(live.to_json())
            .ignore();
    };
    for name in mem::take(&mut room.work.typing) {
        let server = server.clone();
        tell(Live::Typing { server, name });
    }
    if mem::take(&mut room.work.here) {
        let names = room.presence.local().cloned().collect();
        let server = server.clone();
        tell(Live::Here { server, names });
    }
}

/// A message has its place. If it had one before, nobody publishes it again.
fn confirm(link: &Link, rooms: &Rooms, name: &Name, draft: &Draft, (epoch, id, is_new): Stored) {
    if is_new == 1 {
        return;
    }
    if let Some(shared) = rooms.find(name) {
        let mut room = shared.lock();
        if epoch == room.history().epoch() && id <= room.history().last() {
            room.stored(&epoch, id, draft);
        } else {
            room.work.load = true;
            link.wake(name);
        }
    }
}

/// Says that this server is there, so that it hears something.
async fn beat(mut commands: MultiplexedConnection) -> RedisResult<Infallible> {
    let mut beats = interval(BEAT);
    loop {
        beats.tick().await;
        let mut publish = cmd("PUBLISH");
        publish.arg(PULSE).arg("");
        publish.exec_async(&mut commands).await?;
    }
}

fn silence() -> RedisError {
    RedisError::from((ErrorKind::Io, "no answer from Redis"))
}
