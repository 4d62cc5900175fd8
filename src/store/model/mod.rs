//! Row types of the tables that typed queries read or write. The row types are never used outside the store.

pub(super) mod api_key;
pub(super) mod api_key_role;
pub(super) mod attempt;
pub(super) mod challenge;
pub(super) mod device;
pub(super) mod factor;
pub(super) mod global_settings;
pub(super) mod letter;
pub(super) mod meta;
pub(super) mod organization;
pub(super) mod password_reset;
pub(super) mod recovery_code;
pub(super) mod role;
pub(super) mod security_answer;
pub(super) mod session;
pub(super) mod signing_key;
pub(super) mod task;
pub(super) mod user;
pub(super) mod user_role;
