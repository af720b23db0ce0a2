//! Measures this crate beside others, and its cost as the work grows; writes the table of BENCHMARKS.md and the
//! plots beside this file. `cargo run --release --manifest-path comparison/Cargo.toml`
//!
//! With an argument only the rows are measured and printed whose names contain it.
//!
//! Invariant: one core, no sockets, and nothing from outside except the peers.

mod growth;
mod measure;
mod peers;
mod plot;
mod readme;
mod report;
mod transport;
mod work;

use std::{env, fs, io};

fn main() -> io::Result<()> {
    let part = env::args().nth(1);
    let table = report::table(part.as_deref().unwrap_or_default());
    println!("{table}");
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
    )?;
    readme::write("comparison", &report::section(&table))
}
