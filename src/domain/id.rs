//! Typed ids: an [`ApiKeyId`] can't be passed where a [`UserId`] is expected.
//!
//! Ids that keytower makes are UUIDv7, which sort by creation time. keytower sends and stores ids as text. Ids of the imported inventory
//! can be any text: keytower keeps the ids of the source.

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
    /// Id of a user.
    UserId;
    /// Id of a role.
    RoleId;
    /// Id of an API key; not the text of the key.
    ApiKeyId;
    /// Id of a session: the `jti` of a token.
    SessionId;
    /// Id of a signing key: the `kid` of a token.
    SigningKeyId;
    /// Id of a second factor of a user.
    FactorId;
    /// Id of a challenge, such as a pending login: a digest of the challenge's `mid`, not the `mid` itself.
    ChallengeId;
    /// Id of a device from which a user logged in.
    DeviceId;
    /// Id of a mail that waits to be sent.
    LetterId;
    /// Id of an organization.
    OrganizationId;
    /// Id of the one row of global settings.
    GlobalSettingsId;
    /// Id of a task.
    TaskId;
    /// Id of a row of an audit log.
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
