//! What BENCHMARKS.md shows of it: the table.
//!
//! Invariant: all of it was measured in this run.

use crate::readme::{self, grouped, version};
use crate::{measure, peers, work};
use std::env;
use std::fmt::Write;

const ROUNDS: usize = 101;
const MANIFEST: &str = include_str!("../Cargo.toml");

/// A row for each work, a column for each peer, in Markdown. The fastest is in bold.
pub fn table(part: &str) -> String {
    let mut table = String::from("| ns for each |");
    for peer in peers::ALL {
        let _ = write!(table, " {}{} |", peer.name, version(MANIFEST, peer.name));
    }
    table += "\n|---|";
    table += &"--:|".repeat(peers::ALL.len());
    let works: Vec<_> = work::rows()
        .into_iter()
        .filter(|work| work.name.contains(part))
        .collect();
    for (n, work) in works.iter().enumerate() {
        eprintln!("[{}/{}] {}", n + 1, works.len(), work.name);
        let times = measure::times(work, peers::ALL, ROUNDS);
        let least = times.iter().flatten().copied().fold(f64::MAX, f64::min);
        let _ = write!(table, "\n| {} |", work.name);
        for time in times {
            let _ = match time {
                Some(time) if time == least => write!(table, " **{}** |", grouped(time)),
                Some(time) => write!(table, " {} |", grouped(time)),
                None => write!(table, " |"),
            };
        }
    }
    table
}

/// What BENCHMARKS.md says between its marks.
pub fn section(table: &str) -> String {
    let program = env::current_exe().unwrap_or_default();
    let lto = if program.iter().any(|part| part == "lto") {
        "with"
    } else {
        "without"
    };
    let machine = readme::machine();
    format!(
        "{table}\n\n{machine}, a build {lto} LTO.\n\n\
         ![Memory and time by the number of connections](comparison/connections.svg)\n\n\
         ![Bytes a second by the length of a message](comparison/sizes.svg)"
    )
}
