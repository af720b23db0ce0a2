//! What BENCHMARKS.md shows of it: two tables.
//!
//! Invariant: all of it was measured in this run.

use crate::SCENARIOS;
use crate::load::{Figures, Scenario};
use crate::readme::{grouped, said, version};
use crate::server::Kind;
use std::fmt::{self, Display, Formatter};
use std::fs;

/// A server, and what was measured of it.
pub struct Row {
    title: String,
    kind: Kind,
    /// The bytes of each idle connection.
    memory: f64,
    /// The medians, one of each scenario.
    figures: Vec<Figures>,
}

impl Row {
    pub fn new((name, kind): (&str, Kind), memory: f64) -> Self {
        let title = match kind {
            Kind::Ours => format!("`{name}`"),
            Kind::Rival => format!("{name}{}", version(include_str!("../Cargo.toml"), name)),
            Kind::Script => format!("{name} {}", said(name, "--version")),
            Kind::Bare => format!("*{}: a bare echo*", name.replace("bare-", "")),
        };
        Self {
            title,
            kind,
            memory,
            figures: Vec::new(),
        }
    }

    pub fn add(&mut self, rounds: &[Figures]) {
        let median = |figure: fn(&Figures) -> f64| {
            let mut all: Vec<_> = rounds.iter().map(figure).collect();
            all.sort_by(f64::total_cmp);
            all[all.len() / 2]
        };
        let figures = Figures {
            cpu: median(|one| one.cpu),
            rate: median(|one| one.rate),
            p50: median(|one| one.p50),
            p99: median(|one| one.p99),
        };
        eprintln!("  {}: {figures}", self.title);
        self.figures.push(figures);
    }
}

impl Display for Figures {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        let [cpu, rate, p50, p99] = [self.cpu, self.rate, self.p50, self.p99].map(grouped);
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

/// A row for each server, a column for each of these; the least of the WebSockets is in bold.
fn table(title: &str, rows: &[Row], columns: &[Column<'_>]) -> String {
    let mut table = format!("| {title} |");
    columns
        .iter()
        .for_each(|(name, _)| table += &format!(" {name} |"));
    table += "\n|---|";
    table += &"--:|".repeat(columns.len());
    for row in rows {
        table += &format!("\n| {} |", row.title);
        for (_, figures) in columns {
            let cell = figures.iter().map(|figure| {
                let of_websockets = rows.iter().filter(|row| row.kind != Kind::Bare);
                let least = of_websockets.map(figure).fold(f64::MAX, f64::min);
                let value = figure(row);
                match value == least && row.kind != Kind::Bare {
                    true => format!("**{}**", grouped(value)),
                    false => grouped(value),
                }
            });
            table += &format!(" {} |", cell.collect::<Vec<_>>().join(" / "));
        }
    }
    table
}

/// Its name, and the figures in it.
type Column<'a> = (String, Vec<Box<dyn Fn(&Row) -> f64 + 'a>>);

/// What BENCHMARKS.md says between its marks.
pub fn section(rows: &[Row], machine: &str, is_pinned: bool) -> String {
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
    format!("{times}\n\n{latencies}\n\n{machine}, a build without LTO; Linux {kernel}; {cores}.")
}
