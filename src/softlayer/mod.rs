//! The SoftLayer API: three codecs (XML-RPC, REST and SOAP) for one value tree and one table of methods.
//!
//! ```text
//! bytes ─ xmlrpc, rest, soap ─> Call ─ who ─> Caller ─ act ─> a function of service/ ─ load ─> Value ─ codec ─> bytes
//!              │                          table: (service, method) -> operation, parameters, what it does
//!              └ mask, filter, limit      types: datatypes and their properties
//! ```
//!
//! SoftLayer's peculiarities stay in this module: code in `service` handles users, keys and permissions, but no faults and no masks.

mod act;
mod arguments;
mod assemble;
pub mod call;
pub mod fault;
pub mod filter;
mod headers;
mod load;
mod logins;
pub mod mask;
mod refusal;
pub mod rest;
mod rows;
mod scalar;
mod sentences;
pub mod soap;
pub mod table;
mod template;
pub mod types;
pub mod value;
mod who;
pub mod wsdl;
pub mod xml;
pub mod xmlrpc;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};

use act::Acting;
use call::{Call, Reply};
use fault::Fault;
use refusal::{Outcome, Refusal};

use crate::app::App;
use crate::domain::operation::Needs;
use crate::http::body;
use crate::http::caller::origin;
use crate::service::door;
use crate::service::people::customers;

/// Header with the total number of rows of a list. (The contract writes `SoftLayer-Total-Items`; header names are case-insensitive.)
const TOTAL_ITEMS: HeaderName = HeaderName::from_static("softlayer-total-items");
/// The supported versions of the API; both behave the same.
const VERSIONS: [&str; 2] = ["v3", "v3.1"];
const XML: &str = "text/xml; charset=utf-8";

/// Returns the routes of the SoftLayer API.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/xmlrpc/{version}/{service}", post(xml_rpc))
        .route("/rest/{version}/", any(rest))
        .route("/rest/{version}/{*path}", any(rest))
        .route("/soap/{version}/{service}", get(description).post(soap))
        .route("/soap/{version}/soap-encoding.xsd", get(soap_encoding))
}

async fn xml_rpc(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let (version, service) = address(&parts.uri);
    let answer = async {
        check_version(&version)?;
        let body = body::read(&app, body).await.map_err(whole)?;
        answer(&app, &parts, xmlrpc::decode(&service, &body)?).await.map(|(_, reply)| reply)
    };
    match answer.await {
        Ok(reply) => respond(StatusCode::OK, XML, xmlrpc::encode(&reply.value), reply.total),
        // Clients read faults only from answers with status 200. The statuses of timeouts, oversized bodies and outages stay, for proxies.
        Err(fault) => respond(transport_status(&fault, StatusCode::OK), XML, xmlrpc::encode_fault(&fault), None),
    }
}

async fn soap(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let (version, service) = address(&parts.uri);
    let answer = async {
        check_version(&version)?;
        let body = body::read(&app, body).await.map_err(whole)?;
        answer(&app, &parts, soap::decode(&service, &body)?).await
    };
    match answer.await {
        Ok((method, reply)) => {
            let text = soap::encode(&soap::namespace(&version), method, &reply);
            respond(StatusCode::OK, XML, text, reply.total)
        }
        Err(fault) => {
            let status = transport_status(&fault, StatusCode::INTERNAL_SERVER_ERROR);
            respond(status, XML, soap::encode_fault(&fault), None)
        }
    }
}

async fn rest(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let (version, path) = address(&parts.uri);
    let format = rest::Format::of(&path);
    let answer = async {
        check_version(&version)?;
        let body =
            if parts.method == Method::GET { Vec::new() } else { body::read(&app, body).await.map_err(whole)? };
        let request = rest::Request { verb: parts.method.as_str(), path: &path, query: parts.uri.query(), body: &body };
        let (call, _) = rest::decode(&request)?;
        answer(&app, &parts, call).await
    };
    match answer.await {
        Ok((_, reply)) => {
            let (kind, text) = rest::encode(&reply, format);
            respond(StatusCode::OK, kind, text, reply.total)
        }
        Err(fault) => {
            let fault = denied(fault);
            let (kind, text) = rest::encode_fault(&fault, format);
            respond(StatusCode::from_u16(fault.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), kind, text, None)
        }
    }
}

