//! Where names and messages are kept: in this process, or in Redis for any number of servers.
//!
//! Invariant: what a server must know to go on without Redis is in its own memory.

mod link;
mod live;
mod names;
mod scripts;

pub(crate) use link::{Link, run};

use crate::name::Name;
use common::Result;
use names::Names;
use sansocket::seed;
use std::fmt::Write;
use std::sync::Arc;

/// Where names and messages are kept.
pub(crate) enum Storage {
    /// Rooms hold their messages, and end with the process.
    Memory(Names),
    Redis(Arc<Link>),
}

/// Whether somebody may have a name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    Given,
    Taken,
    /// Redis is lost, or there are too many names.
    Unavailable,
}

impl Storage {
    pub(crate) fn memory() -> Self {
        Self::Memory(Names::default())
    }

    /// Whether what is said is stored.
    pub(crate) fn is_online(&self) -> bool {
        match self {
            Self::Memory(_) => true,
            Self::Redis(link) => link.is_online(),
        }
    }

    /// Gives a name to whoever knows this owner's secret, if nobody else has it.
    pub(crate) async fn claim(&self, name: &Name, owner: &str) -> Claim {
        match self {
            Self::Memory(names) => names.claim(name, owner),
            Self::Redis(link) => link.claim(name, owner).await,
        }
    }

    /// Takes the name back.
    pub(crate) async fn release(&self, name: &Name, owner: &str) {
        match self {
            Self::Memory(names) => names.release(name, owner),
            Self::Redis(link) => link.release(name, owner).await,
        }
    }
}

/// 256 random bits, from the operating system.
pub(crate) fn secret() -> Result<[u8; 32]> {
    Ok(seed()?)
}

/// 64 random bits in hexadecimal: a name that nothing else has.
pub(crate) fn random() -> String {
    // Without entropy no TLS and no login would work either: the program has ended before.
    let bytes = seed().expect("the operating system has entropy");
    bytes[..8].iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
