//! The use cases, one function each: authorize the caller, begin a transaction, change, commit. They are independent of HTTP and of the
//! APIs (REST, GraphQL, SoftLayer).

pub mod access;
pub mod api_keys;
mod attempts;
pub mod audit;
mod challenges;
pub mod classic_keys;
pub mod customers;
mod devices;
mod directory;
pub mod door;
mod factor;
pub mod first;
pub mod forward;
pub mod inventory;
mod letters;
pub mod lists;
pub mod login;
pub mod mfa;
pub mod outbox;
pub mod passwords;
mod people;
pub mod policy;
pub mod power;
pub mod roles;
pub mod sessions;
pub mod setup;
pub mod signing;
pub mod tasks;
pub mod users;