/// Replaces every fault with status 401 by the fault that SoftLayer's own service sends on REST.
fn denied(fault: Fault) -> Fault {
    if fault.status == 401 { Fault::new(fault::PUBLIC, "Access Denied. ", 401) } else { fault }
}

/// Serves the WSDL and the XSD of a service.
async fn description(State(app): State<Arc<App>>, request: Request) -> Response {
    let (version, service) = address(request.uri());
    let known = VERSIONS.contains(&version.as_str()) && table::service(&service).is_some();
    let base = origin(&app, request.extensions(), request.headers());
    match request.uri().query().map(str::to_ascii_lowercase).as_deref() {
        Some("wsdl") if known => respond(StatusCode::OK, XML, wsdl::wsdl(&base, &version, &service), None),
        Some("xsd") if known => respond(StatusCode::OK, XML, wsdl::xsd(&base, &version, &service), None),
        _ => respond(StatusCode::NOT_FOUND, XML, soap::encode_fault(&Fault::no_service()), None),
    }
}

async fn soap_encoding() -> Response {
    respond(StatusCode::OK, XML, wsdl::soap_encoding().to_owned(), None)
}

/// Runs a call; returns the method that was called, and the answer.
async fn answer(app: &App, parts: &Parts, call: Call) -> Result<(&'static table::Method, Reply), Fault> {
    let service = table::service(&call.service).ok_or_else(Fault::no_service)?;
    let name: String = call.method.chars().take(100).collect();
    let method = table::method_of(service, &call.method).ok_or_else(|| Fault::no_method(&name))?;
    let id = call.id.as_ref().and_then(value::Value::as_text).unwrap_or_default();
    run(app, parts, method, call).await.map(|reply| (method, reply)).map_err(|refusal| refusal.into_fault(&id))
}

async fn run(app: &App, parts: &Parts, method: &'static table::Method, mut call: Call) -> Outcome<Reply> {
    let open = method.operation.needs() == Needs::Nothing;
    let shown = call.shown.take();
    let caller = match open {
        // A login ignores the request's credential: an expired credential must not stop a user from logging in again.
        true => crate::http::caller::stranger(app, parts)?,
        false => who::caller(app, parts, shown).await?,
    };
    if caller.principal.is_none() && !open {
        return Err(who::nothing().into());
    }
    let call = &call;
    door::enter(app, &caller, method.operation, |permit| async move {
        let acting = Acting { app, permit: &permit, method, call };
        match method.operation.spec().is_change() {
            true => acting.run().await,
            false => customers::reading(app, &permit, async || acting.run().await).await?,
        }
    })
    .await
}

/// Converts the error from reading a body to a fault.
fn whole(error: crate::error::Error) -> Fault {
    Refusal::Error(error).into_fault("")
}

/// Returns the version of the API and the part of the path after it. Both stay percent-encoded, so that an encoded slash does not split the
/// path.
fn address(uri: &Uri) -> (String, String) {
    let mut parts = uri.path().splitn(4, '/').skip(2).map(str::to_owned);
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
}

fn check_version(version: &str) -> Result<(), Fault> {
    if VERSIONS.contains(&version) { Ok(()) } else { Err(Fault::no_service()) }
}

/// Returns the HTTP status of a fault on XML-RPC and SOAP: the fault's own status if it is 408, 413 or 503, else `usual`.
fn transport_status(fault: &Fault, usual: StatusCode) -> StatusCode {
    match fault.status {
        408 | 413 | 503 => StatusCode::from_u16(fault.status).unwrap_or(usual),
        _ => usual,
    }
}

fn respond(status: StatusCode, kind: &'static str, text: String, total: Option<u64>) -> Response {
    let mut response = (status, text).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Some(total) = total {
        response.headers_mut().insert(TOTAL_ITEMS, HeaderValue::from(total));
    }
    response
}
