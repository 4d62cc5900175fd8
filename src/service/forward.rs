//! Handing requests on to the upstream.

use super::audit;
use crate::app::App;
use crate::domain::audit::Entry;
use crate::domain::caller::Caller;
use crate::domain::operation::{Needs, Operation};
use crate::domain::permit::authorize;
use crate::domain::text::text;
use crate::error::{Error, Result};
use crate::upstream::{Answer, Request};

/// What a caller needs for a route that is not served here; `None` when there is no upstream, or none that gets this route.
#[must_use]
pub fn needs(app: &App, route: &str) -> Option<Needs> {
    app.upstream.as_ref()?.rules().needs(route)
}

/// Hands a request on, as far as the caller may ask for it. Whatever is no common read leaves its trace before it goes out: a caller
/// who hangs up, or an upstream that falls silent, must not leave a change without one.
///
/// # Errors
/// `Unauthenticated`, `Forbidden`; `BadGateway` and `GatewayTimeout` when the upstream does not do its part; `Unavailable` when the trace
/// can't be written, and then nothing goes out.
pub async fn forward(app: &App, caller: &Caller, operation: Operation, request: &Request<'_>) -> Result<Answer> {
    let upstream = app.upstream.as_ref().ok_or_else(|| Error::internal("there is no upstream"))?;
    let allowed = authorize(caller, operation).map_err(Error::from);
    if !request.route.starts_with("get-") || operation.needs() != Needs::Credential {
        let entry = match &allowed {
            Ok(_) => Entry::done(text!("handed on to the upstream", "已转交上游")),
            Err(error) => Entry::failed(error.text().clone()),
        };
        audit::record(app, caller, request.route, entry).await?;
    }
    allowed?;
    let answer = upstream.send(request).await?;
    tracing::info!(route = request.route, status = answer.status().as_u16(), "handed on to the upstream");
    Ok(answer)
}
