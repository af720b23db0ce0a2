//! Measures many connections over loopback, our adapter beside tokio-tungstenite: one message to all of them, what each of them
//! holds, and what it costs to open one. Writes the tables of BENCHMARKS.md.
//! `cargo run --release --manifest-path benches/comparison/Cargo.toml -p many [CONNECTIONS]`
//!
//! With the name of a way, it is the server.
//!
//! Invariant: the ways take turns, and each has a process of its own; what arrives is counted by the byte.

mod clients;
mod process;
mod servers;

use clients::Receivers;
use process::Server;
use report::{Build, Figure, version};
use std::error::Error;
use std::{env, iter};

pub type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Another number of connections prints its tables, and writes nothing.
const CONNECTIONS: usize = 10_000;
/// The length of the message.
pub const MESSAGE: usize = 1 << 10;
/// How often each process sends it.
const ROUNDS: usize = 9;
/// How many connections are opened, one after the other, in a round.
const OPENINGS: usize = 1000;

fn main() -> Result<()> {
    if let Some(way) = env::args().nth(1).filter(|way| servers::is_way(way)) {
        return servers::serve(&way);
    }
    let asked = env::args().nth(1).map(|n| n.parse()).transpose()?;
    let connections = asked.unwrap_or(CONNECTIONS);
    let build = Build::of("many"); // before this process has only one core
    let is_pinned = process::pin();

    let mut lines = Vec::new();
    for way in servers::BROADCASTS {
        let mut server = Server::start(way, connections)?;
        let before = server.memory()?;
        let mut receivers = Receivers::open(&mut server, connections)?;
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            rounds.push(receivers.round(&mut server)?);
        }
        let memory = (server.memory()? - before) / connections as f64;
        let cpu = Figure::of(rounds.iter().map(|round| round.cpu));
        let time = Figure::of(rounds.iter().map(|round| round.time));
        eprintln!("{way}: {cpu} ns, {time} ms, {memory:.0} B");
        lines.push((way, vec![cpu, time, Figure::of([memory])]));
    }
    let head = [
        "one message to each",
        "CPU, ns a delivery",
        "ms until the last has it",
        "B a connection",
    ];
    let broadcast = table(&head, &lines);

    let identity = clients::Identity::new()?;
    let mut lines: Vec<(&str, Vec<Figure>)> = Vec::new();
    for way in servers::OPENINGS {
        let server = Server::start_with(way, OPENINGS, &identity.environment())?;
        let mut of_way = Vec::new();
        for is_tls in [false, true] {
            let open = || clients::open_many(&server, OPENINGS, is_tls.then_some(&identity));
            open()?; // warms it up
            let rounds: Result<Vec<f64>> = (0..ROUNDS).map(|_| open()).collect();
            of_way.push(Figure::of(rounds?.into_iter().map(|ns| 1e9 / ns)));
        }
        eprintln!("{way}: {} plain, {} TLS", of_way[0], of_way[1]);
        lines.push((way, of_way));
    }
    let head = [
        "connections that a core opens in a second",
        "plain",
        "TLS 1.3",
    ];
    let openings = table(&head, &lines);

    let samples = format!("{ROUNDS} rounds");
    let cores = match is_pinned {
        true => "server and clients have a core each",
        false => "server and clients share the cores",
    };
    let section = format!(
        "{broadcast}\n\n{openings}\n\n{} {cores}.",
        build.line(&samples)
    );
    println!("{section}");
    if connections == CONNECTIONS {
        report::write("many", &section)?;
    }
    Ok(())
}

fn table(head: &[&str], lines: &[(&str, Vec<Figure>)]) -> String {
    let head: Vec<String> = head.iter().map(ToString::to_string).collect();
    let line = |(way, figures): &(&str, Vec<Figure>)| {
        let (name, how) = way.split_at(way.find(", ").unwrap_or(way.len()));
        let title = format!("{name}{}{how}", version(name));
        let cells = figures.iter().map(|figure| figure.cell(false));
        iter::once(title).chain(cells).collect::<Vec<_>>()
    };
    report::table(&head, &lines.iter().map(line).collect::<Vec<_>>())
}
