//! A load on the chat: members in rooms, one message a second in each room.
//!
//!     cargo build --release -p chat
//!     target/release/chat_load [--servers N --redis URL] [--members N] [--room N] [--seconds N]
//!
//! Starts the servers, fills them, and prints a table: what was lost or out of order, how long a message took to the last of
//! its receivers, and what a member costs the servers. Needs Linux, and `ulimit -n` above the number of members.

#[path = "../load/member.rs"]
mod member;
#[path = "../load/room.rs"]
mod room;
#[path = "../load/server.rs"]
mod server;

use common::{Arguments, Context, Error, Result, block_on};
use room::Room;
use server::Server;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::time::sleep;

const HELP: &str = "A load on the chat: members in rooms, one message a second in each room

Usage: chat_load [OPTIONS]

Options:
      --servers <N>  How many servers to start; more than one need Redis [default: 1]
      --redis <URL>  Where the servers keep their rooms
      --members <N>  How many members [default: 10000]
      --room <N>     How many of them are in a room [default: 100]
      --seconds <N>  For how long [default: 60]
  -h, --help         Print help
";

/// Connections that are being opened at once.
const OPENING: usize = 64;
/// How long to wait for what is still on its way.
const LAST: Duration = Duration::from_secs(20);

fn main() -> Result<()> {
    let arguments = Arguments::parse(HELP.into());
    let servers = arguments.value("servers").unwrap_or(1);
    let redis: Option<String> = arguments.value("redis");
    if servers > 1 && redis.is_none() {
        arguments.missing(&["--redis <URL>"], &["--servers <N>", "--redis <URL>"]);
    }
    let members = arguments.value("members").unwrap_or(10_000);
    let size = arguments.value("room").unwrap_or(100).min(members).max(1);
    let seconds = arguments.value("seconds").unwrap_or(60);
    let servers: Vec<Server> = (0..servers)
        .map(|_| Server::start(redis.as_deref()))
        .collect::<Result<_>>()?;
    block_on(load(servers, members, size, seconds))
}

async fn load(servers: Vec<Server>, members: usize, size: usize, seconds: usize) -> Result<()> {
    let start = Instant::now();
    let rooms: Vec<_> = (0..members / size)
        .map(|number| Arc::new(Room::new(number, size, seconds, start)))
        .collect();
    let before: u64 = servers.iter().map(Server::memory).sum();
    let places = Arc::new(Semaphore::new(OPENING));
    let mut opening = Vec::new();
    for number in 0..rooms.len() * size {
        let room = rooms[number / size].clone();
        // Every room has members on every server.
        let address = servers[number % servers.len()].address;
        let places = places.clone();
        opening.push(tokio::spawn(async move {
            let _place = places.acquire_owned().await;
            member::open(address, number, room).await
        }));
    }
    for opened in opening {
        opened.await?.context("a member cannot come in")?;
    }
    // Who came last is told to all.
    sleep(Duration::from_secs(2)).await;
    let after: u64 = servers.iter().map(Server::memory).sum();
    eprintln!(
        "{} members after {:.0} s",
        rooms.len() * size,
        start.elapsed().as_secs_f64()
    );

    let computed: Duration = servers.iter().map(Server::computed).sum();
    let talking = Instant::now();
    let talks: Vec<_> = rooms
        .iter()
        .map(|room| tokio::spawn(room.clone().talk()))
        .collect();
    for talk in talks {
        talk.await??;
    }
    let time = talking.elapsed();
    let computed = servers.iter().map(Server::computed).sum::<Duration>() - computed;
    let deadline = Instant::now() + LAST;
    while rooms.iter().any(|room| room.missing() > 0) && Instant::now() < deadline {
        sleep(Duration::from_millis(50)).await;
    }
    let full: u64 = servers.iter().map(Server::memory).sum();

    let members = (rooms.len() * size) as u64;
    let said = (rooms.len() * seconds) as u64;
    let mut slowest: Vec<_> = rooms.iter().flat_map(|room| room.slowest()).collect();
    slowest.sort_unstable();
    let at = |part: f64| slowest[((slowest.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e3;
    let missing: u64 = rooms.iter().map(|room| room.missing()).sum();
    let misplaced: u64 = rooms.iter().map(|room| room.misplaced()).sum();
    println!(
        "| servers | members | messages | received | lost | out of order or double | p50 | p99 | max | CPU | CPU a message received | memory a member, idle | at the end |"
    );
    println!("|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    println!(
        "| {} | {members} | {said} | {} | {missing} | {misplaced} | {:.1} ms | {:.1} ms | {:.1} ms | {:.0} % of a core | {:.1} µs | {:.1} KiB | {:.1} KiB |",
        servers.len(),
        said * size as u64 - missing,
        at(0.5),
        at(0.99),
        at(1.0),
        computed.as_secs_f64() / time.as_secs_f64() * 100.0,
        computed.as_secs_f64() * 1e6 / (said * size as u64) as f64,
        after.saturating_sub(before) as f64 / 1024.0 / members as f64,
        full.saturating_sub(before) as f64 / 1024.0 / members as f64,
    );
    match missing + misplaced {
        0 => Ok(()),
        wrong => Err(Error::msg(format!(
            "{wrong} messages were lost, out of order or double"
        ))),
    }
}
