//! What BENCHMARKS.md shows of it: two tables.
//!
//! Invariant: all of it was measured in this run.

use crate::load::{Round, Scenario};
use crate::server::Kind;
use crate::{PROCESSES, ROUNDS, SCENARIOS};
use report::{Build, Figure, said, version};
use std::fmt::{self, Display, Formatter};
use std::{fs, iter};

/// A server, and what was measured of it.
pub struct Row {
    title: String,
    kind: Kind,
    /// The bytes of each idle connection.
    pub memory: Figure,
    /// One of each scenario.
    figures: Vec<Figures>,
}

/// Over all rounds of a scenario; the units are those of [`Round`].
struct Figures {
    cpu: Figure,
    rate: Figure,
    p50: Figure,
    p99: Figure,
}

impl Row {
    pub fn new((name, kind): (&str, Kind), memory: &[f64]) -> Self {
        let title = match kind {
            Kind::Ours => format!("`{name}`"),
            Kind::Adapter => format!("**{name}**"),
            Kind::Rival => {
                let (name, way) = name.split_at(name.find(", ").unwrap_or(name.len()));
                format!("{name}{}{way}", version(name))
            }
            Kind::Script => format!("{name} {}", said(name, "--version")),
            Kind::Bare => format!("*{}: a bare echo*", name.replace("bare-", "")),
        };
        Self {
            title,
            kind,
            memory: Figure::of(memory.iter().copied()),
            figures: Vec::new(),
        }
    }

    pub fn add(&mut self, rounds: &[Round]) {
        let figure = |of: fn(&Round) -> f64| Figure::of(rounds.iter().map(of));
        let figures = Figures {
            cpu: figure(|round| round.cpu),
            rate: figure(|round| round.rate),
            p50: figure(|round| round.p50),
            p99: figure(|round| round.p99),
        };
        eprintln!("  {}: {figures}", self.title);
        self.figures.push(figures);
    }
}

impl Display for Figures {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            cpu,
            rate,
            p50,
            p99,
        } = self;
        write!(to, "{cpu} ns, {rate} messages/s, {p50} / {p99} µs")
    }
}

impl Display for Scenario {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        let Self(connections, in_flight, len) = *self;
        match len {
            0..0x400 => write!(to, "{connections} × {in_flight}, {len} B"),
            0x400..0x10_0000 => write!(to, "{connections} × {in_flight}, {} KiB", len >> 10),
            _ => write!(to, "{connections} × {in_flight}, {} MiB", len >> 20),
        }
    }
}

/// Its name, and the figures in it.
type Column<'a> = (String, Vec<Box<dyn Fn(&Row) -> Figure + 'a>>);

/// A row for each server, a column for each of these; the least of the WebSockets is in bold.
fn table(title: &str, rows: &[Row], columns: &[Column<'_>]) -> String {
    let names = columns.iter().map(|(name, _)| name.clone());
    let head: Vec<_> = iter::once(title.into()).chain(names).collect();
    let line = |row: &Row| {
        let cells = columns.iter().map(|(_, figures)| {
            let cell = figures.iter().map(|figure| {
                let of_websockets = rows.iter().filter(|row| row.kind != Kind::Bare);
                let medians = of_websockets.map(|row| figure(row).median);
                let (least, figure) = (medians.fold(f64::MAX, f64::min), figure(row));
                figure.cell(figure.median == least && row.kind != Kind::Bare)
            });
            cell.collect::<Vec<_>>().join(" / ")
        });
        iter::once(row.title.clone()).chain(cells).collect()
    };
    report::table(&head, &rows.iter().map(line).collect::<Vec<_>>())
}

/// What BENCHMARKS.md says between its marks.
pub fn section(rows: &[Row], build: &Build, is_pinned: bool) -> String {
    let (mut times, mut latencies): (Vec<Column<'_>>, Vec<Column<'_>>) = Default::default();
    for (n, scenario) in SCENARIOS.iter().enumerate() {
        let name = scenario.to_string();
        times.push((name.clone(), vec![Box::new(move |row| row.figures[n].cpu)]));
        latencies.push((
            name,
            vec![
                Box::new(move |row| row.figures[n].p50),
                Box::new(move |row| row.figures[n].p99),
            ],
        ));
    }
    times.push(("B, idle".into(), vec![Box::new(|row| row.memory)]));
    let times = table("CPU, ns for each", rows, &times);
    let latencies = table("p50 / p99, µs", rows, &latencies);
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kernel = release.split('.').take(2).collect::<Vec<_>>().join(".");
    let cores = match is_pinned {
        true => "servers and generator have a core each",
        false => "servers and generator share the cores",
    };
    let line = build.line(&format!(
        "{ROUNDS} rounds, for idle memory of {PROCESSES} processes"
    ));
    format!("{times}\n\n{latencies}\n\n{line} Linux {kernel}; {cores}.")
}
