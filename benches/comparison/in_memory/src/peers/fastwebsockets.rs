//! fastwebsockets: async, over tokio's traits; its `FragmentCollector` gives complete messages. Its opening
//! handshake is hyper's.

use super::{Connection, Peer, Sink};
use crate::transport::{Transport, ready};
use crate::work::Role;
use bytes::Bytes;
use fastwebsockets::{FragmentCollector, Frame, Payload, Role as TheirRole, WebSocket};

pub const PEER: Peer = Peer {
    name: "fastwebsockets",
    open: |work, transport| {
        let role = match work.role {
            Role::Server => TheirRole::Server,
            Role::Client => TheirRole::Client,
        };
        let mut ws = WebSocket::after_handshake(transport, role);
        ws.set_max_message_size(usize::MAX);
        Box::new(FragmentCollector::new(ws))
    },
    accept: None,
};

impl Connection for FragmentCollector<Transport> {
    fn receive(&mut self, n: usize, sink: &mut Sink) {
        ready(async {
            for _ in 0..n {
                sink.take(&self.read_frame().await.expect("it is open").payload);
            }
        });
    }

    fn send(&mut self, payload: &Bytes, n: usize) {
        ready(async {
            for _ in 0..n {
                let frame = Frame::binary(Payload::Borrowed(payload));
                self.write_frame(frame).await.expect("it is open");
            }
        });
    }

    fn echo(&mut self, n: usize) {
        ready(async {
            for _ in 0..n {
                let frame = self.read_frame().await.expect("it is open");
                self.write_frame(frame).await.expect("it is open");
            }
        });
    }
}
