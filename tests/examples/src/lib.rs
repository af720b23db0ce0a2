//! The example programs, started as a user starts them.
//!
//! Invariant: whatever is started ends with the test.

#![allow(
    missing_debug_implementations,
    missing_docs,
    unreachable_pub,
    reason = "these are helpers of tests"
)]

pub mod by_hand;
pub mod deadlines;
pub mod http2;
pub mod http3;
pub mod peer;
#[path = "../../support/mod.rs"]
pub mod support;
pub mod terminal;

use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

/// What has not come after this time never comes. No deadline that a test waits for is this long,
/// however busy the machine is.
pub const NEVER: Duration = Duration::from_secs(20);

/// An example's program: `cargo test --workspace` builds it beside the tests.
pub fn example(name: &str) -> Command {
    let mut path: PathBuf = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    // Those that are no package of their own.
    if matches!(name, "echo_server" | "autobahn_client") {
        path.push("examples");
    }
    path.push(name);
    assert!(path.exists(), "`cargo test --workspace` makes {path:?}");
    let mut command = Command::new(path);
    // Of whoever runs the tests.
    for proxy in ["http_proxy", "https_proxy", "no_proxy"] {
        command.env_remove(proxy).env_remove(proxy.to_uppercase());
    }
    command
}

/// Starts one of the echo servers, by its name and its command, if it has one; it and its URL. `None` if there is nothing to do for it here.
pub fn start(name: &str, arguments: &[&str]) -> Option<(Child, String)> {
    let mut words = name.split(' ');
    let mut command = example(words.next().unwrap());
    command.args(words).arg("127.0.0.1:0").args(arguments);
    launch(command)
}

/// The same with a command of one's own.
fn launch(mut command: Command) -> Option<(Child, String)> {
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
    /// `None` once its end was waited for.
    child: Option<Child>,
    pub url: String,
}

impl Server {
    pub fn start(name: &str, arguments: &[&str]) -> Self {
        Self::try_start(name, arguments).unwrap()
    }

    /// Starts one by a command of one's own: with variables of the environment, for instance.
    pub fn launch(command: Command) -> Self {
        let (child, url) = launch(command).unwrap();
        let child = Some(child);
        Self { child, url }
    }

    /// `None` if there is nothing to do for it here.
    pub fn try_start(name: &str, arguments: &[&str]) -> Option<Self> {
        let (child, url) = start(name, arguments)?;
        let child = Some(child);
        Some(Self { child, url })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        let (_, address) = self.url.split_once("://").unwrap();
        address.split('/').next().unwrap().parse().unwrap()
    }

    pub fn id(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// What the system says of the process; `None` where it says nothing.
    fn proc(&self, file: &str) -> Option<String> {
        if !cfg!(target_os = "linux") {
            return None;
        }
        let path = format!("/proc/{}/{file}", self.id());
        Some(std::fs::read_to_string(path).expect("the server is there"))
    }

    /// The number of files that it has open, sockets among them.
    pub fn files(&self) -> usize {
        if !cfg!(target_os = "linux") {
            return 0;
        }
        let files = std::fs::read_dir(format!("/proc/{}/fd", self.id()));
        files.expect("the server is there").count()
    }

    /// A number of `/proc/PID/status`.
    pub fn status(&self, name: &str) -> usize {
        let Some(status) = self.proc("status") else {
            return 0;
        };
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// The most bytes of memory that it has had so far.
    pub fn memory(&self) -> usize {
        self.status("VmHWM:") << 10
    }

    /// The processor time that it has used.
    pub fn computed(&self) -> Duration {
        let Some(stat) = self.proc("stat") else {
            return Duration::ZERO;
        };
        let after_name = stat.rsplit(')').next().unwrap();
        let fields: Vec<_> = after_name.split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        Duration::from_millis(ticks * 10)
    }

    /// Asks it to stop.
    pub fn terminate(&self) {
        signal(self.id(), "-TERM");
    }

    /// Waits for its end.
    pub fn wait(mut self) -> ExitStatus {
        let mut child = self.child.take().unwrap();
        let id = child.id();
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || sender.send(child.wait().unwrap()));
        let status = receiver.recv_timeout(NEVER);
        status.unwrap_or_else(|_| {
            signal(id, "-KILL");
            panic!("the server does not end")
        })
    }
}

/// Whether a signal has stopped the process.
pub fn is_stopped(id: u32) -> bool {
    let state = Command::new("ps")
        .args(["-o", "state=", "-p", &id.to_string()])
        .output();
    state.unwrap().stdout.starts_with(b"T")
}

pub fn signal(id: u32, signal: &str) {
    let status = Command::new("kill")
        .args([signal, &id.to_string()])
        .status();
    assert!(status.unwrap().success());
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

/// A file of its own for each, removed when it is dropped.
pub struct TempFile(PathBuf);

impl TempFile {
    pub fn new(content: &str) -> Self {
        static FILES: AtomicUsize = AtomicUsize::new(0);
        let name = (std::process::id(), FILES.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(format!("sansocket-{}-{}", name.0, name.1));
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

/// A client that trusts this certificate.
pub fn trusting(ca: &TempFile) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let trusted = CertificateDer::from_pem_file(ca.path()).unwrap();
    roots.add(trusted).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots);
    Arc::new(config.with_no_client_auth())
}

/// Runs what `std` has no stable way to do.
pub fn in_tokio<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(future)
}

/// Starts a program, its words first, that talks by stdin and stdout.
pub fn spawn(program: &[&str], arguments: &[&str]) -> Child {
    let mut command = example(program[0]);
    command.args(&program[1..]).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command.stderr(Stdio::piped()).spawn().unwrap()
}

/// Runs such a program to its end, with these lines as its stdin.
pub fn run(program: &[&str], arguments: &[&str], lines: &str) -> Output {
    let mut child = spawn(program, arguments);
    let (mut stdin, lines) = (child.stdin.take().unwrap(), lines.to_owned());
    let writer = thread::spawn(move || {
        let _ = stdin.write_all(lines.as_bytes()); // it may have ended with an error
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

/// Waits for what must come.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    let result = tokio::time::timeout(NEVER, future).await;
    result.expect("it comes")
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
