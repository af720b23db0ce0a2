//! A server under load: the program beside this one.
//!
//! Invariant: it ends with the load.

use common::{Context, Result};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A server under load.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    pub(crate) fn start(redis: Option<&str>) -> Result<Self> {
        let program = std::env::current_exe()?.with_file_name("chat");
        let mut command = Command::new(&program);
        command.arg("127.0.0.1:0").stdout(Stdio::piped());
        if let Some(url) = redis {
            command.args(["--redis", url]);
        }
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot run {}", program.display()))?;
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().context("no stdout")?).read_line(&mut line)?;
        let address = line
            .trim()
            .trim_end_matches('/')
            .strip_prefix("open http://");
        let address = address.context("the server does not start")?.parse()?;
        Ok(Self { child, address })
    }

    /// The bytes of memory that it has.
    pub(crate) fn memory(&self) -> u64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        number.unwrap_or_default() << 10
    }

    /// The processor time that it has used.
    pub(crate) fn computed(&self) -> Duration {
        let stat = self.proc("stat");
        let fields: Vec<u64> = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .map(|field| field.parse().unwrap_or_default())
            .collect();
        // User and system, in hundredths of a second.
        Duration::from_millis(fields.iter().skip(11).take(2).sum::<u64>() * 10)
    }

    fn proc(&self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
