//! Measures this crate beside others, and its cost as the work grows; writes the README's table and the
//! plots beside this file. `cargo run --release --manifest-path comparison/Cargo.toml`
//!
//! With an argument only the rows are measured and printed whose names contain it. Its law: one core, no
//! sockets, and nothing from outside but the peers.

mod growth;
mod measure;
mod peers;
mod plot;
mod transport;
mod work;

use std::fmt::Write;
use std::process::Command;
use std::{env, fs, io};

const ROUNDS: usize = 101;

fn main() -> io::Result<()> {
    let part = env::args().nth(1);
    let table = table(part.as_deref().unwrap_or_default());
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
    let readme = format!("{here}/../README.md");
    fs::write(
        &readme,
        with_section(&fs::read_to_string(&readme)?, &section(&table)),
    )
}

/// A row for each work, a column for each peer, in Markdown. The fastest stands out.
fn table(part: &str) -> String {
    let mut table = String::from("| ns for each |");
    for peer in peers::ALL {
        let _ = write!(table, " {}{} |", peer.name, version(peer.name));
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

/// A blank and the version that the manifest pins; nothing for ourselves.
fn version(name: &str) -> String {
    let line = |line: &&str| line.starts_with(name);
    let line = include_str!("../Cargo.toml").lines().find(line);
    let pinned = line.and_then(|line| line.split_once("\"=")?.1.split('"').next());
    pinned
        .map(|version| format!(" {version}"))
        .unwrap_or_default()
}

/// 12.3, 1,234.
fn grouped(number: f64) -> String {
    if number < 99.95 {
        return format!("{number:.1}");
    }
    let digits = format!("{number:.0}");
    let groups: Vec<_> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| str::from_utf8(group).unwrap_or_default())
        .collect();
    groups.join(",")
}

/// What the README says between its marks.
fn section(table: &str) -> String {
    let said = |program: &str, argument| {
        let output = Command::new(program)
            .arg(argument)
            .output()
            .map(|output| output.stdout);
        String::from_utf8(output.unwrap_or_default())
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    let rust = said("rustc", "--version");
    let rust = rust.split(' ').nth(1).unwrap_or_default();
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or(env::consts::ARCH);
    let cpu = cpu.trim_start_matches([' ', '\t', ':']);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let program = env::current_exe().unwrap_or_default();
    let lto = if program.iter().any(|part| part == "lto") {
        "with"
    } else {
        "without"
    };
    let date = said("date", "+%F");
    format!(
        "{table}\n\n{date}: {cpu}, {cores} cores; Rust {rust}, a build {lto} LTO.\n\n\
         ![Memory and time by the number of connections](comparison/connections.svg)\n\n\
         ![Octets a second by the length of a message](comparison/sizes.svg)"
    )
}

/// The README with another section between the marks.
fn with_section(readme: &str, section: &str) -> String {
    const BEGIN: &str = "<!-- comparison -->\n";
    const END: &str = "\n<!-- /comparison -->";
    let (before, rest) = readme.split_once(BEGIN).expect("the README has the mark");
    let (_, after) = rest.split_once(END).expect("the README has the mark's end");
    format!("{before}{BEGIN}{section}{END}{after}")
}
