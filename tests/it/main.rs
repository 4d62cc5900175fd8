//! The suite: one binary, run once on SQLite and once on PostgreSQL by `tests/run`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    unreachable_pub,
    reason = "helpers of tests may fail like tests, and modules of one binary have no outside"
)]

mod support;

mod audit;
mod audit_chain;
mod audit_reports;
mod authz;
mod away;
mod bounds;
mod cascades;
mod circles;
mod classic_keys;
mod clients;
mod commands;
mod console;
mod contracts;
mod crash;
mod deploy;
mod docs;
mod filters;
mod first_start;
mod forgeries;
mod fresh;
mod freshness;
mod fuzz_graphql;
mod fuzz_rest;
mod graphql_over_http;
mod graphql_settings;
mod health;
mod held;
mod hostile_graphql;
mod hostile_http;
mod hostile_rest;
mod import;
mod isolation;
mod key_races;
mod key_rights;
mod keys;
mod languages;
mod layers;
mod letters;
mod list_contract;
mod list_language;
mod lists;
mod load;
mod login;
mod mail;
mod mail_failures;
mod mfa_codes;
mod mfa_enroll;
mod mfa_guesses;
mod mfa_login;
mod mfa_mail;
mod mfa_policy;
mod mfa_reset;
mod migrations;
mod misspellings;
mod nodes;
mod pages;
mod passive;
mod password_change;
mod password_reset;
mod passwords;
mod policy;
mod policy_login;
mod power;
mod power_nodes;
mod power_reach;
mod proxy;
mod races;
mod relations;
mod roles;
mod sessions;
mod smoke;
mod softlayer_clients;
mod softlayer_fuzz_language;
mod softlayer_fuzz_xml;
mod softlayer_hostile;
mod softlayer_hostile_values;
mod softlayer_round_trips;
mod softlayer_settings;
mod start;
mod step_up;
mod stop;
mod streams;
mod tasks;
mod throttle;
mod tokens;
mod tour;
mod upstream;
mod upstream_failures;
mod upstream_sync;
mod user_races;
mod users;
mod visibility;
mod windows;
