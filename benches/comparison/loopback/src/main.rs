//! Measures echo servers over loopback, our examples beside other crates, and writes the tables of BENCHMARKS.md.
//! `cargo run --release --manifest-path comparison/loopback/Cargo.toml`
//!
//! With an argument it is the rival of that name.
//!
//! Invariant: all servers get the same bytes and take turns, so that a busy machine slows all of them alike.

mod load;
#[path = "../../src/readme.rs"]
mod readme;
mod report;
mod rivals;
mod server;

use load::{Load, Scenario};
use report::Row;
use server::Server;
use std::error::Error;
use std::{env, io};

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

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    if let Some(name) = env::args().nth(1) {
        return rivals::serve(&name);
    }
    server::build()?;
    let machine = readme::machine(); // before this process has only one core
    let is_pinned = server::pin();

    // Each has a process for its memory, which no load has changed, and another one for its time.
    let (mut servers, mut rows) = (Vec::new(), Vec::new());
    for server in server::ALL {
        eprintln!("{}: memory", server.0);
        let Some(idle) = Server::start(server, is_pinned)? else {
            eprintln!("{}: cannot run here, left out", server.0);
            continue;
        };
        let memory = Load::new(&idle, IDLE).memory()?;
        drop(idle);
        servers.extend(Server::start(server, is_pinned)?);
        rows.push(Row::new(server, memory));
    }
    for scenario in SCENARIOS {
        eprintln!("{scenario}");
        measure(scenario, &servers, &mut rows)?;
    }
    let section = report::section(&rows, &machine, is_pinned);
    println!("{section}");
    Ok(readme::write("loopback", &section)?)
}

/// All rounds of a scenario; adds the medians to the rows.
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
