//! Turns bytes into a [`Principal`](crate::domain::principal::Principal), and back: the only place where secrets are computed.
//!
//! | file | holds |
//! |---|---|
//! | `authenticate` | the one function that every face hands a credential to |
//! | `token` | signed tokens and the signing keys behind them |
//! | `password` | argon2id on a bounded number of threads |
//! | `totp` | codes that a device computes |
//! | `turns` | logins under one name, one after another |
//! | `vault` | what hangs on the master key: the pepper and the seal |
//! | `random` | the operating system's randomness |

pub mod authenticate;
pub mod password;
pub mod random;
pub mod token;
pub mod totp;
pub mod turns;
pub mod vault;
