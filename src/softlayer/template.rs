//! Converts user templates to changes. Ignores members that cannot be changed, since clients send back whole records.

use super::fault::Fault;
use super::rows::ACCOUNT;
use super::value::{Struct, Value};
use crate::domain::customer::{CustomerChange, PROFILE_FLAGS, PROFILE_NUMBERS, PROFILE_TEXTS, Status};
use crate::domain::secret::Password;
use crate::service::people::customers::NewCustomer;

/// Converts a template to changes to a user; null members are ignored.
///
/// # Errors
/// [`Fault::invalid`] if a member has the wrong type, or `userStatusId` is unknown.
pub(super) fn change(template: &Struct) -> Result<CustomerChange, Fault> {
    let mut change = CustomerChange::default();
    for (name, value) in template.members.iter().filter(|(_, value)| !value.is_null()) {
        let text = || value.as_text().ok_or_else(|| wrong(name, "text"));
        let flag = || value.as_bool().ok_or_else(|| wrong(name, "true or false"));
        match name.as_str() {
            "username" => change.username = Some(text()?),
            "displayName" => change.name = Some(text()?),
            "email" => change.email = Some(Some(text()?).filter(|email| !email.is_empty())),
            "ipAddressRestriction" => change.address_restriction = Some(text()?),
            "secondaryLoginRequiredFlag" => change.answers_required = Some(flag()?),
            "userStatusId" => change.status = Some(status(value)?),
            name if PROFILE_TEXTS.contains(&name) => {
                change.profile.insert(name.to_owned(), text()?);
            }
            name if PROFILE_FLAGS.contains(&name) => {
                change.profile.insert(name.to_owned(), flag()?.to_string());
            }
            name if PROFILE_NUMBERS.contains(&name) => {
                let number = value.as_int().ok_or_else(|| wrong(name, "a whole number"))?;
                change.profile.insert(name.to_owned(), number.to_string());
            }
            _ => {}
        }
    }
    Ok(change)
}

/// Converts a template to a new user. Without a username, the account id and the email address form the username.
///
/// # Errors
/// - The errors of [`change`].
/// - [`Fault::invalid`] if the template has an id, the VPN password is too weak, or the status is `VPN_ONLY` without a VPN password.
/// - A fault `SoftLayer_Exception_MissingCreationProperty` if the template has neither a username nor an email address.
pub(super) fn new_user(template: &Struct, password: Option<String>, vpn: Option<String>) -> Result<NewCustomer, Fault> {
    if template.get("id").is_some_and(|id| !id.is_null()) {
        return Err(Fault::invalid("the template must not have an id: a new user gets one"));
    }
    let mut change = change(template)?;
    let email = change.email.clone().flatten();
    let username = match (change.username.take().filter(|name| !name.trim().is_empty()), email) {
        (Some(username), _) => username,
        (None, Some(email)) => format!("{ACCOUNT}_{email}"),
        (None, None) => {
            let text = "username is needed, or email, from which one is made";
            return Err(Fault::new("SoftLayer_Exception_MissingCreationProperty", text, 500));
        }
    };
    if let Some(vpn) = &vpn {
        check_vpn_password(vpn, &username)?;
    }
    if change.status == Some(Status::VpnOnly) && vpn.is_none() {
        return Err(Fault::invalid("vpnPassword is needed for a user whose status is VPN_ONLY"));
    }
    Ok(NewCustomer { username, change, password: password.map(Password::from) })
}

fn status(value: &Value) -> Result<Status, Fault> {
    let known = value.as_int().and_then(Status::by_id);
    known.ok_or_else(|| {
        let all: Vec<String> = Status::ALL.iter().map(|it| format!("{} {}", it.id(), it.key_name())).collect();
        Fault::invalid(format!("userStatusId must be one of {}", all.join(", ")))
    })
}

/// Checks a VPN password by SoftLayer's rules. keytower has no VPN, so the password is not stored.
fn check_vpn_password(password: &str, username: &str) -> Result<(), Fault> {
    const OTHERS: &str = "_-|@.,?/!~#$%^&*(){}[]\\=";
    let length = password.chars().count();
    let has = |kind: fn(char) -> bool| password.chars().any(kind);
    let good = (9..20).contains(&length)
        && has(|sign| sign.is_ascii_uppercase())
        && has(|sign| sign.is_ascii_lowercase())
        && has(|sign| sign.is_ascii_digit())
        && has(|sign| OTHERS.contains(sign))
        && password != username;
    let text = "vpnPassword must have 9 to 19 characters with an uppercase letter, a lowercase letter, a digit and one of \
                _-|@.,?/!~#$%^&*(){}[]\\=, and must not be the username";
    if good { Ok(()) } else { Err(Fault::invalid(text)) }
}

fn wrong(name: &str, what: &str) -> Fault {
    Fault::invalid(format!("{name} must be {what}"))
}
