//! The rows of the tables that are not read through an entity's description alone. They never leave the store.

pub(super) mod api_key;
pub(super) mod api_key_role;
pub(super) mod global_settings;
pub(super) mod login_attempt;
pub(super) mod meta;
pub(super) mod organization;
pub(super) mod role;
pub(super) mod session;
pub(super) mod signing_key;
pub(super) mod task;
pub(super) mod user;
pub(super) mod user_role;
