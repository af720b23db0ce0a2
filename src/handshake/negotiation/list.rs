//! Header fields that are lists, and those that are not (RFC 9110, section 5). Its law: several
//! lines of a list are one list, and several lines of anything else are an error.
//!
//! Names are text or octets: only the former cost a check that they are text.

/// A field that may be there once was there more often.
#[derive(Clone, Copy)]
pub(crate) struct Repeated;

/// A field that may be there once, while a pass over the fields looks for it.
#[derive(Clone, Copy)]
pub(crate) struct Once<'a>(pub(crate) Result<Option<&'a [u8]>, Repeated>);

impl<'a> Once<'a> {
    pub(crate) const ABSENT: Self = Self(Ok(None));

    pub(crate) const fn found(&mut self, value: &'a [u8]) {
        self.0 = match self.0 {
            Ok(None) => Ok(Some(value.trim_ascii())),
            Ok(Some(_)) | Err(Repeated) => Err(Repeated),
        };
    }
}

/// The values of all fields of this name.
pub(crate) fn values<'a, N: AsRef<[u8]>>(
    headers: impl Iterator<Item = (N, &'a [u8])>,
    name: &str,
) -> impl Iterator<Item = &'a [u8]> {
    headers
        .filter(move |(n, _)| n.as_ref().eq_ignore_ascii_case(name.as_bytes()))
        .map(|(_, value)| value)
}

/// The value of a field that may be there once.
pub(crate) fn only<'a, N: AsRef<[u8]>>(
    headers: impl Iterator<Item = (N, &'a [u8])>,
    name: &str,
) -> Result<Option<&'a [u8]>, Repeated> {
    let mut values = values(headers, name);
    match (values.next(), values.next()) {
        (value, None) => Ok(value.map(<[u8]>::trim_ascii)),
        (_, Some(_)) => Err(Repeated),
    }
}

/// The elements of a list of tokens, over all its lines. Empty ones are skipped (RFC 9110,
/// section 5.6.1).
pub(crate) fn elements<'a, N: AsRef<[u8]>>(
    headers: impl Iterator<Item = (N, &'a [u8])>,
    name: &str,
) -> impl Iterator<Item = &'a [u8]> {
    values(headers, name).flat_map(elements_of)
}

/// Those of one line.
fn elements_of(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value
        .split(|&octet| octet == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|element| !element.is_empty())
}

/// Whether a line of a list has this token, without regard to case.
pub(crate) fn line_has_token(value: &[u8], token: &str) -> bool {
    elements_of(value).any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
}

/// Whether a list has this token, without regard to case.
pub(crate) fn has_token<'a, N: AsRef<[u8]>>(
    headers: impl Iterator<Item = (N, &'a [u8])>,
    name: &str,
    token: &str,
) -> bool {
    values(headers, name).any(|value| line_has_token(value, token))
}
