//! Devices without `std`.
//!
//! Invariant: nothing on this page needs an operating system.
//!
//! The crate is `no_std` with `alloc`. Leave out the default features; permessage-deflate goes with
//! them, as its codec needs `std`, and offers of it are declined.
//!
//! ```toml
//! [dependencies]
//! sansocket = { version = "0.1", default-features = false }
//! # Only for targets without compare-and-swap, such as Cortex-M0:
//! bytes = { version = "1", default-features = false, features = ["extra-platforms"] }
//! ```
//!
//! # What the device provides
//!
//! - **An allocator.** An idle connection owns no heap memory; a message that arrives in parts
//!   takes its own length. Set [`max_message_size`](crate::Settings::max_message_size) and
//!   [`Config::max_head_size`](crate::Config::max_head_size) to what the device has.
//! - **A clock**: the time since the start of the device, which never goes back.
//! - **Entropy**, for clients: 32 bytes from the hardware, fresh for each connection (RFC 6455,
//!   section 10.3). A counter or the time will not do.
//! - **A transport**: a TCP stack, a modem with AT commands, a serial line.
//!
//! ```
//! use bytes::BytesMut;
//! use core::time::Duration;
//! use sansocket::{ClientRequest, Config, End, Endpoint, Event, Input, SetupError, Tick};
//!
//! /// What the device provides. Nothing here blocks.
//! trait Device {
//!     fn uptime(&self) -> Duration;
//!     fn entropy(&mut self) -> [u8; 32];
//!     /// The number of bytes that were read; 0 if there are none now, `None` at the end.
//!     fn read(&mut self, buffer: &mut [u8]) -> Option<usize>;
//!     /// The number of bytes that were taken.
//!     fn write(&mut self, bytes: &[u8]) -> usize;
//!     fn shut_down(&mut self);
//!     /// Sleeps until bytes arrive, there is room to write, or this time has come.
//!     fn sleep(&mut self, until: Option<Duration>);
//! }
//!
//! fn run(device: &mut impl Device, mut command: impl FnMut(&str)) -> Result<End, SetupError> {
//!     let request = ClientRequest::new("ws://192.0.2.1/device")?;
//!     let mut config = Config::default();
//!     config.max_head_size = 2 * 1024;
//!     config.settings.max_message_size = 4 * 1024;
//!     let (mut out, mut buffer) = (BytesMut::new(), [0; 512]);
//!     let (seed, now) = (device.entropy(), device.uptime());
//!     let mut ws = Endpoint::client(&request, &config, seed, now, &mut out);
//!     loop {
//!         let wake = match ws.tick(device.uptime(), &mut out) {
//!             Tick::Wait(wake) => wake,
//!             Tick::ShutDown(wake) => {
//!                 device.shut_down();
//!                 wake
//!             }
//!             Tick::Done(end) => return Ok(end),
//!         };
//!         if !out.is_empty() {
//!             match device.write(&out) {
//!                 0 => device.sleep(wake),
//!                 n => drop(ws.wrote(n, device.uptime(), &mut out)),
//!             }
//!             continue;
//!         }
//!         match device.read(&mut buffer) {
//!             None => ws.receive_eof(),
//!             Some(0) => device.sleep(wake),
//!             Some(n) => {
//!                 let (mut input, now) = (Input(&mut buffer[..n]), device.uptime());
//!                 while let Some(event) = ws.receive(&mut input, now, &mut out) {
//!                     if let Event::Text(text) = event {
//!                         command(&text);
//!                     }
//!                 }
//!             }
//!         }
//!     }
//! }
//! # /// A device whose transport has ended.
//! # struct Unplugged;
//! # impl Device for Unplugged {
//! #     fn uptime(&self) -> Duration { Duration::ZERO }
//! #     fn entropy(&mut self) -> [u8; 32] { [7; 32] }
//! #     fn read(&mut self, _: &mut [u8]) -> Option<usize> { None }
//! #     fn write(&mut self, bytes: &[u8]) -> usize { bytes.len() }
//! #     fn shut_down(&mut self) {}
//! #     fn sleep(&mut self, _: Option<Duration>) { panic!("there is nothing to wait for") }
//! # }
//! # assert!(matches!(run(&mut Unplugged, |_| ()), Ok(End::Refused(_))));
//! ```
//!
//! `tests/no_std` in the repository links such a program with an allocator that has no memory and
//! no operating system, which fails if anything needs `std`.
