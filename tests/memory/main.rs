//! Allocations, and memory held.

#[path = "../support/allocator.rs"]
mod allocator;
#[path = "../support/mod.rs"]
mod support;

mod allocations;
mod deflate;
mod formula;
mod heads;
mod table;
