//! The suite: one binary, run once on SQLite and once on PostgreSQL by `tests/run`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "helpers of tests may fail like tests, and modules of one binary have no outside"
)]

mod support;

mod authz;
mod contracts;
mod docs;
mod forgeries;
mod key_races;
mod key_rights;
mod keys;
mod login;
mod misspellings;
mod health;
mod layers;
mod lists;
mod migrations;
mod relations;
mod away;
mod commands;
mod crash;
mod first_start;
mod freshness;
mod import;
mod nodes;
mod graphql_over_http;
mod hostile_graphql;
mod hostile_http;
mod hostile_rest;
mod smoke;
mod tokens;
mod windows;
mod start;
mod stop;
mod clients;
mod deploy;
mod docs;
mod pages;
mod proxy;
mod smoke;
mod tour;
