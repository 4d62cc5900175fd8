//! keytower: self-hosted API keys.
//!
//! ```text
//!   main, cli, jobs, router, telemetry          wiring
//!   graphql   rest   softlayer    console       APIs: parse, call one service function, render; web pages
//!   http                                        code that the APIs share
//!   service                                     use cases: authorize, begin, change, commit
//!   app                                         the state of a running service
//!   auth         upstream         mail          credentials to principals; client of the CloudTower behind keytower; letters
//!   store                                       the only SQL
//!   node                                        whether this node is active or passive
//!   config   error                              settings; the error type
//!   domain                                      ids, secrets, rights, objects: no I/O
//! ```
//!
//! A module uses modules further down in this picture, never modules further up. `tests/it/layers.rs` lists which module may use which.
//! `docs/ARCHITECTURE.md` follows a request through the modules.

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
