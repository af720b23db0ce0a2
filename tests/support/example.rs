//! The example programs, started as a user starts them.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

/// An example's program: `cargo test` builds it beside the tests.
pub fn example(name: &str) -> Command {
    let mut path: PathBuf = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.push("examples");
    path.push(name);
    assert!(
        path.exists(),
        "`cargo test`, or `cargo build --examples`, makes {path:?}"
    );
    Command::new(path)
}

/// Starts one of the echo servers; it and its URL. `None` if there is nothing to do for it here.
pub fn start(name: &str, arguments: &[&str]) -> Option<(Child, String)> {
    let mut command = example(name);
    command.arg("127.0.0.1:0").args(arguments);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .unwrap();
    if line.is_empty() && child.wait().unwrap().success() {
        return None;
    }
    let url = line.trim().strip_prefix("listening on ").unwrap();
    Some((child, url.into()))
}

/// An echo server, stopped when it is dropped.
pub struct Server {
    child: Child,
    pub url: String,
}

impl Server {
    pub fn start(name: &str, arguments: &[&str]) -> Self {
        let (child, url) = start(name, arguments).unwrap();
        Self { child, url }
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        let (_, address) = self.url.split_once("://").unwrap();
        address.trim_end_matches('/')
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// It said in one line what is wrong, and exited as a failure.
#[track_caller]
pub fn complains(output: &Output, about: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.contains(about), "{stderr}");
}
