//! The messages of a room that are remembered.
//!
//! Invariant: ids follow each other without a gap; a message is in it at most once.

use crate::limits;
use crate::name::Name;
use crate::protocol::{Draft, Message, Position, to_json};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, VecDeque};

/// The last messages of a room.
pub(crate) struct History {
    epoch: String,
    /// The id of the next message.
    next: u64,
    messages: VecDeque<Stored>,
    bytes: usize,
    /// Whose message with which key has which id.
    known: BTreeMap<(Name, String), u64>,
}

struct Stored {
    json: Box<RawValue>,
    from: Name,
    key: String,
}

/// A part of what somebody has missed.
pub(crate) struct Page<'a> {
    /// Whoever has another part of the room must forget it first.
    pub(crate) reset: bool,
    pub(crate) messages: Vec<&'a RawValue>,
    /// What one has seen after it.
    pub(crate) position: Position,
    /// Nothing comes after it.
    pub(crate) is_last: bool,
}

impl History {
    /// A history whose first message will have this id.
    pub(crate) fn new(epoch: String, next: u64) -> Self {
        Self {
            epoch,
            next,
            messages: VecDeque::new(),
            bytes: 0,
            known: BTreeMap::new(),
        }
    }

    pub(crate) fn epoch(&self) -> &str {
        &self.epoch
    }

    /// The id of the last message.
    pub(crate) fn last(&self) -> u64 {
        self.next - 1
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Adds a message. It returns what is sent to everybody.
    pub(crate) fn push(&mut self, draft: &Draft) -> &RawValue {
        let json = to_json(&Message {
            id: self.next,
            draft,
        });
        let json = RawValue::from_string(json).expect("it was made right now");
        self.bytes += json.get().len();
        self.known
            .insert((draft.from.clone(), draft.key.clone()), self.next);
        self.messages.push_back(Stored {
            json,
            from: draft.from.clone(),
            key: draft.key.clone(),
        });
        self.next += 1;
        while self.messages.len() > limits::HISTORY
            || self.bytes > limits::HISTORY_BYTES && self.messages.len() > 1
        {
            if let Some(old) = self.messages.pop_front() {
                self.bytes -= old.json.get().len();
                self.known.remove(&(old.from, old.key));
            }
        }
        &self.messages[self.messages.len() - 1].json
    }

    /// The message that this is a copy of.
    pub(crate) fn find(&self, draft: &Draft) -> Option<&RawValue> {
        let key = (draft.from.clone(), draft.key.clone());
        let id = *self.known.get(&key)?;
        let index = (id - self.first()) as usize;
        Some(&self.messages[index].json)
    }

    /// What comes after this position. A position that makes no sense here is none.
    pub(crate) fn after(&self, position: Option<&Position>) -> Page<'_> {
        let valid = position.filter(|position| {
            position.epoch == self.epoch && (self.first() - 1..self.next).contains(&position.id)
        });
        let start = valid.map_or_else(|| self.first(), |position| position.id + 1);
        let mut bytes = 0;
        let rest = self.messages.range((start - self.first()) as usize..);
        let page = rest.take_while(|stored| {
            let is_first = bytes == 0;
            bytes += stored.json.get().len();
            is_first || bytes <= limits::PAGE
        });
        let messages: Vec<_> = page.map(|stored| &*stored.json).collect();
        let id = start + messages.len() as u64 - 1;
        Page {
            reset: valid.is_none(),
            position: Position {
                epoch: self.epoch.clone(),
                id,
            },
            is_last: id == self.last(),
            messages,
        }
    }

    /// The id of the oldest message.
    fn first(&self) -> u64 {
        self.next - self.messages.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(key: &str, text: &str) -> Draft {
        Draft {
            key: key.into(),
            from: Name::of_person("Ada").unwrap(),
            at: 0,
            text: text.into(),
        }
    }

    fn filled(count: usize, text: &str) -> History {
        let mut history = History::new("e".into(), 1);
        for key in 0..count {
            history.push(&draft(&key.to_string(), text));
        }
        history
    }

    fn at(id: u64) -> Option<Position> {
        let epoch = "e".into();
        Some(Position { epoch, id })
    }

    /// The ids of a page.
    fn ids(page: &Page<'_>) -> Vec<u64> {
        let id = |json: &&RawValue| {
            serde_json::from_str::<serde_json::Value>(json.get()).unwrap()["id"].as_u64()
        };
        page.messages.iter().map(|json| id(json).unwrap()).collect()
    }

    #[test]
    fn what_was_missed_comes_in_order_and_once() {
        let history = filled(450, &"x".repeat(300));
        let mut position = at(17);
        let mut seen = Vec::new();
        loop {
            let page = history.after(position.as_ref());
            assert!(!page.reset);
            assert!(
                page.messages
                    .iter()
                    .map(|json| json.get().len())
                    .sum::<usize>()
                    <= limits::PAGE
            );
            seen.extend(ids(&page));
            if page.is_last {
                break;
            }
            position = Some(page.position);
        }
        assert_eq!(seen, (18..=450).collect::<Vec<_>>());
    }

    #[test]
    fn a_position_that_makes_no_sense_starts_anew() {
        let history = filled(700, "x");
        for id in [0, 199, 701, u64::MAX] {
            let page = history.after(at(id).as_ref());
            assert!(page.reset && ids(&page)[0] == 201, "{id}");
        }
        let mut other = at(300);
        other.as_mut().unwrap().epoch = "f".into();
        assert!(history.after(other.as_ref()).reset);
        assert!(history.after(None).reset);
        assert_eq!(ids(&history.after(at(699).as_ref())), [700]);
        let all = history.after(at(700).as_ref());
        assert!(!all.reset && all.is_last && all.messages.is_empty());
        assert_eq!(ids(&history.after(at(200).as_ref()))[0], 201);
    }

    #[test]
    fn it_is_bounded_in_messages_and_bytes() {
        let history = filled(3_000, "x");
        assert_eq!((history.messages.len(), history.known.len()), (500, 500));
        let history = filled(3_000, &"x".repeat(4_000));
        assert!(history.bytes <= limits::HISTORY_BYTES);
        assert_eq!(history.messages.len(), history.known.len());
        assert_eq!(history.last(), 3_000);
    }

    #[test]
    fn a_copy_is_found_while_it_is_remembered() {
        let history = filled(600, "x");
        assert!(history.find(&draft("50", "x")).is_none());
        let found = history.find(&draft("100", "another text")).unwrap();
        assert!(
            found
                .get()
                .starts_with(r#"{"id":101,"key":"100","from":"Ada""#)
        );
        let mut other = draft("100", "x");
        other.from = Name::of_person("Bob").unwrap();
        assert!(history.find(&other).is_none(), "keys are each person's own");
    }
}
