//! The clients of `http2` and `http3`, which are one program for the terminal over two versions of HTTP.
//!
//! Invariant: what holds for one is asked of both.

use crate::{Server, TempFile, complains, example, is_misused};
use std::process::{Child, Output};

/// The client of this example.
pub struct Terminal(pub &'static str);

impl Terminal {
    /// Starts it with these arguments.
    pub fn spawn(&self, url: &str, ca: &TempFile, arguments: &[&str]) -> Child {
        let all = [&[url, "--cafile", ca.path()], arguments].concat();
        crate::spawn(&[self.0, "client"], &all)
    }

    /// Runs it to its end.
    pub fn run(&self, url: &str, ca: &TempFile, arguments: &[&str], lines: &str) -> Output {
        let all = [&[url, "--cafile", ca.path()], arguments].concat();
        crate::run(&[self.0, "client"], &all, lines)
    }

    /// A server that accepts `--deflate` sends back lines over one stream and over many.
    pub fn lines_come_back(&self, server: &Server, ca: &TempFile) {
        let run = |arguments: &[&str], lines: &str| self.run(&server.url, ca, arguments, lines);
        let lines: String = (0..500).map(|i| format!("line {i}\n")).collect();
        let output = run(&[], &lines);
        assert!(output.stdout == lines.as_bytes(), "in their order");
        come_back(&output, &lines);
        let long = format!("{}\nshort\n{}\n", "x".repeat(3 << 20), "y".repeat(1 << 20));
        come_back(&run(&["--streams", "3"], &long), &long);
        let deflate = ["--streams", "7", "--deflate", "--subprotocol", "echo"];
        come_back(&run(&deflate, &lines), &lines);
        come_back(&run(&["--streams", "2"], ""), "");
    }

    /// A server with `--same-origin` refuses it, and wrong arguments are reported.
    pub fn reports_refusals(&self, server: &Server, ca: &TempFile) {
        let origin = ["--origin", "https://evil.example"];
        complains(&self.run(&server.url, ca, &origin, "x\n"), "403");
        let plain = server.url.replace("wss", "ws");
        let about = "the URL must start with wss://";
        complains(&self.run(&plain, ca, &[], ""), about);
        let misused = |word, about| {
            let output = example(self.0).arg(word).output();
            is_misused(&output.unwrap(), about);
        };
        misused("client", "<URL>");
        misused("listen", "a command is required");
    }
}

/// These lines came back, in the order of their streams.
#[track_caller]
pub fn come_back(output: &Output, lines: &str) {
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
    let mut got: Vec<_> = output.stdout.split(|byte| *byte == b'\n').collect();
    let mut wanted: Vec<_> = lines.as_bytes().split(|byte| *byte == b'\n').collect();
    got.sort_unstable();
    wanted.sort_unstable();
    assert!(got == wanted, "{} of {} lines", got.len(), wanted.len());
}
