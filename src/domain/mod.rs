//! The domain layer: types and rules of keytower, without I/O, async or a clock of its own.
//!
//! | file | holds |
//! |---|---|
//! | `id` | typed ids |
//! | `clock`, `random` | time and randomness as parameters |
//! | `secret`, `key_format` | values that must not leak, and the one API key format |
//! | `permission`, `rights` | actions, sets of them, the role presets, and on which objects actions are allowed |
//! | `operation` | every operation and what a caller needs for each: the authorization table |
//! | `forward` | what a caller needs for the routes that are forwarded to an upstream |
//! | `principal`, `caller`, `permit` | the user and credential of a request, data about the client, and the proof of authorization |
//! | `text`, `reason` | texts for people in both languages, and reasons to refuse a change |
//! | `entity` | description of every object of the API |
//! | `audit`, `redact` | entries of the audit log, the chain of rows, and the removal of secrets from texts |
//! | `network` | ranges of IP addresses |
//! | `throttle` | delays after wrong passwords and codes |
//! | `policy`, `mfa` | how users log in, from where, with which second factor, and for how long |
//! | `password` | rules for new passwords, and the cost of their hashes |
//! | `filter`, `page` | the list language: `where`, `orderBy` and the window |
//! | `power` | power operations on VMs, and the states of a VM before and after each operation |
//! | `api_key`, `role`, `session`, `task`, `user`, `customer` | plain records that the layers above exchange |

pub mod api_key;
pub mod audit;
pub mod caller;
pub mod clock;
pub mod customer;
pub mod entity;
pub mod filter;
pub mod forward;
pub mod id;
pub mod key_format;
pub mod mfa;
pub mod name;
mod nearest;
pub mod network;
pub mod operation;
pub mod page;
pub mod password;
pub mod permission;
pub mod permit;
pub mod policy;
pub mod power;
pub mod principal;
pub mod random;
pub mod reason;
pub mod redact;
pub mod rights;
pub mod role;
pub mod secret;
pub mod session;
pub mod task;
pub mod text;
pub mod throttle;
pub mod user;
