//! The servers: our adapter and tokio-tungstenite, each as its users write it.
//!
//! Invariant: one thread, and the same work: everybody gets the message, and what clients send is read all the while.

use crate::{MESSAGE, Result};
use futures::stream::SplitSink;
use futures::{SinkExt, StreamExt};
use std::env;
use std::io::stdin;
use std::sync::Arc;
use std::thread;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::mpsc;
use tokio_sansocket::sansocket::{Config, Deflate, Prepared};
use tokio_sansocket::tokio_rustls::TlsAcceptor;
use tokio_sansocket::tokio_rustls::rustls::ServerConfig;
use tokio_sansocket::tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_sansocket::{Options, Sender, accept};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// What comes after the name of the crate is how it is used.
pub const BROADCASTS: [&str; 4] = [
    "tokio-sansocket, senders and a prepared message",
    "tokio-sansocket, the same, compressed",
    "tokio-tungstenite, a task and a channel each",
    "tokio-tungstenite, halves in a list",
];
pub const OPENINGS: [&str; 2] = ["tokio-sansocket", "tokio-tungstenite"];

pub fn is_way(name: &str) -> bool {
    BROADCASTS.contains(&name) || OPENINGS.contains(&name)
}

/// Runs the server until its process is ended.
pub fn serve(way: &str) -> Result<()> {
    let n: usize = env::args().nth(2).ok_or("how many?")?.parse()?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        match BROADCASTS.iter().position(|name| *name == way) {
            Some(0) => sansocket(&listener, n, false).await,
            Some(1) => sansocket(&listener, n, true).await,
            Some(2) => tasks(&listener, n).await,
            Some(_) => halves(&listener, n).await,
            None => open(&listener, way == OPENINGS[0]).await,
        }
    })
}

/// A line for each message that is to be sent.
fn orders() -> mpsc::UnboundedReceiver<()> {
    let (sender, orders) = mpsc::unbounded_channel();
    println!("all are there");
    thread::spawn(move || {
        let mut line = String::new();
        while stdin().read_line(&mut line).is_ok_and(|n| n > 0) && sender.send(()).is_ok() {}
    });
    orders
}

/// The message.
fn text() -> String {
    let text = r#"{"event":"trade","price":1024.5},"#;
    text.chars().cycle().take(MESSAGE).collect()
}

async fn connected(listener: &TcpListener) -> Result<TcpStream> {
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn sansocket(listener: &TcpListener, n: usize, is_compressed: bool) -> Result<()> {
    let mut config = Config::default();
    if is_compressed {
        let mut deflate = Deflate::default();
        deflate.server_no_context_takeover = true; // so that all compress alike
        config.deflate = Some(deflate);
    }
    let options = Options::from(config);
    let mut senders: Vec<Sender> = Vec::new();
    while senders.len() < n {
        let mut ws = accept(connected(listener).await?, &options, Ok).await?;
        senders.push(ws.sender());
        tokio::spawn(async move { while let Ok(Some(_)) = ws.recv().await {} });
    }
    let mut orders = orders();
    while orders.recv().await.is_some() {
        let news = Prepared::new(&*text());
        for sender in &senders {
            assert!(sender.try_send(&news)?, "it was taken");
        }
    }
    Ok(())
}

async fn tasks(listener: &TcpListener, n: usize) -> Result<()> {
    let mut senders = Vec::new();
    while senders.len() < n {
        let stream = connected(listener).await?;
        let mut ws = tokio_tungstenite::accept_async(stream).await?;
        let (sender, mut queue) = mpsc::channel::<Message>(16);
        senders.push(sender);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    message = queue.recv() => match message {
                        Some(message) => ws.send(message).await?,
                        None => return Ok::<_, tokio_tungstenite::tungstenite::Error>(()),
                    },
                    message = ws.next() => match message {
                        Some(message) => drop(message?),
                        None => return Ok(()),
                    },
                }
            }
        });
    }
    let mut orders = orders();
    while orders.recv().await.is_some() {
        let news = Message::from(text()); // a clone shares it
        for sender in &senders {
            sender.try_send(news.clone())?;
        }
    }
    Ok(())
}

async fn halves(listener: &TcpListener, n: usize) -> Result<()> {
    let mut sinks: Vec<SplitSink<WebSocketStream<TcpStream>, Message>> = Vec::new();
    while sinks.len() < n {
        let stream = connected(listener).await?;
        let (sink, mut read) = tokio_tungstenite::accept_async(stream).await?.split();
        sinks.push(sink);
        tokio::spawn(async move { while let Some(Ok(_)) = read.next().await {} });
    }
    let mut orders = orders();
    while orders.recv().await.is_some() {
        let news = Message::from(text());
        for sink in &mut sinks {
            sink.send(news.clone()).await?;
        }
    }
    Ok(())
}

/// Accepts, and reads to the end. Those whose first byte is a TLS record's are TLS.
async fn open(listener: &TcpListener, is_ours: bool) -> Result<()> {
    let tls = acceptor()?;
    let options = Arc::new(Options::default());
    loop {
        let stream = connected(listener).await?;
        let (tls, options) = (tls.clone(), options.clone());
        tokio::spawn(async move {
            let mut first = [0];
            if stream.peek(&mut first).await? == 0 {
                return Ok(());
            }
            match first {
                [0x16] => to_the_end(tls.accept(stream).await?, is_ours, &options).await,
                _ => to_the_end(stream, is_ours, &options).await,
            }
        });
    }
}

async fn to_the_end<S>(stream: S, is_ours: bool, options: &Options) -> Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    if is_ours {
        let mut ws = accept(stream, options, Ok).await?;
        while ws.recv().await?.is_some() {}
    } else {
        let mut ws = tokio_tungstenite::accept_async(stream).await?;
        while ws.next().await.transpose()?.is_some() {}
    }
    Ok(())
}

fn acceptor() -> Result<TlsAcceptor> {
    let bytes = |name| -> Result<Vec<u8>> {
        let hex = env::var(name)?;
        let digits = |at| u8::from_str_radix(&hex[at..at + 2], 16);
        Ok((0..hex.len())
            .step_by(2)
            .map(digits)
            .collect::<std::result::Result<_, _>>()?)
    };
    let certificate = CertificateDer::from(bytes("CERTIFICATE")?);
    let key = PrivateKeyDer::try_from(bytes("KEY")?)?;
    let config = ServerConfig::builder().with_no_client_auth();
    Ok(TlsAcceptor::from(Arc::new(
        config.with_single_cert(vec![certificate], key)?,
    )))
}
