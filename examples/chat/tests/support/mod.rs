//! The server as a process, and clients.
//!
//! Invariant: no wait is without a limit, and whatever is started ends with the test.

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_sansocket::sansocket::{ClientRequest, Deflate, End, HandshakeError};
use tokio_sansocket::{Error, Options, WebSocket, client};

/// What has not come after this time never comes.
const NEVER: Duration = Duration::from_secs(30);

/// A chat server of its own for a test.
pub(crate) struct Server {
    child: Mutex<Child>,
    address: SocketAddr,
    tokens: Mutex<Vec<(String, String)>>,
}

impl Server {
    pub(crate) fn start() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chat"));
        let mut child = command
            .arg("127.0.0.1:0")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.as_mut().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("open http://").unwrap();
        let address = address.trim_end_matches('/').parse().unwrap();
        Self {
            child: Mutex::new(child),
            address,
            tokens: Mutex::default(),
        }
    }

    /// A request without a WebSocket: the status, the head and the body of its answer.
    async fn request(&self, head: &str, body: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!(
            "{head}\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        timeout(NEVER, stream.read_to_string(&mut answer))
            .await
            .unwrap()
            .unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.into(), body.into())
    }

    /// The head of the answer to a request without a body.
    pub(crate) async fn head(&self, head: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("{head}\r\nHost: {}\r\n\r\n", self.address);
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        while !answer.contains("\r\n\r\n") {
            let byte = timeout(NEVER, stream.read_u8()).await.unwrap().unwrap();
            answer.push(byte.into());
        }
        answer
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, String, String) {
        self.request(&format!("GET {path} HTTP/1.1"), "").await
    }

    pub(crate) async fn post(
        &self,
        path: &str,
        body: &str,
        fields: &[(&str, &str)],
    ) -> (u16, String) {
        let mut head = format!("POST {path} HTTP/1.1\r\nContent-Type: application/json");
        for (name, value) in fields {
            head += &format!("\r\n{name}: {value}");
        }
        let (status, _, body) = self.request(&head, body).await;
        (status, body)
    }

    /// Logs in; the token.
    pub(crate) async fn log_in(&self, name: &str) -> String {
        let (status, body) = self
            .post(
                "/login",
                &serde_json::json!({"name": name}).to_string(),
                &[],
            )
            .await;
        assert_eq!(status, 200, "{body}");
        let token = serde_json::from_str::<Value>(&body).unwrap()["token"]
            .as_str()
            .unwrap()
            .to_owned();
        self.tokens
            .lock()
            .unwrap()
            .push((name.into(), token.clone()));
        token
    }

    /// Logs out whoever has this name.
    pub(crate) async fn forget(&self, name: &str) {
        let found = self
            .tokens
            .lock()
            .unwrap()
            .iter()
            .rfind(|(known, _)| known == name)
            .cloned();
        let bearer = format!("Bearer {}", found.unwrap().1);
        assert_eq!(
            self.post("/logout", "", &[("Authorization", &bearer)])
                .await
                .0,
            204
        );
    }

    /// Logs in and connects.
    pub(crate) async fn client(&self, name: &str) -> Client {
        let token = self.log_in(name).await;
        self.connect(&token).await
    }

    pub(crate) async fn connect(&self, token: &str) -> Client {
        let stream = TcpStream::connect(self.address).await.unwrap();
        self.open(stream, token, &Options::default()).await
    }

    pub(crate) async fn connect_compressed(&self, token: &str) -> Client {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let mut options = Options::default();
        options.config.deflate = Some(Deflate::default());
        let client = self.open(stream, token, &options).await;
        assert!(client.ws.has_deflate());
        client
    }

    /// A client for which the kernel takes little that it does not read.
    pub(crate) async fn connect_slowly(&self, token: &str) -> Client {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4 << 10).unwrap();
        let stream = socket.connect(self.address).await.unwrap();
        self.open(stream, token, &Options::default()).await
    }

    async fn open(&self, stream: TcpStream, token: &str, options: &Options) -> Client {
        let request = self.opening("chat.v1").bearer(token).unwrap();
        let opened = timeout(NEVER, client(stream, &request, options));
        let (ws, response) = opened.await.unwrap().unwrap();
        assert_eq!(response.subprotocol(), Some("chat.v1"));
        let mut client = Client {
            ws,
            welcome: Value::Null,
        };
        client.welcome = client.event().await;
        assert_eq!(client.welcome["type"], "welcome");
        client
    }

    fn opening(&self, subprotocol: &str) -> ClientRequest {
        let uri = format!("ws://{}/ws", self.address);
        ClientRequest::new(&uri)
            .unwrap()
            .subprotocol(subprotocol)
            .unwrap()
    }

    /// The status with which an opening handshake is refused.
    pub(crate) async fn refusal(
        &self,
        token: Option<&str>,
        subprotocol: &str,
        origin: Option<&str>,
    ) -> u16 {
        let mut request = self.opening(subprotocol);
        if let Some(token) = token {
            request = request
                .header("Authorization", &format!("Bearer {token}"))
                .unwrap();
        }
        if let Some(origin) = origin {
            request = request.origin(origin).unwrap();
        }
        let stream = TcpStream::connect(self.address).await.unwrap();
        let options = Options::default();
        let refused = timeout(NEVER, client(stream, &request, &options));
        match refused.await.unwrap().map(drop) {
            Err(Error::Ended { end, .. }) => match *end {
                End::Refused(HandshakeError::Refused(response)) => response.status,
                end => panic!("{end:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn terminate(&self) {
        let id = self.child.lock().unwrap().id().to_string();
        let status = Command::new("kill").args(["-TERM", &id]).status();
        assert!(status.unwrap().success());
    }

    pub(crate) async fn wait(&self, most: Duration) -> ExitStatus {
        let ended = async {
            loop {
                if let Some(status) = self.child.lock().unwrap().try_wait().unwrap() {
                    return status;
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(most, ended).await.expect("the server ends")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let mut child = self.child.lock().unwrap();
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// A client that has been welcomed.
pub(crate) struct Client {
    ws: WebSocket<TcpStream>,
    pub(crate) welcome: Value,
}

impl Client {
    /// The next event, or the code of the Close.
    pub(crate) async fn next(&mut self) -> Result<Value, u16> {
        match timeout(NEVER, self.ws.recv())
            .await
            .expect("something comes")
        {
            Ok(Some(message)) => Ok(serde_json::from_str(message.as_text().unwrap()).unwrap()),
            Ok(None) => Err(self.ws.end().unwrap().close_code().0),
            Err(error) => Err(error.close_code().unwrap().0),
        }
    }

    pub(crate) async fn event(&mut self) -> Value {
        self.next()
            .await
            .unwrap_or_else(|code| panic!("closed with {code}"))
    }

    /// The code of the Close that comes.
    pub(crate) async fn close_code(&mut self) -> u16 {
        loop {
            if let Err(code) = self.next().await {
                return code;
            }
        }
    }

    pub(crate) async fn send(&mut self, request: Value) {
        assert!(self.try_send(request).await, "the connection is open");
    }

    /// `false` if the connection is not open any more.
    pub(crate) async fn try_send(&mut self, request: Value) -> bool {
        self.ws.send(request.to_string()).await.is_ok()
    }

    pub(crate) async fn send_text(&mut self, text: &str) {
        self.ws.send(text).await.unwrap();
    }

    pub(crate) async fn send_binary(&mut self, data: &[u8]) {
        self.ws.send(data).await.unwrap();
    }

    pub(crate) async fn enter(&mut self, room: &str, after: Option<Value>) {
        let request = serde_json::json!({"type": "enter", "room": room, "after": after});
        self.send(request).await;
    }
}

/// The ids of the messages in an event.
pub(crate) fn ids(event: &Value) -> Vec<u64> {
    let messages = event["messages"].as_array().unwrap();
    messages
        .iter()
        .map(|message| message["id"].as_u64().unwrap())
        .collect()
}

/// Their texts.
pub(crate) fn text_of(event: &Value) -> Vec<Value> {
    let messages = event["messages"].as_array().unwrap();
    messages
        .iter()
        .map(|message| message["text"].clone())
        .collect()
}
