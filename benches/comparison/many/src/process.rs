//! A server as a process: started, told what to do, and what it has used.
//!
//! Invariant: this program ends each process that it starts, by its id.

use crate::Result;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{self, Child, ChildStdin, ChildStdout, Command, Stdio};
use std::{env, fs, io};

/// The cores that the server and its clients have for themselves, on a machine with two.
const SERVER: &str = "0";
const CLIENTS: &str = "1";

/// Gives this process a core of its own. Returns whether it has one.
pub fn pin() -> bool {
    let id = process::id().to_string();
    let mut taskset = Command::new("taskset");
    let taskset = taskset
        .args(["-p", "-c", CLIENTS, &id])
        .stdout(Stdio::null());
    taskset.status().is_ok_and(|status| status.success())
}

pub struct Server {
    pub address: SocketAddr,
    process: Child,
    orders: ChildStdin,
    lines: BufReader<ChildStdout>,
}

impl Server {
    /// Returns when it listens.
    pub fn start(way: &str, connections: usize) -> Result<Self> {
        Self::start_with(way, connections, &[])
    }

    pub fn start_with(
        way: &str,
        connections: usize,
        environment: &[(&str, String)],
    ) -> Result<Self> {
        let is_there = Command::new("taskset")
            .arg("-V")
            .stdout(Stdio::null())
            .status();
        // It becomes the program that it starts: the id stays.
        let (before, options): (_, &[_]) = match is_there.is_ok_and(|status| status.success()) {
            true => ("taskset", &["-c", SERVER]),
            false => ("env", &[]),
        };
        let mut command = Command::new(before);
        let command = command.args(options).arg(env::current_exe()?).arg(way);
        let command = command.arg(connections.to_string());
        let command = command.envs(environment.iter().map(|(name, value)| (name, value)));
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let orders = process.stdin.take().expect("it is piped");
        let mut lines = BufReader::new(process.stdout.take().expect("it is piped"));
        let mut line = String::new();
        lines.read_line(&mut line)?;
        let address = line.trim().parse()?;
        Ok(Self {
            address,
            process,
            orders,
            lines,
        })
    }

    /// Waits for its next line.
    pub fn is_ready(&mut self) -> io::Result<()> {
        let n = self.lines.read_line(&mut String::new())?;
        (n > 0)
            .then_some(())
            .ok_or(io::ErrorKind::UnexpectedEof.into())
    }

    /// Has it send its message to all.
    pub fn order(&mut self) -> io::Result<()> {
        self.orders.write_all(b"\n")
    }

    /// The processor time of all its threads, in nanoseconds.
    pub fn cpu(&self) -> io::Result<f64> {
        let mut sum = 0.0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.process.id()))? {
            let times = fs::read_to_string(thread?.path().join("schedstat")).unwrap_or_default();
            let time = times.split(' ').next().and_then(|time| time.parse().ok());
            sum += time.unwrap_or(0.0);
        }
        Ok(sum)
    }

    /// Its resident memory, in bytes.
    pub fn memory(&self) -> io::Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
        Ok(kib.ok_or(io::ErrorKind::InvalidData)? * 1024.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
