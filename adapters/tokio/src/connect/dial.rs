//! One TCP connection to a host that may have many addresses (RFC 8305, "Happy Eyeballs").
//!
//! Invariant: the first connection wins and drops the others; no address is tried twice.

use std::future::poll_fn;
use std::io;
use std::iter;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::task::{Poll, ready};
use std::time::Duration;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, sleep};

/// How long one address is tried before the next is, too (RFC 8305, section 5).
const STAGGER: Duration = Duration::from_millis(250);

/// Connects to the host by whichever of its addresses answers first.
pub(super) async fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let target = match host.parse::<IpAddr>() {
        Ok(_) if host.contains(':') => format!("[{host}]:{port}"),
        _ => format!("{host}:{port}"),
    };
    let explain = |error: &io::Error, why: &str| {
        io::Error::new(error.kind(), format!("cannot connect to {target}: {why}"))
    };
    let found = lookup_host((host, port)).await;
    let found = found.map_err(|error| explain(&error, &error.to_string()))?;
    race(interleave(found.collect()), TcpStream::connect)
        .await
        .map_err(|failures| match &failures[..] {
            [] => explain(&io::ErrorKind::NotFound.into(), "it has no address"),
            [(address, error)] if address.to_string() == target => {
                explain(error, &error.to_string())
            }
            [(_, first), ..] => {
                let each = failures.iter();
                let each = each.map(|(address, error)| format!("{address}: {error}"));
                explain(first, &each.collect::<Vec<_>>().join("; "))
            }
        })
}

/// The families in turn, starting with that of the first address, which the system prefers
/// (RFC 8305, section 4).
fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(is_v6) = addresses.first().map(SocketAddr::is_ipv6) else {
        return addresses;
    };
    let is_first = |address: &SocketAddr| address.is_ipv6() == is_v6;
    let (first, other): (Vec<_>, Vec<_>) = addresses.into_iter().partition(is_first);
    let (mut first, mut other) = (first.into_iter(), other.into_iter());
    let next = || [first.next(), other.next()];
    let pairs = iter::repeat_with(next).take_while(|pair| pair.iter().any(Option::is_some));
    pairs.flatten().flatten().collect()
}

/// Tries each address, the next one after [`STAGGER`] or as soon as one has failed. Returns the first
/// that works, or why none does.
async fn race<T, F: Future<Output = io::Result<T>>>(
    addresses: Vec<SocketAddr>,
    connect: impl Fn(SocketAddr) -> F,
) -> Result<T, Vec<(SocketAddr, io::Error)>> {
    let mut waiting = addresses.into_iter();
    let mut attempts = Vec::new();
    let mut failures = Vec::new();
    let mut stagger = pin!(sleep(STAGGER));
    loop {
        if let Some(address) = waiting.next() {
            attempts.push((address, Box::pin(connect(address))));
            stagger.as_mut().reset(Instant::now() + STAGGER);
        } else if attempts.is_empty() {
            return Err(failures);
        }
        let ended = poll_fn(|context| {
            for (i, (_, attempt)) in attempts.iter_mut().enumerate() {
                if let Poll::Ready(result) = attempt.as_mut().poll(context) {
                    return Poll::Ready(Some((attempts.swap_remove(i).0, result)));
                }
            }
            if waiting.len() == 0 {
                return Poll::Pending;
            }
            ready!(stagger.as_mut().poll(context));
            Poll::Ready(None)
        });
        match ended.await {
            Some((_, Ok(connected))) => return Ok(connected),
            Some((address, Err(error))) => failures.push((address, error)),
            None => {} // time for the next
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::future::pending;

    /// What an address does in so many milliseconds.
    #[derive(Clone, Copy)]
    enum Does {
        Connect(u64),
        Fail(u64),
        Nothing,
    }
    use Does::*;

    fn address(text: &str) -> SocketAddr {
        format!("{text}:80").parse().unwrap()
    }

    /// Races addresses that do this: who won (or how many failed), when each was tried, and the time
    /// that it took, in milliseconds.
    async fn run(all: &[Does]) -> (Result<u16, usize>, Vec<u64>, u64) {
        let start = Instant::now();
        let elapsed = || u64::try_from(start.elapsed().as_millis()).unwrap();
        let tried = RefCell::new(Vec::new());
        let addresses = (0..all.len()).map(|i| SocketAddr::from(([127, 0, 0, 1], i as u16)));
        let raced = race(addresses.collect(), |address| {
            tried.borrow_mut().push(elapsed());
            let does = all[usize::from(address.port())];
            async move {
                let (time, result) = match does {
                    Connect(time) => (time, Ok(address.port())),
                    Fail(time) => (time, Err(io::ErrorKind::ConnectionRefused.into())),
                    Nothing => pending().await,
                };
                sleep(Duration::from_millis(time)).await;
                result
            }
        });
        let result = raced.await.map_err(|failures| failures.len());
        (result, tried.take(), elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn one_after_another_until_one_connects() {
        let all = [Connect(20), Connect(1)];
        assert_eq!(run(&all).await, (Ok(0), vec![0], 20));
        let all = [Nothing, Connect(20), Connect(1)];
        assert_eq!(run(&all).await, (Ok(1), vec![0, 250], 270));
        // Those before may still win.
        let all = [Connect(600), Nothing, Nothing, Connect(1)];
        assert_eq!(run(&all).await, (Ok(0), vec![0, 250, 500], 600));
        let all = [Connect(600), Nothing, Connect(200)];
        assert_eq!(run(&all).await, (Ok(0), vec![0, 250, 500], 600));
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_failure_the_next_is_tried_at_once() {
        let all = [Fail(20), Connect(30)];
        assert_eq!(run(&all).await, (Ok(1), vec![0, 20], 50));
        // The stagger starts anew.
        let all = [Nothing, Fail(20), Nothing, Connect(1)];
        assert_eq!(run(&all).await, (Ok(3), vec![0, 250, 270, 520], 521));
        // A failure of an earlier one counts as well.
        let all = [Fail(300), Nothing, Connect(1)];
        assert_eq!(run(&all).await, (Ok(2), vec![0, 250, 300], 301));
    }

    #[tokio::test(start_paused = true)]
    async fn all_failures_are_told() {
        assert_eq!(run(&[]).await, (Err(0), vec![], 0));
        let all = [Fail(20), Fail(400), Fail(10)];
        assert_eq!(run(&all).await, (Err(3), vec![0, 20, 270], 420));
    }

    #[test]
    fn families_in_turn() {
        let order = |all: &[&str]| {
            let all: Vec<_> = all.iter().map(|text| address(text)).collect();
            let all = interleave(all).into_iter();
            all.map(|address| address.ip().to_string())
                .collect::<Vec<_>>()
        };
        let all = ["[::1]", "[::2]", "[::3]", "1.1.1.1", "2.2.2.2"];
        assert_eq!(order(&all), ["::1", "1.1.1.1", "::2", "2.2.2.2", "::3"]);
        let all = ["1.1.1.1", "2.2.2.2", "3.3.3.3", "[::1]"];
        assert_eq!(order(&all), ["1.1.1.1", "::1", "2.2.2.2", "3.3.3.3"]);
        assert_eq!(order(&["1.1.1.1", "2.2.2.2"]), ["1.1.1.1", "2.2.2.2"]);
        assert!(order(&[]).is_empty());
    }
}
