//! The example programs, started as a user starts them.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// When something that must come will never come. No deadline that a test waits for is so long,
/// however busy the machine is.
pub const NEVER: Duration = Duration::from_secs(20);

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

/// A file of its own for each, removed when it is dropped.
pub struct TempFile(PathBuf);

impl TempFile {
    pub fn new(content: &str) -> Self {
        static FILES: AtomicUsize = AtomicUsize::new(0);
        let name = (std::process::id(), FILES.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{}", name.0, name.1));
        std::fs::write(&path, content).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).unwrap();
    }
}

/// The echo servers that have TLS, and the arguments that make them use it.
pub const TLS_SERVERS: [(&str, &[&str]); 2] = [("echo_tls", &[]), ("echo_tokio", &["--tls"])];

/// Starts one of them with a certificate that it makes, and with these arguments; also what a
/// client is to trust.
pub fn start_tls(server: (&str, &[&str]), arguments: &[&str]) -> (Server, TempFile) {
    let ca = TempFile::new("");
    let all = [server.1, &["--write-ca", ca.path()], arguments].concat();
    (Server::start(server.0, &all), ca)
}

/// Runs what `std` has no stable way to do.
pub fn in_tokio<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_io().build().unwrap().block_on(future)
}

/// It said in one line what is wrong, and exited as a failure.
#[track_caller]
pub fn complains(output: &Output, about: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.contains(about), "{stderr}");
}

/// The arguments are wrong: the first line says how, and nothing was done.
#[track_caller]
pub fn is_misused(output: &Output, about: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && output.stdout.is_empty());
    assert!(
        stderr.starts_with("error: ") || stderr.lines().count() == 1,
        "{stderr}"
    );
    assert!(stderr.contains(about), "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
}
