//! Who has which name, on a server without Redis.
//!
//! Invariant: a name has one owner; the number of names is bounded.

use super::Claim;
use crate::limits;
use crate::name::Name;
use crate::rooms::lock;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// Names and their owners.
#[derive(Default)]
pub(crate) struct Names(Mutex<BTreeMap<String, String>>);

impl Names {
    pub(super) fn claim(&self, name: &Name, owner: &str) -> Claim {
        let mut names = lock(&self.0);
        match names.get(&name.folded()) {
            Some(known) if known == owner => Claim::Given,
            Some(_) => Claim::Taken,
            None if names.len() >= limits::NAMES => Claim::Unavailable,
            None => {
                names.insert(name.folded(), owner.into());
                Claim::Given
            }
        }
    }

    pub(super) fn release(&self, name: &Name, owner: &str) {
        let mut names = lock(&self.0);
        if names
            .get(&name.folded())
            .is_some_and(|known| known == owner)
        {
            names.remove(&name.folded());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_owner() {
        let names = Names::default();
        let [ada, other] = ["Ada", "ADA"].map(|name| Name::of_person(name).unwrap());
        assert_eq!(names.claim(&ada, "1"), Claim::Given);
        assert_eq!(names.claim(&ada, "1"), Claim::Given);
        assert_eq!(names.claim(&other, "2"), Claim::Taken);
        names.release(&other, "2");
        assert_eq!(names.claim(&other, "2"), Claim::Taken);
        names.release(&ada, "1");
        assert_eq!(names.claim(&other, "2"), Claim::Given);
    }
}
