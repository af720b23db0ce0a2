//! An open connection: messages, their delivery, their limits, sending.

#[path = "../support/allocator.rs"]
mod allocator;
#[path = "../support/mod.rs"]
mod support;

mod answers;
mod apart;
mod errors;
mod hostile;
mod in_place;
mod limits;
mod pieces;
mod prepared;
mod properties;
