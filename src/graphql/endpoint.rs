//! GraphQL over HTTP (the GraphQL Foundation's specification): POST with JSON, GET for queries, and GraphiQL for a browser.
//!
//! An error of a resolver is answered with HTTP 200, as clients of the contract expect (section 1.7). A well-formed request with a faulty
//! document is not executed; the status of the answer is 200 for `application/json` and 400 for `application/graphql-response+json`. For
//! both types, a malformed request is answered with 4xx and a rejected credential with 401.

use std::sync::Arc;

use async_graphql::dynamic::{DynamicRequestExt, FieldValue, Schema};
use async_graphql::parser::types::{ExecutableDocument, OperationType};
use async_graphql::{Pos, ServerError, Variables};
use async_graphql_axum::GraphQLResponse;
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, ALLOW, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Json, Router};
use serde_json::{Map, Value, json};

use super::arrange::TopField;
use super::schema::{is_open, operation_of};
use super::value::{Asked, code};
use super::{arrange, guard, page, variables};
use crate::app::App;
use crate::domain::text::{Language, Text, text};
use crate::error::{Error, Kind, Result};
use crate::http::caller::{caller, language, stranger};
use crate::http::{body, log, status};
use crate::service::door;
use crate::service::inventory::lists::Budget;

const JSON: &str = "application/json";
const GRAPHQL: &str = "application/graphql-response+json";

/// Returns the routes of GraphQL. `/api` and `/api/` serve the same; neither path redirects to the other (contract section 0).
pub fn routes(schema: Schema) -> Router<Arc<App>> {
    let handler = move |State(app): State<Arc<App>>, request: Request| {
        let schema = schema.clone();
        async move { answer(&app, &schema, request).await }
    };
    Router::new().route("/api", any(handler.clone())).route("/api/", any(handler)).merge(page::routes())
}

/// A GraphQL request.
struct Question {
    query: String,
    variables: Map<String, Value>,
    operation: Option<String>,
}

/// Why a request is not executed.
enum Stop {
    /// The HTTP request or the credential in it is rejected.
    Request(Error),
    /// The request is well-formed, but the document or the variables are faulty.
    Document(Vec<(Error, Vec<Pos>)>),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Request(error)
    }
}

impl Stop {
    fn document(reason: impl Into<Text>) -> Self {
        Self::Document(vec![(Error::invalid(reason), Vec::new())])
    }
}

async fn answer(app: &App, schema: &Schema, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let by_address = parts.method == Method::GET || parts.method == Method::HEAD;
    if by_address && parts.uri.query().is_none() && welcome(&parts.headers, "text/html") > Some(0.0) {
        return page::page();
    }
    let format = format(&parts.headers);
    // An unsupported language becomes the default here; `run` rejects the request.
    let language = language(&parts.headers).unwrap_or_default();
    match run(app, schema, &parts, body).await {
        Ok(response) => typed(format, GraphQLResponse::from(response).into_response()),
        Err(Stop::Request(error)) => {
            log(&error);
            refuse(format, status(error.kind()), vec![refusal(&error, &[], language)])
        }
        Err(Stop::Document(errors)) => {
            let errors = errors.iter().map(|(error, locations)| refusal(error, locations, language)).collect();
            refuse(format, if format == JSON { StatusCode::OK } else { StatusCode::BAD_REQUEST }, errors)
        }
    }
}

async fn run(
    app: &App,
    schema: &Schema,
    parts: &Parts,
    body: axum::body::Body,
) -> std::result::Result<async_graphql::Response, Stop> {
    let question = match parts.method {
        Method::POST => posted(app, &parts.headers, body).await?,
        Method::GET | Method::HEAD => asked_by_address(parts)?,
        _ => return Err(Error::new(Kind::MethodNotAllowed, text!("use GET or POST", "请使用 GET 或 POST")).into()),
    };
    let operation = question.operation.as_deref();
    let limits = &app.settings.graphql;
    let document = guard::parse(&question.query, limits).map_err(Stop::document)?;
    if parts.method != Method::POST && is_change(&document, operation) {
        return Err(Error::new(Kind::MethodNotAllowed, text!("a mutation needs POST", "mutation 需要使用 POST")).into());
    }
    let asked = arrange::asked(&document, operation);
    // Like open routes of REST, open fields ignore the credential: an expired credential must not stop a user from logging in again.
    let open = !asked.is_empty() && asked.iter().all(|field| is_open(&field.name));
    let caller = if open { stranger(app, parts)? } else { caller(app, parts).await? };
    let asker = Asked { caller: caller.clone(), budget: Budget::of(limits.answer_values) };
    let done = execute(schema, question, document, &asked, asker).await;
    if let Err(Stop::Document(errors)) = &done
        && let Some((error, _)) = errors.first()
        && let Some(change) =
            asked.iter().filter_map(|field| operation_of(&field.name)).find(|change| change.spec().is_change())
    {
        // No resolver ran, so the refusal is not in the audit log yet.
        door::refuse(app, &caller, change, error).await;
    }
    done
}

async fn execute(
    schema: &Schema,
    question: Question,
    document: ExecutableDocument,
    asked: &[TopField],
    asker: Asked,
) -> std::result::Result<async_graphql::Response, Stop> {
    if asked.iter().filter(|field| field.name == "login").count() > 1 {
        return Err(Stop::document(text!("one request can log in once", "一个请求只能登录一次")));
    }
    let operation = question.operation.as_deref();
    variables::check(&document, operation, schema.registry(), &question.variables).map_err(Stop::document)?;
    let mut request = async_graphql::Request::new(question.query);
    request.set_parsed_query(document);
    request.operation_name = question.operation;
    request.variables = Variables::from_json(Value::Object(question.variables));
    let mut response = schema.execute(request.data(asker).root_value(FieldValue::NULL)).await;
    if !was_executed(&response) {
        let errors = response.errors.into_iter().map(|error| {
            let message = error.message;
            (Error::invalid(text!("{message}", "请求无效：{message}")), error.locations)
        });
        return Err(Stop::Document(errors.collect()));
    }
    arrange::locate(asked, &mut response.errors);
    response.data = arrange::arrange(asked, std::mem::take(&mut response.data), &response.errors);
    Ok(response)
}

