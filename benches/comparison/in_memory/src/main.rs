//! Measures this crate beside others, and its cost as the work grows; writes the tables of BENCHMARKS.md and the
//! plots beside this folder. `cargo run --release --manifest-path benches/comparison/Cargo.toml -p in_memory`
//!
//! With an argument only the rows are measured and printed whose names contain it.
//!
//! Invariant: one core, no sockets, and nothing from outside except the peers.

mod broadcast;
mod check;
mod growth;
mod kept;
mod measure;
mod peers;
mod plot;
mod tables;
mod transport;
mod work;

use report::{Build, write};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let part = env::args().nth(1);
    let build = Build::of("in_memory");
    for table in tables::all() {
        let mark = table.mark;
        let Some(section) = table.measure(part.as_deref().unwrap_or_default(), &build) else {
            continue;
        };
        println!("{section}\n");
        if part.is_none() {
            write(mark, &section)?;
        }
    }
    if part.is_some() {
        return Ok(());
    }
    let here = env!("CARGO_MANIFEST_DIR");
    let names: Vec<_> = peers::PLOTTED.iter().map(|peer| peer.name).collect();
    fs::write(
        format!("{here}/connections.svg"),
        plot::svg(&names, &growth::connections()),
    )?;
    fs::write(
        format!("{here}/sizes.svg"),
        plot::svg(&names, &growth::sizes()),
    )
}
