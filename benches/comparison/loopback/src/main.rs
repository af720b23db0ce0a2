//! Measures echo servers over loopback, our examples beside other crates, and writes the tables of BENCHMARKS.md.
//! `cargo run --release --manifest-path benches/comparison/Cargo.toml -p loopback`
//!
//! With the argument `--only TEXT…` it prints the servers and scenarios in whose names is one of the texts, and writes
//! nothing; with any other it runs the server of that name.
//!
//! Invariant: all servers get the same bytes and take turns, so that a busy machine slows all of them alike.

mod adapter;
mod load;
mod rivals;
mod server;
mod tables;

use load::{Load, Scenario};
use report::Build;
use server::{Kind, Server};
use std::error::Error;
use std::{env, io};
use tables::Row;

const SCENARIOS: [Scenario; 6] = [
    Scenario(32, 1, 125),
    Scenario(32, 4, 125),
    Scenario(32, 16, 125),
    Scenario(32, 16, 1 << 10),
    Scenario(8, 4, 16 << 10),
    Scenario(4, 2, 1 << 20),
];
const IDLE: Scenario = Scenario(1000, 1, 125);
const ROUNDS: usize = 9;
/// The processes whose memory is measured.
const PROCESSES: usize = 3;

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut arguments = env::args().skip(1);
    let only: Option<Vec<String>> = match arguments.next().as_deref() {
        None => None,
        Some("--only") => Some(arguments.collect()),
        Some(name) => return adapter::serve(name).unwrap_or_else(|| rivals::serve(name)),
    };
    let texts = only.as_deref().unwrap_or_default();
    server::build()?;
    let build = Build::of("loopback"); // before this process has only one core
    let is_pinned = server::pin();

    let (mut servers, mut rows) = (Vec::new(), Vec::new());
    for server in named(&server::ALL, texts, |server| server.0.into()) {
        eprint!("{}: ", server.0);
        let memory = memory(server, is_pinned)?;
        if memory.is_empty() {
            eprintln!("cannot run here, left out");
            continue;
        }
        servers.extend(Server::start(server, is_pinned)?);
        rows.push(Row::new(server, &memory));
        eprintln!("{} bytes idle", rows[rows.len() - 1].memory);
    }
    let scenarios = named(&SCENARIOS, texts, ToString::to_string);
    for scenario in scenarios {
        eprintln!("{scenario}");
        measure(scenario, &servers, &mut rows)?;
    }
    if only.is_some() {
        return Ok(());
    }
    let section = tables::section(&rows, &build, is_pinned);
    println!("{section}");
    Ok(report::write("loopback", &section)?)
}

/// Those in whose names is one of the texts; all, if there are none.
fn named<T: Copy>(all: &[T], texts: &[String], name: impl Fn(&T) -> String) -> Vec<T> {
    let is_meant = |it: &&T| texts.iter().any(|text| name(it).contains(text));
    let meant: Vec<T> = all.iter().filter(is_meant).copied().collect();
    if meant.is_empty() { all.into() } else { meant }
}

/// The memory of an idle connection, each time in a process of its own, which no load has changed; nothing if the server
/// cannot run here.
fn memory(server: (&'static str, Kind), is_pinned: bool) -> io::Result<Vec<f64>> {
    let started = (0..PROCESSES).map(|_| Server::start(server, is_pinned));
    let measured = |server: io::Result<Option<Server>>| -> io::Result<Option<f64>> {
        let Some(server) = server? else {
            return Ok(None);
        };
        Load::new(&server, IDLE).memory().map(Some)
    };
    started
        .filter_map(|server| measured(server).transpose())
        .collect()
}

/// All rounds of a scenario; adds their figures to the rows.
fn measure(scenario: Scenario, servers: &[Server], rows: &mut [Row]) -> io::Result<()> {
    let load = |server| (Load::new(server, scenario), Vec::new());
    let mut loads: Vec<_> = servers.iter().map(load).collect();
    for round in 0..ROUNDS {
        for turn in 0..loads.len() {
            let turn = (turn + round) % loads.len(); // another one starts
            let (load, figures) = &mut loads[turn];
            let named = |error| io::Error::other(format!("{}: {error}", servers[turn].name));
            figures.push(load.round().map_err(named)?);
        }
    }
    for ((_, figures), row) in loads.iter().zip(rows) {
        row.add(figures);
    }
    Ok(())
}
