//! Forwards requests to the upstream.

use crate::app::App;
use crate::domain::audit::Entry;
use crate::domain::operation::{Needs, Operation};
use crate::domain::permit::Permit;
use crate::domain::text::text;
use crate::error::{Error, Result};
use crate::service::audit;
use crate::upstream::{Answer, Request};

/// Returns the requirement that a caller must meet for a route that keytower forwards to the upstream. Returns `None` if there is no
/// upstream, or the upstream's rules do not forward the route.
#[must_use]
pub fn needs(app: &App, route: &str) -> Option<Needs> {
    app.upstream.as_ref()?.rules().needs(route)
}

/// Forwards a request to the upstream. Records every request except common reads in the audit log before sending: a change must not go
/// unrecorded if the caller disconnects or the upstream stops responding. Verifies the credential again right before sending. A request
/// that was sent just before its credential was revoked may still arrive.
///
/// # Errors
/// - `Unauthenticated` or `Forbidden` if the caller may no longer make the request.
/// - `BadGateway` or `GatewayTimeout` if the upstream fails or does not answer in time.
/// - `Unavailable` if the audit log can't be written; nothing is sent then.
pub async fn forward(app: &App, permit: &Permit, request: &Request<'_>) -> Result<Answer> {
    let upstream = app.upstream.as_ref().ok_or_else(|| Error::internal("there is no upstream"))?;
    let permit = app.confirm(permit).await?;
    if !is_common_read(request.route, permit.operation()) {
        let entry = Entry::done(text!("handed on to the upstream", "已转交上游"));
        audit::record(app, permit.caller(), request.route, entry).await?;
        // Verify again: writing the audit log may have taken a while.
        app.confirm(&permit).await?;
    }
    let answer = upstream.send(request).await?;
    tracing::info!(route = request.route, status = answer.status().as_u16(), "handed on to the upstream");
    Ok(answer)
}

/// Tells whether a request only reads data that every authenticated caller may read. Such requests are not recorded in the audit log.
pub(in crate::service) fn is_common_read(route: &str, operation: Operation) -> bool {
    route.starts_with("get-") && operation.needs() == Needs::Credential
}
