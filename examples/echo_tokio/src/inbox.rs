//! Messages that other tasks send to a client.

use common::Result;
use tokio::sync::mpsc;

/// The most messages of other tasks that wait.
pub(crate) const QUEUE: usize = 16;

/// The messages that wait for a client.
pub(crate) type Inbox = mpsc::Receiver<Message>;

/// Both ends of an inbox.
pub(crate) fn open() -> (Sender, Inbox) {
    let (sender, inbox) = mpsc::channel(QUEUE);
    (Sender(sender), inbox)
}

/// A message that another task sends.
pub(crate) enum Message {
    Text(String),
    #[expect(dead_code, reason = "for your application")]
    Binary(Vec<u8>),
}

/// The sending half of a connection, for any number of other tasks.
#[derive(Clone)]
pub(crate) struct Sender(mpsc::Sender<Message>);

impl Sender {
    /// Waits while the client does not read, so neither the queue nor `out` grows without end. An
    /// error says that the connection is closed.
    pub(crate) async fn send(&self, message: Message) -> Result<()> {
        Ok(self.0.send(message).await?)
    }
}

/// Sends numbers until the connection is closed.
pub(crate) async fn count(sender: Sender) {
    for i in 0_u64.. {
        if sender.send(Message::Text(i.to_string())).await.is_err() {
            return;
        }
    }
}
