//! Reads request bodies, within limits on size and time, and parses them as JSON.

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::Value;

use crate::app::App;
use crate::domain::text::text;
use crate::error::{Error, Kind, Result};

/// Maximum size of a body, in bytes.
pub const MAX: usize = 1024 * 1024;

/// Reads the whole body of a request.
///
/// # Errors
/// - `TooLarge` if the body has more than [`MAX`] bytes.
/// - `Timeout` if the body does not arrive within the time of the setting `body_timeout`.
/// - `Invalid` if the connection breaks before the end of the body.
pub async fn read(app: &App, body: Body) -> Result<Vec<u8>> {
    let time = app.settings.body_timeout;
    let reading = tokio::time::timeout(time, Limited::new(body, MAX).collect());
    match reading.await {
        Err(_) => {
            let time = humantime::format_duration(time);
            let text = text!("the body did not arrive within {time}", "请求体未能在 {time} 内到达");
            Err(Error::new(Kind::Timeout, text))
        }
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(Error::new(Kind::TooLarge, text!("the body must have at most {MAX} bytes", "请求体最多 {MAX} 字节")))
        }
        Ok(Err(error)) => Err(Error::invalid(text!("the body broke off: {error}", "请求体中断：{error}"))),
        Ok(Ok(body)) => Ok(body.to_bytes().into()),
    }
}

/// Parses a body as JSON.
///
/// # Errors
/// `Invalid` if the body is not JSON, or has more than 127 levels of nesting, the limit of the recursive parser.
pub fn json(body: &[u8]) -> Result<Value> {
    serde_json::from_slice(body).map_err(|error| {
        let error = error.to_string();
        // serde_json distinguishes this error only by the text.
        Error::invalid(match error.strip_prefix("recursion limit exceeded") {
            Some(place) => text!(
                "the body is nested too deep{place}: at most 127 levels are allowed",
                "请求体嵌套过深{place}：最多 127 层"
            ),
            None => text!("the body is not JSON: {error}", "请求体不是 JSON：{error}"),
        })
    })
}

/// Checks that `Content-Type` is `application/json` in UTF-8.
///
/// This also blocks cross-site requests: a page of another site can send this type only after a CORS preflight.
///
/// # Errors
/// `UnsupportedMediaType` if the header is missing or names another type or charset.
pub fn expect_json(headers: &HeaderMap) -> Result<()> {
    let wrong = || {
        let text = text!(
            "Content-Type must be application/json, in UTF-8",
            "Content-Type 必须为 application/json，编码为 UTF-8"
        );
        Error::new(Kind::UnsupportedMediaType, text)
    };
    let given = headers.get(CONTENT_TYPE).and_then(|given| given.to_str().ok()).ok_or_else(wrong)?;
    let given: mime::Mime = given.parse().map_err(|_| wrong())?;
    let utf8 = given.get_param(mime::CHARSET).is_none_or(|charset| charset == mime::UTF_8);
    if given.essence_str() == mime::APPLICATION_JSON.essence_str() && utf8 { Ok(()) } else { Err(wrong()) }
}
