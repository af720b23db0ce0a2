//! `wsproto` and `websockets`, without their I/O, in another process: sessions in a file, verdicts in another.
//!
//! Invariant: there is a verdict for each session and implementation, in order.

use crate::sessions::Session;
use crate::verdict::{End, Message, Verdict};
use sansocket::Role;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

/// The names, in the order of the verdicts.
pub const PEERS: [&str; 2] = ["wsproto", "websockets"];

/// The verdicts of each of [`PEERS`], for each session.
pub fn run(sessions: &[Session]) -> Vec<[Verdict; 2]> {
    let folder = env::temp_dir().join(format!("differential-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    let [asked, told] = ["sessions", "verdicts"].map(|name| folder.join(name));
    fs::write(&asked, written(sessions)).expect("room");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers.py");
    let python = env::var("PYTHON").unwrap_or_else(|_| "python3".into());
    let run = Command::new(&python)
        .arg(script)
        .args([&asked, &told])
        .status();
    let run = run.unwrap_or_else(|error| panic!("{python}: {error}"));
    assert!(run.success(), "peers.py: {run}");
    let bytes = fs::read(&told).expect("verdicts");
    fs::remove_dir_all(&folder).expect("it is ours");
    let mut rest = &bytes[..];
    let verdicts = sessions
        .iter()
        .map(|_| [(); 2].map(|()| verdict(&mut rest)))
        .collect();
    assert!(rest.is_empty(), "as many verdicts as sessions");
    verdicts
}

/// Each session: role, deflate, length, bytes.
fn written(sessions: &[Session]) -> Vec<u8> {
    let mut file = Vec::new();
    for session in sessions {
        file.push(u8::from(session.role == Role::Client));
        file.push(u8::from(session.has_deflate));
        file.extend((session.bytes.len() as u32).to_be_bytes());
        file.extend(&session.bytes);
    }
    file
}

fn number<const N: usize>(bytes: &mut &[u8]) -> u32 {
    let (number, rest) = bytes.split_first_chunk::<N>().expect("a complete verdict");
    *bytes = rest;
    number
        .iter()
        .fold(0, |all, byte| all << 8 | u32::from(*byte))
}

/// A verdict: end, code, number of messages; of each its type, length and checksum.
fn verdict(bytes: &mut &[u8]) -> Verdict {
    let (end, code) = (number::<1>(bytes), number::<2>(bytes) as u16);
    let end = match end {
        0 => End::Open,
        1 => End::Closed(code),
        2 => End::Failed(code),
        other => panic!("end {other}"),
    };
    let messages = (0..number::<4>(bytes)).map(|_| Message {
        is_text: number::<1>(bytes) == 1,
        len: number::<4>(bytes) as usize,
        crc: number::<4>(bytes),
    });
    Verdict {
        messages: messages.collect(),
        end,
    }
}
