//! The authorization table: every operation that a face offers, and what a caller needs for it.
//!
//! A REST route, a GraphQL field and a command each name one of these; the suite fails on one that names none, and keeps the
//! table of role against operation as a snapshot.

use super::entity::{Entity, ORGANIZATION};
use super::permission::Action;
use super::power::Power;
use super::principal::Duty;

/// What a caller needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: open to anybody.
    Nothing,
    /// A live credential, token or key.
    Credential,
    /// A person's token. A key is refused: it must not mint or widen keys, nor end its owner's sessions.
    Token,
    /// A live credential whose rights hold this action.
    Action(Action),
    /// A person's token whose rights hold this action: what a key must not do, whatever its rights.
    TokenWith(Action),
    /// A person's token or a classic key: what SoftLayer lets its keys do, and others of ours not.
    TokenOrClassic,
    /// The same, with rights that hold this action.
    TokenOrClassicWith(Action),
}

/// Something that a caller can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Log in with a password.
    Login,
    /// Complete a login with a code.
    VerifyMfa,
    /// Have the code of a login sent again, or another one.
    ResendMfa,
    /// Have a link mailed that sets another password.
    RequestPasswordReset,
    /// Set another password with a mailed link.
    ResetPassword,
    /// Make the first user while there is none.
    CreateRootUser,
    /// Ask which login sources exist.
    AuthnStrategies,
    /// Ask whether the first user exists.
    UserCreated,
    /// Ask for the version of the contract.
    GetVersion,
    /// End the session of one's own token.
    Logout,
    /// Prove one's second factor anew.
    Reauthenticate,
    /// Ask for one's own second factors.
    ReadMfa,
    /// Begin to enrol a second factor of one's own.
    EnrollMfa,
    /// Prove it, so that it counts.
    ConfirmMfa,
    /// Remove one's own second factor.
    RemoveMfa,
    /// Get other recovery codes.
    RenewRecoveryCodes,
    /// Take all second factors from users who lost them.
    ResetMfa,
    /// Ask what the second factor is asked for, and who would be shut out.
    ReadMfaPolicy,
    /// Change what the second factor is asked for.
    UpdateMfaPolicy,
    /// Change one's own password.
    ChangePassword,
    /// Ask for one's own sessions.
    ReadSessions,
    /// End one's own sessions.
    EndSession,
    /// Let keys work again that the reset of one's second factors has suspended.
    ConfirmApiKey,
    /// Ask who one is.
    GetMyInfo,
    /// Make users.
    CreateUser,
    /// Change users, but for their passwords and e-mail addresses.
    UpdateUser,
    /// Give users another password.
    SetPassword,
    /// Give users another e-mail address, where links go that set a password.
    SetAddress,
    /// Delete users.
    DeleteUser,
    /// Name the organization, of which there is always one.
    CreateOrganization,
    /// Make roles.
    CreateRole,
    /// Change roles.
    UpdateRole,
    /// Delete roles.
    DeleteRole,
    /// Switch VMs on or off.
    Power(Power),
    /// Write down tasks of other systems.
    CreateTask,
    /// Change what was written down of them.
    UpdateTask,
    /// Change what passwords must be and how often they may be wrong.
    UpdatePasswordSecurity,
    /// Change who is let in, from where.
    UpdateAccessRestriction,
    /// Change for how long sessions live.
    UpdateSessionTimeout,
    /// Let everybody in again where the policies let nobody in.
    UnlockPolicies,
    /// Read a list of objects, or one, or their number.
    Read(&'static Entity),
    /// Mint an API key.
    CreateApiKey,
    /// Rename an API key or describe it anew.
    UpdateApiKey,
    /// Delete an API key. A key may delete itself; see [`super::principal::Principal::may_delete`].
    DeleteApiKey,
    /// Write rows of the audit log for another system.
    CreateUserAuditLog,
    /// Write down what was refused or went wrong.
    Record,
    /// Prepare the database at the start.
    SetUp,
    /// Do the work of tasks.
    WorkTasks,
    /// Write down when sessions were used, and send the letters that wait.
    Maintain,
    /// Load the inventory.
    ImportInventory,
    /// Start using a new signing key.
    RotateSigningKey,
    /// Ask for users, keys and what belongs to them, as SoftLayer shows them.
    ReadCustomers,
    /// Ask which security questions there are.
    SecurityQuestions,
    /// Make a user below oneself, who has no rights yet.
    CreateCustomer,
    /// Change one's own user, or those whom one manages.
    EditCustomer,
    /// Give users below oneself permissions, and take them.
    ChangePermissions,
    /// Give a user below oneself another parent.
    AssignParent,
    /// Make a classic key, for oneself or a user below.
    AddClassicKey,
    /// Remove one's own classic key, or that of a user below.
    RemoveClassicKey,
    /// Say from where a classic key works.
    EditClassicKey,
    /// Ask whether a password is the right one.
    CheckPassword,
    /// Set one's own answers to security questions.
    UpdateSecurityAnswers,
    /// Hand a route on to the upstream; [`super::forward::Rules`] tell what it takes.
    Forward(Needs),
}

