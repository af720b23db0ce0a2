//! The WebSocket protocol with no socket in it.
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;

mod close;
mod config;
mod connection;
mod error;
mod event;
mod frame;
mod handshake;
mod headers;
mod input;
mod mask;
mod masking_key;
pub mod negotiation;
mod receive;
mod response;
mod role;
mod send;
mod uri;
mod utf8;

pub use close::{CloseCode, CloseFrame};
pub use config::Config;
pub use connection::{ClosedBy, Connection, State};
pub use error::{ProtocolError, RequestError, ResponseError, SendError};
pub use event::Event;
pub use frame::{Header, Opcode};
#[cfg(feature = "entropy")]
pub use handshake::EntropyError;
pub use handshake::{
    Accept, ClientHandshake, ClientRequest, HandshakeConfig, Opened, Rejection, Request,
    ServerHandshake,
};
pub use headers::{FieldError, Headers};
pub use input::Input;
pub use mask::Mask;
pub use response::Response;
pub use role::Role;
pub use send::Data;
pub use uri::{Uri, UriError};
