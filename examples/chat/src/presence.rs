//! Who is in a room, on this server and on others.
//!
//! Invariant: changes are told in batches, so a crowd that comes at once is told of a few times, not once for each.

use crate::name::Name;
use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::time::{Duration, Instant};

/// After this time without a word from it, another server is taken for dead.
pub(crate) const EXPIRES: Duration = Duration::from_secs(15);

/// Who is in a room.
#[derive(Default)]
pub(crate) struct Presence {
    /// The number of connections of each person, on this server.
    here: BTreeMap<Name, usize>,
    elsewhere: BTreeMap<String, (Instant, BTreeSet<Name>)>,
    /// What the room was told.
    told: BTreeSet<Name>,
    is_changed: bool,
}

impl Presence {
    pub(crate) fn join(&mut self, name: &Name) {
        *self.here.entry(name.clone()).or_default() += 1;
        self.is_changed = true;
    }

    pub(crate) fn leave(&mut self, name: &Name) {
        if let Some(count) = self.here.get_mut(name) {
            *count -= 1;
            if *count == 0 {
                self.here.remove(name);
                self.is_changed = true;
            }
        }
    }

    /// What another server says of itself.
    pub(crate) fn heard(&mut self, server: String, names: BTreeSet<Name>, now: Instant) {
        self.elsewhere.insert(server, (now, names));
        self.is_changed = true;
    }

    pub(crate) fn expire(&mut self, now: Instant) {
        let before = self.elsewhere.len();
        self.elsewhere
            .retain(|_, (heard, _)| now.saturating_duration_since(*heard) < EXPIRES);
        self.is_changed |= self.elsewhere.len() != before;
    }

    /// Those on this server.
    pub(crate) fn local(&self) -> impl Iterator<Item = &Name> {
        self.here.keys()
    }

    /// Everybody.
    pub(crate) fn all(&self) -> BTreeSet<&Name> {
        let elsewhere = self.elsewhere.values().flat_map(|(_, names)| names);
        self.here.keys().chain(elsewhere).collect()
    }

    /// Who has come and who has left since the last call.
    pub(crate) fn changes(&mut self) -> Option<(Vec<Name>, Vec<Name>)> {
        if !mem::take(&mut self.is_changed) {
            return None;
        }
        let all: BTreeSet<Name> = self.all().into_iter().cloned().collect();
        let joined: Vec<_> = all.difference(&self.told).cloned().collect();
        let left: Vec<_> = self.told.difference(&all).cloned().collect();
        self.told = all;
        (!joined.is_empty() || !left.is_empty()).then_some((joined, left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names<const N: usize>(names: [&str; N]) -> Vec<Name> {
        names.map(|name| Name::of_person(name).unwrap()).into()
    }

    #[test]
    fn changes_come_in_batches() {
        let mut presence = Presence::default();
        let all = names(["Ada", "Bob"]);
        presence.join(&all[0]);
        presence.join(&all[0]);
        presence.join(&all[1]);
        assert!(presence.changes() == Some((all.clone(), vec![])));
        presence.leave(&all[0]);
        assert!(
            presence.changes().is_none(),
            "a second window of Ada's is open"
        );
        presence.leave(&all[0]);
        presence.join(&all[0]);
        assert!(presence.changes().is_none(), "Ada was gone for a moment");
        presence.leave(&all[1]);
        assert!(presence.changes() == Some((vec![], names(["Bob"]))));
    }

    #[test]
    fn those_on_a_dead_server_leave() {
        let start = Instant::now();
        let mut presence = Presence::default();
        presence.heard("s".into(), names(["Ada"]).into_iter().collect(), start);
        assert!(presence.changes() == Some((names(["Ada"]), vec![])));
        presence.expire(start + EXPIRES / 2);
        assert!(presence.changes().is_none());
        presence.expire(start + EXPIRES);
        assert!(presence.changes() == Some((vec![], names(["Ada"]))));
    }
}
