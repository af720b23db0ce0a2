//! nexus-web: a reader and a writer of frames over buffers of their own; the read buffer has 64 KiB
//! instead of its 1 MiB.

use super::{Connection, Peer, Sink};
use crate::transport::Transport;
use crate::work::Role;
use bytes::Bytes;
use nexus_web::ws::{
    Client, ClientBuilder, FrameReader, FrameWriter, Message, Role as TheirRole, pair_with,
};
use std::hint::black_box;
use std::io::{IoSlice, Write};

const BUFFER: usize = 64 << 10;

pub const PEER: Peer = Peer {
    name: "nexus-web",
    open: |work, transport| {
        let role = match work.role {
            Role::Server => TheirRole::Server,
            Role::Client => TheirRole::Client,
        };
        let (reader, writer) = pair_with(role, FrameReader::builder().buffer_capacity(BUFFER));
        let out = vec![0; writer.max_encoded_len(work.payload.len())];
        Box::new(Nexus {
            transport,
            role: work.role,
            reader,
            writer,
            out,
        })
    },
    accept: Some(|transport| {
        let accepted: Client<Transport> = ClientBuilder::new()
            .buffer_capacity(BUFFER)
            .accept(transport)
            .expect("it is good");
        drop(black_box(accepted));
    }),
};

struct Nexus {
    transport: Transport,
    role: Role,
    reader: FrameReader,
    writer: FrameWriter,
    out: Vec<u8>,
}

impl Nexus {
    #[inline]
    fn wait(&mut self) {
        while !self.reader.poll().expect("it is good") {
            if self.reader.should_compact() {
                self.reader.compact();
            }
            self.reader
                .read_from(&mut self.transport)
                .expect("it never fails");
        }
    }
}

/// A server's frame, with one write.
#[inline]
fn write(data: &[u8], writer: &mut FrameWriter, transport: &mut Transport) {
    let (header, _) = writer.build_header(0x82, data.len());
    transport.put(&[IoSlice::new(header.as_bytes()), IoSlice::new(data)]);
}

impl Connection for Nexus {
    fn receive(&mut self, n: usize, sink: &mut Sink) {
        for _ in 0..n {
            self.wait();
            match self
                .reader
                .next()
                .expect("it is good")
                .expect("it is there")
            {
                Message::Text(text) => sink.take(text.as_bytes()),
                Message::Binary(data) => sink.take(data),
                message => unreachable!("{message:?}"),
            }
        }
    }

    fn send(&mut self, payload: &Bytes, n: usize) {
        for _ in 0..n {
            match self.role {
                Role::Server => write(payload, &mut self.writer, &mut self.transport),
                Role::Client => {
                    let len = self.writer.encode_binary(payload, &mut self.out);
                    self.transport
                        .write_all(&self.out[..len])
                        .expect("it never fails");
                }
            }
        }
    }

    fn echo(&mut self, n: usize) {
        for _ in 0..n {
            self.wait();
            let message = self
                .reader
                .next()
                .expect("it is good")
                .expect("it is there");
            let Message::Binary(data) = message else {
                unreachable!("{message:?}")
            };
            write(data, &mut self.writer, &mut self.transport);
        }
    }
}
