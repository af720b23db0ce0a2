//! Which side of a connection we are.
//!
//! Invariant: the two roles differ only in who masks and in who closes the transport first.

/// Which side of a connection this endpoint is.
///
/// The two differ in who masks (RFC 6455, section 5.1) and in who closes the transport
/// first (RFC 6455, section 7.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "RFC 6455 has two roles")]
pub enum Role {
    /// Sent the opening handshake; masks every frame that it sends.
    Client,
    /// Answered the opening handshake; never masks; closes the transport first.
    Server,
}

impl Role {
    /// The other side.
    ///
    /// ```
    /// use sansocket::Role;
    ///
    /// assert_eq!(Role::Client.peer(), Role::Server);
    /// ```
    #[must_use]
    pub const fn peer(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}
