//! API keys: those that a person mints with a token, and the classic key that each user has for SoftLayer's clients.

pub mod api_keys;
pub mod classic_keys;
