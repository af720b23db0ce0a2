//! An echo server: tokio and the core, without an adapter between; a task for each connection. For
//! those who write their own loop; `echo_tokio` shows what most want.
//!
//!     cargo run --release -p echo_tokio_raw -- [ADDRESS] [--max-message BYTES] [--deflate] [--same-origin] [--hurry N]

use bytes::BytesMut;
use common::{Result, Stop};
use sansocket::{CloseCode, Config, Endpoint, Event, Input, SendError, Tick};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::mem;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::ReadHalf;
use tokio::time::{Instant, sleep_until};

/// With this much to write, nothing more is read.
const HIGH_WATER: usize = 64 << 10;

thread_local! {
    /// What all connections of this thread read into, and write from.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; 256 << 10]);
    static OUT: Cell<BytesMut> = Cell::default();
}

fn main() -> Result<()> {
    let about = "An echo server: tokio without an adapter, a task for each connection";
    let server = common::server("echo_tokio_raw", about, "");
    let config = Arc::new(server.config.clone());
    common::serve_in_tasks(&server, "ws", move |tcp, stop| {
        serve(tcp, config.clone(), stop)
    })
}

/// Serves one connection to its end. Each future of the `select!` has done all or nothing when it is
/// dropped, so nothing is lost whichever of them wins.
async fn serve(mut tcp: TcpStream, config: Arc<Config>, mut stop: Stop) {
    let start = Instant::now();
    let (mut reader, mut writer) = tcp.split();
    let (mut stop, mut is_stopping, mut has_ended) = (pin!(stop.stopped()), false, false);
    let mut timer = pin!(sleep_until(start));
    let mut alarm = Duration::MAX; // what the timer is set to
    let mut ws = Endpoint::server(&config, Duration::ZERO);
    let mut out = BytesMut::new();
    loop {
        let wake = match ws.tick(start.elapsed(), &mut out) {
            Tick::Wait(wake) => wake,
            Tick::ShutDown(wake) => {
                let _ = writer.shutdown().await; // again does no harm
                wake
            }
            Tick::Done(end) => return common::log(&end),
        };
        // One that fires too early is set anew.
        if let Some(wake) = wake.filter(|wake| *wake < alarm) {
            timer.as_mut().reset(start + wake);
            alarm = wake;
        }
        if out.is_empty() && out.capacity() > 0 {
            OUT.set(mem::take(&mut out)); // an idle connection keeps no buffer
        }
        tokio::select! {
            biased;
            written = writer.write(&out), if !out.is_empty() => match written {
                Ok(n @ 1..) => drop(ws.wrote(n, start.elapsed(), &mut out)),
                _ => {
                    out.clear();
                    ws.receive_eof();
                    has_ended = true;
                }
            },
            // A peer that does not take its echoes is not read from.
            n = poll_fn(|context| read(&mut reader, context)), if !has_ended && out.len() < HIGH_WATER => {
                if n == 0 {
                    ws.receive_eof();
                    has_ended = true;
                }
                if out.is_empty() {
                    out = OUT.take();
                }
                BUFFER.with_borrow_mut(|buffer| {
                    answer(&mut ws, &mut buffer[..n], start.elapsed(), &mut out);
                });
            }
            () = &mut stop, if !is_stopping => {
                is_stopping = true;
                if ws.close(CloseCode::GOING_AWAY, "", &mut out) == Err(SendError::NotYetOpen) {
                    return;
                }
            }
            () = &mut timer, if alarm < Duration::MAX => alarm = Duration::MAX,
        }
    }
}

/// Reads into the buffer of the thread, for whoever uses it before the next await. A reset is an end.
fn read(reader: &mut ReadHalf<'_>, context: &mut Context<'_>) -> Poll<usize> {
    BUFFER.with_borrow_mut(|buffer| {
        let mut bytes = ReadBuf::new(buffer);
        let read = ready!(Pin::new(reader).poll_read(context, &mut bytes));
        Poll::Ready(read.map_or(0, |()| bytes.filled().len()))
    })
}

fn answer(ws: &mut Endpoint, bytes: &mut [u8], now: Duration, out: &mut BytesMut) {
    let mut input = Input(bytes);
    while let Some(event) = ws.receive(&mut input, now, out) {
        // Sending fails only when the connection is closing: nothing is left to say.
        let _ = match event {
            Event::Request(request) => ws.accept(request, out),
            Event::Text(text) => ws.send(&text, out),
            Event::Binary(data) => ws.send(&data, out),
            _ => Ok(()), // Pings, Closes and errors are answered already
        };
    }
}
