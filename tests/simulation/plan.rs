//! What a schedule is made of: drawn from its seed before it starts.
//!
//! Invariant: switching a feature off changes nothing else, so that a failing schedule can be made smaller.

use crate::support::deflate::{Params, deflate};
use crate::support::{Random, config, settings};
use sansocket::{Config, Deflate, Deliver, Settings};
use std::fmt;
use std::time::Duration;

/// Microseconds since the start.
pub(crate) type Micros = u64;
pub(crate) const MS: Micros = 1_000;
pub(crate) const SECOND: Micros = 1_000 * MS;

/// What may happen in a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Features(u16);

impl Features {
    pub(crate) const HANDSHAKE: Self = Self(1);
    pub(crate) const DEFLATE: Self = Self(1 << 1);
    /// A layer below the output, such as TLS.
    pub(crate) const LAYER: Self = Self(1 << 2);
    /// The clock jumps, and the process stands still.
    pub(crate) const JUMPS: Self = Self(1 << 3);
    /// The network breaks.
    pub(crate) const BREAKS: Self = Self(1 << 4);
    /// An application drops its transport.
    pub(crate) const VANISHES: Self = Self(1 << 5);
    /// An application stops reading.
    pub(crate) const HOLDS: Self = Self(1 << 6);
    pub(crate) const SETTINGS: Self = Self(1 << 7);
    pub(crate) const PIECES: Self = Self(1 << 8);
    pub(crate) const PINGS: Self = Self(1 << 9);
    /// Reads and writes are cut.
    pub(crate) const CUTS: Self = Self(1 << 10);
    pub(crate) const DELAYS: Self = Self(1 << 11);
    /// Half of all actions, and half of those left, and so on.
    pub(crate) const ACTIONS: [Self; 4] =
        [Self(1 << 12), Self(1 << 13), Self(1 << 14), Self(1 << 15)];
    pub(crate) const ALL: Self = Self(u16::MAX);

    pub(crate) fn singles() -> impl Iterator<Item = Self> {
        (0..16).map(|bit| Self(1 << bit))
    }

    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Draws more than numbers.
pub(crate) trait Draw {
    fn is_one_in(&mut self, n: usize) -> bool;
    fn any<T: Copy>(&mut self, of: &[T]) -> T;
    /// At most so many, and seldom many.
    fn up_to(&mut self, most: Micros) -> Micros;
}

impl Draw for Random {
    fn is_one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn any<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn up_to(&mut self, most: Micros) -> Micros {
        let most = most >> (2 * self.below(6));
        self.below(most as usize + 1) as Micros
    }
}

pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) features: Features,
    /// Nothing breaks, and all delays are far below all deadlines. Then both ends must be clean.
    pub(crate) is_kind: bool,
    pub(crate) is_opened: bool,
    pub(crate) deflate: Option<(Params, Deflate)>,
    pub(crate) sides: [SidePlan; 2],
    /// The most time that bytes are on their way.
    pub(crate) delay: Micros,
    /// The most bytes that are on their way.
    pub(crate) capacity: usize,
    pub(crate) breaks: Option<Micros>,
    /// Whether to count what is allocated.
    pub(crate) is_measured: bool,
}

/// One end, and its application.
pub(crate) struct SidePlan {
    pub(crate) config: Config,
    /// It writes everything before it reads.
    pub(crate) is_blocking: bool,
    /// The most bytes that a layer below holds.
    pub(crate) layer: Option<usize>,
    /// The most bytes of a read.
    pub(crate) read: usize,
    /// It reads no more while more than this waits to be written.
    pub(crate) max_output: usize,
    /// The most time for which its thread does not run.
    pub(crate) latency: Micros,
    pub(crate) actions: usize,
    /// The most time between two actions.
    pub(crate) pause: Micros,
    /// How long it waits after its last action before it closes.
    pub(crate) waits: Micros,
    /// The most time it takes to answer a request or a Close, and for which it stops reading.
    pub(crate) answers: Micros,
    /// Whether its limits are near the sizes of messages.
    pub(crate) has_limits: bool,
}

