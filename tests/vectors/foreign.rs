//! Opening handshakes over HTTP/2 and HTTP/3, which other software reads.

use crate::*;

#[test]
fn extended_connects() {
    counted_section("extended_connect", 24, |v| {
        let (list, expect) = (&v["header_list"], &v["expect"]);
        let list: Vec<_> = list.as_array().unwrap().iter().map(strings).collect();
        let list = list.iter().map(|pair| (pair[0], pair[1]));
        let config = config(|c| {
            c.origins = OriginPolicy::any();
            c.deflate = Some(Deflate::default());
        });
        let request = Request::read(list, &config);
        if expect["verdict"] == "accept" {
            assert_eq!(request.error(), None);
            let scheme = if expect["secure"] == true {
                "https"
            } else {
                "http"
            };
            assert_eq!(request.scheme(), Some(scheme));
            assert_eq!(request.target(), str(expect, "resource"));
            assert_eq!(request.host(), str(expect, "authority"));
            let offers_deflate = request.extensions().next().is_some();
            let (response, ws) = request.answer().unwrap();
            assert_eq!(response.status, expect["status"]);
            for name in strings(&expect["absent_headers"]) {
                assert_eq!(response.headers.get(name), None, "{name}");
            }
            assert!(ws.is_open() && ws.role() == Role::Server);
            assert_eq!(ws.has_deflate(), offers_deflate);
            return 1;
        }
        let error = request.error().cloned().unwrap();
        let response = Response::from(&error);
        assert_eq!(request.answer().unwrap_err(), error);
        assert_eq!(response.status, error.status());
        // HTTP/2 and HTTP/3 have no upgrade, so a refusal offers none.
        assert_eq!(response.headers.get("upgrade"), None);
        match str(expect, "verdict") {
            "reject" => {
                assert_eq!(response.status, expect["status"]);
                for (name, value) in expect["response_headers"].as_object().into_iter().flatten() {
                    assert_eq!(response.headers.get(name), value.as_str());
                }
            }
            "malformed" => assert!(
                matches!(
                    error,
                    HandshakeError::PseudoHeader(_) | HandshakeError::Field(_)
                ),
                "{error}"
            ),
            "not_websocket" => assert_eq!(error, HandshakeError::Method("CONNECT".into())),
            other => panic!("verdict {other}"),
        }
        1
    });
}
