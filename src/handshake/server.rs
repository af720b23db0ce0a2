//! The server's opening handshake over HTTP/1.1 (RFC 6455, section 4.2).
//!
//! Invariant: it judges nothing but the form of the head; the rest is for `rules.rs`.

use super::config::Config;
use super::error::HandshakeError;
use super::http1::head::{Head, HeadReader};
use super::http1::request_line::RequestLine;
use super::negotiation::request::RequestFields;
use super::request::{Request, Start, Version};
use super::rules::{Rules, well_formed};
use crate::connection::Settings;
use crate::frame::Input;

/// The server's side of an opening handshake, which waits for a request.
#[derive(Debug)]
pub(crate) struct ServerHandshake {
    reader: HeadReader,
    /// How many bytes have come.
    received: usize,
    rules: Rules,
}

impl ServerHandshake {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            reader: HeadReader::new(config.max_head_size, config.max_headers),
            received: 0,
            rules: Rules::new(config),
        }
    }

    /// Takes what came from the client, and returns its request once the head is complete; `None`
    /// until then. It takes no byte after the head. `settings` are those of the connection.
    ///
    /// It is an error if the head is not well-formed HTTP/1.x or exceeds a limit: then it is
    /// unknown what the client wants. Any other request is returned, with [`Request::error`] set if
    /// it is no opening handshake. Do not call it again after either.
    pub(crate) fn receive(
        &mut self,
        input: &mut Input<'_>,
        settings: &Settings,
    ) -> Option<Result<Request, HandshakeError>> {
        let len = input.len();
        let head = self.reader.receive(input);
        self.received += len - input.len();
        match head {
            Ok(None) => None,
            Ok(Some(head)) => Some(self.read(head, settings)),
            Err(error) => Some(Err(error)),
        }
    }

    /// The transport has ended.
    pub(crate) const fn receive_eof(&self) -> HandshakeError {
        HandshakeError::TransportEnded {
            received: self.received,
        }
    }

    fn read(&self, head: Head, settings: &Settings) -> Result<Request, HandshakeError> {
        let line = RequestLine::parse(head.first_line())?;
        let authority = line.authority;
        let authority = authority.map(|host| head.headers.place_of(host.into()));
        let start = Start {
            method: line.method,
            target: head.headers.place_of(line.target),
            version: Version::Http1 { minor: line.minor },
        };
        let mut request = Request::new(start, head.headers, *settings);
        let mut fields = RequestFields::read(request.headers());
        well_formed(&mut request, &mut fields, authority, true)?;
        let checked = self.rules.check(&mut request, &mut fields);
        request.parts().error = checked.err();
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::Session;
    use crate::handshake::extension::Extension;
    use crate::handshake::fault::{FieldFault, LineFault};
    use crate::handshake::response::Response;
    use crate::handshake::setup_error::SetupError;
    use alloc::string::ToString;
    use alloc::vec::Vec;
    use alloc::{format, vec};
    use bytes::BytesMut;

    const REQUEST: &str = "GET /chat?q HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Version: 13\r\n\r\n";

    /// Reads it in pieces of `size`, with a byte after it that is left.
    fn read(head: &str, size: usize) -> Result<Request, HandshakeError> {
        let mut handshake = ServerHandshake::new(&Config::default());
        let mut bytes = [head.as_bytes(), b"x"].concat();
        for piece in bytes.chunks_mut(size) {
            let mut input = Input(piece);
            if let Some(result) = handshake.receive(&mut input, &Settings::default()) {
                assert!(result.is_err() || size > 1 && input.0 == b"x" || input.0.is_empty());
                return result;
            }
        }
        panic!("no end of {head:?}");
    }

    fn replaced(from: &str, to: &str) -> Result<Request, HandshakeError> {
        assert!(REQUEST.contains(from));
        let head = REQUEST.replacen(from, to, 1);
        let [one, all] = [1, usize::MAX].map(|size| read(&head, size));
        assert_eq!(one, all);
        all
    }

    #[test]
    fn a_handshake_is_opened_with_what_was_chosen() {
        let mut request = replaced(
            "Version: 13",
            "Version: 13\r\nSec-WebSocket-Protocol: a, b\r\nSec-WebSocket-Extensions: x; y=1, z",
        )
        .unwrap();
        assert_eq!(request.error(), None);
        assert_eq!((request.method(), request.host()), ("GET", "example.com"));
        assert_eq!((request.path(), request.query()), ("/chat", Some("q")));
        assert_eq!(request.select_subprotocol(&["b", "c"]), Some("b"));
        assert_eq!(request.extensions().count(), 2);
        let [x, other] = ["x", "other"].map(|name| Extension::new(name).unwrap());
        assert_eq!(request.select_extension(x.clone()), Ok(()));
        for extension in [x, other] {
            let refused = request.select_extension(extension);
            assert_eq!(refused, Err(SetupError::NotOffered));
        }
        request.add_header("X", "y").unwrap();
        let reserved = request.add_header("upgrade", "y");
        assert_eq!(reserved, Err(SetupError::Reserved));
        let (mut session, mut out) = (Session::server(Settings::default(), false), BytesMut::new());
        request.open(&mut session, &mut out);
        assert!(session.is_open());
        assert_eq!(
            core::str::from_utf8(&out).unwrap(),
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: b\r\n\
             Sec-WebSocket-Extensions: x\r\nX: y\r\n\r\n"
        );
    }

    #[test]
    fn a_request_of_other_kind_is_a_request_with_an_error() {
        for (from, to, error) in [
            ("GET", "POST", HandshakeError::Method("POST".into())),
            ("GET", "HEAD", HandshakeError::Method("HEAD".into())),
            (
                "GET /chat?q",
                "OPTIONS *",
                HandshakeError::Method("OPTIONS".into()),
            ),
            (
                "HTTP/1.1",
                "HTTP/1.0",
                HandshakeError::HttpVersion { major: 1, minor: 0 },
            ),
            (
                "HTTP/1.1\r\nHost: example.com",
                "HTTP/1.0",
                HandshakeError::HttpVersion { major: 1, minor: 0 },
            ),
            (
                "Upgrade: websocket",
                "X: y",
                HandshakeError::NotUpgrade {
                    upgrade: false,
                    connection: true,
                },
            ),
            (
                "Host",
                "Content-Length: 5\r\nHost",
                HandshakeError::ContentLength(FieldFault::Value("5".into())),
            ),
            (
                "Host",
                "Transfer-Encoding: chunked\r\nHost",
                HandshakeError::TransferEncoding(FieldFault::Value("chunked".into())),
            ),
            (
                "Key: d",
                "Key: ",
                HandshakeError::Key(FieldFault::Length(23)),
            ),
            (
                "Version: 13",
                "Version: 12",
                HandshakeError::VersionUnsupported {
                    found: 12,
                    is_upgrade: true,
                },
            ),
            (
                "Version: 13",
                "Version: 013",
                HandshakeError::VersionMalformed(FieldFault::Value("013".into())),
            ),
            (
                "Host",
                "Sec-WebSocket-Protocol: a,a\r\nHost",
                HandshakeError::Subprotocol(FieldFault::Duplicate),
            ),
            (
                "Host",
                "Sec-WebSocket-Extensions: a;\r\nHost",
                HandshakeError::Extensions(FieldFault::Cut),
            ),
            (
                "Host",
                "Origin: a\r\nOrigin: a\r\nHost",
                HandshakeError::Origin(FieldFault::Repeated(2)),
            ),
            (
                "Host",
                "Origin: http://other.test\r\nHost",
                HandshakeError::OriginForbidden {
                    origin: "http://other.test".into(),
                    host: "example.com".into(),
                },
            ),
        ] {
            let request = replaced(from, to).unwrap();
            assert_eq!(request.error(), Some(&error), "{to}");
            assert_eq!(request.is_head(), to == "HEAD");
            let response = Response::from(&error);
            assert_eq!(response.status, error.status());
            assert_eq!(response.body, format!("{error}\n").as_bytes());
            assert_eq!(request.acceptable(), Err(error));
        }
    }

    #[test]
    fn a_head_that_is_not_well_formed_is_an_error() {
        use HandshakeError::{ContentLength, Host, HttpVersion, TransferEncoding};
        use LineFault::{BareLf, Control, Folded, NoColon, RequestLine, SpaceBeforeColon};
        let malformed = |line, at, fault| HandshakeError::Malformed { line, at, fault };
        let value = |value: &str| FieldFault::Value(value.into());
        let target = |found, at| HandshakeError::Target { found, at };
        let twice = FieldFault::Repeated(2);
        for (from, to, error) in [
            ("GET ", "GET", malformed(1, 19, RequestLine)),
            ("GET", "G\u{e9}T", malformed(1, 1, RequestLine)),
            ("HTTP/1.1", "HTTP/1.1 ", malformed(1, 20, RequestLine)),
            ("HTTP/1.1", "HTTP/2.0", HttpVersion { major: 2, minor: 0 }),
            ("/chat", "chat", target(b'c', 0)),
            ("/chat", "/ch#at", target(b'#', 3)),
            ("Host:", "Host :", malformed(2, 4, SpaceBeforeColon)),
            ("Upgrade: websocket", " folded", malformed(3, 0, Folded)),
            ("Upgrade: websocket", "colon", malformed(3, 5, NoColon)),
            ("Upgrade: websocket", "a: \0", malformed(3, 3, Control(0))),
            ("\r\n\r\n", "\r\n\n", malformed(7, 0, BareLf)),
            ("Host: example.com\r\n", "", Host(FieldFault::Missing)),
            ("Host", "Host: a\r\nHost", Host(twice.clone())),
            ("example.com", "a b", Host(value("a b"))),
            (
                "Host",
                "Content-Length: +0\r\nHost",
                ContentLength(value("+0")),
            ),
            (
                "Host",
                "Content-Length: 0\r\nContent-Length: 0\r\nHost",
                ContentLength(twice),
            ),
            (
                "Host",
                "Content-Length: 0\r\nTransfer-Encoding: chunked\r\nHost",
                TransferEncoding(value("chunked")),
            ),
        ] {
            assert_eq!(replaced(from, to), Err(error), "{to}");
        }
    }

    #[test]
    fn limits_are_told() {
        let mut config = Config::default();
        (config.max_head_size, config.max_headers) = (REQUEST.len(), 5);
        let read = |head: &str| {
            let mut bytes = head.as_bytes().to_vec();
            ServerHandshake::new(&config)
                .receive(&mut Input(&mut bytes), &Settings::default())
                .unwrap()
        };
        assert!(read(REQUEST).unwrap().error().is_none());
        let (max, long) = (REQUEST.len(), "x".repeat(REQUEST.len()));
        let headers = REQUEST.replace("Upgrade: websocket", "a:b\r\nb:");
        let target = REQUEST.replace("/chat", &format!("/{long}"));
        let head = REQUEST.replace("/chat", "/chatx");
        let found: Vec<_> = [&headers, &target, &head]
            .map(|head| read(head).unwrap_err())
            .into();
        assert_eq!(
            found,
            vec![
                HandshakeError::TooManyHeaders { max: 5 },
                HandshakeError::TargetTooLong { max },
                HandshakeError::HeadTooLarge { max },
            ]
        );
        assert!(found[2].to_string().contains(&format!(", {max} bytes (")));
    }

    #[test]
    fn a_request_is_one_pointer_and_shows_no_secret() {
        assert_eq!(size_of::<Request>(), size_of::<usize>());
        let request = replaced("Host", "Cookie: sesame\r\nHost").unwrap();
        let shown = format!("{request:?}");
        assert!(
            shown.contains("/chat") && !shown.contains("sesame"),
            "{shown}"
        );
    }
}
