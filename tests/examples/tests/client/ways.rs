//! The ways to a server: proxies, redirects and credentials.
//!
//! Invariant: what a proxy or another site must not see is looked for in what it gets.

use super::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io;
use std::sync::Arc;

/// `user:password` as Basic credentials.
fn basic(both: &str) -> String {
    format!("Basic {}", STANDARD.encode(both))
}

/// The client, with this environment.
fn client_with(environment: &[(&str, &str)], arguments: &[&str]) -> Client {
    let mut command = example("client");
    Client::run(command.args(arguments).envs(environment.iter().copied()))
}

/// Where a URL leads: host and port.
fn address(url: &str) -> &str {
    let (_, rest) = url.split_once("://").unwrap();
    rest.trim_end_matches('/')
}

/// Leads the client to the server, and returns when both have ended.
fn lead(peer: Peer, server: &str) {
    let mut server = TcpStream::connect(server).unwrap();
    let (mut up, mut down) = (peer.stream.try_clone().unwrap(), peer.stream);
    let mut to = server.try_clone().unwrap();
    let upwards = thread::spawn(move || {
        let _ = io::copy(&mut up, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
    let _ = io::copy(&mut server, &mut down);
    let _ = down.shutdown(Shutdown::Write);
    upwards.join().unwrap();
}

const OPEN: &str = "HTTP/1.1 200 Connection established\r\n\r\n";

#[test]
fn lines_come_back_through_a_proxy() {
    let proxy = Host::new();
    let to = |user: &str| format!("http://{user}{}/", address(&proxy.url));
    let plain = Server::start("echo_server", &[]);
    let (secure, ca) = start_tls(TLS_SERVERS[0], &[]);
    for (url, more) in [
        (&plain.url, &[][..]),
        (&secure.url, &["--cafile", ca.path()]),
    ] {
        for (user, credentials) in [("", None), ("me:s%40me@", Some(basic("me:s@me")))] {
            let mut arguments = vec![&**url, "--proxy"];
            let named = to(user);
            arguments.push(&named);
            arguments.extend(more);
            let mut client = Client::start(&arguments);
            let mut peer = proxy.accept();
            let server = address(url);
            let line = format!("CONNECT {server} HTTP/1.1\r\n");
            assert!(peer.request.starts_with(&line), "{}", peer.request);
            assert_eq!(peer.field("Host"), server);
            match credentials {
                Some(credentials) => assert_eq!(peer.field("Proxy-Authorization"), credentials),
                None => assert!(!peer.request.contains("Authorization")),
            }
            // In two pieces.
            let (start, rest) = OPEN.split_at(20);
            peer.write(start);
            peer.write(rest);
            let server = server.to_owned();
            let proxying = thread::spawn(move || lead(peer, &server));
            client.say("hello");
            assert_eq!(client.stdout.next(), "hello\n");
            client.end_lines();
            succeeds(&client.output(), "");
            proxying.join().unwrap();
        }
    }
}

#[test]
fn a_refusal_of_the_proxy_is_told_from_one_of_the_server() {
    let proxy = Host::new();
    let named = proxy.url.replace("ws://", "http://me:sesame@");
    for (answer, about) in [
        (
            "HTTP/1.1 407 X\r\nProxy-Authenticate: Basic\r\nContent-Length: 5\r\n\r\nlogin",
            "the proxy refused with HTTP status 407",
        ),
        ("HTTP/1.1 502 X\r\nContent-Length: 0\r\n\r\n", "502"),
        ("HTTP/1.0 403 X\r\n\r\nno", "403"),
        ("SSH-2.0-OpenSSH\r\n\r\n", "HTTP"),
        ("", "closed the transport"),
        ("HTTP/1.1 20", "after 11 bytes"),
    ] {
        let client = Client::start(&["ws://server.test/?sesame", "--proxy", &named]);
        let mut peer = proxy.accept();
        assert!(!peer.request.contains("sesame"), "the server's query");
        peer.write(answer);
        drop(peer);
        let output = client.output();
        complains(&output, about);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told.contains("no way through 127.0.0.1:"), "{told}");
        assert!(!told.contains("sesame"), "{told}");
    }
    // That of the server comes through the tunnel.
    let client = Client::start(&["ws://server.test/", "--proxy", &named]);
    let mut peer = proxy.accept();
    peer.write(OPEN);
    peer.stream.read_exact(&mut [0; 3]).unwrap(); // GET
    peer.write("HTTP/1.1 407 X\r\nContent-Length: 0\r\n\r\n");
    complains(&client.output(), "the server refused with HTTP status 407");
    // There may be no proxy.
    let nobody = url(&port());
    let nobody = nobody.replace("ws://", "http://me:sesame@");
    let output = client_with(&[], &["ws://server.test/", "--proxy", &nobody]).output();
    complains(&output, "(the proxy)");
}

#[test]
fn after_a_busy_proxy_it_tries_again() {
    let proxy = Host::new();
    let named = proxy.url.replace("ws://", "http://");
    let client = Client::start(&["ws://server.test/", "--proxy", &named, "--reconnect"]);
    let busy = "503 X\r\nRetry-After: 0";
    proxy.accept().refuse(busy);
    let _ = client.tries_again();
    proxy.accept().refuse("403 X");
    assert!(!client.output().status.success());
}

#[test]
fn a_proxy_that_says_nothing_is_left() {
    let proxy = Host::new();
    let named = proxy.url.replace("ws://", "http://");
    let arguments = ["ws://server.test/", "--proxy", &named, "--hurry", "50"];
    let client = Client::start(&arguments);
    let _silent = proxy.accept();
    complains(&client.output(), "no way through");
}

#[test]
fn the_environment_names_a_proxy_and_who_needs_none() {
    let (proxy, server) = (Host::new(), Host::new());
    let named = proxy.url.replace("ws://", "http://env:p@");
    let secure = server.url.replace("ws://", "wss://");
    for (name, url) in [
        ("HTTP_PROXY", &server.url),
        ("http_proxy", &server.url),
        ("HTTPS_PROXY", &secure),
        ("https_proxy", &secure),
    ] {
        let (_, ca) = start_tls(TLS_SERVERS[0], &[]);
        let cafile = ["--cafile", ca.path()];
        let cafile = &cafile[..if url.starts_with("wss") { 2 } else { 0 }];
        let arguments = [&[&**url], cafile].concat();
        let _client = client_with(&[(name, &named)], &arguments);
        let peer = proxy.accept();
        assert_eq!(peer.field("Proxy-Authorization"), basic("env:p"), "{name}");
    }
    // That of the other scheme is not for this one; and some need none.
    let other = [("HTTPS_PROXY", &*named)];
    let direct = [("HTTP_PROXY", &*named), ("NO_PROXY", "a.test, 127.0.0.1")];
    for environment in [&other[..], &direct] {
        let _client = client_with(environment, &[&server.url]);
        assert!(server.accept().request.starts_with("GET / HTTP/1.1\r\n"));
    }
    let elsewhere = [("HTTP_PROXY", &*named), ("NO_PROXY", "a.test,127.0.0.1:1")];
    let _client = client_with(&elsewhere, &[&server.url]);
    assert!(proxy.accept().request.starts_with("CONNECT "));
    // What is named by hand counts, and a wrong one in the environment is reported.
    let wrong = [
        ("HTTP_PROXY", "https://me:sesame@p.test"),
        ("NO_PROXY", "*"),
    ];
    let _client = client_with(&wrong, &[&server.url, "--proxy", &named]);
    assert!(proxy.accept().request.starts_with("CONNECT "));
    let output = client_with(&wrong, &[&server.url]).output();
    complains(&output, "HTTP_PROXY");
    assert!(!String::from_utf8_lossy(&output.stderr).contains("sesame"));
}

// ---- redirects ----

#[test]
fn a_redirect_is_followed_as_often_as_was_asked_for() {
    let (first, second) = (Host::new(), Host::new());
    let url = first.url.replace("ws://", "ws://me:pw@");
    let to_second = second.url.replace("ws://", "http://evil:x@");
    let arguments = [&*url, "--follow", "2", "--header", "X-Key: sesame"];
    let mut client = Client::start(&arguments);
    let peer = first.accept();
    assert_eq!(peer.field("Authorization"), basic("me:pw"));
    peer.refuse("307 X\r\nLocation: /chat?room=1");
    let peer = first.accept();
    assert!(peer.request.starts_with("GET /chat?room=1 HTTP/1.1\r\n"));
    assert_eq!(peer.field("Authorization"), basic("me:pw"));
    assert_eq!(peer.field("X-Key"), "sesame");
    peer.refuse(&format!("302 X\r\nLocation: {to_second}"));
    // Another site gets no secret.
    let mut peer = second.open();
    for secret in ["Authorization", "X-Key", "sesame"] {
        assert!(!peer.request.contains(secret), "{}", peer.request);
    }
    client.say("hello");
    peer.says("hello");
    peer.send(0x81, b"hello");
    assert_eq!(client.stdout.next(), "hello\n");
    client.end_lines();
    peer.closes();
    succeeds(&client.output(), "");

    // One too many; and none, if nothing was said.
    for (follow, times) in [(&["--follow", "2"][..], 3), (&[], 1)] {
        let client = Client::start(&[&[&*first.url], follow].concat());
        for _ in 0..times {
            first.accept().refuse("301 X\r\nLocation: /");
        }
        complains(&client.output(), "301, a redirect to /");
    }
}

/// A server of one connection over TLS, and its certificate.
fn redirecting_over_tls(location: &str) -> (String, TempFile) {
    let key = KeyPair::generate().unwrap();
    let made = certificate().self_signed(&key).unwrap();
    let (pem, key) = (made.pem(), PrivateKeyDer::try_from(key.serialize_der()));
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(vec![made.der().clone()], key.unwrap());
    let tls = ServerConnection::new(Arc::new(config.unwrap())).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("wss://{}/", listener.local_addr().unwrap());
    let answer = format!("HTTP/1.1 301 X\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut stream = StreamOwned::new(tls, stream);
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        stream.write_all(answer.as_bytes()).unwrap();
        let _ = stream.read(&mut [0]); // until it has gone
    });
    (url, TempFile::new(&pem))
}

#[test]
fn a_redirect_that_leads_out_of_tls_or_nowhere_is_not_followed() {
    let host = Host::new();
    for (answer, about) in [
        ("302 X\r\nLocation: ftp://a/", "ws:// or wss://"),
        ("302 X\r\nLocation: //a b/", "the host must"),
        ("302 X", "no redirect"),
        ("304 X\r\nLocation: /", "no redirect"),
    ] {
        let client = Client::start(&[&host.url, "--follow", "9"]);
        host.accept().refuse(answer);
        complains(&client.output(), about);
    }
    let (out_of_tls, ca) = redirecting_over_tls("http://127.0.0.1/");
    let arguments = [&*out_of_tls, "--follow", "9", "--cafile", ca.path()];
    complains(&Client::start(&arguments).output(), "from wss:// to ws://");
}

#[test]
fn userinfo_is_sent_unless_a_header_says_otherwise() {
    let host = Host::new();
    let url = host.url.replace("ws://", "ws://me:s%3A%C3%A9@");
    let _client = Client::start(&[&url]);
    assert_eq!(host.accept().field("Authorization"), basic("me:s:\u{e9}"));
    let arguments = [&*url, "--header", "authorization: Bearer x"];
    let _client = Client::start(&arguments);
    let peer = host.accept();
    assert_eq!(peer.field("authorization"), "Bearer x");
    assert!(!peer.request.contains("Basic"), "{}", peer.request);
}
