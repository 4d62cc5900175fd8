//! The table of methods. Each row has the service, the parameters, the return type and the operation to authorize.

use super::types::Kind;
use crate::domain::operation::Operation;

const USER: &str = "SoftLayer_User_Customer";
const KEY: &str = "SoftLayer_User_Customer_ApiAuthentication";
const ATTEMPT: &str = "SoftLayer_User_Customer_Access_Authentication";
const PERMISSION: &str = "SoftLayer_User_Customer_CustomerPermission_Permission";
const TOKEN: &str = "SoftLayer_Container_User_Customer_Portal_Token";

/// A method of a service.
#[derive(Debug)]
pub struct Method {
    /// Name of the service that has the method.
    pub service: &'static str,
    /// Name of the method.
    pub name: &'static str,
    /// Name and type of each parameter, in order.
    pub parameters: &'static [(&'static str, Kind)],
    /// Type of the answer.
    pub returns: Kind,
    /// Whether a call must name an object by id.
    pub of_object: bool,
    /// The operation to authorize; the service code may check more rights.
    pub operation: Operation,
    /// What the method does.
    pub act: Act,
}

impl Method {
    /// Returns true if REST reads the method's arguments only from the body of a POST or PUT. This holds for every method that has
    /// parameters and changes something or takes a secret: proxies and browsers log URL paths, and may send a GET on their own.
    #[must_use]
    pub fn takes_body_only(&self) -> bool {
        !self.parameters.is_empty() && self.operation.spec().is_change()
    }
}

/// What a method does; several methods can do the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Reads the account: `SoftLayer_Account::getObject`, and `getAccount` of a user.
    Account,
    /// Reads the caller's own user.
    CurrentUser,
    /// Reads the users that are visible to the caller.
    Users,
    /// Reads the master user: the one user without a parent.
    MasterUser,
    /// Creates a user.
    CreateUser,
    /// Reads one user.
    User,
    /// Changes a user.
    EditUser,
    /// Changes several users.
    EditUsers,
    /// Reads a relation of a user; holds the name of the relation.
    Relation(&'static str),
    /// Reads whether a user is the master user, which has no parent.
    IsMasterUser,
    /// Logs in with a password; returns a portal token.
    PortalToken,
    /// Logs in with a password and a code of the second factor; returns a portal token.
    ExternalAuthentication,
    /// Logs in like `PortalToken` and `ExternalAuthentication`, but a failed login is an answer, not a fault.
    LoginToken,
    /// Checks a portal token.
    ValidateToken,
    /// Creates a classic API key for a user.
    AddKey,
    /// Removes a classic API key.
    RemoveKey,
    /// Reads one classic API key.
    Key,
    /// Reads the user that owns a classic API key.
    KeyUser,
    /// Changes the IP restriction of a classic API key.
    EditKey,
    /// Checks a user's password.
    IsValidPassword,
    /// Changes the caller's own password.
    ChangePassword,
    /// Reads the password requirements.
    PasswordRequirements,
    /// Grants permissions to a user.
    AddPermissions,
    /// Revokes permissions of a user.
    RemovePermissions,
    /// Changes the parent of a user.
    AssignParent,
    /// Sets the caller's own answers to security questions.
    UpdateAnswers,
    /// Reads all permissions, by department.
    Departments,
    /// Reads all permissions.
    Actions,
    /// Reads all security questions.
    Questions,
    /// Reads all user statuses.
    Statuses,
    /// Reads the newest audit log entries that the caller may see.
    EventLog,
}

const fn method(
    service: &'static str,
    name: &'static str,
    parameters: &'static [(&'static str, Kind)],
    returns: Kind,
    operation: Operation,
    act: Act,
) -> Method {
    Method { service, name, parameters, returns, of_object: false, operation, act }
}

/// Creates a row for a method whose calls must name an object.
const fn of(
    service: &'static str,
    name: &'static str,
    parameters: &'static [(&'static str, Kind)],
    returns: Kind,
    operation: Operation,
    act: Act,
) -> Method {
    Method { of_object: true, ..method(service, name, parameters, returns, operation, act) }
}

const fn relation(name: &'static str, property: &'static str, returns: Kind) -> Method {
    of(USER, name, &[], returns, Operation::ReadCustomers, Act::Relation(property))
}

const ACCOUNT: &str = "SoftLayer_Account";
const NEW_USER: &[(&str, Kind)] =
    &[("templateObject", Kind::One(USER)), ("password", Kind::Text), ("vpnPassword", Kind::Text)];
