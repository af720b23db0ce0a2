//! The command line of the programs that `benches/instructions` counts.
//!
//! Invariant: twice the COUNT is twice the work, and nothing more (COUNT is a multiple of a round's messages).

use crate::shared::{BATCH, Round};

/// Takes the path that the arguments name, for as many messages as they say.
pub(crate) fn run(round: fn(path: &str, size: usize) -> Round) {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [name, count, ..] = &words[..] else {
        return println!("which path, how many messages? benches/instructions has the paths");
    };
    let count: usize = count.parse().expect("COUNT is a number");
    let (path, size) = name.rsplit_once('/').expect("NAME is PATH/SIZE");
    let mut round = round(path, size.parse().expect("SIZE is a number"));
    for _ in 0..count / BATCH {
        round();
    }
}
