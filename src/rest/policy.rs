//! Bodies of the routes that change the policies (contract section 1.5). Unknown members are rejected.

use serde::Deserialize;

use super::people::given;
use crate::domain::policy::{self, AccessMode, Complexity};

/// Body of `update-password-security`, `UpdatePassrodSecurityParams` in the contract (with this misspelling).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordSecurity {
    #[serde(default, deserialize_with = "given")]
    password_expire_days: Option<i64>,
    #[serde(default, deserialize_with = "given")]
    password_complexity: Option<Complexity>,
    #[serde(default, deserialize_with = "given")]
    login_miss_time_threshold: Option<i64>,
    #[serde(default, deserialize_with = "given")]
    login_miss_num_threshold: Option<i64>,
}

/// Body of `update-access-restriction`, `UpdateAccessRestrictionParams` in the contract.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AccessRestriction {
    pub(super) access_list: Vec<String>,
    pub(super) access_mode: AccessMode,
}

/// Body of `update-session-timeout`, `UpdateSessionTimeoutParams` in the contract.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SessionTimeout {
    pub(super) session_max_age: i64,
}

impl PasswordSecurity {
    /// Returns the change to the password policy.
    pub(super) fn read(self) -> policy::PasswordSecurity {
        policy::PasswordSecurity {
            expire_days: self.password_expire_days,
            complexity: self.password_complexity,
            miss_num: self.login_miss_num_threshold,
            miss_time: self.login_miss_time_threshold,
        }
    }
}
