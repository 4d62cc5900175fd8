//! Renders the answers of REST v2.

use std::fmt::Display;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::header::{ALLOW, CONTENT_TYPE, SET_COOKIE};
use axum::http::{HeaderValue, Method};
use axum::response::{IntoResponse, Response};
use http_body_util::channel::Channel;
use serde::Serialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::domain::id::TaskId;
use crate::domain::secret::Handle;
use crate::domain::text::Language;
use crate::domain::text::text;
use crate::error::{Error, Kind, Result};
use crate::http::caller::device_cookie;
use crate::http::error_body;
use crate::service::inventory::lists::{Blocks, Node};

/// Answers 200 with a JSON body.
pub(super) fn json(body: &(impl Serialize + ?Sized)) -> Result<Response> {
    let text = serde_json::to_vec(body).map_err(Error::internal)?;
    Ok(([(CONTENT_TYPE, "application/json")], text).into_response())
}

/// `WithTask<T>` in the contract: a changed object and, if the change is still running, the id of the task that makes the change.
#[derive(Serialize)]
struct WithTask<'a, T: ?Sized> {
    data: &'a T,
    task_id: Option<&'a str>,
}

impl<'a, T: ?Sized> From<&'a T> for WithTask<'a, T> {
    fn from(data: &'a T) -> Self {
        Self { data, task_id: None }
    }
}

/// Answers with one `WithTask<T>` without a task id.
pub(super) fn with_task(data: &(impl Serialize + ?Sized)) -> Result<Response> {
    json(&WithTask::from(data))
}

/// Adds the device cookie to the answer to the first login from a device.
pub(super) fn remembered(mut answer: Response, device: &Handle) -> Response {
    if let Ok(cookie) = HeaderValue::from_str(&device_cookie(device)) {
        answer.headers_mut().insert(SET_COOKIE, cookie);
    }
    answer
}

/// Answers with a list of `WithTask<T>` without task ids.
pub(super) fn with_tasks<'a, T: Serialize + ?Sized + 'a>(data: impl IntoIterator<Item = &'a T>) -> Result<Response> {
    json(&data.into_iter().map(WithTask::from).collect::<Vec<_>>())
}

/// Answers with a list of `WithTask<T>`, each with the id of a task that is still running.
pub(super) fn under_way<T: Serialize>(begun: &[(TaskId, Arc<T>)]) -> Result<Response> {
    let each = begun.iter().map(|(id, data)| WithTask { data: data.as_ref(), task_id: Some(id.as_str()) });
    json(&each.collect::<Vec<_>>())
}

/// Answers with the ids of the deleted rows, each as a `WithTask` without a task id.
pub(super) fn deleted(ids: impl IntoIterator<Item = impl Display>) -> Result<Response> {
    let left: Vec<Value> = ids.into_iter().map(|id| json!({ "id": id.to_string() })).collect();
    with_tasks(&left)
}

/// Answers 405 and names the allowed method.
pub(super) fn not_allowed(path: &str, allowed: &Method, language: Language) -> Response {
    let text = text!("use {allowed}", "请使用 {allowed}");
    let cause = &Error::new(Kind::MethodNotAllowed, text);
    let mut response = error_body(path, cause, language);
    if let Ok(allowed) = HeaderValue::from_str(allowed.as_str()) {
        response.headers_mut().insert(ALLOW, allowed);
    }
    response
}

/// Answers with a whole list; streams the answer if the list is longer than one block.
///
/// The stream holds no database connection while the client reads, and the server closes the connection of a client that stops reading. An
/// error midway aborts the answer, so that a truncated list never looks complete.
pub(super) async fn list(app: Arc<App>, mut blocks: Blocks) -> Result<Response> {
    let (mut text, mut has_rows) = (b"[".to_vec(), false);
    if let Some(rows) = blocks.next(&app).await? {
        append(&mut text, &mut has_rows, &rows)?;
    }
    if blocks.is_done() {
        text.push(b']');
        return Ok(with_type(Body::from(text)));
    }
    let (mut sender, body) = Channel::<Bytes, std::io::Error>::new(1);
    tokio::spawn(async move {
        let sent = async {
            loop {
                if blocks.is_done() {
                    text.push(b']');
                }
                let part = sender.send_data(Bytes::from(std::mem::take(&mut text)));
                part.await.map_err(|_| Error::internal("the client has hung up"))?;
                let Some(rows) = blocks.next(&app).await? else { return Ok::<_, Error>(()) };
                append(&mut text, &mut has_rows, &rows)?;
            }
        };
        if let Err(error) = sent.await {
            tracing::info!(?error, "a list was broken off");
            sender.abort(std::io::Error::other("the list was broken off"));
        }
    });
    Ok(with_type(Body::new(body)))
}

fn append(text: &mut Vec<u8>, has_rows: &mut bool, rows: &[Arc<Node>]) -> Result<()> {
    for row in rows {
        if std::mem::replace(has_rows, true) {
            text.push(b',');
        }
        serde_json::to_writer(&mut *text, row.as_ref()).map_err(Error::internal)?;
    }
    Ok(())
}

fn with_type(body: Body) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
