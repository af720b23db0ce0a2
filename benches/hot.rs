//! The hot paths, one at a time and so often: what `benches/instructions` counts.
//!
//!     cargo bench --bench hot -- NAME COUNT

mod paths;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [name, count, ..] = &words[..] else {
        return println!("hot: which path, and how often? benches/instructions knows them");
    };
    let count: usize = count.parse().expect("COUNT is a number");
    let (path, size) = name.rsplit_once('/').expect("NAME is PATH/SIZE");
    let size = size.parse().expect("SIZE is a number");
    let mut round = paths::round(path, size);
    for _ in 0..count / paths::BATCH {
        round();
    }
}
