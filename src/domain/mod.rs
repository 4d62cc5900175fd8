//! The bottom floor: what keytower is about, without I/O, async or a clock of its own.
//!
//! | file | holds |
//! |---|---|
//! | `id` | typed ids |
//! | `clock`, `random` | time and randomness as parameters |
//! | `secret`, `key_format` | values that must not leak, and the one API key format |
//! | `permission` | actions, sets of them, and the role presets |
//! | `operation` | every operation and what it needs: the authorization table |
//! | `forward` | what the routes that are handed on to an upstream need |
//! | `principal`, `caller`, `permit` | whom a credential names, who asks and from where, and the proof that they may |
//! | `text` | what people read, in both languages |
//! | `entity` | every object of the wire, described once |
//! | `audit`, `redact` | what the audit log says, the chain of its rows, and what never gets into it |
//! | `network` | ranges of addresses |
//! | `throttle` | how guesses are slowed down |
//! | `policy`, `mfa` | how people log in, from where, with which second factor, and for how long |
//! | `password` | what a new password must be, and what its hash costs |
//! | `filter`, `page` | the list language: `where`, `orderBy` and the window |
//! | `power` | switching VMs on and off: which operation goes from which state to which |
//! | `api_key`, `role`, `session`, `task`, `user` | plain records the rooms above exchange |

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
