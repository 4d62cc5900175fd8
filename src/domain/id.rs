//! Typed ids: an [`ApiKeyId`] can't be passed where a [`UserId`] is expected.
//!
//! Ids that keytower makes are UUIDv7 (they sort by creation time), sent and stored as text. Ids of the imported inventory are any text
//! that the source used.

use std::fmt;

use uuid::{Builder, Uuid};

use super::clock::Timestamp;
use super::random::{Exhausted, Random};

/// Makes a UUIDv7 from a time and 80 random bits.
///
/// # Errors
/// [`Exhausted`] if the source of randomness fails.
pub fn uuid_v7(now: Timestamp, random: &dyn Random) -> Result<Uuid, Exhausted> {
    let mut bytes = [0; 10];
    random.fill(&mut bytes)?;
    let millis = u64::try_from(now.timestamp_millis()).unwrap_or_default();
    Ok(Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid())
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// Makes a new id.
            ///
            /// # Errors
            /// [`Exhausted`] if the source of randomness fails.
            pub fn generate(now: Timestamp, random: &dyn Random) -> Result<Self, Exhausted> {
                Ok(Self(uuid_v7(now, random)?.to_string()))
            }

            /// Returns the id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

ids! {
    /// A user.
    UserId;
    /// A role.
    RoleId;
    /// An API key (its id, not its text).
    ApiKeyId;
    /// A session: the `jti` of a token.
    SessionId;
    /// A signing key: the `kid` of a token.
    SigningKeyId;
    /// A second factor of a user.
    FactorId;
    /// A challenge, such as a login that waits for a code (the id of its row, not the text that its owner holds).
    ChallengeId;
    /// A device that a user logged in from.
    DeviceId;
    /// A mail that waits to be sent.
    LetterId;
    /// An organization.
    OrganizationId;
    /// The one row of global settings.
    GlobalSettingsId;
    /// A task.
    TaskId;
    /// A row of an audit log.
    AuditLogId;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::parse_iso;

    struct Ones;
    impl Random for Ones {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), Exhausted> {
            bytes.fill(1);
            Ok(())
        }
    }

    #[test]
    fn ids_are_version_7_and_sort_by_time() {
        let at = |text| UserId::generate(parse_iso(text).unwrap(), &Ones).unwrap();
        let (early, late) = (at("2026-01-01T00:00:00.000Z"), at("2026-01-01T00:00:00.001Z"));
        assert!(early < late);
        assert_eq!(Uuid::parse_str(early.as_str()).unwrap().get_version_num(), 7);
    }
}
