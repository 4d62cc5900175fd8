//! What tests share: a database of their own, a service in this process or in one of its own, and short ways to talk to it.

pub mod call;
pub mod chance;
pub mod changes;
pub mod check;
pub mod contract;
pub mod database;
pub mod load;
pub mod nginx;
pub mod node;
pub mod otp;
pub mod own_password;
pub mod peer;
pub mod people;
pub mod post;
pub mod program;
pub mod random;
pub mod samples;
pub mod schema;
pub mod service;
pub mod signer;
pub mod slow;
pub mod softlayer;
pub mod stage;
pub mod tasks;
pub mod tower;
pub mod trail;
pub mod visitor;
pub mod world;

pub use database::Database;
pub use node::Node;
pub use otp::Device;
pub use peer::Peer;
pub use post::Post;
pub use service::{Answer, Service, pass};
pub use signer::Signer;
pub use visitor::Visitor;

/// The password of `root` in every test.
pub const ROOT_PASSWORD: &str = "correct horse battery";

/// Reads what `tests/run` has prepared; a test that lacks it fails and says so.
pub fn tool(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run the suite with tests/run"))
}
