//! Users, roles, the hierarchy of users and their permissions.

pub(in crate::service) mod change;
pub mod customers;
pub mod first;
pub mod roles;
pub mod users;
