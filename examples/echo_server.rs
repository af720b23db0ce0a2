//! An echo server: blocking `std::net`, a thread for each connection.
//!
//!     cargo run --release --example echo_server -- [ADDRESS] [--max-message BYTES] [--deflate] [--same-origin] [--hurry N]
//!
//! `examples/common` has what all examples share: arguments, and the loop that accepts.

use bytes::BytesMut;
use sansocket::{CloseCode, Config, Endpoint, Event, Input, Response, SendError, Tick};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

fn main() -> common::Result<()> {
    let about = "An echo server: blocking `std::net`, a thread for each connection";
    let server = common::server("echo_server", about, "");
    let config = server.config.clone();
    common::serve_in_threads(&server, "ws", move |stream| serve(stream, &config))
}

/// Serves one connection to its end.
fn serve(mut stream: TcpStream, config: &Config) -> io::Result<()> {
    let start = Instant::now();
    stream.set_nodelay(true)?;
    // A thread checks this often whether the server is stopping.
    let look = config.times.close / 5;
    let mut ws = Endpoint::server(config, Duration::ZERO);
    let (mut buffer, mut out) = (vec![0; 16 << 10], BytesMut::new());
    loop {
        // The first call closes the connection, later ones find it closed.
        if common::is_stopping()
            && ws.close(CloseCode::GOING_AWAY, "", &mut out) == Err(SendError::NotYetOpen)
        {
            return Ok(());
        }
        let now = start.elapsed();
        let wake = match ws.tick(now, &mut out) {
            Tick::Wait(wake) => wake,
            Tick::ShutDown(wake) => {
                let _ = stream.shutdown(Shutdown::Write); // calling it again does no harm
                wake
            }
            Tick::Done(end) => {
                common::log(&end);
                return Ok(());
            }
        };
        let wait = wake.map_or(look, |wake| look.min(wake - now));

        // Write everything before reading more, so that no client makes `out` grow without end.
        let is_writing = !out.is_empty();
        let result = if is_writing {
            stream.set_write_timeout(Some(wait))?;
            stream.write(&out)
        } else {
            out = BytesMut::new(); // an idle connection keeps no buffer
            stream.set_read_timeout(Some(wait))?;
            stream.read(&mut buffer)
        };
        let now = start.elapsed();
        match result {
            Ok(n @ 1..) if is_writing => {
                ws.wrote(n, now, &mut out);
            }
            Ok(n @ 1..) => {
                let mut input = Input(&mut buffer[..n]);
                while let Some(event) = ws.receive(&mut input, now, &mut out) {
                    // Sending fails only when the connection is closing: nothing is left to say.
                    let _ = match event {
                        Event::Request(request) => ws.accept(request, &mut out),
                        // A health check on the same port: `curl http://127.0.0.1:9001/health`.
                        Event::Http(request) if request.path() == "/health" => {
                            ws.respond(Response::new(200).body("ok\n"), &mut out)
                        }
                        Event::Text(text) => ws.send(&text, &mut out),
                        Event::Binary(data) => ws.send(&data, &mut out),
                        _ => Ok(()), // Pings, Closes and errors are answered already
                    };
                }
            }
            Err(error) if common::is_temporary(&error) => {}
            // The client has ended the transport, or it is broken.
            _ => {
                out.clear();
                ws.receive_eof();
            }
        }
    }
}
