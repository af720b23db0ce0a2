//! Frames: their headers and the errors of those that break a rule.

#[path = "../support/mod.rs"]
mod support;

mod errors;
mod properties;
