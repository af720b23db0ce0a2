//! The client's opening handshake over HTTP/1.1 (RFC 6455, section 4.1).
//!
//! Invariant: every rule for responses is checked, and a refusal or redirect is handed over, not
//! followed.

use super::asked::Asked;
use super::client_request::ClientRequest;
use super::config::Config;
use super::error::HandshakeError;
use super::fields::write_field;
use super::headers::Headers;
use super::http1::response::ResponseReader;
use super::response::Response;
use crate::connection::Session;
use crate::frame::{CloseCode, Input};
use bytes::BytesMut;
use core::fmt;

/// The client's side of an opening handshake, which has sent its request.
pub(crate) struct ClientHandshake {
    asked: Asked,
    reader: ResponseReader,
}

impl ClientHandshake {
    /// Appends the request to `out`. `nonce` must be fresh and unpredictable (RFC 6455,
    /// section 4.1).
    pub(crate) fn new(
        request: &ClientRequest,
        config: &Config,
        nonce: [u8; 16],
        out: &mut BytesMut,
    ) -> Self {
        let asked = Asked::new(request, config, Some(nonce));
        for part in ["GET ", request.resource_name(), " HTTP/1.1\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
        write_field("Host", request.authority().as_bytes(), out);
        asked.each_field(request, |name, value| write_field(name, value, out));
        out.extend_from_slice(b"\r\n");
        Self {
            asked,
            reader: ResponseReader::new(config, 101..=101),
        }
    }

    /// Takes what came from the server, and returns the response once it is complete and has passed
    /// every rule of RFC 6455, section 4.1; `None` until then. The response opens `session`, which
    /// is closed at once if a required extension was not accepted.
    ///
    /// It takes no byte after a response that opens. An error is the rule that the response breaks,
    /// or the refusal, once its body is complete or has reached its limit; then all of `input` is
    /// taken. Afterwards it returns `None`.
    pub(crate) fn receive(
        &mut self,
        input: &mut Input<'_>,
        session: &mut Session,
        out: &mut BytesMut,
    ) -> Option<Result<Response, HandshakeError>> {
        let result = self.reader.receive(input)?;
        let result = result.and_then(|headers| self.open(headers, session, out));
        if result.is_err() {
            input.take_rest();
        }
        Some(result)
    }

    /// The transport has ended. Returns the refusal, if this was the end of its body or a part of
    /// it has arrived.
    pub(crate) fn receive_eof(&mut self) -> HandshakeError {
        self.reader.receive_eof()
    }

    /// Ends the handshake, as its time is over. Returns the refusal, if a part of it has arrived.
    pub(crate) fn give_up(&mut self) -> Option<HandshakeError> {
        self.reader.give_up()
    }

    /// Opens `session`, if a response with status 101 says what it must.
    fn open(
        &self,
        headers: Headers,
        session: &mut Session,
        out: &mut BytesMut,
    ) -> Result<Response, HandshakeError> {
        let agreed = self.asked.check(&headers)?;
        session.open();
        self.asked.apply(&agreed, session);
        if !agreed.missing.is_empty() {
            // RFC 6455, section 7.4.1: the reason lists what is missing, if it fits.
            let code = CloseCode::MANDATORY_EXTENSION;
            let closed = session
                .close(code, &agreed.missing.join(", "), out)
                .or_else(|_| session.close(code, "", out));
            debug_assert_eq!(closed, Ok(()));
        }
        let mut response = Response::opening(101);
        response.headers = headers;
        Ok(response)
    }
}

impl fmt::Debug for ClientHandshake {
    /// Hides the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientHandshake")
            .field("reader", &self.reader)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::Settings;
    use crate::frame::MaskingKeys;
    use crate::handshake::extension::Extension;
    use crate::handshake::fault::{FieldFault, LineFault};
    use crate::handshake::negotiation::key::{accept_of, key_of};
    use alloc::format;
    use alloc::string::String;
    use alloc::vec::Vec;

    fn request() -> ClientRequest {
        let request = ClientRequest::new("ws://example.com/chat?q").unwrap();
        let request = request.subprotocol("a").unwrap().subprotocol("b").unwrap();
        request.extension(Extension::new("x").unwrap(), true)
    }

    /// The result of this response, read in pieces of `size`, and what is left of it.
    fn answered(
        response: &str,
        size: usize,
    ) -> (
        Option<Result<Response, HandshakeError>>,
        usize,
        ClientHandshake,
        Session,
    ) {
        let (mut session, mut out) = (
            Session::client(Settings::default(), MaskingKeys::new([7; 32]), false),
            BytesMut::new(),
        );
        let mut handshake = ClientHandshake::new(&request(), &Config::default(), [1; 16], &mut out);
        let accept = accept_of(&key_of(&[1; 16])).map(char::from);
        let accept: String = accept.iter().collect();
        let mut bytes = response.replace("ACCEPT", &accept).into_bytes();
        let mut left = bytes.len();
        for piece in bytes.chunks_mut(size) {
            let len = piece.len();
            let mut input = Input(piece);
            let result = handshake.receive(&mut input, &mut session, &mut out);
            left -= len - input.0.len();
            if result.is_some() {
                return (result, left, handshake, session);
            }
        }
        (None, left, handshake, session)
    }

    const RESPONSE: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\n\
        Connection: keep-alive, upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\n\
        Sec-WebSocket-Protocol: b\r\nSec-WebSocket-Extensions: x; y=\"1\"\r\n\r\nafter";

