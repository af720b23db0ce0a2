//! tokio-websockets: async, a `Stream` and a `Sink` over tokio's traits.

use super::{Connection, Peer, Sink};
use crate::transport::{Transport, ready};
use crate::work::Role;
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use std::hint::black_box;
use tokio_websockets::{ClientBuilder, Config, Limits, Message, ServerBuilder, WebSocketStream};

pub const PEER: Peer = Peer {
    name: "tokio-websockets",
    open: |work, transport| {
        let config = Config::default().frame_size(usize::MAX);
        let limits = Limits::unlimited();
        Box::new(match work.role {
            Role::Server => ServerBuilder::new()
                .config(config)
                .limits(limits)
                .serve(transport),
            Role::Client => ClientBuilder::new()
                .config(config)
                .limits(limits)
                .take_over(transport),
        })
    },
    accept: Some(|transport| {
        let accepted = ready(ServerBuilder::new().accept(transport));
        drop(black_box(accepted.expect("it is good")));
    }),
};

impl Connection for WebSocketStream<Transport> {
    fn receive(&mut self, n: usize, sink: &mut Sink) {
        ready(async {
            for _ in 0..n {
                let message = self.next().await.expect("it is open").expect("it is good");
                sink.take(message.as_payload());
            }
        });
    }

    fn send(&mut self, payload: &Bytes, n: usize) {
        ready(async {
            for _ in 0..n {
                let message = Message::binary(payload.clone());
                SinkExt::send(self, message).await.expect("it is open");
            }
        });
    }

    fn echo(&mut self, n: usize) {
        ready(async {
            for _ in 0..n {
                let message = self.next().await.expect("it is open").expect("it is good");
                SinkExt::send(self, message).await.expect("it is open");
            }
        });
    }
}