const PERMISSIONS: &[(&str, Kind)] = &[("permissions", Kind::Many(PERMISSION))];
const FEWER_PERMISSIONS: &[(&str, Kind)] =
    &[("permissions", Kind::Many(PERMISSION)), ("cascadePermissionsFlag", Kind::Bool)];

/// The table of all supported methods.
#[rustfmt::skip]
pub static METHODS: &[Method] = &[
    method(ACCOUNT, "getObject", &[], Kind::One(ACCOUNT), Operation::ReadCustomers, Act::Account),
    method(ACCOUNT, "getCurrentUser", &[], Kind::One(USER), Operation::ReadCustomers, Act::CurrentUser),
    method(ACCOUNT, "getUsers", &[], Kind::Many(USER), Operation::ReadCustomers, Act::Users),
    method(ACCOUNT, "getMasterUser", &[], Kind::One(USER), Operation::ReadCustomers, Act::MasterUser),
    method(ACCOUNT, "createUser", &[
        ("templateObject", Kind::One(USER)), ("password", Kind::Text), ("vpnPassword", Kind::Text),
        ("silentlyCreateFlag", Kind::Bool),
    ], Kind::One(USER), Operation::CreateCustomer, Act::CreateUser),

    of(USER, "getObject", &[], Kind::One(USER), Operation::ReadCustomers, Act::User),
    method(USER, "createObject", NEW_USER, Kind::One(USER), Operation::CreateCustomer, Act::CreateUser),
    of(USER, "editObject", &[("templateObject", Kind::One(USER))], Kind::Bool, Operation::EditCustomer, Act::EditUser),
    method(USER, "editObjects", &[("templateObjects", Kind::Many(USER))], Kind::Bool, Operation::EditCustomer,
        Act::EditUsers),
    method(USER, "getPortalLoginToken", &[
        ("username", Kind::Text), ("password", Kind::Text), ("securityQuestionId", Kind::Int),
        ("securityQuestionAnswer", Kind::Text),
    ], Kind::One(TOKEN), Operation::Login, Act::PortalToken),
    method(USER, "performExternalAuthentication", &[
        ("authenticationContainer", Kind::One("SoftLayer_Container_User_Customer_External_Binding")),
    ], Kind::One(TOKEN), Operation::Login, Act::ExternalAuthentication),
    method(USER, "getLoginToken", &[
        ("request", Kind::One("SoftLayer_Container_Authentication_Request_Native")),
    ], Kind::One("SoftLayer_Container_Authentication_Response_Common"), Operation::Login, Act::LoginToken),
    method(USER, "validateAuthenticationToken", &[("authenticationToken", Kind::One(TOKEN))], Kind::One(TOKEN),
        Operation::Login, Act::ValidateToken),
    of(USER, "addApiAuthenticationKey", &[], Kind::Text, Operation::AddClassicKey, Act::AddKey),
    method(USER, "removeApiAuthenticationKey", &[("keyId", Kind::Int)], Kind::Bool, Operation::RemoveClassicKey,
        Act::RemoveKey),
    relation("getAccount", "account", Kind::One(ACCOUNT)),
    relation("getApiAuthenticationKeys", "apiAuthenticationKeys", Kind::Many(KEY)),
    relation("getChildUsers", "childUsers", Kind::Many(USER)),
    relation("getDedicatedHosts", "dedicatedHosts", Kind::Many("SoftLayer_Virtual_DedicatedHost")),
    relation("getExternalBindings", "externalBindings", Kind::Many("SoftLayer_User_External_Binding")),
    relation("getHardware", "hardware", Kind::Many("SoftLayer_Hardware")),
    relation("getLoginAttempts", "loginAttempts", Kind::Many(ATTEMPT)),
    relation("getParent", "parent", Kind::One(USER)),
    relation("getPermissions", "permissions", Kind::Many(PERMISSION)),
    relation("getRoles", "roles", Kind::Many("SoftLayer_User_Permission_Role")),
    relation("getSecurityAnswers", "securityAnswers", Kind::Many("SoftLayer_User_Customer_Security_Answer")),
    relation("getSuccessfulLogins", "successfulLogins", Kind::Many(ATTEMPT)),
    relation("getUnsuccessfulLogins", "unsuccessfulLogins", Kind::Many(ATTEMPT)),
    relation("getUserStatus", "userStatus", Kind::One("SoftLayer_User_Customer_Status")),
    relation("getVirtualGuests", "virtualGuests", Kind::Many("SoftLayer_Virtual_Guest")),
    of(USER, "isMasterUser", &[], Kind::Bool, Operation::ReadCustomers, Act::IsMasterUser),
    of(USER, "isValidPortalPassword", &[("password", Kind::Text)], Kind::Bool, Operation::CheckPassword,
        Act::IsValidPassword),
    method(USER, "selfPasswordChange", &[("currentPassword", Kind::Text), ("newPassword", Kind::Text)], Kind::Void,
        Operation::ChangePassword, Act::ChangePassword),
    method(USER, "getPasswordRequirements", &[("isVpn", Kind::Bool)],
        Kind::One("SoftLayer_Container_User_Customer_PasswordSet"), Operation::ReadCustomers,
        Act::PasswordRequirements),
    of(USER, "addPortalPermission", &[("permission", Kind::One(PERMISSION))], Kind::Bool,
        Operation::GivePermissions, Act::AddPermissions),
    of(USER, "addBulkPortalPermission", PERMISSIONS, Kind::Bool, Operation::GivePermissions, Act::AddPermissions),
    of(USER, "removePortalPermission", &[
        ("permission", Kind::One(PERMISSION)), ("cascadePermissionsFlag", Kind::Bool),
    ], Kind::Bool, Operation::TakePermissions, Act::RemovePermissions),
    of(USER, "removeBulkPortalPermission", FEWER_PERMISSIONS, Kind::Bool, Operation::TakePermissions,
        Act::RemovePermissions),
    of(USER, "assignNewParentId", &[("parentId", Kind::Int), ("cascadePermissionsFlag", Kind::Bool)], Kind::One(USER),
        Operation::AssignParent, Act::AssignParent),
    method(USER, "updateSecurityAnswers", &[
        ("questions", Kind::Many("SoftLayer_User_Security_Question")), ("answers", Kind::Texts),
    ], Kind::Bool, Operation::UpdateSecurityAnswers, Act::UpdateAnswers),

    of(KEY, "getObject", &[], Kind::One(KEY), Operation::ReadCustomers, Act::Key),
    of(KEY, "getUser", &[], Kind::One(USER), Operation::ReadCustomers, Act::KeyUser),
    of(KEY, "editObject", &[("templateObject", Kind::One(KEY))], Kind::One(KEY), Operation::EditClassicKey,
        Act::EditKey),

    method("SoftLayer_User_Permission_Department", "getAllObjects", &[],
        Kind::Many("SoftLayer_User_Permission_Department"), Operation::ReadCustomers, Act::Departments),
    method("SoftLayer_User_Permission_Action", "getAllObjects", &[], Kind::Many("SoftLayer_User_Permission_Action"),
        Operation::ReadCustomers, Act::Actions),
    method("SoftLayer_User_Security_Question", "getAllObjects", &[], Kind::Many("SoftLayer_User_Security_Question"),
        Operation::SecurityQuestions, Act::Questions),
    method("SoftLayer_User_Customer_Status", "getAllObjects", &[], Kind::Many("SoftLayer_User_Customer_Status"),
        Operation::ReadCustomers, Act::Statuses),
    method("SoftLayer_Event_Log", "getAllObjects", &[], Kind::Many("SoftLayer_Event_Log"), Operation::ReadCustomers,
        Act::EventLog),
];

/// Second names of services: the alias, then the name in the table.
const ALIASES: &[(&str, &str)] = &[
    ("SoftLayer_User_Customer_OpenIdConnect", USER),
    ("SoftLayer_User_Customer_OpenIdConnect_ApiAuthentication", KEY),
];

/// Returns the service with a name or alias; the prefix `SoftLayer_` is optional.
#[must_use]
pub fn service(name: &str) -> Option<&'static str> {
    let is = |known: &str| known == name || known.strip_prefix("SoftLayer_") == Some(name);
    let alias = ALIASES.iter().find(|(alias, _)| is(alias)).map(|(_, service)| *service);
    alias.or_else(|| METHODS.iter().map(|method| method.service).find(|service| is(service)))
}

/// Finds a method of a service by the method's name; case does not matter.
#[must_use]
pub fn method_of(service: &str, name: &str) -> Option<&'static Method> {
    METHODS.iter().find(|method| method.service == service && method.name.eq_ignore_ascii_case(name))
}
