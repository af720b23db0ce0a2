//! The messages of `chat.v1`, which PROTOCOL.md describes.
//!
//! Invariant: what is sent is made here, and what is not `chat.v1` gets no further than here.

use crate::limits;
use crate::name::Name;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The name of the subprotocol.
pub(crate) const SUBPROTOCOL: &str = "chat.v1";

/// What a client sends.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Request {
    Enter {
        room: String,
        after: Option<Position>,
    },
    Leave {
        room: String,
    },
    Say {
        room: String,
        key: Option<String>,
        text: String,
    },
    Typing {
        room: String,
    },
    /// A page cannot send the Pings of a WebSocket, and wants to know whether the server is there.
    Ping,
    /// Of a later `chat.v1`.
    #[serde(other)]
    Unknown,
}

/// What somebody has seen of a room.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) epoch: String,
    pub(crate) id: u64,
}

/// What somebody says, before it has its place in the room.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct Draft {
    pub(crate) key: String,
    pub(crate) from: Name,
    /// Milliseconds since 1970.
    pub(crate) at: u64,
    pub(crate) text: String,
}

/// The same with its place.
#[derive(Serialize)]
pub(crate) struct Message<'a> {
    pub(crate) id: u64,
    #[serde(flatten)]
    pub(crate) draft: &'a Draft,
}

/// What the server sends.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Event<'a> {
    Welcome {
        you: &'a Name,
        rooms: &'a [Name],
        limits: Limits,
        stored: bool,
    },
    Messages {
        room: &'a Name,
        epoch: &'a str,
        reset: bool,
        messages: &'a [&'a RawValue],
    },
    Entered {
        room: &'a Name,
        here: &'a [&'a Name],
    },
    Here {
        room: &'a Name,
        joined: &'a [Name],
        left: &'a [Name],
    },
    Typing {
        room: &'a Name,
        name: &'a Name,
    },
    Unstored {
        room: &'a Name,
        message: &'a Draft,
    },
    Storage {
        stored: bool,
    },
    Pong,
    Refused {
        room: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        key: Option<&'a str>,
        code: Refusal,
        why: &'static str,
    },
}

/// What a client must keep to.
#[derive(Serialize)]
pub(crate) struct Limits {
    text: usize,
    rooms: usize,
    rate: u32,
    burst: u32,
}

pub(crate) const LIMITS: Limits = Limits {
    text: limits::TEXT,
    rooms: limits::ROOMS_EACH,
    rate: limits::RATE,
    burst: limits::BURST,
};

/// Why something was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Refusal {
    BadRoom,
    BadText,
    BadKey,
    NotEntered,
    TooManyRooms,
    RoomFull,
    ServerFull,
    Busy,
}

impl Refusal {
    /// The same in words.
    pub(crate) fn why(self) -> &'static str {
        match self {
            Self::BadRoom => {
                "That is not the name of a room: use 1 to 64 letters, digits, spaces, and . - _ '"
            }
            Self::BadText => "A message has 1 to 4096 bytes.",
            Self::BadKey => "A key has 1 to 64 ASCII letters, digits and '-'.",
            Self::NotEntered => "Enter the room first.",
            Self::TooManyRooms => "You are in as many rooms as one can be. Leave one first.",
            Self::RoomFull => "The room is full.",
            Self::ServerFull => "The server has no place for another room.",
            Self::Busy => "Too much waits to be stored. It is sent again later.",
        }
    }
}

impl Event<'_> {
    pub(crate) fn to_json(&self) -> String {
        to_json(self)
    }
}

/// Nothing here fails to serialize: no map has keys that are not text, and no float is in it.
pub(crate) fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("it has only text, numbers and lists")
}

pub(crate) fn is_key(key: &str) -> bool {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=limits::KEY).contains(&key.len()) && key.bytes().all(is_good)
}

pub(crate) fn is_text(text: &str) -> bool {
    (1..=limits::TEXT).contains(&text.len()) && !text.trim().is_empty()
}
