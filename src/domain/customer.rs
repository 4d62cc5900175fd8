//! Users in the form of the SoftLayer API: a number, a status, a place in the hierarchy, a profile and the user's own permissions.
//!
//! The other APIs serve the same users. A user's parent is the user who invited that user. The master is the one user without a parent, and
//! the ancestor of all other users.

use std::collections::{BTreeMap, BTreeSet};

use super::clock::Timestamp;
use super::id::{ApiKeyId, UserId};
use super::permission::{Action, Actions};
use super::rights::Rights;
use super::text::{Text, text};

/// Maximum number of characters in the value of a profile member.
pub const PROFILE_MAX: usize = 255;

/// Status of a user: only an active user may do anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The user is active.
    Active,
    /// The user is disabled.
    Disabled,
    /// The user is not in use.
    Inactive,
    /// The user is invited, but not yet active.
    Pending,
    /// The user is suspended.
    Suspended,
    /// The user's IAM identity is no longer valid.
    IamIdInvalid,
    /// The user is deleted, but kept on record.
    CancelPending,
    /// The user may use only the VPN.
    VpnOnly,
}

impl Status {
    /// All statuses.
    pub const ALL: [Self; 8] = [
        Self::Active,
        Self::Disabled,
        Self::Inactive,
        Self::Pending,
        Self::Suspended,
        Self::IamIdInvalid,
        Self::CancelPending,
        Self::VpnOnly,
    ];

    /// Returns the number of the status.
    #[must_use]
    pub const fn id(self) -> i64 {
        match self {
            Self::Active => 1001,
            Self::Disabled => 1002,
            Self::Inactive => 1003,
            Self::Pending => 1004,
            Self::Suspended => 1005,
            Self::IamIdInvalid => 1006,
            Self::CancelPending => 1021,
            Self::VpnOnly => 1022,
        }
    }

    /// Returns the name of the status for programs and in the store.
    #[must_use]
    pub const fn key_name(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Disabled => "DISABLED",
            Self::Inactive => "INACTIVE",
            Self::Pending => "PENDING",
            Self::Suspended => "SUSPENDED",
            Self::IamIdInvalid => "IAMID_INVALID",
            Self::CancelPending => "CANCEL_PENDING",
            Self::VpnOnly => "VPN_ONLY",
        }
    }

    /// Returns the name of the status for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::Disabled => "Disabled",
            Self::Inactive => "Inactive",
            Self::Pending => "Pending",
            Self::Suspended => "Suspended",
            Self::IamIdInvalid => "IAM ID Invalid",
            Self::CancelPending => "Cancel Pending",
            Self::VpnOnly => "VPN Only",
        }
    }

    /// Finds a status by its number.
    #[must_use]
    pub fn by_id(id: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.id() == id)
    }

    /// Finds a status by its name for programs.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.key_name() == name)
    }
}

/// SoftLayer names of the profile members that hold text.
pub const PROFILE_TEXTS: &[&str] = &[
    "address1",
    "address2",
    "alternatePhone",
    "city",
    "companyName",
    "country",
    "firstName",
    "lastName",
    "officePhone",
    "postalCode",
    "state",
];
/// SoftLayer names of the profile members that hold a boolean.
pub const PROFILE_FLAGS: &[&str] =
    &["daylightSavingsTimeFlag", "pptpVpnAllowedFlag", "sslVpnAllowedFlag", "vpnManualConfig"];
/// SoftLayer names of the profile members that hold a number.
pub const PROFILE_NUMBERS: &[&str] = &["timezoneId"];

/// Profile of a user, from the name of a member to the value as text. A boolean is `true` or `false`, a number is decimal digits.
pub type Profile = BTreeMap<String, String>;

/// A user, in the form of the SoftLayer API.
#[derive(Debug, Clone)]
pub struct Customer {
    /// Id of the user.
    pub id: UserId,
    /// Number that the SoftLayer API uses as the id of the user. The number is never reused.
    pub number: i64,
    /// Id of the user who invited this user; `None` for the master, the one user without a parent.
    pub parent: Option<UserId>,
    /// Number of the parent.
    pub parent_number: Option<i64>,
    /// Login name.
    pub username: String,
    /// Display name.
    pub name: String,
    /// E-mail address.
    pub email: Option<String>,
    /// Status of the user.
    pub status: Status,
    /// When the status last changed.
    pub status_at: Option<Timestamp>,
    /// Addresses and networks that logins are restricted to, separated by commas; `None` means no restriction.
    pub address_restriction: Option<String>,
    /// Whether a login needs the answer to a security question.
    pub answers_required: bool,
    /// Profile of the user.
    pub profile: Profile,
    /// Names of the user's own permissions, in addition to the permissions that the roles give.
    pub permissions: BTreeSet<String>,
    /// When the user was created.
    pub created_at: Option<Timestamp>,
    /// When the user was last changed through the SoftLayer API.
    pub modified_at: Option<Timestamp>,
    /// When the password was set; `None` if the time is unknown or the user has no password.
    pub password_updated_at: Option<Timestamp>,
}

