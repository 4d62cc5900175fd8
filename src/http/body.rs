//! Reads a request's body: as much as is allowed, in the time that is allowed, of the one type that is understood.

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::Value;

use crate::app::App;
use crate::domain::text::text;
use crate::error::{Error, Kind, Result};

/// Most bytes of a body.
pub const MAX: usize = 1024 * 1024;

/// Reads the whole body.
///
/// # Errors
/// `TooLarge` beyond [`MAX`], `Timeout` when it does not arrive in the time that the settings allow, `Invalid` when it breaks off.
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

/// Reads JSON.
///
/// # Errors
/// `Invalid` for anything else, and for more levels than a reader that calls itself can take.
pub fn json(body: &[u8]) -> Result<Value> {
    serde_json::from_slice(body).map_err(|error| {
        let error = error.to_string();
        // The reader has no other mark for it.
        Error::invalid(match error.strip_prefix("recursion limit exceeded") {
            Some(place) => text!(
                "the body is nested too deep{place}: at most 127 levels are allowed",
                "请求体嵌套过深{place}：最多 127 层"
            ),
            None => text!("the body is not JSON: {error}", "请求体不是 JSON：{error}"),
        })
    })
}

/// Checks that the body is declared as JSON in UTF-8. A page of another site can't send this type without asking first, so that
/// this is the guard against cross-site requests too.
///
/// # Errors
/// `UnsupportedMediaType`.
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
