//! Laws for all headers of frames (RFC 6455, section 5.2).

use crate::support::strategies::*;
use crate::support::*;
use bytes::BytesMut;
use proptest::prelude::*;
use proptest::sample::select;
use sansocket::frame::{Header, Opcode};
use sansocket::{ProtocolError, Role};

fn headers() -> impl Strategy<Value = Header> {
    use Opcode::{Binary, Close, Continuation, Ping, Pong, Text};
    let opcodes = select(vec![Continuation, Text, Binary, Close, Ping, Pong]);
    let lens = prop_oneof![0..130_u64, 65_530..65_540_u64, 0..1_u64 << 63];
    let flags = (any::<bool>(), any::<bool>());
    (opcodes, lens, flags, any::<Option<[u8; 4]>>()).prop_map(
        |(opcode, len, (fin, rsv1), masking_key)| Header {
            fin: fin || opcode.is_control(),
            rsv1: rsv1 && matches!(opcode, Text | Binary),
            opcode,
            masking_key,
            payload_len: if opcode.is_control() { len % 126 } else { len },
        },
    )
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn a_header_that_is_written_is_read_back(header in headers(), after: [u8; 3]) {
        let mut bytes = BytesMut::new();
        header.encode(&mut bytes);
        let receiver = if header.masking_key.is_some() { Role::Server } else { Role::Client };
        let len = bytes.len();
        prop_assert!(len <= Header::MAX_LEN);
        bytes.extend_from_slice(&after);
        prop_assert_eq!(Header::parse(&bytes, receiver, header.rsv1), Ok(Some((header, len))));
        for short in 0..len {
            prop_assert_eq!(Header::parse(&bytes[..short], receiver, header.rsv1), Ok(None));
        }
        prop_assert!(Header::parse(&bytes, other(receiver), true).is_err());
        if header.rsv1 {
            let first = bytes[0];
            let error = Err(ProtocolError::ReservedBit { first });
            prop_assert_eq!(Header::parse(&bytes, receiver, false), error);
        }
    }

    #[test]
    fn a_header_that_is_read_is_written_the_same(bytes: [u8; 14], role in roles(), rsv1: bool) {
        if let Ok(Some((header, len))) = Header::parse(&bytes, role, rsv1) {
            let mut again = BytesMut::new();
            header.encode(&mut again);
            prop_assert_eq!(&again[..], &bytes[..len]);
        }
    }

    #[test]
    fn a_verdict_on_a_header_never_changes(bytes: [u8; 14], role in roles()) {
        let full = Header::parse(&bytes, role, false);
        for len in 0..=bytes.len() {
            match Header::parse(&bytes[..len], role, false) {
                Ok(None) => {}
                verdict => prop_assert_eq!(&verdict, &full),
            }
        }
    }
}