impl Customer {
    /// Returns the user's own permissions, and the permissions whose action is in `rights`. A user with all rights has all permissions.
    #[must_use]
    pub fn held(&self, rights: &Rights) -> Vec<&'static Permission> {
        let has = |permission: &&Permission| {
            rights.allows(Action::ALL)
                || self.permissions.contains(permission.key_name)
                || permission.action().is_some_and(|action| rights.allows(action))
        };
        PERMISSIONS.iter().filter(has).collect()
    }

    /// Returns whether the user is the master, the one user without a parent.
    #[must_use]
    pub fn is_master(&self) -> bool {
        self.parent.is_none()
    }
}

/// Changes to a user. A field that is `None` stays as it is.
#[derive(Debug, Clone, Default)]
pub struct CustomerChange {
    /// New login name.
    pub username: Option<String>,
    /// New display name.
    pub name: Option<String>,
    /// New e-mail address; `Some(None)` removes the address.
    pub email: Option<Option<String>>,
    /// New status.
    pub status: Option<Status>,
    /// Addresses and networks that logins are restricted to; an empty text removes the restriction.
    pub address_restriction: Option<String>,
    /// Whether a login needs the answer to a security question.
    pub answers_required: Option<bool>,
    /// New values of profile members, by name; an empty text removes the member.
    pub profile: Profile,
}

impl CustomerChange {
    /// Returns whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.told().is_empty()
    }

    /// Lists the changed members for the audit log.
    #[must_use]
    pub fn told(&self) -> String {
        let named = |what: &str, value: Option<&str>| value.map(|value| format!("{what} {value}"));
        let counted = |what: &str, changes: bool| changes.then(|| what.to_owned());
        let members = [
            named("username", self.username.as_deref()),
            named("status", self.status.map(Status::key_name)),
            counted("displayName", self.name.is_some()),
            counted("email", self.email.is_some()),
            named("ipAddressRestriction", self.address_restriction.as_deref()),
            named("secondaryLoginRequiredFlag", self.answers_required.map(|it| if it { "true" } else { "false" })),
        ];
        let members = members.into_iter().flatten().chain(self.profile.keys().cloned());
        members.collect::<Vec<_>>().join(", ")
    }

    /// Checks the profile only: the services check the other members with the rules that all APIs share.
    ///
    /// # Errors
    /// The text says what is wrong and what is allowed.
    pub fn check(&self) -> Result<(), Text> {
        for (name, value) in &self.profile {
            let length = value.chars().count();
            if length > PROFILE_MAX {
                return Err(text!(
                    "{name} must have at most {PROFILE_MAX} characters, this one has {length}",
                    "{name} 最多 {PROFILE_MAX} 个字符，当前为 {length} 个"
                ));
            }
            if value.chars().any(char::is_control) {
                return Err(text!("{name} must not contain control characters", "{name} 不能包含控制字符"));
            }
        }
        Ok(())
    }
}

/// A classic key: the one API key of a user that SoftLayer clients use.
#[derive(Debug, Clone)]
pub struct ClassicKey {
    /// Id of the key.
    pub id: ApiKeyId,
    /// Number that the SoftLayer API uses as the id of the key.
    pub number: i64,
    /// Id of the owner.
    pub owner: UserId,
    /// Number of the owner.
    pub owner_number: i64,
    /// Encrypted text of the key; `None` if another user minted the key.
    pub sealed: Option<Vec<u8>>,
    /// Addresses and networks that the key is restricted to; `None` means no restriction.
    pub address_restriction: Option<String>,
    /// When the key was minted, or when the address restriction last changed.
    pub changed_at: Timestamp,
}

/// A login attempt.
#[derive(Debug, Clone)]
pub struct LoginAttempt {
    /// Id of the user.
    pub user: UserId,
    /// Login name of the user at the time of the attempt.
    pub username: String,
    /// Time of the attempt.
    pub at: Timestamp,
    /// Client address.
    pub address: Option<String>,
    /// Whether the attempt opened a session.
    pub success: bool,
}

/// A row of the audit log.
#[derive(Debug, Clone)]
pub struct Event {
    /// Id of the row.
    pub id: String,
    /// Id of the user who did the action.
    pub user: Option<UserId>,
    /// Login name of the user at the time of the action.
    pub username: Option<String>,
    /// Time of the action.
    pub at: Timestamp,
    /// Client address.
    pub address: Option<String>,
    /// Name of the action.
    pub action: String,
    /// Type of the object that the action concerns.
    pub resource_type: Option<String>,
    /// Message for people.
    pub message: String,
    /// Outcome of the action: `SUCCESSED` or `FAILED`.
    pub outcome: Option<String>,
}

