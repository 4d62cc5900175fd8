//! The table of supported datatypes and their properties (contract sections 3.4, 5 and 6).

use super::{Kind, Property, Type};

const fn bool(name: &'static str) -> Property {
    Property { name, kind: Kind::Bool }
}

const fn int(name: &'static str) -> Property {
    Property { name, kind: Kind::Int }
}

const fn text(name: &'static str) -> Property {
    Property { name, kind: Kind::Text }
}

const fn date(name: &'static str) -> Property {
    Property { name, kind: Kind::Date }
}

const fn one(name: &'static str, target: &'static str) -> Property {
    Property { name, kind: Kind::One(target) }
}

const fn many(name: &'static str, target: &'static str) -> Property {
    Property { name, kind: Kind::Many(target) }
}

const fn count(name: &'static str, relation: &'static str) -> Property {
    Property { name, kind: Kind::Count(relation) }
}

const fn plain(name: &'static str, properties: &'static [Property]) -> Type {
    Type { name, base: None, properties }
}

const fn extended(name: &'static str, base: &'static str, properties: &'static [Property]) -> Type {
    Type { name, base: Some(base), properties }
}

/// Every supported datatype.
pub static TYPES: &[Type] = &[
    plain(
        "SoftLayer_Account",
        &[
            int("accountStatusId"),
            text("companyName"),
            date("createDate"),
            text("email"),
            text("firstName"),
            int("id"),
            text("lastName"),
            one("masterUser", "SoftLayer_User_Customer"),
            many("users", "SoftLayer_User_Customer"),
            count("userCount", "users"),
        ],
    ),
    plain(
        "SoftLayer_User_Customer",
        &[
            int("accountId"),
            text("address1"),
            text("address2"),
            text("alternatePhone"),
            text("city"),
            text("companyName"),
            text("country"),
            date("createDate"),
            bool("daylightSavingsTimeFlag"),
            text("displayName"),
            text("email"),
            text("firstName"),
            int("id"),
            text("ipAddressRestriction"),
            bool("isMasterUserFlag"),
            text("lastName"),
            bool("managedByFederationFlag"),
            bool("managedByOpenIdConnectFlag"),
            date("modifyDate"),
            text("officePhone"),
            int("parentId"),
            date("passwordExpireDate"),
            int("permissionSystemVersion"),
            text("postalCode"),
            bool("pptpVpnAllowedFlag"),
            bool("secondaryLoginRequiredFlag"),
            bool("sslVpnAllowedFlag"),
            text("state"),
            date("statusDate"),
            int("timezoneId"),
            int("userStatusId"),
            text("username"),
            bool("vpnManualConfig"),
            one("account", "SoftLayer_Account"),
            many("apiAuthenticationKeys", "SoftLayer_User_Customer_ApiAuthentication"),
            many("childUsers", "SoftLayer_User_Customer"),
            many("dedicatedHosts", "SoftLayer_Virtual_DedicatedHost"),
            many("externalBindings", "SoftLayer_User_External_Binding"),
            many("hardware", "SoftLayer_Hardware"),
            many("loginAttempts", "SoftLayer_User_Customer_Access_Authentication"),
            one("parent", "SoftLayer_User_Customer"),
            many("permissions", "SoftLayer_User_Customer_CustomerPermission_Permission"),
            many("roles", "SoftLayer_User_Permission_Role"),
            many("securityAnswers", "SoftLayer_User_Customer_Security_Answer"),
            many("successfulLogins", "SoftLayer_User_Customer_Access_Authentication"),
            many("unsuccessfulLogins", "SoftLayer_User_Customer_Access_Authentication"),
            one("userStatus", "SoftLayer_User_Customer_Status"),
            many("virtualGuests", "SoftLayer_Virtual_Guest"),
            count("apiAuthenticationKeyCount", "apiAuthenticationKeys"),
            count("childUserCount", "childUsers"),
            count("dedicatedHostCount", "dedicatedHosts"),
            count("externalBindingCount", "externalBindings"),
            count("hardwareCount", "hardware"),
            count("loginAttemptCount", "loginAttempts"),
            count("permissionCount", "permissions"),
            count("roleCount", "roles"),
            count("securityAnswerCount", "securityAnswers"),
            count("successfulLoginCount", "successfulLogins"),
            count("unsuccessfulLoginCount", "unsuccessfulLogins"),
            count("virtualGuestCount", "virtualGuests"),
        ],
    ),
    plain(
        "SoftLayer_User_Customer_ApiAuthentication",
        &[
            text("authenticationKey"),
            int("id"),
            text("ipAddressRestriction"),
            int("timestampKey"),
            int("userId"),
            one("user", "SoftLayer_User_Customer"),
        ],
    ),
    plain("SoftLayer_User_Customer_Status", &[int("id"), text("keyName"), text("name")]),
    plain("SoftLayer_User_Customer_CustomerPermission_Permission", &[text("key"), text("keyName"), text("name")]),
    plain(
        "SoftLayer_User_Permission_Action",
        &[text("description"), int("id"), text("key"), text("keyName"), text("name")],
    ),
    plain(
        "SoftLayer_User_Permission_Department",
        &[
            text("description"),
            int("id"),
            text("keyName"),
            text("name"),
            many("permissions", "SoftLayer_User_Permission_Action"),
            count("permissionCount", "permissions"),
        ],
    ),
    plain("SoftLayer_User_Permission_Role", &[text("description"), int("id"), text("name")]),
    plain("SoftLayer_User_Security_Question", &[int("displayOrder"), int("id"), text("question"), int("viewable")]),
    plain(
        "SoftLayer_User_Customer_Security_Answer",
        &[int("id"), int("questionId"), int("userId"), one("question", "SoftLayer_User_Security_Question")],
    ),
    plain(
        "SoftLayer_User_Customer_Access_Authentication",
        &[
            date("createDate"),
            text("ipAddress"),
            bool("successFlag"),
            int("userId"),
            text("username"),
            one("user", "SoftLayer_User_Customer"),
        ],
    ),
    plain(
        "SoftLayer_User_External_Binding",
        &[bool("active"), date("createDate"), text("externalId"), int("id"), int("userId"), text("note"), text("type")],
    ),
    plain("SoftLayer_Virtual_Guest", &[text("fullyQualifiedDomainName"), text("hostname"), int("id")]),
    plain("SoftLayer_Virtual_DedicatedHost", &[int("id"), text("name")]),
    plain("SoftLayer_Hardware", &[text("fullyQualifiedDomainName"), text("hostname"), int("id")]),
    plain(
        "SoftLayer_Event_Log",
        &[
            date("eventCreateDate"),
            text("eventName"),
            text("ipAddress"),
            text("label"),
            text("metaData"),
            text("objectName"),
            text("traceId"),
            int("userId"),
            text("userType"),
            text("username"),
            one("user", "SoftLayer_User_Customer"),
        ],
    ),
    plain(
        "SoftLayer_Container_User_Customer_Portal_Token",
        &[text("hash"), int("userId"), one("user", "SoftLayer_User_Customer")],
    ),
    plain(
        "SoftLayer_Container_User_Customer_PasswordSet",
        &[text("digits"), text("key"), text("maxLength"), text("minLength"), text("password"), text("userId")],
    ),
    plain(
        "SoftLayer_Container_User_Customer_External_Binding",
        &[
            text("password"),
            text("secondSecurityCode"),
            text("securityCode"),
            text("securityQuestionAnswer"),
            int("securityQuestionId"),
            text("username"),
            text("vendor"),
        ],
    ),
    extended(
        "SoftLayer_Container_User_Customer_External_Binding_Totp",
        "SoftLayer_Container_User_Customer_External_Binding",
        &[],
    ),
    extended(
        "SoftLayer_Container_User_Customer_External_Binding_Verisign",
        "SoftLayer_Container_User_Customer_External_Binding",
        &[],
    ),
    plain(
        "SoftLayer_Container_Authentication_Request_Native",
        &[
            text("password"),
            text("securityCode"),
            text("securityQuestionAnswer"),
            int("securityQuestionId"),
            text("username"),
        ],
    ),
    extended(
        "SoftLayer_Container_Authentication_Request_Native_External_Totp",
        "SoftLayer_Container_Authentication_Request_Native",
        &[text("secondSecurityCode")],
    ),
    plain("SoftLayer_Container_Authentication_Response_Common", &[text("statusKeyName")]),
    extended(
        "SoftLayer_Container_Authentication_Response_Success",
        "SoftLayer_Container_Authentication_Response_Common",
        &[one("token", "SoftLayer_Container_User_Customer_Portal_Token"), many("accounts", "SoftLayer_Account")],
    ),
    extended(
        "SoftLayer_Container_Authentication_Response_2FactorAuthenticationNeeded",
        "SoftLayer_Container_Authentication_Response_Common",
        &[many("additionalData", "SoftLayer_Container_Authentication_Response_Factor")],
    ),
    plain("SoftLayer_Container_Authentication_Response_Factor", &[text("keyName"), text("name")]),
    extended(
        "SoftLayer_Container_Authentication_Response_LoginFailed",
        "SoftLayer_Container_Authentication_Response_Common",
        &[text("errorMessage")],
    ),
    extended(
        "SoftLayer_Container_Authentication_Response_IpAddressRestrictionCheckNeeded",
        "SoftLayer_Container_Authentication_Response_Common",
        &[text("errorMessage")],
    ),
];
