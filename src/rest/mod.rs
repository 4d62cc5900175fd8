//! REST v2 (`/v2/api/*`), as the contract defines it. Every route is a row of one table.
//!
//! The router, the OpenAPI document and the authorization table are built from that table. Every entity with a route has a route for a list
//! and a route for a count. Errors are the contract's ErrorBody (section 1.7).

mod answer;
mod audit;
mod forward;
mod input;
pub mod openapi;
mod people;
mod policy;
mod tasks;
mod vms;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use axum::routing::{MethodFilter, on};
use serde_json::{Value, json};

use crate::app::App;
use crate::domain::entity::{ENTITIES, Entity, ORGANIZATION, TASK};
use crate::domain::operation::{Needs, Operation};
use crate::domain::power::Power;
use crate::domain::secret::Password;
use crate::domain::text::Language;
use crate::error::Result;
use crate::http::caller::{caller_with_body, credential, language, stranger};
use crate::http::{body, error_body, log};
use crate::service;
use crate::service::audit::create;
use crate::service::door;
use crate::service::inventory;
use crate::service::inventory::lists;
use crate::service::inventory::lists::{Budget, Projection};
use crate::service::inventory::power;
use crate::service::login;
use crate::service::login::{Login, Ticket};
use crate::service::people::roles;
use crate::service::people::users;
use input::Input;

/// Path prefix of every route.
pub const PREFIX: &str = "/v2/api";

/// Version of the contract that this API implements.
pub const CONTRACT_VERSION: &str = "4.6.0";

/// A row of the route table.
#[derive(Debug)]
pub struct Route {
    /// Path after [`PREFIX`].
    pub path: String,
    /// `operationId` in the contract.
    pub id: String,
    /// What the route does.
    pub call: Call,
}

