//! GraphQL on `/api` and `/api/`.
//!
//! | file | holds |
//! |---|---|
//! | `endpoint` | HTTP: what is read, what is refused, what is answered (GraphQL over HTTP) |
//! | `arrange` | the order of an answer, and its nulls |
//! | `guard` | limits on a document, checked before anything is executed |
//! | `schema` | the schema: root fields, each with its operation |
//! | `login`, `sessions`, `passwords` | logging in, what that opened, and one's own password |
//! | `mfa`, `mfa_policy` | one's own second factors, and who needs them |
//! | `people` | the mutations that set a service up |
//! | `record` | objects that no entity describes |
//! | `types` | types and inputs of the entities, from their descriptions |
//! | `variables` | checks of variables that the library lacks |
//! | `value` | values to and from the wire, and which fields a query asks for |
//! | `page` | GraphiQL, from the program itself |

mod arrange;
mod call;
mod endpoint;
pub mod guard;
mod login;
mod mfa;
mod mfa_policy;
mod page;
mod passwords;
mod people;
mod record;
pub mod schema;
mod sessions;
mod types;
mod value;
mod variables;

pub use endpoint::routes;
pub use value::code;