impl Plan {
    pub(crate) fn new(seed: u64, features: Features) -> Self {
        let random = &mut Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x51b);
        let is_kind = random.is_one_in(2);
        let has_deflate = random.is_one_in(5);
        let params = Params::both_ways(random.any(&[8, 9, 11, 15]), random.is_one_in(2));
        let shared = deflate(|d| {
            d.min_size = random.any(&[0, 1, 128]);
            d.max_pooled = random.any(&[0, 1, 16]);
            d.level = random.any(&[1, 2, 6, 9]);
            d.mem_level = 1;
        });
        let deflate = (has_deflate && features.has(Features::DEFLATE)).then_some((params, shared));
        let is_opened = !random.is_one_in(4) || !features.has(Features::HANDSHAKE);
        let breaks = random.up_to(30 * SECOND);
        let breaks = random.is_one_in(5).then_some(breaks);
        let capacity = match is_kind {
            true => random.any(&[1 << 10, 4 << 10, 64 << 10]),
            false => random.any(&[10, 300, 4 << 10, 64 << 10]),
        };
        let delay = match is_kind {
            true => random.any(&[0, MS, 500 * MS]),
            false => random.any(&[0, 100 * MS, 3 * SECOND, 20 * SECOND]),
        };
        let is_measured = random.is_one_in(16);
        let blocking = random.below(4);
        let mut side = |index| {
            let mut plan = SidePlan::new(random, is_kind, features);
            plan.config.deflate = deflate.as_ref().map(|(_, deflate)| deflate.clone());
            // Two that write everything before they read may wait for each other until a deadline.
            plan.is_blocking = blocking == index || (blocking == 2 && !is_kind);
            plan
        };
        let sides = [side(0), side(1)];
        let has_delays = features.has(Features::DELAYS);
        Self {
            seed,
            features,
            is_kind,
            is_opened,
            deflate,
            sides,
            delay: if has_delays { delay } else { 0 },
            capacity,
            breaks: breaks.filter(|_| !is_kind && features.has(Features::BREAKS)),
            is_measured,
        }
    }
}

impl SidePlan {
    fn new(random: &mut Random, is_kind: bool, features: Features) -> Self {
        let has_limits = !is_kind && random.is_one_in(4);
        let config = config(|config| {
            config.settings = any_settings(random, has_limits, features);
            let times = &mut config.times;
            let mut time = || {
                Duration::from_millis(match is_kind {
                    true => random.any(&[20_000, 30_000, 60_000]),
                    false => random.any(&[300, 1_000, 3_000, 10_000, 30_000]),
                })
            };
            (times.handshake, times.pong) = (time(), time());
            (times.close, times.write) = (time(), time());
            let (idle, keepalive) = (time(), random.any(&[1, 5, 30]));
            times.idle = (random.is_one_in(4) && !is_kind).then_some(idle);
            let has_keepalive = !random.is_one_in(4) && features.has(Features::PINGS);
            times.keepalive = has_keepalive.then_some(Duration::from_secs(keepalive));
            times.min_rate = random.any(&[0, 64]);
        });
        let layer = random.any(&[1, 100, 4_000]);
        let has_layer = random.is_one_in(4) && features.has(Features::LAYER);
        let read = random.any(&[1, 7, 100, 4_000, 70_000]);
        let halved = Features::ACTIONS
            .iter()
            .filter(|half| !features.has(**half));
        let actions = random.below(12) >> halved.count();
        Self {
            config,
            is_blocking: false,
            layer: has_layer.then_some(layer),
            // Byte by byte takes time.
            read: if read < 100 && !random.is_one_in(8) {
                4_000
            } else {
                read
            },
            max_output: if is_kind {
                usize::MAX
            } else {
                random.any(&[0, 500, usize::MAX])
            },
            latency: random.any(&[0, 0, MS, 50 * MS]),
            actions,
            pause: random.any(&[0, 10 * MS, SECOND, 5 * SECOND]),
            waits: random.any(&[0, 0, 100 * MS, 100 * SECOND]),
            answers: if is_kind { SECOND } else { 20 * SECOND },
            has_limits,
        }
    }
}

/// Any settings; with `limits` some are near the sizes of messages.
pub(crate) fn any_settings(random: &mut Random, limits: bool, features: Features) -> Settings {
    let any = settings(|s| {
        s.deliver = random.any(&[Deliver::Complete, Deliver::InPlace, Deliver::Pieces]);
        let (size, fragments) = (random.below(300) as u64, random.below(5) as u32);
        if limits {
            (s.max_message_size, s.max_fragments) = (size, fragments);
        }
        s.compress = random.is_one_in(2);
        s.answer_pings = random.is_one_in(2);
        s.answer_close = random.is_one_in(2);
    });
    if features.has(Features::SETTINGS) {
        any
    } else {
        Settings::default()
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "kind: {}, open at once: {}, delay: {}, capacity: {}, breaks: {:?}",
            self.is_kind, self.is_opened, self.delay, self.capacity, self.breaks
        )?;
        if let Some((params, deflate)) = &self.deflate {
            writeln!(f, "{params:?} {deflate:?}")?;
        }
        for (name, side) in ["server", "client"].iter().zip(&self.sides) {
            writeln!(
                f,
                "{name}: blocking: {}, layer: {:?}, read: {}, latency: {}, {:?} {:?}",
                side.is_blocking,
                side.layer,
                side.read,
                side.latency,
                side.config.times,
                side.config.settings
            )?;
        }
        Ok(())
    }
}
