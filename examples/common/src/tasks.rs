//! The life of a server that has a task of tokio for each connection.

use crate::{Context, Result, Server, announce, on_stop};
use std::num::NonZeroUsize;
use std::thread::available_parallelism;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// Tells a connection when the server stops. The server waits until it is dropped.
#[derive(Debug)]
pub struct Stop(watch::Receiver<()>);

impl Stop {
    /// Waits until a signal has come. It may be dropped at any time, and is to be awaited once.
    pub async fn stopped(&mut self) {
        let _ = self.0.changed().await;
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
        let (stop, mut stopping) = watch::channel(());
        let signal = stop.clone();
        on_stop(move || signal.send_replace(()))?;
        let listener = TcpListener::bind(server.address)
            .await
            .with_context(|| format!("cannot listen on {}", server.address))?;
        announce(scheme, listener.local_addr()?)?;
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = stopping.changed() => break,
            };
            match accepted {
                // Whatever happens to one connection ends only its own task.
                Ok((stream, _)) => {
                    let _ = stream.set_nodelay(true);
                    tokio::spawn(serve(stream, Stop(stopping.clone())));
                }
                // Too many open files, for instance: wait until some are closed.
                Err(_) => sleep(Duration::from_millis(50)).await,
            }
        }
        drop((listener, stopping));
        // Each connection keeps to its own deadline; this one is for what they cannot know.
        let _ = timeout(server.config.times.close * 2, stop.closed()).await;
        Ok(())
    })
}