/// Which users to select.
#[derive(Debug, Clone)]
pub enum Which {
    /// All users.
    All,
    /// The user with this id, and all users below that user.
    Below(UserId),
    /// Users with these ids.
    Ids(Vec<UserId>),
    /// Users whose parent has one of these ids.
    ChildrenOf(Vec<UserId>),
    /// The user with this number.
    Number(i64),
    /// Users with these numbers.
    Numbers(Vec<i64>),
    /// The master: the one user without a parent.
    Master,
}

/// A SoftLayer permission.
#[derive(Debug, PartialEq, Eq)]
pub struct Permission {
    /// Number of the permission.
    pub id: i64,
    /// Short name of the permission.
    pub key: &'static str,
    /// Name of the permission for programs.
    pub key_name: &'static str,
    /// Name of the permission for people.
    pub name: &'static str,
    /// Text for people that says what the permission allows.
    pub description: &'static str,
    /// Name, for programs, of the department that the permission belongs to.
    pub department: &'static str,
}

impl Permission {
    /// Finds a permission by its name for programs.
    #[must_use]
    pub fn find(key_name: &str) -> Option<&'static Self> {
        PERMISSIONS.iter().find(|known| known.key_name == key_name)
    }

    /// Returns the action that the permission allows in every API; `None` if the permission is for a feature that keytower does not have.
    #[must_use]
    pub fn action(&self) -> Option<Action> {
        (self.key_name == USER_MANAGE).then_some(Action::MANAGE_USER_AND_ROLE)
    }
}

/// Name of the permission to create and change users.
pub const USER_MANAGE: &str = "USER_MANAGE";

/// Returns the actions that a user's own permissions allow in every API.
pub fn actions_of<'a>(permissions: impl IntoIterator<Item = &'a str>) -> Actions {
    permissions.into_iter().filter_map(|name| Permission::find(name)?.action()).collect()
}

const fn permission(
    id: i64,
    key: &'static str,
    key_name: &'static str,
    name: &'static str,
    department: &'static str,
) -> Permission {
    Permission { id, key, key_name, name, description: name, department }
}

/// All permissions that a user can have. keytower stores and shows all of them, but only [`USER_MANAGE`] allows an action in keytower
/// itself.
#[rustfmt::skip]
pub const PERMISSIONS: &[Permission] = &[
    permission(1, "A_1", "ACCOUNT_SUMMARY_VIEW", "View Account Summary", "ACCOUNT"),
    permission(2, "A_2", "COMPANY_EDIT", "Edit Company Profile", "ACCOUNT"),
    permission(3, "A_3", "BILLING_MANAGE", "Manage Billing", "ACCOUNT"),
    permission(4, "A_4", "SERVICE_ADD", "Add Services", "ACCOUNT"),
    permission(5, "A_5", "SERVICE_CANCEL", "Cancel Services", "ACCOUNT"),
    permission(6, "A_6", "SERVICE_UPGRADE", "Upgrade Services", "ACCOUNT"),
    permission(7, "A_7", "SERVER_ADD", "Add Server", "ACCOUNT"),
    permission(8, "A_8", "SERVER_CANCEL", "Cancel Server", "ACCOUNT"),
    permission(9, "A_9", "SERVER_UPGRADE", "Upgrade Server", "ACCOUNT"),
    permission(10, "A_10", "ONE_TIME_PAYMENTS", "One-Time Payments", "ACCOUNT"),
    permission(11, "H_1", "ACCESS_ALL_HARDWARE", "All Hardware Access", "DEVICES"),
    permission(12, "H_2", "ACCESS_ALL_GUEST", "All Guest Access", "DEVICES"),
    permission(13, "H_3", "ACCESS_ALL_DEDICATEDHOSTS", "All Dedicated Host Access", "DEVICES"),
    permission(14, "H_4", "HARDWARE_VIEW", "View Hardware Details", "DEVICES"),
    permission(15, "H_5", "VIRTUAL_GUEST_VIEW", "View Virtual Server Details", "DEVICES"),
    permission(16, "H_6", "DEDICATED_HOST_VIEW", "View Virtual Dedicated Host Details", "DEVICES"),
    permission(17, "H_7", "SERVER_RELOAD", "OS Reloads and Rescue Kernel", "DEVICES"),
    permission(18, "H_8", "REMOTE_MANAGEMENT", "Remote Management", "DEVICES"),
    permission(19, "H_9", "MONITORING_MANAGE", "Manage Monitoring", "DEVICES"),
    permission(20, "H_10", "PORT_CONTROL", "Manage Port Control", "DEVICES"),
    permission(21, "H_11", "SECURITY_MANAGE", "Manage Security", "DEVICES"),
    permission(22, "N_1", "BANDWIDTH_MANAGE", "View Bandwidth Statistics", "NETWORK"),
    permission(23, "N_2", "DNS_MANAGE", "Manage DNS, Reverse DNS, and WHOIS", "NETWORK"),
    permission(24, "N_3", "FIREWALL_MANAGE", "Manage Firewall", "NETWORK"),
    permission(25, "N_4", "IP_ADD", "Add IP Addresses", "NETWORK"),
    permission(26, "N_5", "LOADBALANCER_MANAGE", "Manage Load Balancers", "NETWORK"),
    permission(27, "N_6", "NETWORK_TUNNEL_MANAGE", "Manage IPSEC Network Tunnels", "NETWORK"),
    permission(28, "N_7", "NETWORK_VLAN_SPANNING", "Manage Network VLAN Spanning", "NETWORK"),
    permission(29, "N_8", "SSL_VPN_ENABLED", "SSL VPN Enabled", "NETWORK"),
    permission(30, "N_9", "VPN_MANAGE", "VPN Administration", "NETWORK"),
    permission(31, "S_1", "LOCKBOX_MANAGE", "Manage Object Storage", "STORAGE"),
    permission(32, "S_2", "NAS_MANAGE", "Manage NAS", "STORAGE"),
    permission(33, "T_1", "TICKET_ADD", "Add Tickets", "SUPPORT"),
    permission(34, "T_2", "TICKET_EDIT", "Edit Tickets", "SUPPORT"),
    permission(35, "T_3", "TICKET_SEARCH", "Search Tickets", "SUPPORT"),
    permission(36, "T_4", "TICKET_VIEW", "View Tickets", "SUPPORT"),
    permission(37, "T_5", "TICKET_VIEW_ALL", "View All Tickets", "SUPPORT"),
    permission(38, "U_1", USER_MANAGE, "Manage Users", "USER"),
    permission(39, "U_2", "USER_EVENT_LOG_VIEW", "View Audit Log", "USER"),
    permission(40, "U_3", "CUSTOMER_POST_PROVISION_SCRIPT_MANAGEMENT", "Manage Provisioning Scripts", "USER"),
];

