//! A server with a thread for each connection, from its start to its end.

use crate::{Context, Result, Server, announce, is_stopping, stop_time, wake_to_stop};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

/// Calls `serve` for each connection, on a thread of its own, until a signal comes. Then it waits until the connections are
/// closed, which `serve` must do when [`is_stopping`] says so.
pub fn serve_in_threads<R>(
    server: &Server,
    scheme: &str,
    serve: impl Fn(TcpStream) -> R + Send + Sync + 'static,
) -> Result<()> {
    let listener = TcpListener::bind(server.address)
        .with_context(|| format!("cannot listen on {}", server.address))?;
    let address = listener.local_addr()?;
    announce(scheme, address, server.path)?;
    wake_to_stop(address)?;

    // Every connection holds a guard: when all are dropped, there is nothing to wait for.
    let (guard, all_gone) = mpsc::channel::<()>();
    let serve = Arc::new(serve);
    while !is_stopping() {
        if let Ok((stream, _)) = listener.accept() {
            let (serve, guard) = (serve.clone(), guard.clone());
            // A panic or an error ends only the thread of its connection. If the system has no
            // thread left, the connection is dropped.
            let _ = thread::Builder::new().spawn(move || {
                let _guard = guard;
                serve(stream);
            });
        } else {
            // Too many open files, for instance: wait until some are closed.
            thread::sleep(Duration::from_millis(50));
        }
    }
    drop((listener, guard));
    let _ = all_gone.recv_timeout(stop_time(&server.config));
    Ok(())
}
