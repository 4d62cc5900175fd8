//! GraphQL on `/api` and `/api/`.
//!
//! | file | holds |
//! |---|---|
//! | `endpoint` | GraphQL over HTTP: requests, refusals, answers |
//! | `arrange` | corrections of an answer: order of fields, nulls, paths of errors |
//! | `guard` | limits on a document, checked before it is executed |
//! | `schema` | the schema: root fields, each with the operation to authorize |
//! | `login`, `sessions`, `passwords` | login, the caller's own sessions, password changes and resets |
//! | `mfa`, `mfa_policy` | second factors, and the policy that requires them |
//! | `people` | the mutations that set up a service |
//! | `record` | object types that belong to no entity |
//! | `types` | types and inputs of the entities, built from the entities' descriptions |
//! | `variables` | checks of variables that are missing in the GraphQL library |
//! | `value` | arguments, values, error codes, and the fields that a query selects |
//! | `page` | GraphiQL, compiled into the program |

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
