//! The time of each hot path.
//!
//! Invariant: always the time of one message.
//!
//!     cargo bench -p sansocket-benches --bench codec -- NAME --save-baseline before

#[path = "paths/frame.rs"]
mod frame;
mod paths;
#[path = "paths/shared.rs"]
mod shared;
#[path = "paths/text.rs"]
mod text;

use criterion::{Criterion, criterion_group, criterion_main};
use shared::BATCH;
use std::time::{Duration, Instant};

const PATHS: &[(&str, &[usize])] = &[
    ("receive-server", &[16, 125, 1 << 10, 16 << 10]),
    ("receive-server-text", &[16, 125, 1 << 10, 16 << 10]),
    ("receive-client", &[125, 16 << 10]),
    ("echo-server", &[16, 125, 1 << 10, 16 << 10]),
    ("send-server", &[16, 125, 1 << 10, 16 << 10]),
    ("send-client", &[16, 125, 1 << 10, 16 << 10]),
    ("deflate-receive", &[1 << 10, 16 << 10]),
    ("deflate-send", &[1 << 10, 16 << 10]),
    ("send-prepared", &[125, 1 << 10]),
    ("share-prepared", &[125, 1 << 10]),
];

/// The time of `rounds` rounds, for one message of each.
fn time(rounds: u64, mut round: impl FnMut()) -> Duration {
    let start = Instant::now();
    for _ in 0..rounds {
        round();
    }
    start.elapsed() / BATCH as u32
}

fn hot_paths(criterion: &mut Criterion) {
    for (path, sizes) in PATHS {
        for size in *sizes {
            criterion.bench_function(&format!("{path}/{size}"), |bencher| {
                let mut round = paths::round(path, *size);
                bencher.iter_custom(|rounds| time(rounds, &mut round));
            });
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = hot_paths
}
criterion_main!(benches);
