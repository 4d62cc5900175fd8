//! Reads a request's body: as much as is allowed, in the time that is allowed, of the one type that is understood.

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::app::App;
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
        Err(_) => Err(Error::new(
            Kind::Timeout,
            format!("the body did not arrive within {}", humantime::format_duration(time)),
        )),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(Error::new(Kind::TooLarge, format!("the body must have at most {MAX} bytes")))
        }
        Ok(Err(error)) => Err(Error::invalid(format!("the body broke off: {error}"))),
        Ok(Ok(body)) => Ok(body.to_bytes().into()),
    }
}

/// Checks that the body is declared as JSON in UTF-8. A page of another site can't send this type without asking first, so that
/// this is the guard against cross-site requests too.
///
/// # Errors
/// `UnsupportedMediaType`.
pub fn expect_json(headers: &HeaderMap) -> Result<()> {
    let wrong = || Error::new(Kind::UnsupportedMediaType, "Content-Type must be application/json, in UTF-8");
    let given = headers.get(CONTENT_TYPE).and_then(|given| given.to_str().ok()).ok_or_else(wrong)?;
    let given: mime::Mime = given.parse().map_err(|_| wrong())?;
    let utf8 = given.get_param(mime::CHARSET).is_none_or(|charset| charset == mime::UTF_8);
    if given.essence_str() == mime::APPLICATION_JSON.essence_str() && utf8 { Ok(()) } else { Err(wrong()) }
}
