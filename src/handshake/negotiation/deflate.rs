//! The negotiation of permessage-deflate (RFC 7692, sections 5 and 7.1). Its law: an element that
//! breaks a rule is declined by a server and fails a client, and the letter of each value counts.

use super::extension::Extension;
use crate::deflate::{Deflate, DeflateConfig, DeflateParams, WindowBits};
use crate::handshake::error::ResponseError;
use alloc::string::ToString;

const NAME: &str = "permessage-deflate";
const SERVER_NO_CONTEXT_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_CONTEXT_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_MAX_WINDOW_BITS: &str = "server_max_window_bits";
const CLIENT_MAX_WINDOW_BITS: &str = "client_max_window_bits";

/// Negotiation, as pure functions over the elements of `Sec-WebSocket-Extensions`.
///
/// The handshakes of this crate call them for you.
impl Deflate {
    /// The name of the extension: `permessage-deflate`.
    pub const NAME: &str = NAME;

    /// What a client offers (RFC 7692, sections 5 and 7.1).
    ///
    /// ```
    /// use sansocket::Deflate;
    ///
    /// let offer = Deflate::default().offer();
    /// assert_eq!(offer.to_string(), "permessage-deflate; client_max_window_bits");
    /// ```
    #[must_use]
    pub fn offer(&self) -> Extension {
        let config = self.config();
        let params = DeflateParams {
            server_no_context_takeover: config.server_no_context_takeover,
            client_no_context_takeover: config.client_no_context_takeover,
            server_max_window_bits: config.server_max_window_bits,
            client_max_window_bits: None,
        };
        let bits = config.client_max_window_bits;
        element(&params).with(CLIENT_MAX_WINDOW_BITS, bits.map(|bits| bits.to_string()))
    }

    /// What a server agrees to: the answer to the first offer that it can take, `None` if there is
    /// none (RFC 7692, sections 5 and 7).
    ///
    /// Put [`to_extension`](DeflateParams::to_extension) of it into the response, once.
    ///
    /// ```
    /// use sansocket::{Deflate, negotiation::Extension};
    ///
    /// let offered = "permessage-deflate; server_max_window_bits=8, permessage-deflate";
    /// let offered = Extension::parse_list([offered.as_bytes()].into_iter())?;
    /// let params = Deflate::default().accept(&offered).expect("a good offer");
    /// let answer = params.to_extension().to_string();
    /// assert_eq!(answer, "permessage-deflate; server_max_window_bits=8");
    /// # Ok::<(), sansocket::FieldError>(())
    /// ```
    #[must_use]
    pub fn accept(&self, offered: &[Extension]) -> Option<DeflateParams> {
        let offers = offered.iter().filter(|element| element.name() == NAME);
        let mut offers = offers.filter_map(|element| read(element, Hint::Allowed));
        offers.find_map(|offer| answer(self.config(), offer))
    }

    /// What a client agrees to: the parameters in the server's answer, `None` if that does not
    /// have permessage-deflate (RFC 7692, sections 5 and 7).
    ///
    /// `offered` and `accepted` are all elements of the request and of the response.
    ///
    /// # Errors
    ///
    /// [`ResponseError::Extensions`] if the answer breaks a rule, or fits no offer. End the
    /// handshake.
    pub fn agree(
        &self,
        offered: &[Extension],
        accepted: &[Extension],
    ) -> Result<Option<DeflateParams>, ResponseError> {
        let mut answers = accepted.iter().filter(|element| element.name() == NAME);
        let params = match (answers.next(), answers.next()) {
            (None, _) => return Ok(None),
            (Some(answer), None) => read(answer, Hint::Forbidden),
            (Some(_), Some(_)) => None,
        };
        let Some(Element { params, .. }) = params else {
            return Err(ResponseError::Extensions);
        };
        // Which offer was taken does not matter, only that there is one that fits.
        let offers = offered.iter().filter(|element| element.name() == NAME);
        let mut offers = offers.filter_map(|element| read(element, Hint::Allowed));
        let own = params.client_max_window_bits.unwrap_or(WindowBits::MAX);
        if offers.any(|offer| fits(&params, &offer)) && own >= self.config().min_window_bits {
            Ok(Some(params))
        } else {
            Err(ResponseError::Extensions)
        }
    }
}

