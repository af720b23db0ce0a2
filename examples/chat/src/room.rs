//! A room: its messages, who is in it, and what both are told.
//!
//! Invariant: whoever is live has been sent every message of the history, in order; nobody waits for the slow.

use crate::history::History;
use crate::limits;
use crate::name::Name;
use crate::presence::Presence;
use crate::protocol::{Draft, Event, Position, Refusal};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::mem;
use std::time::Instant;
use tokio_sansocket::sansocket::{CloseCode, Prepared};
use tokio_sansocket::{Error, Sender};

/// A room, as this server knows it.
pub(crate) struct Room {
    name: Name,
    history: History,
    pub(crate) presence: Presence,
    members: BTreeMap<u64, Member>,
    /// What was said and is not yet in Redis.
    waiting: VecDeque<Waiting>,
    /// What Redis is to be asked or told.
    pub(crate) work: Work,
    /// When somebody was in it last.
    pub(crate) used: Instant,
}

/// A connection that is in the room.
struct Member {
    name: Name,
    sender: Sender,
    /// It has caught up.
    is_live: bool,
    typed: Option<Instant>,
}

struct Waiting {
    draft: Draft,
    is_sent: bool,
    /// The room has seen it without an id.
    is_shown: bool,
}

/// What Redis is to be asked or told of a room.
#[derive(Default)]
pub(crate) struct Work {
    /// What others have said: all at first, what is missing later.
    pub(crate) load: bool,
    /// Who is here.
    pub(crate) here: bool,
    pub(crate) typing: BTreeSet<Name>,
}

impl Room {
    /// A room without messages, in this epoch.
    pub(crate) fn new(name: Name, epoch: String) -> Self {
        Self {
            name,
            history: History::new(epoch, 1),
            presence: Presence::default(),
            members: BTreeMap::new(),
            waiting: VecDeque::new(),
            work: Work::default(),
            used: Instant::now(),
        }
    }

    pub(crate) fn name(&self) -> &Name {
        &self.name
    }

    pub(crate) fn history(&self) -> &History {
        &self.history
    }

    /// Whether nothing is lost if it is forgotten, but its history.
    pub(crate) fn is_idle(&self) -> bool {
        self.members.is_empty() && self.waiting.is_empty() && !self.work.here
    }

