//! Password changes and resets: `changePassword`, `requestPasswordReset` and `resetPassword`.

use async_graphql::dynamic::{Field, FieldValue, InputObject, InputValue, Type, TypeRef};
use serde_json::{Value, json};

use super::call::{Call, resolve};
use super::record::{self, text};
use super::value::{arguments, member};
use crate::domain::operation::Operation;
use crate::domain::secret::{Handle, Password};
use crate::service::login::passwords::{self, Changed};

/// Returns the mutation fields for passwords.
pub(super) fn fields() -> [Field; 3] {
    let change = Field::new("changePassword", TypeRef::named_nn("PasswordChange"), |ctx| {
        resolve(ctx, Operation::ChangePassword, |Call { app, ctx, permit, .. }| async move {
            let mut given = arguments(&ctx)?;
            let mut text = |name| member(&mut given, "data", name).unwrap_or_default();
            let (old, new) = (Password::from(text("old_password")), Password::from(text("new_password")));
            let delete_keys =
                given.get("data").and_then(|data| data.get("delete_api_keys")) == Some(&Value::Bool(true));
            let Changed { sessions_ended, api_keys_deleted } =
                passwords::change(app, &permit, old, new, delete_keys).await?;
            Ok(record::value(json!({ "sessions_ended": sessions_ended, "api_keys_deleted": api_keys_deleted })))
        })
    })
    .description("Changes the caller's own password. Their other sessions end; the current one stays.")
    .argument(InputValue::new("data", TypeRef::named_nn("PasswordChangeInput")));
    let request = Field::new("requestPasswordReset", TypeRef::named_nn(TypeRef::BOOLEAN), |ctx| {
        resolve(ctx, Operation::RequestPasswordReset, |Call { app, ctx, permit, .. }| async move {
            let username = member(&mut arguments(&ctx)?, "data", "username").unwrap_or_default();
            passwords::request_reset(app, &permit, &username).await?;
            Ok(Some(FieldValue::value(true)))
        })
    })
    .description(
        "Has a link that sets another password mailed to the user's email_address. The answer is true whether there is such a user or not.",
    )
    .argument(InputValue::new("data", TypeRef::named_nn("PasswordResetRequestInput")));
    let reset = Field::new("resetPassword", TypeRef::named_nn(TypeRef::BOOLEAN), |ctx| {
        resolve(ctx, Operation::ResetPassword, |Call { app, ctx, permit, .. }| async move {
            let mut given = arguments(&ctx)?;
            let mut text = |name| member(&mut given, "data", name).unwrap_or_default();
            let (token, new) = (Handle::from(text("token")), Password::from(text("new_password")));
            passwords::reset(app, &permit, &token, new).await?;
            Ok(Some(FieldValue::value(true)))
        })
    })
    .description(
        "Sets another password with the token of a mailed link, once, within half an hour. All sessions of the user end. It is no login.",
    )
    .argument(InputValue::new("data", TypeRef::named_nn("PasswordResetInput")));
    [change, request, reset]
}

/// Returns the input types of the fields for passwords.
pub(super) fn inputs() -> [InputObject; 3] {
    let needed = |name: &str| InputValue::new(name, text());
    [
        InputObject::new("PasswordChangeInput").field(needed("old_password")).field(needed("new_password")).field(
            InputValue::new("delete_api_keys", TypeRef::named(TypeRef::BOOLEAN))
                .default_value(false)
                .description("`true` deletes all of the caller's API keys too."),
        ),
        InputObject::new("PasswordResetRequestInput").field(needed("username")),
        InputObject::new("PasswordResetInput")
            .field(needed("token").description("What stands behind `token=` in the link."))
            .field(needed("new_password")),
    ]
}

/// Returns the types in the answers of the fields for passwords.
pub(super) fn objects() -> [Type; 1] {
    let count = || TypeRef::named_nn(TypeRef::INT);
    let change = vec![
        ("sessions_ended", count(), "How many other sessions ended."),
        ("api_keys_deleted", count(), "How many API keys were deleted."),
    ];
    [record::object("PasswordChange", change).into()]
}
