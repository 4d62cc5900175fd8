//! The one table of methods: which service offers what, what it is given, what it answers, and what a caller needs for it.

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
    /// Its service.
    pub service: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What it is given, in order.
    pub parameters: &'static [(&'static str, Kind)],
    /// What it answers.
    pub returns: Kind,
    /// Whether the call has to name an object.
    pub of_object: bool,
    /// What a caller needs at least; what it is about may take more.
    pub operation: Operation,
    /// What it does.
    pub act: Act,
}

impl Method {
    /// Whether REST reads the method's arguments from the body of a POST or PUT only. True of every method that has parameters and changes
    /// something or takes a secret: proxies and browsers log URL paths, and follow GET on their own.
    #[must_use]
    pub fn takes_body_only(&self) -> bool {
        !self.parameters.is_empty() && self.operation.spec().is_change()
    }
}

/// What a method does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// `SoftLayer_Account::getObject`, and `getAccount` of a user.
    Account,
    /// The caller's own user.
    CurrentUser,
    /// Users that the caller sees.
    Users,
    /// The user without a parent.
    MasterUser,
    /// Makes a user.
    CreateUser,
    /// One user.
    User,
    /// Changes a user.
    EditUser,
    /// Changes users.
    EditUsers,
    /// A relation of a user, by its name.
    Relation(&'static str),
    /// Whether a user has no parent.
    IsMasterUser,
    /// A password for a portal token.
    PortalToken,
    /// A password and a code for a portal token.
    ExternalAuthentication,
    /// The same with answers in place of faults.
    LoginToken,
    /// Whether a portal token works.
    ValidateToken,
    /// Makes a user's key.
    AddKey,
    /// Removes a key.
    RemoveKey,
    /// One key.
    Key,
    /// Its owner.
    KeyUser,
    /// Changes a key's IP rule.
    EditKey,
    /// Whether a password is the user's.
    IsValidPassword,
    /// Changes one's own password.
    ChangePassword,
    /// What passwords must be.
    PasswordRequirements,
    /// Gives a user permissions.
    AddPermissions,
    /// Takes permissions from a user.
    RemovePermissions,
    /// Gives a user another parent.
    AssignParent,
    /// Sets one's own answers to security questions.
    UpdateAnswers,
    /// All permissions, by department.
    Departments,
    /// All permissions.
    Actions,
    /// All security questions.
    Questions,
    /// All states of a user.
    Statuses,
    /// What the audit log tells of the caller.
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

/// A method of an object that the call names.
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

/// Every method.
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

/// Services that are others under a second name.
const ALIASES: &[(&str, &str)] = &[
    ("SoftLayer_User_Customer_OpenIdConnect", USER),
    ("SoftLayer_User_Customer_OpenIdConnect_ApiAuthentication", KEY),
];

/// The service behind a name; `SoftLayer_` may lack in front.
#[must_use]
pub fn service(name: &str) -> Option<&'static str> {
    let is = |known: &str| known == name || known.strip_prefix("SoftLayer_") == Some(name);
    let alias = ALIASES.iter().find(|(alias, _)| is(alias)).map(|(_, service)| *service);
    alias.or_else(|| METHODS.iter().map(|method| method.service).find(|service| is(service)))
}

/// A method of a service, by its name in any case.
#[must_use]
pub fn method_of(service: &str, name: &str) -> Option<&'static Method> {
    METHODS.iter().find(|method| method.service == service && method.name.eq_ignore_ascii_case(name))
}
