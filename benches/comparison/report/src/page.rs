//! BENCHMARKS.md, and what it says about where a table was measured.
//!
//! Invariant: between two marks nothing is written by hand.

use std::path::Path;
use std::process::Command;
use std::thread::available_parallelism;
use std::{env, fs, io};

const WORKSPACE: &str = include_str!("../../Cargo.toml");

/// Writes the section between the marks of this name.
pub fn write(name: &str, section: &str) -> io::Result<()> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../BENCHMARKS.md");
    let (start, end) = (format!("<!-- {name} -->\n"), format!("\n<!-- /{name} -->"));
    let text = fs::read_to_string(&file)?;
    let (before, rest) = text.split_once(&start).expect("the file has the mark");
    let (_, after) = rest.split_once(&end).expect("the file has the mark's end");
    fs::write(file, format!("{before}{start}{section}{end}{after}"))
}

/// What a program prints; nothing if it cannot run.
pub fn said(program: &str, argument: &str) -> String {
    let output = Command::new(program).arg(argument).output();
    let text = output.map_or(Vec::new(), |output| output.stdout);
    String::from_utf8_lossy(&text).trim().into()
}

/// A blank and the version that the workspace pins; nothing for ourselves.
pub fn version(name: &str) -> String {
    let mut lines = WORKSPACE.lines();
    let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
    let pinned = line.and_then(|line| line.split_once("\"=")?.1.split('"').next());
    pinned
        .map(|version| format!(" {version}"))
        .unwrap_or_default()
}

/// How and where this program was built and runs.
#[derive(Debug)]
pub struct Build {
    command: String,
    machine: String,
}

impl Build {
    /// Asked before the program is pinned to one core. `package` is the program's own.
    pub fn of(package: &str) -> Self {
        let program = env::current_exe().unwrap_or_default();
        let (profile, lto) = match program.iter().any(|part| part == "lto") {
            true => ("--profile lto", "with"),
            false => ("--release", "without"),
        };
        let rust = said("rustc", "--version");
        let rust = rust.split(' ').nth(1).unwrap_or_default();
        let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let mut names = cpus
            .lines()
            .filter_map(|line| line.strip_prefix("model name"));
        let cpu = names.next().unwrap_or(env::consts::ARCH);
        let cpu = cpu.trim_start_matches([' ', '\t', ':']);
        let cores = available_parallelism().map_or(1, usize::from);
        Self {
            command: format!(
                "cargo run {profile} --manifest-path benches/comparison/Cargo.toml -p {package}"
            ),
            machine: format!("{cpu}, {cores} cores; Rust {rust}, {lto} LTO"),
        }
    }

    /// The line below a table: command, date and machine. `samples` says what each figure is the median of.
    pub fn line(&self, samples: &str) -> String {
        let (Self { command, machine }, date) = (self, said("date", "+%F"));
        format!(
            "`{command}`, {date}: {machine}. A figure is the median of {samples}; ± is how far the furthest of them is from it."
        )
    }
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn a_rival_has_the_version_that_the_workspace_pins() {
        assert!(version("tokio-websockets").starts_with(" 0."));
        assert!(version("nexus-web").starts_with(" 0."));
        assert_eq!(version("sansocket"), "");
    }
}