impl Operation {
    /// What a caller needs for it.
    #[must_use]
    pub fn needs(self) -> Needs {
        match self {
            Self::Login
            | Self::VerifyMfa
            | Self::ResendMfa
            | Self::RequestPasswordReset
            | Self::ResetPassword
            | Self::CreateRootUser
            | Self::AuthnStrategies
            | Self::UserCreated
            | Self::GetVersion
            | Self::SecurityQuestions
            | Self::Record => Needs::Nothing,
            Self::GetMyInfo | Self::Read(_) | Self::DeleteApiKey | Self::ReadCustomers => Needs::Credential,
            Self::Logout
            | Self::Reauthenticate
            | Self::ReadMfa
            | Self::EnrollMfa
            | Self::ConfirmMfa
            | Self::RemoveMfa
            | Self::RenewRecoveryCodes
            | Self::ChangePassword
            | Self::ReadSessions
            | Self::EndSession
            | Self::CreateApiKey
            | Self::UpdateApiKey
            | Self::UpdateSecurityAnswers
            | Self::ConfirmApiKey => Needs::Token,
            Self::EditCustomer
            | Self::AddClassicKey
            | Self::RemoveClassicKey
            | Self::EditClassicKey
            | Self::CheckPassword => Needs::TokenOrClassic,
            Self::CreateCustomer | Self::ChangePermissions | Self::AssignParent => {
                Needs::TokenOrClassicWith(Action::MANAGE_USER_AND_ROLE)
            }
            Self::ReadMfaPolicy => Needs::Action(Action::MANAGE_MFA_CONFIG),
            Self::UpdateMfaPolicy | Self::ResetMfa => Needs::TokenWith(Action::MANAGE_MFA_CONFIG),
            Self::CreateUser | Self::SetPassword | Self::SetAddress => Needs::TokenWith(Action::MANAGE_USER_AND_ROLE),
            Self::UpdateUser | Self::DeleteUser | Self::CreateRole | Self::UpdateRole | Self::DeleteRole => {
                Needs::Action(Action::MANAGE_USER_AND_ROLE)
            }
            Self::CreateOrganization => Needs::Action(Action::MANAGE_ORGANIZATION_NAME),
            Self::CreateUserAuditLog => Needs::Action(Action::MANAGE_AUDIT_LOG),
            Self::Forward(needs) => needs,
            Self::Power(_) => Needs::Action(Action::VM_OPERATION_VM_POWER),
            // A task is written down in anybody's name, and no action of the contract stands for that.
            Self::CreateTask | Self::UpdateTask => Needs::Action(Action::ALL),
            Self::UpdatePasswordSecurity => Needs::TokenWith(Action::MANAGE_PASSWORD_SETTINGS),
            Self::UpdateAccessRestriction => Needs::TokenWith(Action::MANAGE_ACCESS_CONTROL),
            Self::UpdateSessionTimeout => Needs::TokenWith(Action::MANAGE_SESSION_EXPIRATION),
            Self::SetUp
            | Self::WorkTasks
            | Self::Maintain
            | Self::ImportInventory
            | Self::RotateSigningKey
            | Self::UnlockPolicies => Needs::Action(Action::ALL),
        }
    }

    /// Tells whether it changes something, so that the audit log tells of it even when it is refused.
    #[must_use]
    pub fn is_change(self) -> bool {
        !matches!(
            self,
            Self::AuthnStrategies
                | Self::UserCreated
                | Self::GetVersion
                | Self::GetMyInfo
                | Self::ReadMfa
                | Self::ReadMfaPolicy
                | Self::ReadSessions
                | Self::ReadCustomers
                | Self::SecurityQuestions
                | Self::Read(_)
        )
    }

