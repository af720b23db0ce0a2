//! When a server that refuses wants to be asked again.
//!
//! Invariant: a date is compared only with the date of the same response, as there is no clock
//! here.

use super::response::Response;
use core::time::Duration;

impl Response {
    /// The time that `Retry-After` asks for, in seconds or as a date (RFC 9110, section 10.2.3).
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        let value = self.headers.get("retry-after")?;
        let seconds = match value.parse::<u64>() {
            Ok(seconds) if value.bytes().all(|byte| byte.is_ascii_digit()) => seconds,
            _ => date(value)?.checked_sub(date(self.headers.get("date")?)?)?,
        };
        Some(Duration::from_secs(seconds))
    }
}

/// The seconds since 1970 of a date in the current format, `Sun, 06 Nov 1994 08:49:37 GMT` (RFC
/// 9110, section 5.6.7).
fn date(value: &str) -> Option<u64> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let mut words = value.split_once(", ")?.1.split(' ');
    let day = number(words.next()?, 1, 31)?;
    let month = words.next()?;
    let month = MONTHS.iter().position(|name| *name == month)? as u64;
    let year = number(words.next()?, 1970, 9999)?;
    let mut time = words.next()?.split(':');
    let hour = number(time.next()?, 0, 23)?;
    let minute = number(time.next()?, 0, 59)?;
    let second = number(time.next()?, 0, 60)?;
    if (words.next(), words.next(), time.next()) != (Some("GMT"), None, None) {
        return None;
    }
    // Years are counted from March, so that a leap day is the last day of its year.
    let (year, month) = match month {
        0 | 1 => (year - 1, month + 10),
        _ => (year, month - 2),
    };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day;
    const DAYS_TO_1970: u64 = 719_469;
    Some(((days - DAYS_TO_1970) * 24 + hour) * 3_600 + minute * 60 + second)
}

fn number(digits: &str, least: u64, most: u64) -> Option<u64> {
    let number = digits.parse().ok()?;
    (least..=most).contains(&number).then_some(number)
}
