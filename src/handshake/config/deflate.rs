//! The negotiation of permessage-deflate (RFC 7692, sections 5 and 7.1).
//!
//! Invariant: a server declines an element that breaks a rule, a client fails on it, and every
//! value is read strictly.

use crate::connection::Connection;
use crate::deflate::{Deflate, Params, Window};
use crate::handshake::error::HandshakeError;
use crate::handshake::extension::Extension;
use crate::handshake::fault::{FieldFault, ParamFault};
use crate::handshake::setup_error::SetupError;
use core::borrow::Borrow;

const SERVER_NO_CONTEXT_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_CONTEXT_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_MAX_WINDOW_BITS: &str = "server_max_window_bits";
const CLIENT_MAX_WINDOW_BITS: &str = "client_max_window_bits";

/// Negotiation, as pure functions over the elements of `Sec-WebSocket-Extensions`.
///
/// The handshakes of this crate call them for you.
impl Deflate {
    /// The name of the extension: `permessage-deflate`.
    pub const NAME: &str = "permessage-deflate";

    /// The element that a client offers (RFC 7692, sections 5 and 7.1).
    ///
    /// ```
    /// use sansocket::Deflate;
    ///
    /// let offer = Deflate::default().offer();
    /// assert_eq!(offer.to_string(), "permessage-deflate; client_max_window_bits");
    /// ```
    #[must_use]
    pub fn offer(&self) -> Extension {
        let params = Params {
            server_no_context_takeover: self.server_no_context_takeover,
            client_no_context_takeover: self.client_no_context_takeover,
            server_max_window_bits: self.server_max_window_bits.map(Window::nearest),
            client_max_window_bits: None,
        };
        let hint = self.client_max_window_bits.map(Window::nearest);
        element(&params).with(CLIENT_MAX_WINDOW_BITS, hint.map(digits))
    }

    /// The element with which a server accepts the first offer that it can, `None` if there is
    /// none (RFC 7692, sections 5 and 7).
    ///
    /// `offered` are all elements of the request. Put the answer into the response, once, and give
    /// it to [`Connection::with_deflate`].
    ///
    /// ```
    /// use sansocket::Deflate;
    ///
    /// let mut client = Deflate::default();
    /// client.server_max_window_bits = Some(8);
    /// let answer = Deflate::default().accept([client.offer()]).expect("a good offer");
    /// assert_eq!(answer.to_string(), "permessage-deflate; server_max_window_bits=8");
    /// ```
    #[must_use]
    pub fn accept(
        &self,
        offered: impl IntoIterator<Item = impl Borrow<Extension>>,
    ) -> Option<Extension> {
        let params = offers(offered).find_map(|offer| answer(self, offer))?;
        let bits = params.client_max_window_bits;
        Some(match bits {
            None => element(&params),
            Some(bits) => element(&params).with(CLIENT_MAX_WINDOW_BITS, Some(digits(bits))),
        })
    }

    /// The element that a client agrees to: the server's answer, `None` if that does not have
    /// permessage-deflate (RFC 7692, sections 5 and 7).
    ///
    /// `offered` and `accepted` are all elements of the request and of the response. Give the
    /// element to [`Connection::with_deflate`].
    ///
    /// # Errors
    ///
    /// [`HandshakeError::Extensions`] if the answer breaks a rule, or fits no offer. End the
    /// handshake.
    pub fn agree(
        &self,
        offered: &[Extension],
        accepted: &[Extension],
    ) -> Result<Option<Extension>, HandshakeError> {
        let mut answers = accepted.iter().filter(|element| is_deflate(element));
        let answer = match (answers.next(), answers.next()) {
            (None, _) => return Ok(None),
            (Some(answer), None) => answer,
            (Some(_), Some(_)) => return Err(HandshakeError::Extensions(FieldFault::Duplicate)),
        };
        let params = read(answer, Hint::Forbidden)
            .map_err(BadParam::error)?
            .params;
        // Which offer was accepted does not matter, only that there is one that fits.
        let not_offered = Some((Self::NAME, ParamFault::NotOffered));
        let mut misfit = offers(offered).fold(not_offered, |found, offer| {
            found.and_then(|_| misfit(&params, &offer))
        });
        let own = params.client_max_window_bits.unwrap_or(Window::MAX);
        if misfit.is_none() && own < Window::nearest(self.min_window_bits) {
            misfit = Some((CLIENT_MAX_WINDOW_BITS, ParamFault::TooSmall));
        }
        match misfit {
            None => Ok(Some(answer.clone())),
            Some((name, fault)) => {
                let mut found = answer.params().filter(|(other, _)| *other == name);
                let value = found.next().and_then(|(_, value)| value);
                Err(BadParam { name, value, fault }.error())
            }
        }
    }
}

