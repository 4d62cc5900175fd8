//! Authenticates credentials (turns a credential into a [`Principal`](crate::domain::principal::Principal)), signs tokens and hashes
//! passwords. Only this module does cryptography with keys and passwords.
//!
//! | file | holds |
//! |---|---|
//! | `authenticate` | the one function that authenticates credentials, for every API |
//! | `token` | signed tokens and the signing keys behind them |
//! | `password` | argon2id on a bounded number of threads |
//! | `totp` | codes of authenticator apps |
//! | `turns` | named queues: the work in one queue runs one piece at a time |
//! | `vault` | keys derived from the master key: the pepper, the seal and others |
//! | `random` | the operating system's randomness |

pub mod authenticate;
pub mod password;
pub mod random;
pub mod token;
pub mod totp;
pub mod turns;
pub mod vault;
