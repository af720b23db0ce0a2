//! An echo over `tokio-sansocket`, in each way to use it: what `benches/instructions` counts.
//!
//! Invariant: as over sockets, a read brings MESSAGES frames and the next one has to wait, a write takes everything, and
//! other connections are ready at the same time.
//!
//!     cargo bench -p sansocket-benches --bench adapter -- WAY-MESSAGES/SIZE COUNT

#[path = "paths/frame.rs"]
mod frame;
#[path = "paths/adapter.rs"]
mod paths;
#[path = "paths/raw.rs"]
mod raw;

use tokio::runtime::Builder;

const CONNECTIONS: usize = 8;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [name, count, ..] = &words[..] else {
        return println!("which path, how many messages? benches/instructions has the paths");
    };
    let number = |word: &str| word.parse::<usize>().expect("a number");
    let (path, size) = name.rsplit_once('/').expect("NAME is WAY-MESSAGES/SIZE");
    let (way, messages) = path.rsplit_once('-').expect("NAME is WAY-MESSAGES/SIZE");
    let runtime = Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime");
    let tasks: Vec<_> = (0..CONNECTIONS)
        .map(|_| paths::Peer::new(number(count) / CONNECTIONS, number(messages), number(size)))
        .map(|peer| runtime.spawn(paths::echo(way.to_owned(), peer)))
        .collect();
    for task in tasks {
        runtime.block_on(task).expect("no panic");
    }
}
