//! Guides: how to build an adapter, and what to do in the common cases.
//!
//! Invariant: every example here is compiled and run with the tests.
//!
//! | page | for whom |
//! |---|---|
//! | [`adapter`] | drives an endpoint over a transport of any kind, in five steps |
//! | [`inbox`] | sends to a connection from other threads or tasks: one actor for each connection |
//! | [`large`] | receives or sends messages of many KiB: in place, owned, apart, in pieces |
//! | [`broadcast`] | sends one message to many connections |
//! | [`compression`] | turns on permessage-deflate, and sends secrets |
//! | [`other_http`] | has hyper, axum, HTTP/2 or HTTP/3 for the opening handshake |
//! | [`no_std`] | runs on a device without `std` |
//!
//! Complete programs stand in the folder `examples` of the repository. This module exists in the
//! documentation only: a build of the crate has none of it.

pub mod adapter;
pub mod broadcast;
pub mod compression;
pub mod inbox;
pub mod large;
pub mod no_std;
pub mod other_http;
