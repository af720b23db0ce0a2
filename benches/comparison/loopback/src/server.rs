//! The servers as processes: what is started, where it runs, and what it has used.
//!
//! Invariant: this program ends each process that it starts, by its id.

use crate::adapter::WAYS;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{self, Child, Command, Stdio};
use std::{env, fs};

/// The cores that servers and the generator have for themselves, on a machine with two.
const SERVERS: &str = "0";
const GENERATOR: &str = "1";

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An example of this workspace.
    Ours,
    /// A way to use our adapter.
    Adapter,
    Rival,
    /// A rival that is not a crate: the program of this name runs the script of this name.
    Script,
    /// Not a WebSocket: sends bytes back, which is what sockets alone cost.
    Bare,
}

/// All servers in the order of the rows.
pub const ALL: [(&str, Kind); 14] = [
    ("echo_mio", Kind::Ours),
    ("echo_uring", Kind::Ours),
    ("echo_tokio_raw", Kind::Ours),
    (WAYS[0], Kind::Adapter),
    (WAYS[1], Kind::Adapter),
    (WAYS[2], Kind::Adapter),
    (WAYS[3], Kind::Adapter),
    ("tokio-tungstenite, forward", Kind::Rival),
    ("tokio-tungstenite, loop", Kind::Rival),
    ("fastwebsockets", Kind::Rival),
    ("tokio-websockets", Kind::Rival),
    ("bun", Kind::Script),
    ("bare-mio", Kind::Bare),
    ("bare-tokio", Kind::Bare),
];

/// Where cargo put this program: `TARGET/release`.
fn folder() -> io::Result<PathBuf> {
    let program = env::current_exe()?;
    Ok(program.parent().expect("a file is in a folder").into())
}

/// Builds the examples in release, beside this program.
pub fn build() -> io::Result<()> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../Cargo.toml");
    let status = Command::new("cargo")
        .args(["build", "--release", "--manifest-path", manifest])
        .args(["--package=echo_mio", "--package=echo_uring"])
        .args(["--package=echo_tokio_raw", "--target-dir"])
        .arg(folder()?.join(".."))
        .status()?;
    let built = status.success().then_some(());
    built.ok_or_else(|| io::Error::other("the examples cannot be built"))
}

/// Gives this process, the generator, a core of its own. Returns whether it has one.
pub fn pin() -> bool {
    let id = process::id().to_string();
    let mut taskset = Command::new("taskset");
    let taskset = taskset.args(["-p", "-c", GENERATOR, &id]);
    let status = taskset.stdout(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// A running server.
pub struct Server {
    pub name: &'static str,
    pub kind: Kind,
    pub address: SocketAddr,
    process: Child,
}

impl Server {
    /// Returns when it listens; `None` if it ends because it cannot run on this machine.
    pub fn start((name, kind): (&'static str, Kind), is_pinned: bool) -> io::Result<Option<Self>> {
        let (program, argument) = match kind {
            Kind::Ours => (folder()?.join(name), "127.0.0.1:0"),
            Kind::Script => (name.into(), concat!(env!("CARGO_MANIFEST_DIR"), "/bun.js")),
            Kind::Adapter | Kind::Rival | Kind::Bare => (env::current_exe()?, name),
        };
        // Both become the program that they start: the id stays.
        let (before, options): (_, &[_]) = match is_pinned {
            true => ("taskset", &["-c", SERVERS]),
            false => ("env", &[]),
        };
        let mut command = Command::new(before);
        let command = command.args(options).arg(program).arg(argument);
        let command = command.env("TOKIO_WORKER_THREADS", "1");
        let mut process = command.stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("it is piped")).read_line(&mut line)?;
        let address = line.trim().strip_prefix("listening on ws://");
        let address = address.and_then(|url| url.strip_suffix('/')?.parse().ok());
        let Some(address) = address else {
            process.kill()?;
            process.wait()?;
            return Ok(None);
        };
        Ok(Some(Self {
            name,
            kind,
            address,
            process,
        }))
    }

    /// The processor time of all its threads, in nanoseconds.
    pub fn cpu(&self) -> io::Result<f64> {
        let mut sum = 0.0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.process.id()))? {
            // A thread that ends at this moment counts nothing.
            let times = fs::read_to_string(thread?.path().join("schedstat")).unwrap_or_default();
            let time = times.split(' ').next().and_then(|time| time.parse().ok());
            sum += time.unwrap_or(0.0);
        }
        Ok(sum)
    }

    /// Its resident memory, in bytes.
    pub fn memory(&self) -> io::Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = |line: &str| {
            line.strip_prefix("VmRSS:")?
                .strip_suffix(" kB")?
                .trim()
                .parse()
                .ok()
        };
        let kib: Option<f64> = status.lines().find_map(line);
        Ok(kib.ok_or(io::ErrorKind::InvalidData)? * 1024.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
