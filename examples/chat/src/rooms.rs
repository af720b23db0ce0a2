//! All rooms of a server, and all connections.
//!
//! Invariant: a room that somebody holds is never forgotten, and those that nobody holds are bounded.

use crate::limits;
use crate::name::Name;
use crate::protocol::{Draft, Event, Refusal};
use crate::room::Room;
use crate::storage::{Storage, random};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::time::{interval, timeout};
use tokio_sansocket::Sender;
use tokio_sansocket::sansocket::Prepared;

/// How often rooms are told who has come and who has left.
const TELL: Duration = Duration::from_millis(200);
/// How often other servers are told who is here.
const REPEAT: Duration = Duration::from_secs(5);
/// How long somebody waits for the history of a room, if Redis is slow.
const LOAD: Duration = Duration::from_secs(3);

/// All rooms and all connections.
pub(crate) struct Rooms {
    rooms: Mutex<BTreeMap<Name, Arc<Shared>>>,
    connections: Mutex<BTreeMap<u64, Sender>>,
    next: AtomicU64,
    pub(crate) storage: Storage,
}

/// A room that connections share.
pub(crate) struct Shared {
    room: Mutex<Room>,
    /// Whether its history is here.
    pub(crate) is_loaded: watch::Sender<bool>,
}

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Room> {
        lock(&self.room)
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Rooms {
    pub(crate) fn new(storage: Storage) -> Self {
        Self {
            rooms: Mutex::default(),
            connections: Mutex::default(),
            next: AtomicU64::default(),
            storage,
        }
    }

    /// A new connection; the number that it has from now on.
    pub(crate) fn admit(&self, sender: Sender) -> u64 {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        lock(&self.connections).insert(id, sender);
        id
    }

    pub(crate) fn dismiss(&self, id: u64) {
        lock(&self.connections).remove(&id);
    }

    /// The rooms that have the most members.
    pub(crate) fn shown(&self) -> Vec<Name> {
        let mut rooms: Vec<_> = self
            .all()
            .iter()
            .map(|shared| {
                let room = shared.lock();
                (room.members(), room.name().clone())
            })
            .filter(|(members, _)| *members > 0)
            .collect();
        rooms.sort_by(|one, other| (other.0, &one.1).cmp(&(one.0, &other.1)));
        rooms.truncate(limits::ROOMS_SHOWN);
        rooms.into_iter().map(|(_, name)| name).collect()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Shared>> {
        lock(&self.rooms).values().cloned().collect()
    }

    pub(crate) fn find(&self, name: &str) -> Option<Arc<Shared>> {
        let name = Name::of_room(name)?;
        lock(&self.rooms).get(&name).cloned()
    }

    /// The room of this name, with its history if Redis has it.
    pub(crate) async fn open(&self, name: &Name) -> Result<Arc<Shared>, Refusal> {
        let shared = self.get_or_make(name)?;
        if let Storage::Redis(link) = &self.storage {
            let mut is_loaded = shared.is_loaded.subscribe();
            if !*is_loaded.borrow() && link.is_online() {
                shared.lock().work.load = true;
                link.wake(name);
                // Without it one sees what comes, and the rest later.
                let _ = timeout(LOAD, is_loaded.wait_for(|is_loaded| *is_loaded)).await;
            }
        }
        Ok(shared)
    }

    fn get_or_make(&self, name: &Name) -> Result<Arc<Shared>, Refusal> {
        let mut rooms = lock(&self.rooms);
        if let Some(shared) = rooms.get(name) {
            return Ok(shared.clone());
        }
        if rooms.len() >= limits::ROOMS {
            let idle = rooms
                .iter()
                .filter(|(_, shared)| is_free(shared))
                .min_by_key(|(_, shared)| shared.lock().used);
            let idle = idle.map(|(name, _)| name.clone());
            rooms.remove(&idle.ok_or(Refusal::ServerFull)?);
        }
        let is_here = matches!(self.storage, Storage::Memory(_));
        // Redis knows the epoch, if there is one.
        let epoch = if is_here { random() } else { String::new() };
        let shared = Arc::new(Shared {
            room: Mutex::new(Room::new(name.clone(), epoch)),
            is_loaded: watch::Sender::new(is_here),
        });
        rooms.insert(name.clone(), shared.clone());
        Ok(shared)
    }

    /// Says something in a room.
    pub(crate) fn say(&self, shared: &Shared, id: u64, draft: Draft) -> Result<(), Refusal> {
        let mut room = shared.lock();
        match &self.storage {
            Storage::Memory(_) => room.say(id, &draft),
            Storage::Redis(link) => {
                room.say_later(id, draft, link.is_online())?;
                link.wake(room.name());
            }
        }
        Ok(())
    }

    /// Tells a room that somebody types.
    pub(crate) fn types(&self, shared: &Shared, id: u64) {
        let mut room = shared.lock();
        if let (Some(name), Storage::Redis(link)) = (room.types(id, Instant::now()), &self.storage)
        {
            room.work.typing.insert(name);
            link.wake(room.name());
        }
    }

    /// Other servers are told who is here.
    pub(crate) fn tell_others(&self, room: &mut Room) {
        if let Storage::Redis(link) = &self.storage {
            room.work.here = true;
            link.wake(room.name());
        }
    }

    /// Redis is lost or there again: everybody is told.
    pub(crate) fn tell_storage(&self, stored: bool) {
        let news = Prepared::new(&*Event::Storage { stored }.to_json());
        for sender in lock(&self.connections).values() {
            let _ = sender.try_send(&news);
        }
        if !stored {
            for shared in self.all() {
                shared.lock().show_waiting();
            }
        }
    }

    /// What is done again and again, for ever.
    pub(crate) async fn keep(&self) {
        let mut ticks = interval(TELL);
        let mut repeated = Instant::now();
        loop {
            ticks.tick().await;
            let now = Instant::now();
            let is_time = now.saturating_duration_since(repeated) >= REPEAT;
            if is_time {
                repeated = now;
            }
            for shared in self.all() {
                let mut room = shared.lock();
                room.tell_changes(now);
                if is_time && room.members() > 0 {
                    self.tell_others(&mut room);
                }
            }
            self.forget();
        }
    }

    /// Forgets the rooms that nobody is in, and that are in Redis. Without Redis, a history is kept as long as there is room.
    fn forget(&self) {
        let mut forgotten = Vec::new();
        lock(&self.rooms).retain(|name, shared| {
            let is_kept = match &self.storage {
                Storage::Memory(_) => !shared.lock().history().is_empty(),
                Storage::Redis(_) => false,
            };
            let is_forgotten = is_free(shared) && !is_kept;
            if is_forgotten {
                forgotten.push(name.clone());
            }
            !is_forgotten
        });
        if let Storage::Redis(link) = &self.storage {
            link.forget(forgotten);
        }
    }
}

/// Whether only the table of rooms holds it. Nobody can take it while that is locked.
fn is_free(shared: &Arc<Shared>) -> bool {
    Arc::strong_count(shared) == 1 && shared.lock().is_idle()
}