impl Connection {
    /// The same connection with the permessage-deflate that its opening handshake agreed on
    /// (RFC 7692).
    ///
    /// The handshakes of this crate do it for you. Call it yourself, before anything is received
    /// or sent, if another HTTP implementation did the handshake. `agreed` is the element of the
    /// response: see [`Deflate::accept`] and [`Deflate::agree`].
    ///
    /// # Errors
    ///
    /// [`SetupError::Extension`] if the element is not an answer of permessage-deflate.
    pub fn with_deflate(
        mut self,
        deflate: &Deflate,
        agreed: &Extension,
    ) -> Result<Self, SetupError> {
        let params = params_of(agreed).ok_or(SetupError::Extension)?;
        self.0.set_deflate(deflate, &params);
        Ok(self)
    }
}

/// The parameters of a response's element; `None` if it is not a valid answer of
/// permessage-deflate (RFC 7692, section 7.1).
pub(super) fn params_of(answer: &Extension) -> Option<Params> {
    if !is_deflate(answer) {
        return None;
    }
    read(answer, Hint::Forbidden)
        .ok()
        .map(|element| element.params)
}

fn is_deflate(element: &Extension) -> bool {
    element.name() == Deflate::NAME
}

/// The valid offers of permessage-deflate, in order.
fn offers(
    offered: impl IntoIterator<Item = impl Borrow<Extension>>,
) -> impl Iterator<Item = Element> {
    let offers = offered.into_iter();
    let offers = offers.filter(|element| is_deflate(element.borrow()));
    offers.filter_map(|element| read(element.borrow(), Hint::Allowed).ok())
}

/// The values of the parameters for windows: 8 to 15 without sign or leading zero (RFC 7692, section
/// 7.1.2).
const WINDOW_BITS: [(Window, &str); 8] = [
    (Window::Bits8, "8"),
    (Window::Bits9, "9"),
    (Window::Bits10, "10"),
    (Window::Bits11, "11"),
    (Window::Bits12, "12"),
    (Window::Bits13, "13"),
    (Window::Bits14, "14"),
    (Window::Bits15, "15"),
];

fn digits(window: Window) -> &'static str {
    let found = WINDOW_BITS.iter().find(|(other, _)| *other == window);
    found.map_or("", |(_, digits)| digits)
}

/// An offer or an answer, read.
struct Element {
    params: Params,
    /// Whether `client_max_window_bits` is present, with or without a value.
    knows_client_max_window_bits: bool,
}

/// Whether `client_max_window_bits` may come without a value: in an offer
/// (RFC 7692, section 7.1.2.2).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hint {
    Allowed,
    Forbidden,
}

/// A parameter that breaks a rule.
struct BadParam<'e> {
    name: &'e str,
    value: Option<&'e str>,
    fault: ParamFault,
}

impl BadParam<'_> {
    fn error(self) -> HandshakeError {
        let Self { name, value, fault } = self;
        let param = match value {
            Some(value) => [name, "=", value].concat(),
            None => name.into(),
        };
        let param = param.into();
        HandshakeError::Extensions(FieldFault::Param { param, fault })
    }
}

