//! Runs the resolver of a root field: authorizes the operation, passes the context to the resolver, and renders the resolver's error.

use std::sync::Arc;

use async_graphql::dynamic::{FieldFuture, FieldValue, ResolverContext};

use super::value::{Asked, failure};
use crate::app::App;
use crate::domain::operation::Operation;
use crate::domain::permit::Permit;
use crate::error::Result;
use crate::service::door;

/// The context of a resolver.
pub(super) struct Call<'a> {
    pub(super) app: &'a App,
    pub(super) ctx: ResolverContext<'a>,
    pub(super) asked: &'a Asked,
    pub(super) permit: Permit,
}

/// Authorizes `operation`, runs the resolver `call`, and renders the error that the resolver returns.
pub(super) fn resolve<'a, F>(
    ctx: ResolverContext<'a>,
    operation: Operation,
    call: impl FnOnce(Call<'a>) -> F + Send + 'a,
) -> FieldFuture<'a>
where
    F: Future<Output = Result<Option<FieldValue<'a>>>> + Send + 'a,
{
    FieldFuture::new(async move {
        let app: &App = ctx.ctx.data::<Arc<App>>()?;
        let asked = ctx.ctx.data::<Asked>()?;
        let done = door::enter(app, &asked.caller, operation, |permit| call(Call { app, ctx, asked, permit })).await;
        done.map_err(|error| failure(&error, asked.caller.language))
    })
}