/// What a route does, with the data that this needs.
#[derive(Debug, Clone, Copy)]
pub enum Call {
    /// `POST /login`.
    Login,
    /// `POST /create-root-user`.
    CreateRootUser,
    /// `GET /get-version`.
    GetVersion,
    /// `POST /get-my-info`.
    GetMyInfo,
    /// `POST /create-user`.
    CreateUser,
    /// `POST /update-user`.
    UpdateUser,
    /// `POST /delete-user`.
    DeleteUser,
    /// `POST /create-role`.
    CreateRole,
    /// `POST /update-role`.
    UpdateRole,
    /// `POST /delete-role`.
    DeleteRole,
    /// `POST /create-user-audit-log`.
    CreateUserAuditLog,
    /// Routes that switch VMs on and off, such as `POST /start-vm`.
    Power(Power),
    /// `POST /create-task`.
    CreateTask,
    /// `POST /update-task`.
    UpdateTask,
    /// `POST /update-password-security`.
    UpdatePasswordSecurity,
    /// `POST /update-access-restriction`.
    UpdateAccessRestriction,
    /// `POST /update-session-timeout`.
    UpdateSessionTimeout,
    /// List of the rows of an entity: `POST /get-<route>`.
    List(&'static Entity),
    /// Number of the rows of an entity: `POST /get-<route>-connection`.
    Count(&'static Entity),
}

impl Call {
    /// Returns the HTTP method of the route.
    #[must_use]
    pub fn method(self) -> Method {
        match self {
            Self::GetVersion => Method::GET,
            _ => Method::POST,
        }
    }

    /// Returns true if requests for the route go to the upstream server when an upstream is configured. This holds for routes that read or
    /// change the inventory, and for the routes of tasks. keytower still checks the caller's rights for such requests.
    #[must_use]
    pub fn is_upstreams(self) -> bool {
        match self {
            Self::List(entity) | Self::Count(entity) => {
                inventory::ENTITIES.contains(&entity) || [&ORGANIZATION, &TASK].contains(&entity)
            }
            Self::Power(_) | Self::CreateTask | Self::UpdateTask => true,
            _ => false,
        }
    }

    /// Returns the operation to authorize for the route.
    #[must_use]
    pub fn operation(self) -> Operation {
        match self {
            Self::Login => Operation::Login,
            Self::CreateRootUser => Operation::CreateRootUser,
            Self::GetVersion => Operation::GetVersion,
            Self::GetMyInfo => Operation::GetMyInfo,
            Self::CreateUser => Operation::CreateUser,
            Self::UpdateUser => Operation::UpdateUser,
            Self::DeleteUser => Operation::DeleteUser,
            Self::CreateRole => Operation::CreateRole,
            Self::UpdateRole => Operation::UpdateRole,
            Self::DeleteRole => Operation::DeleteRole,
            Self::CreateUserAuditLog => Operation::CreateUserAuditLog,
            Self::Power(power) => Operation::Power(power),
            Self::CreateTask => Operation::CreateTask,
            Self::UpdateTask => Operation::UpdateTask,
            Self::UpdatePasswordSecurity => Operation::UpdatePasswordSecurity,
            Self::UpdateAccessRestriction => Operation::UpdateAccessRestriction,
            Self::UpdateSessionTimeout => Operation::UpdateSessionTimeout,
            Self::List(entity) | Self::Count(entity) => Operation::Read(entity),
        }
    }
}

/// Returns every route.
#[must_use]
pub fn table() -> Vec<Route> {
    let route = |path: &str, id: &str, call| Route { path: path.to_owned(), id: id.to_owned(), call };
    let mut routes = vec![
        route("/login", "Login", Call::Login),
        route("/create-root-user", "CreateRootUser", Call::CreateRootUser),
        route("/get-version", "GetApiVersion", Call::GetVersion),
        route("/get-my-info", "GetMyInfo", Call::GetMyInfo),
        route("/create-user", "CreateUser", Call::CreateUser),
        route("/update-user", "UpdateUser", Call::UpdateUser),
        route("/delete-user", "DeleteUser", Call::DeleteUser),
        route("/create-role", "CreateRole", Call::CreateRole),
        route("/update-role", "UpdateRole", Call::UpdateRole),
        route("/delete-role", "DeleteRole", Call::DeleteRole),
        route("/create-user-audit-log", "CreateUserAuditLog", Call::CreateUserAuditLog),
        route("/create-task", "CreateTask", Call::CreateTask),
        route("/update-task", "UpdateTask", Call::UpdateTask),
        route("/update-password-security", "UpdatePasswordSecurity", Call::UpdatePasswordSecurity),
        route("/update-access-restriction", "UpdateAccessRestriction", Call::UpdateAccessRestriction),
        route("/update-session-timeout", "UpdateSessionTimeout", Call::UpdateSessionTimeout),
    ];
    for power in Power::ALL {
        let (path, id) = power.route();
        routes.push(route(path, id, Call::Power(power)));
    }
    for entity in ENTITIES.into_iter().filter(|entity| !entity.route.is_empty()) {
        let name = pascal(entity.plural);
        routes.push(route(&format!("/get-{}", entity.route), &format!("Get{name}"), Call::List(entity)));
        let path = format!("/get-{}-connection", entity.route);
        routes.push(route(&path, &format!("Get{name}Connection"), Call::Count(entity)));
    }
    routes
}

/// Returns the router of REST v2.
pub fn routes() -> Router<Arc<App>> {
    let mut router = Router::new();
    for Route { path, call, .. } in table() {
        let filter = if call.method() == Method::GET { MethodFilter::GET } else { MethodFilter::POST };
        let full = format!("{PREFIX}{path}");
        let path: Arc<str> = path.into();
        let wrong: Arc<str> = Arc::clone(&path);
        let handler = on(filter, move |State(app): State<Arc<App>>, request: Request| async move {
            let language = language(request.headers()).unwrap_or_default();
            let answer = if app.upstream.is_some() && call.is_upstreams() {
                forward::hand_on(&app, call.operation(), &path, request).await
            } else {
                handle(&app, call, request).await
            };
            finish(&path, language, answer)
        })
        .fallback(async move |headers: HeaderMap| {
            answer::not_allowed(&wrong, &call.method(), language(&headers).unwrap_or_default())
        });
        router = router.route(&full, handler);
    }
    router
        .route(&format!("{PREFIX}/swagger3.json"), axum::routing::get(openapi::serve))
        .merge(openapi::pages())
        .route(PREFIX, axum::routing::any(unknown))
        .route(&format!("{PREFIX}/"), axum::routing::any(unknown))
        .route(&format!("{PREFIX}/{{*path}}"), axum::routing::any(unknown))
}

async fn unknown(State(app): State<Arc<App>>, request: Request) -> Response {
    let path = request.uri().path().strip_prefix(PREFIX).unwrap_or_default().to_owned();
    let language = language(request.headers()).unwrap_or_default();
    finish(&path, language, forward::unknown(&app, &path, request).await)
}

fn finish(path: &str, language: Language, result: Result<Response>) -> Response {
    result.unwrap_or_else(|error| {
        log(&error);
        error_body(path, &error, language)
    })
}

async fn handle(app: &Arc<App>, call: Call, request: Request) -> Result<Response> {
    let (parts, body) = request.into_parts();
    let (operation, headers) = (call.operation(), &parts.headers);
    // Open routes ignore the credential: an expired credential must not stop a user from logging in again.
    let (caller, body) = if operation.needs() == Needs::Nothing {
        (stranger(app, &parts)?, body::read(app, body).await)
    } else {
        match credential(app, &parts)? {
            Some(shown) => caller_with_body(app, &parts, shown, body).await?,
            None => return Err(door::turn_away(app, &stranger(app, &parts)?, operation).await),
        }
    };
    door::enter(app, &caller, operation, |permit| answer(app, Input { headers, permit, body }, call)).await
}

async fn answer(app: &Arc<App>, input: Input<'_>, call: Call) -> Result<Response> {
    let permit = &input.permit.clone();
    match call {
        Call::GetVersion => answer::json(&CONTRACT_VERSION),
        Call::Login => {
            let input: input::Login = input.parse()?;
            let request = login::LoginRequest {
                username: input.username,
                password: Password::from(input.password),
                source: input.source.map(|source| source.as_str().to_owned()),
                mfa_type: input.mfa_type,
                code: None,
                interactive: false,
                ticket: Ticket::Token,
                answer: None,
            };
            match login::login(app, permit, request).await? {
                // Never answer 200 without a token: SDKs use the token without checking that it exists (contract section 1.1).
                Login::NeedsCode { meta, .. } => Err(login::needs_code(meta)),
                Login::Done(done) => {
                    let answer = answer::with_task(&json!({ "token": done.token.expose() }))?;
                    Ok(done.device.into_iter().fold(answer, |answer, device| answer::remembered(answer, &device)))
                }
            }
        }
        Call::CreateRootUser => {
            let input: input::RootUserCreation = input.parse()?;
            let user = users::create_root(app, permit, Password::from(input.password)).await?;
            answer::with_task(user.as_ref())
        }
        Call::GetMyInfo => {
            // The route needs no body; SDKs send no body, or `{}`. Only a failure to read the body is an error.
            input.body?;
            let me = users::me(app, permit).await?;
            answer::json(me.as_ref())
        }
        Call::CreateUser => {
            let wanted = people::users(input.parse_list()?)?;
            answer::with_tasks(users::create(app, permit, wanted).await?.iter().map(AsRef::as_ref))
        }
        Call::UpdateUser => {
            let (conditions, change) = input.parse::<people::UserUpdation>()?.read();
            let users = users::update(app, permit, conditions, change).await?;
            answer::with_tasks(users.iter().map(AsRef::as_ref))
        }
        Call::DeleteUser => {
            let people::Deletion { conditions } = input.parse()?;
            answer::deleted(users::delete(app, permit, conditions).await?)
        }
        Call::CreateRole => {
            let wanted = people::roles(input.parse_list()?);
            answer::with_tasks(roles::create(app, permit, wanted).await?.iter().map(AsRef::as_ref))
        }
        Call::UpdateRole => {
            let (conditions, change) = input.parse::<people::RoleUpdation>()?.read();
            let roles = roles::update(app, permit, conditions, change).await?;
            answer::with_tasks(roles.iter().map(AsRef::as_ref))
        }
        Call::DeleteRole => {
            let people::Deletion { conditions } = input.parse()?;
            answer::deleted(roles::delete(app, permit, conditions).await?)
        }
        Call::CreateUserAuditLog => {
            let wanted = audit::reports(input.parse_list()?);
            answer::with_tasks(create(app, permit, wanted).await?.iter().map(AsRef::as_ref))
        }
        Call::Power(power) => {
            let (conditions, host) = match power {
                Power::Start => {
                    let vms::Start { conditions, data } = input.parse()?;
                    (conditions, data.map(|data| data.host_id))
                }
                _ => (input.parse::<vms::Operate>()?.conditions, None),
            };
            answer::under_way(&power::operate(app, permit, power, conditions, host).await?)
        }
        Call::CreateTask => {
            let given = input.parse_list::<tasks::TaskCreation>()?;
            let wanted = given.into_iter().map(tasks::TaskCreation::read).collect();
            answer::with_tasks(service::inventory::tasks::create(app, permit, wanted).await?.iter().map(AsRef::as_ref))
        }
        Call::UpdateTask => {
            let (conditions, change) = input.parse::<tasks::TaskUpdate>()?.read();
            let changed = service::inventory::tasks::update(app, permit, conditions, change).await?;
            answer::with_tasks(changed.iter().map(AsRef::as_ref))
        }
        Call::UpdatePasswordSecurity => {
            let wanted = input.parse::<policy::PasswordSecurity>()?.read();
            answer::with_task(service::policy::update_password_security(app, permit, wanted).await?.as_ref())
        }
        Call::UpdateAccessRestriction => {
            let policy::AccessRestriction { access_mode, access_list } = input.parse()?;
            let row = service::policy::update_access_restriction(app, permit, access_mode, access_list).await?;
            answer::with_task(row.as_ref())
        }
        Call::UpdateSessionTimeout => {
            let policy::SessionTimeout { session_max_age } = input.parse()?;
            answer::with_task(service::policy::update_session_timeout(app, permit, session_max_age).await?.as_ref())
        }
        Call::List(entity) => {
            let arguments = input.object()?;
            let is_short = |name: &str| {
                arguments.get(name).and_then(Value::as_u64).is_some_and(|most| most <= lists::BLOCK as u64)
            };
            if is_short("first") || is_short("last") {
                let (all, budget) = (Projection::full(entity), Budget::unlimited());
                return answer::json(&lists::list(app, permit, entity, &arguments, &all, &budget).await?);
            }
            let blocks = lists::blocks(app, permit, entity, &arguments).await?;
            answer::list(Arc::clone(app), blocks).await
        }
        Call::Count(entity) => {
            let count = lists::count(app, permit, entity, &input.object()?).await?;
            answer::json(&json!({ "aggregate": { "count": count } }))
        }
    }
}

/// Converts a name in camel case to Pascal case: `userRoleNexts` becomes `UserRoleNexts`.
fn pascal(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}
