//! The room's stand-in without the feature `deflate`: nothing is agreed on, ever.
//!
//! Invariant: every type has no size, and every method does what the real one does before
//! permessage-deflate is agreed on.

#![allow(
    dead_code,
    clippy::needless_pass_by_ref_mut,
    reason = "the shape is that of the feature, used or not"
)]

use super::cached::Cached;
use super::sink::Sink;
use crate::frame::{ProtocolError, Role};
use bytes::{Bytes, BytesMut};

/// Settings that cannot exist.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Deflate {}

/// An agreement that cannot exist.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Params {}

/// Nothing is compressed.
#[derive(Debug)]
pub(crate) struct Compression;

impl Compression {
    pub(crate) const OFF: Self = Self;

    #[inline(always)]
    pub(crate) const fn new(deflate: &Deflate, _: &Params, _: Role) -> Self {
        match *deflate {}
    }

    #[inline(always)]
    pub(crate) const fn is_agreed(&self) -> bool {
        false
    }

    #[inline(always)]
    pub(crate) const fn is_worth(&self, _: usize) -> bool {
        false
    }

    #[inline(always)]
    pub(crate) const fn is_under_way(&self) -> bool {
        false
    }

    #[inline(always)]
    pub(crate) const fn compress(&mut self, _: &[u8], _: bool, _: &mut BytesMut) {}

    #[inline(always)]
    pub(crate) const fn forgets(&self) -> bool {
        true
    }
}

/// Nothing is inflated.
#[derive(Debug)]
pub(crate) struct Inflation;

impl Inflation {
    pub(crate) const OFF: Self = Self;

    #[inline(always)]
    pub(crate) const fn new(deflate: &Deflate, _: &Params, _: Role) -> Self {
        match *deflate {}
    }

    #[inline(always)]
    pub(crate) const fn is_agreed(&self) -> bool {
        false
    }

    #[inline(always)]
    pub(crate) const fn is_under_way(&self) -> bool {
        false
    }

    #[inline(always)]
    pub(crate) const fn begin_message(&mut self, _: u64) {}

    #[inline(always)]
    pub(crate) const fn takes(&mut self, _: u64) -> bool {
        false
    }

    #[inline(always)]
    pub(crate) fn inflate(&mut self, _: &[u8], _: impl Sink) -> Result<(), ProtocolError> {
        Ok(())
    }

    #[inline(always)]
    pub(crate) fn step(&mut self, part: &[u8], _: impl Sink) -> Result<usize, ProtocolError> {
        Ok(part.len())
    }

    #[inline(always)]
    pub(crate) const fn has_more(&self) -> bool {
        false
    }

    #[inline(always)]
    pub(crate) const fn handed_on(&mut self, _: &[u8]) {}

    #[inline(always)]
    pub(crate) fn end_message(&mut self, _: impl Sink) -> Result<(), ProtocolError> {
        Ok(())
    }
}

/// No frame is compressed.
#[derive(Clone, Debug)]
pub(crate) struct Frames;

impl Frames {
    #[inline(always)]
    pub(crate) const fn new() -> Self {
        Self
    }

    #[inline(always)]
    pub(crate) fn compressed(
        &self,
        _: &Compression,
        _: &[u8],
        _: impl FnOnce(&[u8]) -> Bytes,
    ) -> Cached<'_> {
        Cached::Plain
    }
}

const _: () = assert!(size_of::<(Compression, Inflation, Frames)>() == 0);