/// The parameters of an element. It is an error if one is unknown, occurs twice, or has a value that
/// it must not have (RFC 7692, section 7).
fn read(element: &Extension, hint: Hint) -> Result<Element, BadParam<'_>> {
    let mut params = Params::default();
    let mut knows_client_max_window_bits = false;
    for (name, value) in element.params() {
        let bad = |fault| BadParam { name, value, fault };
        let is_repeated = match (name, value) {
            (SERVER_NO_CONTEXT_TAKEOVER, None) => {
                core::mem::replace(&mut params.server_no_context_takeover, true)
            }
            (CLIENT_NO_CONTEXT_TAKEOVER, None) => {
                core::mem::replace(&mut params.client_no_context_takeover, true)
            }
            (SERVER_NO_CONTEXT_TAKEOVER | CLIENT_NO_CONTEXT_TAKEOVER, Some(_)) => {
                return Err(bad(ParamFault::Value));
            }
            (SERVER_MAX_WINDOW_BITS, value) => {
                let bits = Some(window_bits(value).map_err(bad)?);
                core::mem::replace(&mut params.server_max_window_bits, bits).is_some()
            }
            (CLIENT_MAX_WINDOW_BITS, value) => {
                if value.is_some() || hint == Hint::Forbidden {
                    params.client_max_window_bits = Some(window_bits(value).map_err(bad)?);
                }
                core::mem::replace(&mut knows_client_max_window_bits, true)
            }
            _ => return Err(bad(ParamFault::Unknown)),
        };
        if is_repeated {
            return Err(bad(ParamFault::Repeated));
        }
    }
    Ok(Element {
        params,
        knows_client_max_window_bits,
    })
}

fn window_bits(value: Option<&str>) -> Result<Window, ParamFault> {
    let value = value.ok_or(ParamFault::NoValue)?;
    let found = WINDOW_BITS.iter().find(|(_, digits)| *digits == value);
    found.map(|(window, _)| *window).ok_or(ParamFault::Value)
}

/// A server's answer to an offer, if it can accept that.
fn answer(deflate: &Deflate, offer: Element) -> Option<Params> {
    let Element {
        params: asked,
        knows_client_max_window_bits,
    } = offer;
    let least = |a: Option<Window>, b: Option<Window>| match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    let wish = deflate.client_max_window_bits.map(Window::nearest);
    let params = Params {
        server_no_context_takeover: asked.server_no_context_takeover
            || deflate.server_no_context_takeover,
        client_no_context_takeover: asked.client_no_context_takeover
            || deflate.client_no_context_takeover,
        server_max_window_bits: least(
            asked.server_max_window_bits,
            deflate.server_max_window_bits.map(Window::nearest),
        ),
        // Only a request of this server is answered: a hint binds neither side (RFC 7692, section
        // 7.1.2.2).
        client_max_window_bits: wish
            .filter(|_| knows_client_max_window_bits)
            .and_then(|bits| least(Some(bits), asked.client_max_window_bits)),
    };
    let own = params.server_max_window_bits.unwrap_or(Window::MAX);
    (own >= Window::nearest(deflate.min_window_bits)).then_some(params)
}

/// The parameter for which these are no answer to this offer.
fn misfit(answer: &Params, offer: &Element) -> Option<(&'static str, ParamFault)> {
    let asked = &offer.params;
    match (asked.server_max_window_bits, answer.server_max_window_bits) {
        (Some(_), None) => return Some((SERVER_MAX_WINDOW_BITS, ParamFault::Missing)),
        (Some(asked), Some(agreed)) if agreed > asked => {
            return Some((SERVER_MAX_WINDOW_BITS, ParamFault::NotOffered));
        }
        _ => {}
    }
    if asked.server_no_context_takeover && !answer.server_no_context_takeover {
        return Some((SERVER_NO_CONTEXT_TAKEOVER, ParamFault::Missing));
    }
    if answer.client_max_window_bits.is_some() && !offer.knows_client_max_window_bits {
        return Some((CLIENT_MAX_WINDOW_BITS, ParamFault::NotOffered));
    }
    None
}

/// The element with these parameters, except `client_max_window_bits`.
fn element(params: &Params) -> Extension {
    let mut element = Extension::known(Deflate::NAME);
    if params.server_no_context_takeover {
        element = element.with(SERVER_NO_CONTEXT_TAKEOVER, None);
    }
    if params.client_no_context_takeover {
        element = element.with(CLIENT_NO_CONTEXT_TAKEOVER, None);
    }
    if let Some(bits) = params.server_max_window_bits {
        element = element.with(SERVER_MAX_WINDOW_BITS, Some(digits(bits)));
    }
    element
}
