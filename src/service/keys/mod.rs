//! API keys: the keys that a person mints with a token, and the classic key of each user for SoftLayer's clients.

pub mod api_keys;
pub mod classic_keys;