impl DeflateParams {
    /// These parameters as the element of a response (RFC 7692, section 5).
    #[must_use]
    pub fn to_extension(&self) -> Extension {
        let element = element(self);
        match self.client_max_window_bits {
            None => element,
            Some(bits) => element.with(CLIENT_MAX_WINDOW_BITS, Some(bits.to_string())),
        }
    }
}

/// An offer or an answer, read.
struct Element {
    params: DeflateParams,
    /// Whether `client_max_window_bits` is there, with or without a value.
    knows_client_max_window_bits: bool,
}

/// Whether `client_max_window_bits` may come without a value: in an offer
/// (RFC 7692, section 7.1.2.2).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hint {
    Allowed,
    Forbidden,
}

/// The parameters of an element; `None` if one is unknown, is there twice, or has a value that it
/// must not have (RFC 7692, section 7).
fn read(element: &Extension, hint: Hint) -> Option<Element> {
    let mut params = DeflateParams::default();
    let mut knows_client_max_window_bits = false;
    for (name, value) in element.params() {
        let is_repeated = match name {
            SERVER_NO_CONTEXT_TAKEOVER if value.is_none() => {
                core::mem::replace(&mut params.server_no_context_takeover, true)
            }
            CLIENT_NO_CONTEXT_TAKEOVER if value.is_none() => {
                core::mem::replace(&mut params.client_no_context_takeover, true)
            }
            SERVER_MAX_WINDOW_BITS => {
                let bits = Some(window_bits(value?)?);
                core::mem::replace(&mut params.server_max_window_bits, bits).is_some()
            }
            CLIENT_MAX_WINDOW_BITS => {
                if value.is_some() || hint == Hint::Forbidden {
                    params.client_max_window_bits = Some(window_bits(value?)?);
                }
                core::mem::replace(&mut knows_client_max_window_bits, true)
            }
            _ => return None,
        };
        if is_repeated {
            return None;
        }
    }
    Some(Element {
        params,
        knows_client_max_window_bits,
    })
}

/// 8 to 15 without sign or leading zero (RFC 7692, section 7.1.2).
fn window_bits(value: &str) -> Option<WindowBits> {
    match value {
        "8" | "9" | "10" | "11" | "12" | "13" | "14" | "15" => WindowBits::new(value.parse().ok()?),
        _ => None,
    }
}

/// A server's answer to an offer, if it can take it.
fn answer(config: &DeflateConfig, offer: Element) -> Option<DeflateParams> {
    let Element {
        params: asked,
        knows_client_max_window_bits,
    } = offer;
    let least = |a: Option<WindowBits>, b: Option<WindowBits>| match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    let params = DeflateParams {
        server_no_context_takeover: asked.server_no_context_takeover
            || config.server_no_context_takeover,
        client_no_context_takeover: asked.client_no_context_takeover
            || config.client_no_context_takeover,
        server_max_window_bits: least(asked.server_max_window_bits, config.server_max_window_bits),
        // Only a wish is answered: a hint binds nobody (RFC 7692, section 7.1.2.2).
        client_max_window_bits: config
            .client_max_window_bits
            .filter(|_| knows_client_max_window_bits)
            .and_then(|bits| least(Some(bits), asked.client_max_window_bits)),
    };
    let own = params.server_max_window_bits.unwrap_or(WindowBits::MAX);
    (own >= config.min_window_bits).then_some(params)
}

/// Whether these parameters are an answer to this offer.
fn fits(answer: &DeflateParams, offer: &Element) -> bool {
    let asked = &offer.params;
    let window_fits = match (asked.server_max_window_bits, answer.server_max_window_bits) {
        (None, _) => true,
        (Some(asked), Some(agreed)) => agreed <= asked,
        (Some(_), None) => false,
    };
    window_fits
        && (answer.server_no_context_takeover || !asked.server_no_context_takeover)
        && (answer.client_max_window_bits.is_none() || offer.knows_client_max_window_bits)
}

/// The element with these parameters, but for `client_max_window_bits`.
fn element(params: &DeflateParams) -> Extension {
    let mut element = Extension::known(NAME);
    if params.server_no_context_takeover {
        element = element.with(SERVER_NO_CONTEXT_TAKEOVER, None);
    }
    if params.client_no_context_takeover {
        element = element.with(CLIENT_NO_CONTEXT_TAKEOVER, None);
    }
    if let Some(bits) = params.server_max_window_bits {
        element = element.with(SERVER_MAX_WINDOW_BITS, Some(bits.to_string()));
    }
    element
}
