//! yawc: async, over tokio's traits. It checks text only when told to. Its opening handshake is hyper's.

use super::{Connection, Peer, Sink};
use crate::transport::{Transport, ready};
use crate::work::{Role, Task};
use bytes::Bytes;
use futures::SinkExt;
use yawc::{Frame, Options, Role as TheirRole, WebSocket};

pub const PEER: Peer = Peer {
    name: "yawc",
    open: |work, transport| {
        let role = match work.role {
            Role::Server => TheirRole::Server,
            Role::Client => TheirRole::Client,
        };
        let len = work.payload.len().max(1 << 20);
        let mut options = Options::default().with_limits(2 * len, 4 * len);
        if work.task == Task::ReceiveText {
            options = options.with_utf8();
        }
        let ws = WebSocket::from_stream(transport, role, options);
        Box::new(ws.expect("the options are good"))
    },
    accept: None,
};

impl Connection for WebSocket<Transport> {
    fn receive(&mut self, n: usize, sink: &mut Sink) {
        ready(async {
            for _ in 0..n {
                sink.take(self.next_frame().await.expect("it is open").payload());
            }
        });
    }

    fn send(&mut self, payload: &Bytes, n: usize) {
        ready(async {
            for _ in 0..n {
                let frame = Frame::binary(payload.clone());
                SinkExt::send(self, frame).await.expect("it is open");
            }
        });
    }

    fn echo(&mut self, n: usize) {
        ready(async {
            for _ in 0..n {
                let (_, _, payload) = self.next_frame().await.expect("it is open").into_parts();
                let frame = Frame::binary(payload);
                SinkExt::send(self, frame).await.expect("it is open");
            }
        });
    }
}
