//! The caller's own sessions: `sessions`, `endSession` and `endSessions`.

use async_graphql::dynamic::{Field, FieldValue, InputObject, InputValue, Type, TypeRef};
use serde_json::{Value, json};

use super::call::{Call, resolve};
use super::record::{self, maybe_text};
use super::value::{arguments, member};
use crate::domain::clock::iso;
use crate::domain::id::SessionId;
use crate::domain::operation::Operation;
use crate::error::Error;
use crate::service::sessions::{self, OwnSession};

/// Returns the query fields for the caller's own sessions.
pub(super) fn queries() -> [Field; 1] {
    let own = Field::new("sessions", TypeRef::named_nn_list_nn("Session"), |ctx| {
        resolve(ctx, Operation::ReadSessions, |Call { app, ctx, asked, permit }| async move {
            let own = sessions::read(app, &permit).await?;
            let values = own.len() * ctx.field().selection_set().count();
            asked.budget.spend(u64::try_from(values).map_err(Error::internal)?)?;
            Ok(record::value(own.iter().map(shown).collect()))
        })
    })
    .description("The caller's own sessions, newest first.");
    [own]
}

/// Returns the mutation fields for the caller's own sessions.
pub(super) fn fields() -> [Field; 2] {
    let one = Field::new("endSession", TypeRef::named("Session"), |ctx| {
        resolve(ctx, Operation::EndSession, |Call { app, ctx, permit, .. }| async move {
            let id = SessionId::from(member(&mut arguments(&ctx)?, "where", "id").unwrap_or_default());
            Ok(record::value(shown(&sessions::end(app, &permit, &id).await?)))
        })
    })
    .description("Ends one of the caller's own sessions. Once this is answered, no node accepts its token any more.")
    .argument(InputValue::new("where", TypeRef::named_nn("SessionWhereUniqueInput")));
    let all = Field::new("endSessions", TypeRef::named_nn(TypeRef::INT), |ctx| {
        resolve(ctx, Operation::EndSession, |Call { app, ctx, permit, .. }| async move {
            let current = arguments(&ctx)?.get("current").and_then(Value::as_bool).unwrap_or_default();
            let ended = sessions::end_all(app, &permit, current).await?;
            Ok(Some(FieldValue::value(u64::try_from(ended).map_err(Error::internal)?)))
        })
    })
    .description("Ends the caller's other sessions, and answers how many.")
    .argument(
        InputValue::new("current", TypeRef::named(TypeRef::BOOLEAN)).description("`true` ends the current one too."),
    );
    [one, all]
}

/// Returns the input type that selects a session.
pub(super) fn inputs() -> [InputObject; 1] {
    [InputObject::new("SessionWhereUniqueInput").field(InputValue::new("id", TypeRef::named_nn(TypeRef::ID)))]
}

/// Returns the types in the answers of the fields for sessions.
pub(super) fn objects() -> [Type; 1] {
    let time = || TypeRef::named_nn("DateTime");
    let session = vec![
        ("id", TypeRef::named_nn(TypeRef::ID), ""),
        ("created_at", time(), "When its login was."),
        ("last_seen_at", time(), "When it was used last; other nodes' uses show within 15 s."),
        ("expires_at", time(), "When its token ends, however much it is used."),
        ("address", maybe_text(), "From where its login came."),
        ("agent", maybe_text(), "What the client called itself."),
        ("device", maybe_text(), "The products that the client named, without its remarks."),
        ("amr", TypeRef::named_nn_list_nn(TypeRef::STRING), "How the user proved who they are (RFC 8176)."),
        ("mfa_at", TypeRef::named("DateTime"), "When a second factor was last proven in it."),
        ("current", TypeRef::named_nn(TypeRef::BOOLEAN), "Whether it is that of the token that is shown."),
    ];
    [record::object("Session", session).into()]
}

fn shown(OwnSession { info, current }: &OwnSession) -> Value {
    let session = &info.session;
    json!({
        "id": session.id.as_str(),
        "created_at": iso(session.created_at),
        "last_seen_at": iso(info.last_seen_at),
        "expires_at": iso(session.expires_at),
        "address": session.address,
        "agent": session.agent,
        "device": session.device(),
        "amr": session.amr,
        "mfa_at": session.mfa_at.map(iso),
        "current": current,
    })
}
