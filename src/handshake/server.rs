//! The server's opening handshake over HTTP/1.1 (RFC 6455, section 4.2).
//!
//! Invariant: a request without an error has passed every rule.

use super::config::{Config, Negotiator};
use super::error::HandshakeError;
use super::fault::FieldFault;
use super::headers::Headers;
use super::http1::body::decimal;
use super::http1::head::{Head, HeadReader};
use super::http1::request_line::RequestLine;
use super::negotiation::list::Once;
use super::negotiation::offer::{Offer, read_upgrade};
use super::origin::OriginPolicy;
use super::request::Request;
use super::uri::Authority;
use crate::frame::Input;

/// The server's side of an opening handshake, which waits for a request.
#[derive(Debug)]
pub(crate) struct ServerHandshake {
    reader: HeadReader,
    /// How many bytes have come.
    received: usize,
    origins: OriginPolicy,
    deflate: Negotiator,
}

impl ServerHandshake {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            reader: HeadReader::new(config.max_head_size, config.max_headers),
            received: 0,
            origins: config.origins.clone(),
            deflate: config.negotiator(),
        }
    }

    /// Takes what came from the client, and returns its request once the head is complete; `None`
    /// until then. It takes no byte after the head.
    ///
    /// It is an error if the head is not well-formed HTTP/1.x or exceeds a limit: then it is
    /// unknown what the client wants. Any other request is returned, with [`Request::error`] set if
    /// it is no opening handshake. Do not call it again after either.
    pub(crate) fn receive(
        &mut self,
        input: &mut Input<'_>,
    ) -> Option<Result<Request, HandshakeError>> {
        let len = input.len();
        let head = self.reader.receive(input);
        self.received += len - input.len();
        match head {
            Ok(None) => None,
            Ok(Some(head)) => Some(self.read(head)),
            Err(error) => Some(Err(error)),
        }
    }

    /// The transport has ended.
    pub(crate) const fn receive_eof(&self) -> HandshakeError {
        HandshakeError::TransportEnded {
            received: self.received,
        }
    }

    fn read(&self, head: Head) -> Result<Request, HandshakeError> {
        let line = RequestLine::parse(head.first_line())?;
        let routing = Routing::read(&head.headers)?;
        let host = match (line.authority, routing.host) {
            // RFC 9112, section 3.2.2: the authority of the target counts.
            (Some(authority), Some(_)) => authority,
            // RFC 9112, section 3.2: a client of HTTP/1.0 need not name a host.
            (authority, None) if line.version == (1, 0) => authority.unwrap_or_default(),
            (None, Some(host)) => host,
            (_, None) => return Err(HandshakeError::Host(FieldFault::Missing)),
        };
        let content = routing.content;
        let (major, minor) = line.version;
        let is_get = line.method == "GET";
        let host = head.headers.place_of(host.into());
        let target = head.headers.place_of(line.target);
        let mut request = Request::new(line.method, target, host, head.headers);
        let checked = if (major, minor) == (1, 0) {
            Err(HandshakeError::HttpVersion { major, minor })
        } else if !is_get {
            Err(HandshakeError::Method(request.method().into()))
        } else if let Some(error) = content {
            Err(error)
        } else {
            self.check(&mut request)
        };
        request.parts().error = checked.err();
        Ok(request)
    }

    /// RFC 6455, section 4.2.1: what the fields of an opening handshake say.
    fn check(&self, request: &mut Request) -> Result<(), HandshakeError> {
        let parts = request.parts();
        parts.key = read_upgrade(parts.headers.raw())?;
        let mut offer = Offer::read(parts.headers.raw())?;
        let origin = offer.origin.take();
        parts.offer = offer;
        if let Some(origin) = origin
            && !self.origins.allows(Some(&origin), request.host())
        {
            return Err(HandshakeError::OriginForbidden {
                origin: origin.into(),
                host: request.host().into(),
            });
        }
        let parts = request.parts();
        let element = self.deflate.accept(&parts.offer.extensions);
        parts.deflate = element.map(|element| (self.deflate.clone(), element));
        Ok(())
    }
}

/// The fields by which a request is routed and delimited (RFC 9112, sections 3.2 and 6). If they
/// are not right, two servers may see two different requests (RFC 9112, section 11.2).
struct Routing<'h> {
    host: Option<&'h str>,
    /// What says that there is content.
    content: Option<HandshakeError>,
}

impl<'h> Routing<'h> {
    fn read(headers: &'h Headers) -> Result<Self, HandshakeError> {
        let (mut host, mut length) = (Once::Absent, Once::Absent);
        let mut coding = None;
        for (name, value) in headers.raw() {
            match name {
                n if n.eq_ignore_ascii_case(b"host") => host.found(value.get().trim_ascii()),
                n if n.eq_ignore_ascii_case(b"content-length") => {
                    let value = value.get().trim_ascii();
                    // Some read a number after a zero as octal, so this is no number.
                    let is_plain = value == b"0" || !value.starts_with(b"0");
                    length.found((decimal(value).filter(|_| is_plain), value));
                }
                n if n.eq_ignore_ascii_case(b"transfer-encoding") => coding = Some(value.get()),
                _ => {}
            }
        }
        let host = host.at_most_once().map_err(HandshakeError::Host)?;
        let host = host.map(valid_host).transpose()?;
        let length = length.at_most_once();
        let length = length.map_err(HandshakeError::ContentLength)?;
        let shown =
            |(_, value): (_, &[u8])| HandshakeError::ContentLength(FieldFault::value(value));
        let coded = coding.map(|value| {
            let value = value.trim_ascii();
            HandshakeError::TransferEncoding(FieldFault::value(value))
        });
        let content = match (length, coded) {
            (None, coded) => coded,
            (Some((Some(0), _)), None) => None,
            (Some(length @ (Some(_), _)), None) => Some(shown(length)),
            // RFC 9112, section 6.3: a wrong length, or two ways to say it.
            (Some(_), Some(coded)) => return Err(coded),
            (Some(length), None) => return Err(shown(length)),
        };
        Ok(Self { host, content })
    }
}

fn valid_host(value: &[u8]) -> Result<&str, HandshakeError> {
    let host = core::str::from_utf8(value).ok();
    let host = host.filter(|host| Authority::parse(host).is_ok());
    host.ok_or_else(|| HandshakeError::Host(FieldFault::value(value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::{Session, Settings};
    use crate::handshake::extension::Extension;
    use crate::handshake::fault::LineFault;
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
            if let Some(result) = handshake.receive(&mut input) {
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
                HandshakeError::VersionUnsupported(12),
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
            assert_eq!(request.into_error(), Some(error));
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
                .receive(&mut Input(&mut bytes))
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