/// Returns true if the operation that the request runs is not a query.
fn is_change(document: &ExecutableDocument, operation: Option<&str>) -> bool {
    arrange::meant(document, operation).is_some_and(|operation| operation.node.ty != OperationType::Query)
}

/// Returns true if resolvers ran: the response has data, or an error that only a resolver produces. Otherwise the document is faulty.
fn was_executed(response: &async_graphql::Response) -> bool {
    let ours =
        |error: &ServerError| error.extensions.as_ref().is_some_and(|extensions| extensions.get("code").is_some());
    response.errors.is_empty()
        || response.data != async_graphql::Value::Null
        || response.errors.iter().any(|error| ours(error) || !error.path.is_empty())
}

async fn posted(app: &App, headers: &HeaderMap, body: axum::body::Body) -> Result<Question> {
    body::expect_json(headers)?;
    let body = body::read(app, body).await?;
    match body::json(&body)? {
        Value::Object(members) => question(members),
        Value::Array(_) => Err(Error::invalid(text!(
            "batches are not served: send one request at a time",
            "不支持批量请求：请逐个发送"
        ))),
        _ => Err(Error::invalid(text!(
            "the body must be a JSON object with a query",
            "请求体必须是含 query 的 JSON 对象"
        ))),
    }
}

fn question(mut members: Map<String, Value>) -> Result<Question> {
    let query = match members.remove("query") {
        Some(Value::String(query)) => query,
        None | Some(Value::Null) => return Err(Error::invalid(text!("query is missing", "缺少 query"))),
        Some(_) => return Err(Error::invalid(text!("query must be text", "query 必须是文本"))),
    };
    let mut object = |name: &str| match members.remove(name) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(object)) => Ok(object),
        Some(_) => Err(Error::invalid(text!("{name} must be an object or null", "{name} 必须是对象或 null"))),
    };
    let variables = object("variables")?;
    object("extensions")?;
    let operation = match members.remove("operationName") {
        None | Some(Value::Null) => None,
        Some(Value::String(name)) => Some(name).filter(|name| !name.is_empty()),
        Some(_) => {
            return Err(Error::invalid(text!("operationName must be text or null", "operationName 必须是文本或 null")));
        }
    };
    Ok(Question { query, variables, operation })
}

fn asked_by_address(parts: &Parts) -> Result<Question> {
    let pairs: axum::extract::Query<Vec<(String, String)>> = axum::extract::Query::try_from_uri(&parts.uri)
        .map_err(|error| Error::invalid(text!("the address can't be read: {error}", "无法读取地址：{error}")))?;
    let mut members = Map::new();
    for (name, text) in pairs.0 {
        let value = match name.as_str() {
            "variables" | "extensions" if !text.is_empty() => serde_json::from_str(&text)
                .map_err(|error| Error::invalid(text!("{name} is not JSON: {error}", "{name} 不是 JSON：{error}")))?,
            "variables" | "extensions" => Value::Null,
            _ => Value::String(text),
        };
        members.insert(name, value);
    }
    question(members)
}

/// Returns the media type of the answer: the supported type that `Accept` prefers.
///
/// A tie goes to `application/json`, unless `Accept` names the other type. If `Accept` allows neither, the answer is
/// `application/json` as well: clients of the contract that send such a header still need an answer.
fn format(headers: &HeaderMap) -> &'static str {
    let range = |range| welcome(headers, range);
    let kind = |kind| range(kind).or_else(|| range("application/*")).or_else(|| range("*/*")).unwrap_or_default();
    let (graphql, json) = (kind(GRAPHQL), kind(JSON));
    let named = range(GRAPHQL).is_some() && graphql > 0.0;
    if graphql > json || (named && graphql >= json) { GRAPHQL } else { JSON }
}

/// Returns the weight of a media type or range in `Accept` (RFC 9110, section 12.5.1), 1 by default; `None` if `Accept` does not list it.
fn welcome(headers: &HeaderMap, kind: &str) -> Option<f32> {
    let listed =
        headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let mut found =
        listed.filter_map(|item| item.trim().parse::<mime::Mime>().ok()).filter(|item| item.essence_str() == kind);
    found.next().map(|item| item.get_param("q").and_then(|q| q.as_str().parse().ok()).unwrap_or(1.0))
}

fn refusal(error: &Error, locations: &[Pos], language: Language) -> Value {
    let mut refusal = Map::new();
    refusal.insert("message".to_owned(), Value::from(error.said_in(language)));
    if !locations.is_empty() {
        refusal.insert("locations".to_owned(), json!(locations));
    }
    refusal.insert("extensions".to_owned(), json!({ "code": code(error.kind()) }));
    Value::Object(refusal)
}

fn refuse(format: &'static str, status: StatusCode, errors: Vec<Value>) -> Response {
    let mut response = typed(format, (status, Json(json!({ "errors": errors }))).into_response());
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST"));
    }
    response
}

fn typed(format: &'static str, mut response: Response) -> Response {
    let kind = if format == JSON {
        "application/json; charset=utf-8"
    } else {
        "application/graphql-response+json; charset=utf-8"
    };
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
