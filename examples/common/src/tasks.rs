//! The life of a server that has a task of tokio for each connection.

use crate::{Context, Result, Server, announce, on_stop};
use sansocket::Config;
use std::num::NonZeroUsize;
use std::thread::available_parallelism;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// Tells a connection when the server stops. The server waits until it and its clones are dropped.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<()>);

impl Stop {
    /// Waits until a signal has come. It may be dropped at any time, and is to be awaited once.
    pub async fn stopped(&mut self) {
        let _ = self.0.changed().await;
    }
}

/// The end of a server that has tasks.
#[derive(Debug)]
pub struct Stopping {
    all: watch::Sender<()>,
    stop: Stop,
}

impl Stopping {
    /// Waits for signals from now on.
    pub fn new() -> Result<Self> {
        let (all, stop) = watch::channel(());
        let signal = all.clone();
        on_stop(move || signal.send_replace(()))?;
        let stop = Stop(stop);
        Ok(Self { all, stop })
    }

    /// One more task that stops when a signal comes.
    #[must_use]
    pub fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// Waits until a signal has come.
    pub async fn stopped(&mut self) {
        self.stop.stopped().await;
    }

    /// Waits until the connections are closed. Each keeps to its own deadline; the one here is for what they cannot know.
    pub async fn all_closed(self, config: &Config) {
        drop(self.stop);
        let _ = timeout(config.times.close * 2, self.all.closed()).await;
    }
}

/// Runs a future in a runtime with as many threads as help.
pub fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    // With one core, no other thread could help.
    let mut runtime = match available_parallelism() {
        Ok(NonZeroUsize::MIN) => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    runtime.enable_all().build()?.block_on(future)
}

/// Calls `serve` for each connection, in a task of its own, until a signal comes. Then it waits until the connections are
/// closed, which `serve` does when [`Stop`] says so.
pub fn serve_in_tasks<F>(
    server: &Server,
    scheme: &str,
    serve: impl Fn(TcpStream, Stop) -> F,
) -> Result<()>
where
    F: Future<Output: Send> + Send + 'static,
{
    block_on(async {
        let mut stopping = Stopping::new()?;
        let listener = TcpListener::bind(server.address)
            .await
            .with_context(|| format!("cannot listen on {}", server.address))?;
        announce(scheme, listener.local_addr()?, server.path)?;
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stopping.stopped() => break,
            };
            match accepted {
                // Whatever happens to one connection ends only its own task.
                Ok((stream, _)) => {
                    let _ = stream.set_nodelay(true);
                    tokio::spawn(serve(stream, stopping.stop()));
                }
                // Too many open files, for instance: wait until some are closed.
                Err(_) => sleep(Duration::from_millis(50)).await,
            }
        }
        drop(listener);
        stopping.all_closed(&server.config).await;
        Ok(())
    })
}
