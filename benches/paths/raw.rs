//! The echo over the core alone, as `echo_tokio_raw` does it: what the adapter is compared with.
//!
//! Invariant: one read buffer, and no message is owned.

use crate::paths::Peer;
use bytes::BytesMut;
use sansocket::{Config, Connection, Endpoint, Event, Input, Settings, Tick};
use std::future::poll_fn;
use std::pin::pin;
use std::task::ready;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, sleep_until};

pub(crate) async fn echo(mut peer: Peer) {
    let start = Instant::now();
    let connection = Connection::server(Settings::default());
    let mut ws = Endpoint::open(connection, &Config::default(), Duration::ZERO);
    let (mut buffer, mut out) = (vec![0; 256 << 10], BytesMut::new());
    let mut timer = pin!(sleep_until(start));
    let mut alarm = Duration::MAX; // what the timer is set to
    loop {
        let wake = match ws.tick(start.elapsed(), &mut out) {
            Tick::Wait(wake) | Tick::ShutDown(wake) => wake,
            Tick::Done(_) => return,
        };
        if let Some(wake) = wake.filter(|wake| *wake < alarm) {
            timer.as_mut().reset(start + wake);
            alarm = wake;
        }
        if !out.is_empty() {
            let n = peer.write(&out).await.expect("it takes all");
            ws.wrote(n, start.elapsed(), &mut out);
            continue;
        }
        tokio::select! {
            biased;
            n = poll_fn(|context| {
                let mut bytes = ReadBuf::new(&mut buffer);
                ready!(pin!(&mut peer).poll_read(context, &mut bytes)).expect("no error");
                std::task::Poll::Ready(bytes.filled().len())
            }) => {
                if n == 0 {
                    ws.receive_eof();
                }
                let (mut input, now) = (Input(&mut buffer[..n]), start.elapsed());
                while let Some(event) = ws.receive(&mut input, now, &mut out) {
                    if let Event::Binary(data) = event {
                        ws.send(&data, &mut out).expect("it is open");
                    }
                }
            }
            () = &mut timer, if alarm < Duration::MAX => alarm = Duration::MAX,
        }
    }
}
