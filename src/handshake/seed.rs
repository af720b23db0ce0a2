//! Seeds from the operating system.
//!
//! Invariant: the only place of the crate that asks the system for anything.

use super::setup_error::SetupError;

/// Returns 32 bytes of the operating system's entropy: the seed of one client or one `Backoff`.
///
/// Take a fresh one for each connection, and never use it twice (RFC 6455, section 10.3).
///
/// # Errors
///
/// [`SetupError::Entropy`] if the operating system gave none.
pub fn seed() -> Result<[u8; 32], SetupError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|_| SetupError::Entropy)?;
    Ok(seed)
}
