//! The suite: one binary, run once on SQLite and once on PostgreSQL by `tests/run`.

mod support;

mod docs;
mod smoke;
