//! tungstenite: blocking, over `Read` and `Write`.

use super::{Connection, Peer, Sink};
use crate::transport::Transport;
use crate::work::Role;
use bytes::Bytes;
use std::hint::black_box;
use tungstenite::Message;
use tungstenite::protocol::{Role as TheirRole, WebSocket, WebSocketConfig};

pub const PEER: Peer = Peer {
    name: "tungstenite",
    open: |work, transport| {
        let role = match work.role {
            Role::Server => TheirRole::Server,
            Role::Client => TheirRole::Client,
        };
        let config = WebSocketConfig::default()
            .max_message_size(None)
            .max_frame_size(None);
        Box::new(WebSocket::from_raw_socket(transport, role, Some(config)))
    },
    accept: Some(|transport| {
        drop(black_box(
            tungstenite::accept(transport).expect("it is good"),
        ))
    }),
};

impl Connection for WebSocket<Transport> {
    fn receive(&mut self, n: usize, sink: &mut Sink) {
        for _ in 0..n {
            match self.read().expect("it is open") {
                Message::Text(text) => sink.take(text.as_bytes()),
                Message::Binary(data) => sink.take(&data),
                message => unreachable!("{message:?}"),
            }
        }
    }

    fn send(&mut self, payload: &Bytes, n: usize) {
        for _ in 0..n {
            WebSocket::send(self, Message::Binary(payload.clone())).expect("it is open");
        }
    }

    fn echo(&mut self, n: usize) {
        for _ in 0..n {
            let message = self.read().expect("it is open");
            WebSocket::send(self, message).expect("it is open");
        }
    }
}