    /// Tells whether it needs a second factor that was proven lately, of whoever has one: what makes credentials, or gives them more.
    #[must_use]
    pub fn steps_up(self) -> bool {
        matches!(
            self,
            Self::CreateApiKey
                | Self::ConfirmApiKey
                | Self::ChangePassword
                | Self::EnrollMfa
                | Self::ConfirmMfa
                | Self::RemoveMfa
                | Self::RenewRecoveryCodes
                | Self::ResetMfa
                | Self::UpdateMfaPolicy
                | Self::CreateUser
                | Self::SetPassword
                | Self::SetAddress
                | Self::AddClassicKey
                | Self::CreateCustomer
                | Self::UpdateSecurityAnswers
        )
    }

    /// Tells whether a session that has a duty can do it.
    #[must_use]
    pub fn is_open_to(self, duty: Duty) -> bool {
        match self {
            Self::Logout | Self::GetMyInfo => true,
            Self::EnrollMfa | Self::ConfirmMfa | Self::ReadMfa => duty == Duty::EnrollMfa,
            Self::ChangePassword | Self::Reauthenticate => duty == Duty::ChangePassword,
            _ => self.needs() == Needs::Nothing,
        }
    }

    /// What a caller needs for it as long as there is no user at all, and so nobody who could have a credential: what sets a service
    /// up is open then (contract section 2.4).
    #[must_use]
    pub fn needs_while_fresh(self) -> Needs {
        match self {
            Self::CreateUser | Self::CreateOrganization => Needs::Nothing,
            Self::Read(entity) if *entity == ORGANIZATION => Needs::Nothing,
            _ => self.needs(),
        }
    }

    /// A name for logs and the authorization table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::VerifyMfa => "verifyMfa",
            Self::ResendMfa => "resendMfa",
            Self::RequestPasswordReset => "requestPasswordReset",
            Self::ResetPassword => "resetPassword",
            Self::Reauthenticate => "reauthenticate",
            Self::ReadMfa => "mfa",
            Self::EnrollMfa => "enrollMfa",
            Self::ConfirmMfa => "confirmMfa",
            Self::RemoveMfa => "removeMfa",
            Self::RenewRecoveryCodes => "renewRecoveryCodes",
            Self::ResetMfa => "resetMfa",
            Self::ReadMfaPolicy => "mfaPolicy",
            Self::UpdateMfaPolicy => "updateMfaPolicy",
            Self::ChangePassword => "changePassword",
            Self::ReadSessions => "sessions",
            Self::EndSession => "endSession",
            Self::ConfirmApiKey => "confirmApiKey",
            Self::CreateRootUser => "createRootUser",
            Self::AuthnStrategies => "authnStrategies",
            Self::UserCreated => "userCreated",
            Self::GetVersion => "getVersion",
            Self::Logout => "logout",
            Self::GetMyInfo => "getMyInfo",
            Self::CreateUser => "createUser",
            Self::UpdateUser => "updateUser",
            Self::SetPassword => "setPassword",
            Self::SetAddress => "setEmailAddress",
            Self::DeleteUser => "deleteUser",
            Self::CreateOrganization => "createOrganization",
            Self::CreateRole => "createRole",
            Self::UpdateRole => "updateRole",
            Self::DeleteRole => "deleteRole",
            Self::Power(power) => power.mutation(),
            Self::CreateTask => "createTask",
            Self::UpdateTask => "updateTask",
            Self::UpdatePasswordSecurity => "updatePasswordSecurity",
            Self::UpdateAccessRestriction => "updateAccessRestriction",
            Self::UpdateSessionTimeout => "updateSessionTimeout",
            Self::UnlockPolicies => "unlockPolicies",
            Self::Read(entity) => entity.plural,
            Self::CreateApiKey => "createApiKey",
            Self::UpdateApiKey => "updateApiKey",
            Self::DeleteApiKey => "deleteApiKey",
            Self::CreateUserAuditLog => "createUserAuditLog",
            Self::Record => "record",
            Self::SetUp => "setUp",
            Self::WorkTasks => "workTasks",
            Self::Maintain => "maintain",
            Self::ImportInventory => "importInventory",
            Self::RotateSigningKey => "rotateSigningKey",
            Self::ReadCustomers => "readCustomers",
            Self::SecurityQuestions => "securityQuestions",
            Self::CreateCustomer => "createCustomer",
            Self::EditCustomer => "editCustomer",
            Self::ChangePermissions => "changePermissions",
            Self::AssignParent => "assignParent",
            Self::AddClassicKey => "addClassicKey",
            Self::RemoveClassicKey => "removeClassicKey",
            Self::EditClassicKey => "editClassicKey",
            Self::CheckPassword => "checkPassword",
            Self::UpdateSecurityAnswers => "updateSecurityAnswers",
            Self::Forward(_) => "forward",
        }
    }
}
