//! Handing requests on to the upstream.

use super::audit;
use crate::app::App;
use crate::domain::audit::Entry;
use crate::domain::operation::{Needs, Operation};
use crate::domain::permit::Permit;
use crate::domain::text::text;
use crate::error::{Error, Result};
use crate::upstream::{Answer, Request};

/// What a caller needs for a route that is not served here; `None` when there is no upstream, or none that gets this route.
#[must_use]
pub fn needs(app: &App, route: &str) -> Option<Needs> {
    app.upstream.as_ref()?.rules().needs(route)
}

/// Hands a request on, as far as the caller may ask for it. Whatever is no common read leaves its trace before it goes out: a caller
/// who hangs up, or an upstream that falls silent, must not leave a change without one. The credential is judged once more right before
/// that; what was sent before its end may still arrive.
///
/// # Errors
/// `Unauthenticated`, `Forbidden`; `BadGateway` and `GatewayTimeout` when the upstream does not do its part; `Unavailable` when the trace
/// can't be written, and then nothing goes out.
pub async fn forward(app: &App, permit: &Permit, request: &Request<'_>) -> Result<Answer> {
    let upstream = app.upstream.as_ref().ok_or_else(|| Error::internal("there is no upstream"))?;
    let permit = app.confirm(permit).await?;
    if !is_common_read(request.route, permit.operation()) {
        let entry = Entry::done(text!("handed on to the upstream", "已转交上游"));
        audit::record(app, permit.caller(), request.route, entry).await?;
        // Writing that may have taken a while.
        app.confirm(&permit).await?;
    }
    let answer = upstream.send(request).await?;
    tracing::info!(route = request.route, status = answer.status().as_u16(), "handed on to the upstream");
    Ok(answer)
}

/// Tells whether a request only reads what everybody who is logged in may read, and so leaves no trace.
pub(super) fn is_common_read(route: &str, operation: Operation) -> bool {
    route.starts_with("get-") && operation.needs() == Needs::Credential
}
