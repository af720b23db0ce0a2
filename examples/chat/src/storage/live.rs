//! What servers tell each other through Redis.
//!
//! Invariant: whatever comes too late, twice or not at all, the stream has the messages.

use crate::name::Name;
use crate::protocol::{Draft, to_json};
use crate::rooms::Shared;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Instant;

/// The channel on which every server hears itself: while it does, it hears the others.
pub(super) const PULSE: &str = "chat:pulse";

const ROOM: &str = "chat:room:";

/// The channel of a room.
pub(super) fn channel(room: &str) -> String {
    format!("{ROOM}{room}")
}

/// The room of a channel.
pub(super) fn room_of(channel: &str) -> Option<&str> {
    channel.strip_prefix(ROOM)
}

/// What is told in the channel of a room.
#[derive(Deserialize, Serialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub(super) enum Live {
    /// Published by the script that stores it.
    Message {
        epoch: String,
        id: u64,
        draft: Draft,
    },
    Typing {
        server: String,
        name: Name,
    },
    /// All who are on a server.
    Here {
        server: String,
        names: BTreeSet<Name>,
    },
    /// A server has opened the room, and wants to know who is there.
    Ask {
        server: String,
    },
}

impl Live {
    pub(super) fn to_json(&self) -> String {
        to_json(self)
    }

    /// Acts on what was heard by this server. `true` if the room has work for Redis now.
    pub(super) fn act(self, us: &str, shared: &Shared) -> bool {
        let mut room = shared.lock();
        match self {
            // The history is asked for, and may not have it.
            Self::Message { .. } if !*shared.is_loaded.borrow() => room.work.load = true,
            Self::Message { epoch, id, draft } => room.stored(&epoch, id, &draft),
            Self::Typing { server, name } if server != us => room.tell_typing(&name),
            Self::Here { server, names } if server != us => {
                room.presence.heard(server, names, Instant::now());
            }
            Self::Ask { server } if server != us => room.work.here = true,
            Self::Typing { .. } | Self::Here { .. } | Self::Ask { .. } => {}
        }
        room.work.load || room.work.here
    }
}
