//! A model of receiving, which reads all bytes at once (RFC 6455, section 5).
//!
//! Invariant: it is written from the RFC, and shares no code with the crate.
#![allow(unreachable_pub, reason = "a module of tests")]

use super::support::xor;
use sansocket::{CloseCode, ProtocolError as Error, Role, Settings};

/// The events of the bytes, however they are cut and delivered.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    Message(bool, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(u16, String),
    Failed(Error),
}

/// The settings after this many events, for the next message or control frame.
pub type Plan = dyn Fn(usize) -> Settings;

/// The frames of a peer, read from first to last as RFC 6455, section 5, says.
pub struct Model {
    pub told: Vec<Told>,
    pub sent: Vec<(u8, Vec<u8>)>,
    /// Where each message's first header ends, and the message.
    pub spans: Vec<(usize, usize)>,
    /// The bytes break off in invalid text: a message that waits in place is not judged by then.
    pub is_wrong_text_cut: bool,
}

impl Model {
    /// The events of these bytes, for an endpoint in this role.
    pub fn of(role: Role, bytes: &[u8], plan: &Plan) -> Self {
        let mut model = Self {
            told: Vec::new(),
            sent: Vec::new(),
            spans: Vec::new(),
            is_wrong_text_cut: false,
        };
        if let Err(error) = model.read(role, bytes, plan) {
            model.told.push(Told::Failed(error));
            let code = match error {
                Error::TextNotUtf8 | Error::CloseReasonNotUtf8 => 1007,
                Error::MessageTooBig { .. } => 1009,
                Error::TooManyFragments => 1008,
                _ => 1002_u16,
            };
            model.sent.push((0x88, code.to_be_bytes().to_vec()));
        }
        model
    }

    fn read(&mut self, role: Role, bytes: &[u8], plan: &Plan) -> Result<(), Error> {
        let mut at = 0;
        let mut message: Option<(bool, Vec<u8>, u32, Settings)> = None;
        loop {
            let rest = &bytes[at..];
            let Some(&first) = rest.first() else {
                return Ok(());
            };
            let (opcode, fin) = (first & 15, first & 0x80 != 0);
            let is_control = opcode & 8 != 0;
            if first & 0x70 != 0 {
                return Err(Error::ReservedBit { first });
            }
            if !matches!(opcode, 0..=2 | 8..=10) {
                return Err(Error::ReservedOpcode(opcode));
            }
            if is_control && !fin {
                return Err(Error::ControlFrameFragmented);
            }
            let Some(&second) = rest.get(1) else {
                return Ok(());
            };
            if is_control && second & 0x7f > 125 {
                return Err(Error::ControlFrameTooLong);
            }
            match (role, second & 0x80 != 0) {
                (Role::Server, false) => return Err(Error::FrameNotMasked),
                (Role::Client, true) => return Err(Error::FrameMasked),
                _ => {}
            }
            let digits = match second & 0x7f {
                126 => 2,
                127 => 8,
                _ => 0,
            };
            if digits == 8 && rest.get(2).is_some_and(|byte| byte & 0x80 != 0) {
                return Err(Error::LengthTopBit);
            }
            let Some(len) = rest.get(2..2 + digits) else {
                return Ok(());
            };
            let len = len
                .iter()
                .fold(0_u64, |len, byte| len << 8 | u64::from(*byte));
            let len = match digits {
                0 => u64::from(second & 0x7f),
                2 if len < 126 => return Err(Error::LengthNotMinimal),
                8 if len < 65_536 => return Err(Error::LengthNotMinimal),
                _ => len,
            };
            let keys = if role == Role::Server { 4 } else { 0 };
            let header_len = 2 + digits + keys;
            let Some(key) = rest.get(2 + digits..header_len) else {
                return Ok(());
            };
            let key: [u8; 4] = key.try_into().unwrap_or_default();
            at += header_len;
            let settings = plan(self.told.len());
            match (opcode, &message) {
                (0, None) => return Err(Error::ContinuationUnexpected),
                (1 | 2, Some(_)) => return Err(Error::ContinuationExpected),
                (1 | 2, None) => self.spans.push((at, usize::MAX)),
                _ => {}
            }
            let was_under_way = message.is_some();
            if !is_control {
                let new = (opcode == 1, Vec::new(), 0, settings);
                let (_, data, fragments, latched) = message.get_or_insert(new);
                let (so_far, max) = (data.len() as u64, latched.max_message_size);
                if so_far.saturating_add(len) > max {
                    let len = so_far.saturating_add(len);
                    return Err(Error::MessageTooBig { len, max });
                }
                if !fin || was_under_way {
                    *fragments += 1;
                    if *fragments > latched.max_fragments {
                        return Err(Error::TooManyFragments);
                    }
                }
            }
            let rest = &bytes[at..];
            let here = &rest[..rest.len().min(usize::try_from(len).unwrap_or(usize::MAX))];
            at += here.len();
            let payload = xor(here, key);
            let is_all = here.len() as u64 == len;
            if is_control {
                if !is_all {
                    return Ok(());
                }
                if self.control(opcode, payload, settings)? {
                    return Ok(());
                }
                continue;
            }
            let Some((is_text, data, ..)) = &mut message else {
                return Ok(());
            };
            data.extend(payload);
            let is_over = is_all && fin;
            if *is_text {
                match std::str::from_utf8(data) {
                    Ok(_) => {}
                    Err(error) if error.error_len().is_none() && !is_over => {}
                    Err(_) => {
                        self.is_wrong_text_cut = !is_all;
                        return Err(Error::TextNotUtf8);
                    }
                }
            }
            if is_over && let Some((is_text, data, ..)) = message.take() {
                if let Some((_, end)) = self.spans.last_mut() {
                    *end = at;
                }
                self.told.push(Told::Message(is_text, data));
            }
            if !is_all {
                return Ok(());
            }
        }
    }

    /// Returns whether it was a Close.
    fn control(&mut self, opcode: u8, payload: Vec<u8>, settings: Settings) -> Result<bool, Error> {
        match opcode {
            9 => {
                if settings.answer_pings {
                    self.sent.push((0x8a, payload.clone()));
                }
                self.told.push(Told::Ping(payload));
            }
            10 => self.told.push(Told::Pong(payload)),
            _ => {
                let (code, reason) = match payload[..] {
                    [] => (1005, &[][..]),
                    [_] => return Err(Error::CloseBodyTooShort),
                    [a, b, ref reason @ ..] => (u16::from_be_bytes([a, b]), reason),
                };
                let is_good = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
                if !is_good && !payload.is_empty() {
                    return Err(Error::CloseCodeInvalid(CloseCode(code)));
                }
                let Ok(reason) = std::str::from_utf8(reason) else {
                    return Err(Error::CloseReasonNotUtf8);
                };
                self.told.push(Told::Close(code, reason.into()));
                if settings.answer_close {
                    self.sent.push((0x88, payload));
                }
                return Ok(true);
            }
        }
        Ok(false)
    }
}