    #[test]
    fn the_request_asks_for_all_of_it() {
        let mut out = BytesMut::new();
        ClientHandshake::new(&request(), &Config::default(), [0; 16], &mut out);
        assert_eq!(
            core::str::from_utf8(&out).unwrap(),
            "GET /chat?q HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: a, b\r\n\
             Sec-WebSocket-Extensions: x\r\n\r\n"
        );
    }

    #[test]
    fn a_good_response_opens() {
        for size in [1, 7, usize::MAX] {
            let (result, left, _, session) = answered(RESPONSE, size);
            assert!(session.is_open());
            let response = result.unwrap().unwrap();
            assert_eq!((response.status, left), (101, 5));
            assert_eq!(response.subprotocol(), Some("b"));
            let extensions: Vec<_> = response.extensions().map(|x| format!("{x}")).collect();
            assert_eq!(extensions, ["x; y=1"]);
        }
    }

    #[test]
    fn a_bad_101_opens_nothing() {
        use HandshakeError::{Accept, Connection, Extensions, Subprotocol, Upgrade};
        let value = |value: &str| FieldFault::Value(value.into());
        let accept = accept_of(&key_of(&[1; 16])).map(char::from);
        let accept: String = accept.iter().chain(&['x']).collect();
        for (from, to, error) in [
            ("WebSocket", "other", Upgrade(value("other"))),
            ("keep-alive, upgrade", "close", Connection(value("close"))),
            ("ACCEPT", "ACCEPTx", Accept(value(&accept))),
            ("Upgrade: WebSocket\r\n", "", Upgrade(FieldFault::Missing)),
            (
                "HTTP/1.1",
                "HTTP/1.0",
                HandshakeError::HttpVersion { major: 1, minor: 0 },
            ),
            (
                "HTTP/1.1 101",
                "HTTP/1.1 1o1",
                HandshakeError::Malformed {
                    line: 1,
                    at: 9,
                    fault: LineFault::StatusLine,
                },
            ),
            (
                "Protocol: b",
                "Protocol: c",
                HandshakeError::SubprotocolNotOffered("c".into()),
            ),
            (
                "Protocol: b",
                "Protocol: b\r\nSec-WebSocket-Protocol: b",
                Subprotocol(FieldFault::Repeated(2)),
            ),
            (
                "Extensions: x",
                "Extensions: z",
                HandshakeError::ExtensionNotOffered("z".into()),
            ),
            (
                "Extensions: x",
                "Extensions: x, x",
                Extensions(FieldFault::Duplicate),
            ),
            (
                "Extensions: x",
                "Extensions: x y",
                Extensions(FieldFault::Byte { found: b'y', at: 2 }),
            ),
        ] {
            assert!(RESPONSE.contains(from));
            let (result, left, _, session) = answered(&RESPONSE.replacen(from, to, 1), usize::MAX);
            assert_eq!((result, left), (Some(Err(error)), 0), "{to}");
            assert!(!session.is_open());
        }
    }

    #[test]
    fn a_refusal_is_handed_over_with_its_body() {
        let response = "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 503 x\r\nRetry-After: 1\r\n\
            Content-Length: 4\r\n\r\nbusymore";
        for size in [1, usize::MAX] {
            let (result, ..) = answered(response, size);
            let Some(Err(HandshakeError::Refused(response))) = result else {
                panic!("{result:?}");
            };
            assert_eq!((response.status, &*response.body), (503, &b"busy"[..]));
            assert!(response.is_complete);
        }
    }

    #[test]
    fn a_refusal_is_known_as_far_as_it_came() {
        let response = "HTTP/1.0 302 x\r\nLocation: /y\r\n\r\npart";
        let (result, _, mut handshake, _) = answered(response, 3);
        assert_eq!(result, None);
        let error = handshake.receive_eof();
        assert!(matches!(&error, HandshakeError::Refused(r) if r.is_complete && r.body == b"part"));
        assert_eq!(
            format!("{error}"),
            "the server refused with HTTP status 302, a redirect to /y"
        );
        let received = response.len();
        let ended = HandshakeError::TransportEnded { received };
        assert_eq!(handshake.receive_eof(), ended);

        let (_, _, mut handshake, _) = answered(response, 3);
        let error = handshake.give_up();
        assert!(matches!(error, Some(HandshakeError::Refused(r)) if !r.is_complete));
        let (_, _, mut handshake, _) = answered("HTTP/1.1 2", 3);
        assert_eq!(handshake.give_up(), None);
    }

    #[test]
    fn interim_responses_and_heads_have_limits() {
        let interim = "HTTP/1.1 100 Continue\r\n\r\n";
        let (result, ..) = answered(&interim.repeat(9), usize::MAX);
        let error = HandshakeError::TooManyInterimResponses { max: 8 };
        assert_eq!(result, Some(Err(error)));
        let (result, ..) = answered(&[&interim.repeat(8), RESPONSE].concat(), 5);
        assert!(matches!(result, Some(Ok(_))));
        let (result, ..) = answered(&"x".repeat(20_000), usize::MAX);
        let error = HandshakeError::HeadTooLarge { max: 16 << 10 };
        assert_eq!(result, Some(Err(error)));
    }

    #[test]
    fn a_required_subprotocol_or_extension_must_be_accepted() {
        let response = RESPONSE.replace("Extensions: x; y=\"1\"", "X: y");
        let (result, _, _, session) = answered(&response.replace("X: y", "y: z"), usize::MAX);
        assert!(matches!(result, Some(Ok(_))), "{result:?}");
        assert!(!session.is_open(), "it is closing");
    }
}