/// The departments of permissions. Each has a number, a name for programs, and a name for people.
pub const DEPARTMENTS: &[(i64, &str, &str)] = &[
    (1, "ACCOUNT", "Account"),
    (2, "DEVICES", "Devices"),
    (3, "NETWORK", "Network"),
    (4, "STORAGE", "Storage"),
    (5, "SUPPORT", "Support"),
    (6, "USER", "Users"),
];

/// The security questions. The first question has the number 1, the second the number 2, and so on.
pub const QUESTIONS: &[&str] = &[
    "What was the name of your first pet?",
    "What was the make and model of your first car?",
    "In what city or town did your parents meet?",
    "What was the name of the street that you grew up on?",
    "What is the middle name of your oldest sibling?",
    "What was the name of your first school?",
    "What was the name of your first teacher?",
    "What was the first concert that you went to?",
    "What was your childhood nickname?",
    "What was the name of your first employer?",
];

/// Number of security questions that a user answers.
pub const ANSWERS: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_given_once() {
        for status in Status::ALL {
            assert_eq!(Status::by_id(status.id()), Some(status));
            assert_eq!(Status::parse(status.key_name()), Some(status));
        }
        let ids: BTreeSet<i64> = PERMISSIONS.iter().map(|it| it.id).collect();
        let names: BTreeSet<&str> = PERMISSIONS.iter().map(|it| it.key_name).collect();
        let keys: BTreeSet<&str> = PERMISSIONS.iter().map(|it| it.key).collect();
        assert_eq!([ids.len(), names.len(), keys.len()], [PERMISSIONS.len(); 3]);
        for permission in PERMISSIONS {
            assert!(DEPARTMENTS.iter().any(|(_, name, _)| *name == permission.department), "{permission:?}");
        }
    }

    #[test]
    fn only_the_management_of_users_means_something_elsewhere() {
        let all = actions_of(PERMISSIONS.iter().map(|it| it.key_name));
        assert_eq!(all.names(), ["MANAGE_USER_AND_ROLE"]);
        assert_eq!(actions_of(["TICKET_VIEW", "NO_SUCH"]), Actions::NONE);
    }

    #[test]
    fn a_change_tells_what_it_changes() {
        let mut change = CustomerChange::default();
        assert!(change.is_empty());
        change.profile.insert("city".to_owned(), "Oslo".to_owned());
        change.status = Some(Status::Disabled);
        assert_eq!(change.told(), "status DISABLED, city");
        assert!(change.check().is_ok());
        for wrong in ["a\u{7}".to_owned(), "x".repeat(PROFILE_MAX + 1)] {
            change.profile.insert("city".to_owned(), wrong);
            assert!(change.check().is_err());
        }
    }
}