    pub(crate) fn members(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn enter(&mut self, id: u64, name: &Name, sender: &Sender) -> Result<(), Refusal> {
        if self.members.len() >= limits::MEMBERS && !self.members.contains_key(&id) {
            return Err(Refusal::RoomFull);
        }
        let member = Member {
            name: name.clone(),
            sender: sender.clone(),
            is_live: false,
            typed: None,
        };
        if self.members.insert(id, member).is_none() {
            self.presence.join(name);
        }
        self.used = Instant::now();
        Ok(())
    }

    pub(crate) fn leave(&mut self, id: u64) {
        if let Some(member) = self.members.remove(&id) {
            self.presence.leave(&member.name);
        }
        self.used = Instant::now();
    }

    /// Sends what somebody has missed, as much as there is room for. `true` once all was sent: then this member is live.
    pub(crate) fn catch_up(
        &mut self,
        id: u64,
        position: &mut Option<Position>,
    ) -> Result<bool, Error> {
        let Some(member) = self.members.get_mut(&id) else {
            return Ok(true);
        };
        let room = &self.name;
        loop {
            let page = self.history.after(position.as_ref());
            if page.reset || !page.messages.is_empty() {
                let event = Event::Messages {
                    room,
                    epoch: self.history.epoch(),
                    reset: page.reset,
                    messages: &page.messages,
                };
                if !member.sender.try_send(event.to_json())? {
                    return Ok(false);
                }
            }
            let is_last = page.is_last;
            *position = Some(page.position);
            if is_last {
                break;
            }
        }
        for waiting in self.waiting.iter().filter(|waiting| waiting.is_shown) {
            let message = &waiting.draft;
            if !member
                .sender
                .try_send(Event::Unstored { room, message }.to_json())?
            {
                return Ok(false);
            }
        }
        let here: Vec<_> = self.presence.all().into_iter().collect();
        let entered = Event::Entered { room, here: &here }.to_json();
        member.is_live = member.sender.try_send(entered)?;
        Ok(member.is_live)
    }

    /// On a server without Redis: gives the message its place, and tells everybody.
    pub(crate) fn say(&mut self, id: u64, draft: &Draft) {
        self.typed(id);
        if !self.is_copy(id, draft) {
            self.add(draft);
        }
    }

    /// On a server with Redis: the message waits for its place. While Redis is lost, those on this server see it nevertheless.
    pub(crate) fn say_later(&mut self, id: u64, draft: Draft, online: bool) -> Result<(), Refusal> {
        self.typed(id);
        let is_waiting = self.waiting.iter().any(|waiting| waiting.is(&draft));
        if is_waiting || self.is_copy(id, &draft) {
            return Ok(());
        }
        if self.waiting.len() >= limits::WAITING {
            return Err(Refusal::Busy);
        }
        self.waiting.push_back(Waiting {
            draft,
            is_sent: false,
            is_shown: false,
        });
        if !online {
            self.show_waiting();
        }
        Ok(())
    }

    /// Redis is lost: what was said and has no place yet is shown without one.
    pub(crate) fn show_waiting(&mut self) {
        for index in 0..self.waiting.len() {
            let waiting = &mut self.waiting[index];
            if !mem::replace(&mut waiting.is_shown, true) {
                let event = Event::Unstored {
                    room: &self.name,
                    message: &waiting.draft,
                };
                let event = event.to_json();
                self.tell(&event);
            }
        }
    }

    /// What is to be stored and was not yet sent to Redis.
    pub(crate) fn unsent(&mut self) -> impl Iterator<Item = &Draft> {
        let unsent = self.waiting.iter_mut().filter(|waiting| !waiting.is_sent);
        unsent.map(|waiting| {
            waiting.is_sent = true;
            &waiting.draft
        })
    }

    /// Redis is there again, and may have lost what it was sent. Whatever is sent twice is stored once.
    pub(crate) fn start_over(&mut self) {
        self.work.load = true;
        self.work.here = true;
        for waiting in &mut self.waiting {
            waiting.is_sent = false;
        }
    }

    /// A message that Redis has given its place. It is asked for what is missing before it.
    pub(crate) fn stored(&mut self, epoch: &str, id: u64, draft: &Draft) {
        let next = self.history.last() + 1;
        if epoch != self.history.epoch() || id > next {
            self.work.load = true;
        } else if id == next {
            self.add(draft);
        } else {
            self.waiting.retain(|waiting| !waiting.is(draft));
        }
    }

    /// What Redis has after the last message here, or all if that is of another epoch.
    pub(crate) fn loaded(&mut self, epoch: String, messages: &[(u64, Draft)]) {
        let first = messages.first().map_or(1, |(id, _)| *id);
        let follows = messages.is_empty() || first <= self.history.last() + 1;
        if epoch == self.history.epoch() && follows {
            for (id, draft) in messages {
                self.stored(&epoch, *id, draft);
            }
            return;
        }
        self.history = History::new(epoch, first);
        for (_, draft) in messages {
            self.waiting.retain(|waiting| !waiting.is(draft));
            self.history.push(draft);
        }
        // What they have seen is no part of it. They catch up when they are back, as after every lost connection.
        for member in self.members.values_mut().filter(|member| member.is_live) {
            member.is_live = false;
            let _ = member
                .sender
                .close(CloseCode::SERVICE_RESTART, "the room starts anew");
        }
    }

    /// Tells the room that somebody types; `None` if it knows.
    pub(crate) fn types(&mut self, id: u64, now: Instant) -> Option<Name> {
        let member = self.members.get_mut(&id)?;
        let is_news = member
            .typed
            .is_none_or(|typed| now.saturating_duration_since(typed) >= limits::TYPING);
        if !is_news {
            return None;
        }
        member.typed = Some(now);
        let name = member.name.clone();
        self.tell_typing(&name);
        Some(name)
    }

    /// What was typed is said. What is typed next is news.
    fn typed(&mut self, id: u64) {
        if let Some(member) = self.members.get_mut(&id) {
            member.typed = None;
        }
    }

    /// Whoever has no room for this is not told: it is of no use later.
    pub(crate) fn tell_typing(&self, name: &Name) {
        let room = &self.name;
        let news = Prepared::new(&*Event::Typing { room, name }.to_json());
        for member in self.members.values().filter(|member| member.is_live) {
            let _ = member.sender.try_send(&news);
        }
    }

    /// Tells who has come and who has left.
    pub(crate) fn tell_changes(&mut self, now: Instant) {
        self.presence.expire(now);
        if let Some((joined, left)) = self.presence.changes() {
            let event = Event::Here {
                room: &self.name,
                joined: &joined,
                left: &left,
            };
            let event = event.to_json();
            self.tell(&event);
        }
    }

    /// Adds a message to the history, and tells everybody.
    fn add(&mut self, draft: &Draft) {
        self.waiting.retain(|waiting| !waiting.is(draft));
        self.history.push(draft);
        if let Some(event) = self.receipt(draft) {
            self.tell(&event);
        }
    }

    /// Whether this was said before. Then it is told to whoever says it again, and to nobody else.
    fn is_copy(&self, id: u64, draft: &Draft) -> bool {
        let Some(event) = self.receipt(draft) else {
            return false;
        };
        if let Some(member) = self.members.get(&id) {
            tell_one(member, &Prepared::new(&*event));
        }
        true
    }

    fn receipt(&self, draft: &Draft) -> Option<String> {
        let message = self.history.find(draft)?;
        let event = Event::Messages {
            room: &self.name,
            epoch: self.history.epoch(),
            reset: false,
            messages: &[message],
        };
        Some(event.to_json())
    }

    /// Tells everybody who is live, framed and compressed once.
    fn tell(&mut self, event: &str) {
        let news = Prepared::new(event);
        for member in self.members.values_mut().filter(|member| member.is_live) {
            member.is_live = tell_one(member, &news);
        }
    }
}

impl Waiting {
    fn is(&self, draft: &Draft) -> bool {
        self.draft.from == draft.from && self.draft.key == draft.key
    }
}

/// Nobody waits for the slow: with too much waiting to be taken, one has to leave, and may come back.
fn tell_one(member: &Member, news: &Prepared) -> bool {
    match member.sender.try_send(news) {
        Ok(true) => true,
        Ok(false) => {
            let why = "you read too slowly; come back for what you missed";
            let _ = member.sender.close(CloseCode::TRY_AGAIN_LATER, why);
            false
        }
        Err(_) => false, // it has left, or is about to
    }
}
