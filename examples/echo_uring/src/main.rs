//! An echo server on one thread and one io_uring: the kernel puts what it receives into buffers that
//! all connections share, and there the protocol unmasks it.
//!
//!     cargo run --release -p echo_uring -- [ADDRESS] [--max-message BYTES] [--deflate] [--same-origin] [--hurry N]
//!
//! It needs Linux 6.0. On another kernel, or in a sandbox without io_uring, it says so and
//! does nothing.

#[cfg(target_os = "linux")]
mod client;
#[cfg(target_os = "linux")]
mod ring;
#[cfg(target_os = "linux")]
mod server;

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("echo_uring: only Linux has io_uring");
}

#[cfg(target_os = "linux")]
fn main() -> common::Result<()> {
    server::run()
}
