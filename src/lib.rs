//! keytower: self-hosted API keys.
//!
//! ```text
//!   main, cli, jobs, router, telemetry          wiring
//!   graphql   rest   softlayer    console       faces: parse, call one service function, render; pages
//!   http                                        what the faces share
//!   service                                     use cases: authorize, begin, change, commit
//!   app                                         what a running service holds
//!   auth         upstream         mail          bytes to principals and back; the CloudTower in front of which it stands; letters
//!   store                                       the only SQL
//!   node                                        whether this node is active or passive
//!   config   error                              settings; the one error
//!   domain                                      ids, secrets, rights, objects: no I/O
//! ```
//!
//! A room uses those below it, never those above or beside it; `tests/it/layers.rs` holds the table. `docs/ARCHITECTURE.md` tells
//! the way of a request through them.

pub mod app;
pub mod auth;
pub mod cli;
pub mod config;
pub mod console;
pub mod domain;
pub mod error;
pub mod graphql;
pub mod http;
pub mod jobs;
pub mod mail;
pub mod node;
pub mod rest;
pub mod router;
pub mod service;
pub mod softlayer;
pub mod store;
pub mod telemetry;
pub mod upstream;
