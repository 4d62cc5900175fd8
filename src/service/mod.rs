//! The use cases, one function each. A use case authorizes the caller, begins a transaction, makes the change and commits. The use cases
//! are independent of HTTP and of the APIs (REST, GraphQL, SoftLayer).

pub mod access;
pub mod audit;
pub mod door;
pub mod inventory;
pub mod keys;
pub mod login;
pub mod outbox;
pub mod people;
pub mod policy;
pub mod sessions;
pub mod setup;
