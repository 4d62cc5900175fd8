//! The authorization table: every operation that an API or a command offers, and what a caller needs for each operation.
//!
//! Each REST route, GraphQL field, SoftLayer method and command names one of these operations. A test keeps the table of roles and
//! operations as a snapshot. A request that changes several members of an object requires the operation of each of these members.

use super::entity::{Entity, ORGANIZATION};
use super::permission::Action;
use super::power::Power;
use super::principal::Duty;

/// The credential and the right that an operation requires of a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// No credential: open to everybody.
    Nothing,
    /// A valid token or key.
    Credential,
    /// A user's token. Keys are rejected: a key must not mint or widen keys, nor end the owner's sessions.
    Token,
    /// A valid credential whose rights include this action.
    Action(Action),
    /// A user's token whose rights include this action. Keys are rejected, whatever rights a key has.
    TokenWith(Action),
    /// A user's token or a classic key. SoftLayer allows these operations with an API key. keytower therefore accepts a classic key, but no
    /// other key.
    TokenOrClassic,
    /// A user's token or a classic key whose rights include this action.
    TokenOrClassicWith(Action),
}

/// Proof that a caller with a token must have given within the time of the setting `step_up_time`. Keys and the operator are exempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepUp {
    /// No proof.
    Never,
    /// The second factor, if the caller has one.
    Factor,
    /// The second factor, or the password if the caller has no second factor.
    FactorOrPassword,
}

/// The effect of an operation on stored data. The effect decides which locks a write takes, and which writes go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Reads data without changing it.
    Read,
    /// Changes data, with none of the effects below.
    Change,
    /// Ends credentials of the caller or of other users, or takes rights from users.
    End,
    /// Changes data on which the rights of all users depend: roles, policies, access lists.
    Rules,
    /// Checks a password or a code, and can open a session.
    Login,
    /// Work of the service itself or of its operator: the write checks no credential and has no time limit.
    Work,
}

/// A row of the authorization table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spec {
    /// Name of the operation in the audit log and in the authorization table. An operation that is part of a larger request has the name of
    /// that request. The audit log then uses the same name if the request is done and if the request is refused before its members are
    /// known.
    pub name: &'static str,
    /// The credential and the right that the operation requires.
    pub needs: Needs,
    /// What the caller must have proven recently.
    pub step_up: StepUp,
    /// Effect of the operation on stored data.
    pub effect: Effect,
    /// Maximum number of elements in a request.
    pub most: usize,
}

impl Spec {
    /// Returns whether the operation changes something. The audit log records such an operation even if it is refused.
    #[must_use]
    pub fn is_change(&self) -> bool {
        self.effect != Effect::Read
    }
}

/// Maximum number of elements in a request that changes something.
pub const MOST: usize = 100;

/// Maximum number of VMs that one power request switches. This number exceeds [`MOST`] because a `where` can match many VMs.
pub const MOST_VMS: usize = 1_000;

/// An operation that a caller can request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Log in with a password.
    Login,
    /// Complete a login with a code.
    VerifyMfa,
    /// Send the code of a login again, or a code of another type.
    ResendMfa,
    /// Mail a link for setting a new password.
    RequestPasswordReset,
    /// Set a new password with a mailed link.
    ResetPassword,
    /// Create the first user, while the service has no user.
    CreateRootUser,
    /// List the login sources.
    AuthnStrategies,
    /// Read whether the first user exists.
    UserCreated,
    /// Read the version of the contract.
    GetVersion,
    /// End the session of the caller's token.
    Logout,
    /// Prove the caller's second factor again, or the password if the caller has no second factor.
    Reauthenticate,
    /// List the caller's second factors.
    ReadMfa,
    /// Begin to enroll a second factor for the caller.
    EnrollMfa,
    /// Prove the new second factor, so that the factor takes effect.
    ConfirmMfa,
    /// Remove the caller's second factor.
    RemoveMfa,
    /// Replace the caller's recovery codes.
    RenewRecoveryCodes,
    /// Remove all second factors of users who lost a second factor.
    ResetMfa,
    /// Read the second-factor policy, and the users that the policy would shut out.
    ReadMfaPolicy,
    /// Change the second-factor policy.
    UpdateMfaPolicy,
    /// Change the caller's password.
    ChangePassword,
    /// List the caller's sessions.
    ReadSessions,
    /// End sessions of the caller.
    EndSession,
    /// Reactivate the caller's keys that a reset of the caller's second factors has suspended.
    ConfirmApiKey,
    /// Read the caller's user.
    GetMyInfo,
    /// Create users.
    CreateUser,
    /// Change users, except members that have an operation of their own, such as the password.
    UpdateUser,
    /// Give users a role with actions that the users do not have yet.
    GiveRole,
    /// Set a new password for users.
    SetPassword,
    /// Change the e-mail address of other users. This address receives the links for setting a password.
    SetAddress,
    /// Change the caller's e-mail address.
    SetOwnAddress,
    /// Delete users.
    DeleteUser,
    /// Set the name of the organization. The organization always exists.
    CreateOrganization,
    /// Create roles.
    CreateRole,
    /// Rename roles, and remove actions from roles.
    UpdateRole,
    /// Add actions to roles.
    WidenRole,
    /// Delete roles.
    DeleteRole,
    /// Switch VMs on or off.
    Power(Power),
    /// Store tasks that other systems report.
    CreateTask,
    /// Change stored tasks of other systems.
    UpdateTask,
    /// Change the rules for passwords and the limit of wrong logins.
    UpdatePasswordSecurity,
    /// Change from which addresses users and keys are accepted.
    UpdateAccessRestriction,
    /// Change how long sessions live.
    UpdateSessionTimeout,
    /// Reset the policies that can shut out all users.
    UnlockPolicies,
    /// Read objects of an entity: a list, a single object, or the number of objects.
    Read(&'static Entity),
    /// Mint an API key.
    CreateApiKey,
    /// Change the name or the description of an API key.
    UpdateApiKey,
    /// Delete an API key. A caller with a key may delete that key; see [`super::principal::Principal::may_delete`].
    DeleteApiKey,
    /// Write rows of the audit log for another system.
    CreateUserAuditLog,
    /// Write audit log rows for requests that were refused or failed.
    Record,
    /// Prepare the database at startup.
    SetUp,
    /// Do the work of tasks that are due.
    WorkTasks,
    /// Do periodic work, such as storing when sessions were last used and sending queued mails.
    Maintain,
    /// Load the inventory.
    ImportInventory,
    /// Start using a new signing key.
    RotateSigningKey,
    /// Read users, keys and related objects through the SoftLayer API.
    ReadCustomers,
    /// List the security questions.
    SecurityQuestions,
    /// Create a user without rights below the caller in the hierarchy.
    CreateCustomer,
    /// Change the caller's user or users that the caller manages, except members that have an operation of their own.
    EditCustomer,
    /// Change login names through the SoftLayer API.
    RenameCustomer,
    /// Let users log in from more addresses, or without a security answer.
    LoosenLogin,
    /// Reactivate users and the API keys of these users.
    EnableCustomer,
    /// Set a status in which users can do nothing.
    DisableCustomer,
    /// Give permissions to users below the caller.
    GivePermissions,
    /// Take permissions from users below the caller.
    TakePermissions,
    /// Change the parent of a user below the caller.
    AssignParent,
    /// Mint a classic key for the caller or for a user below the caller.
    AddClassicKey,
    /// Remove the classic key of the caller or of a user below the caller.
    RemoveClassicKey,
    /// Change the addresses that a classic key is restricted to.
    EditClassicKey,
    /// Accept a classic key from more addresses.
    LoosenClassicKey,
    /// Check the password of a user that the caller can see.
    CheckPassword,
    /// Set the caller's answers to security questions.
    UpdateSecurityAnswers,
    /// Forward a request to the upstream; [`super::forward::Rules`] decides what a caller needs for a route.
    Forward(Needs),
}

impl Operation {
    /// Returns the row of the operation in the authorization table. Every row is complete: there are no defaults.
    #[must_use]
    #[rustfmt::skip]
    pub const fn spec(self) -> Spec {
        use Effect::{Change, End, Read, Rules, Work};
        use Needs::{Credential, Nothing, Token, TokenOrClassic, TokenOrClassicWith, TokenWith};
        use StepUp::{Factor, FactorOrPassword, Never};
        const USERS: Action = Action::MANAGE_USER_AND_ROLE;
        const MFA: Action = Action::MANAGE_MFA_CONFIG;
        match self {
            Self::Login                   => spec("login", Nothing, Never, Effect::Login, 1),
            Self::VerifyMfa               => spec("verifyMfa", Nothing, Never, Effect::Login, 1),
            Self::ResendMfa               => spec("resendMfa", Nothing, Never, Effect::Login, 1),
            Self::RequestPasswordReset    => spec("requestPasswordReset", Nothing, Never, Effect::Login, 1),
            Self::ResetPassword           => spec("resetPassword", Nothing, Never, End, 1),
            Self::CreateRootUser          => spec("createRootUser", Nothing, Never, Change, 1),
            Self::AuthnStrategies         => spec("authnStrategies", Nothing, Never, Read, 1),
            Self::UserCreated             => spec("userCreated", Nothing, Never, Read, 1),
            Self::GetVersion              => spec("getVersion", Nothing, Never, Read, 1),
            Self::SecurityQuestions       => spec("securityQuestions", Nothing, Never, Read, 1),
            Self::Record                  => spec("record", Nothing, Never, Work, MOST),

            Self::Logout                  => spec("logout", Token, Never, End, 1),
            Self::ReadSessions            => spec("sessions", Token, Never, Read, 1),
            Self::EndSession              => spec("endSession", Token, Never, End, 1),
            Self::Reauthenticate          => spec("reauthenticate", Token, Never, Effect::Login, 1),
            Self::ChangePassword          => spec("changePassword", Token, Factor, End, 1),
            Self::ReadMfa                 => spec("mfa", Token, Never, Read, 1),
            Self::EnrollMfa               => spec("enrollMfa", Token, Factor, Change, 1),
            Self::ConfirmMfa              => spec("confirmMfa", Token, Factor, End, 1),
            Self::RemoveMfa               => spec("removeMfa", Token, Factor, End, 1),
            Self::RenewRecoveryCodes      => spec("renewRecoveryCodes", Token, Factor, End, 1),
            Self::ResetMfa                => spec("resetMfa", TokenWith(MFA), Factor, End, MOST),
            Self::ReadMfaPolicy           => spec("mfaPolicy", Needs::Action(MFA), Never, Read, 1),
            Self::UpdateMfaPolicy         => spec("updateMfaPolicy", TokenWith(MFA), Factor, Rules, 1),

            Self::GetMyInfo               => spec("getMyInfo", Credential, Never, Read, 1),
            Self::CreateUser              => spec("createUser", TokenWith(USERS), Factor, Change, MOST),
            Self::UpdateUser              => spec("updateUser", Needs::Action(USERS), Never, Change, MOST),
            Self::GiveRole                => spec("updateUser", TokenWith(USERS), Factor, Change, MOST),
            Self::SetPassword             => spec("updateUser", TokenWith(USERS), Factor, End, MOST),
            Self::SetAddress              => spec("updateUser", TokenWith(USERS), Factor, Change, MOST),
            Self::SetOwnAddress           => spec("setOwnEmailAddress", Token, FactorOrPassword, Change, 1),
            Self::DeleteUser              => spec("deleteUser", Needs::Action(USERS), Never, End, MOST),
            Self::CreateRole              => spec("createRole", Needs::Action(USERS), Never, Change, MOST),
            Self::UpdateRole              => spec("updateRole", Needs::Action(USERS), Never, Rules, MOST),
            Self::WidenRole               => spec("updateRole", TokenWith(USERS), Factor, Rules, MOST),
            Self::DeleteRole              => spec("deleteRole", Needs::Action(USERS), Never, Rules, MOST),
            Self::CreateOrganization      => spec("createOrganization", Needs::Action(Action::MANAGE_ORGANIZATION_NAME), Never, Change, 1),

            Self::UpdatePasswordSecurity  => spec("updatePasswordSecurity", TokenWith(Action::MANAGE_PASSWORD_SETTINGS), Factor, Rules, 1),
            Self::UpdateAccessRestriction => spec("updateAccessRestriction", TokenWith(Action::MANAGE_ACCESS_CONTROL), Factor, Rules, 1),
            Self::UpdateSessionTimeout    => spec("updateSessionTimeout", TokenWith(Action::MANAGE_SESSION_EXPIRATION), Factor, Rules, 1),
            Self::UnlockPolicies          => spec("unlockPolicies", Needs::Action(Action::ALL), Never, Rules, 1),

            Self::Read(entity)            => spec(entity.plural, Credential, Never, Read, 1),
            Self::Power(power)            => spec(power.mutation(), Needs::Action(Action::VM_OPERATION_VM_POWER), Never, Change, MOST_VMS),
            // A task can be stored in the name of any user, and the contract has no action for that.
            Self::CreateTask              => spec("createTask", Needs::Action(Action::ALL), Never, Change, MOST),
            Self::UpdateTask              => spec("updateTask", Needs::Action(Action::ALL), Never, Change, MOST),
            Self::CreateUserAuditLog      => spec("createUserAuditLog", Needs::Action(Action::MANAGE_AUDIT_LOG), Never, Change, MOST),

            Self::CreateApiKey            => spec("createApiKey", Token, Factor, Change, 1),
            Self::UpdateApiKey            => spec("updateApiKey", Token, Never, Change, 1),
            Self::DeleteApiKey            => spec("deleteApiKey", Credential, Never, End, 1),
            Self::ConfirmApiKey           => spec("confirmApiKey", Token, Factor, Change, 1),

            Self::ReadCustomers           => spec("readCustomers", Credential, Never, Read, 1),
            Self::CreateCustomer          => spec("createCustomer", TokenOrClassicWith(USERS), Factor, Change, 1),
            Self::EditCustomer            => spec("editCustomer", TokenOrClassic, Never, Change, MOST),
            Self::RenameCustomer          => spec("renameCustomer", TokenOrClassicWith(USERS), Never, Change, MOST),
            Self::LoosenLogin             => spec("loosenLogin", Token, Factor, Change, MOST),
            Self::EnableCustomer          => spec("enableCustomer", TokenOrClassicWith(USERS), Factor, Change, MOST),
            Self::DisableCustomer         => spec("disableCustomer", TokenOrClassicWith(USERS), Never, End, MOST),
            Self::GivePermissions         => spec("givePermissions", TokenOrClassicWith(USERS), Factor, Change, MOST),
            Self::TakePermissions         => spec("takePermissions", TokenOrClassicWith(USERS), Never, End, MOST),
            Self::AssignParent            => spec("assignParent", TokenOrClassicWith(USERS), Factor, Change, 1),
            Self::AddClassicKey           => spec("addClassicKey", TokenOrClassic, Factor, Change, 1),
            Self::RemoveClassicKey        => spec("removeClassicKey", TokenOrClassic, Never, End, 1),
            Self::EditClassicKey          => spec("editClassicKey", TokenOrClassic, Never, Change, 1),
            Self::LoosenClassicKey        => spec("loosenClassicKey", Token, Factor, Change, 1),
            Self::CheckPassword           => spec("checkPassword", TokenOrClassic, Never, Effect::Login, 1),
            Self::UpdateSecurityAnswers   => spec("updateSecurityAnswers", Token, Factor, Change, 3),

            Self::SetUp                   => spec("setUp", Needs::Action(Action::ALL), Never, Work, MOST),
            Self::WorkTasks               => spec("workTasks", Needs::Action(Action::ALL), Never, Work, MOST),
            Self::Maintain                => spec("maintain", Needs::Action(Action::ALL), Never, Work, MOST),
            Self::ImportInventory         => spec("importInventory", Needs::Action(Action::ALL), Never, Work, usize::MAX),
            Self::RotateSigningKey        => spec("rotateSigningKey", Needs::Action(Action::ALL), Never, Work, 1),
            Self::Forward(needs)          => spec("forward", needs, Never, Change, usize::MAX),
        }
    }

    /// Returns what a caller needs for the operation; see [`Spec::needs`].
    #[must_use]
    pub const fn needs(self) -> Needs {
        self.spec().needs
    }

    /// Returns the name of the operation; see [`Spec::name`].
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.spec().name
    }

    /// Returns whether a session with this duty can do the operation.
    #[must_use]
    pub fn is_open_to(self, duty: Duty) -> bool {
        match self {
            Self::Logout | Self::GetMyInfo => true,
            Self::EnrollMfa | Self::ConfirmMfa | Self::ReadMfa => duty == Duty::EnrollMfa,
            Self::ChangePassword | Self::Reauthenticate => duty == Duty::ChangePassword,
            _ => self.needs() == Needs::Nothing,
        }
    }

    /// Returns what a caller needs for the operation while the service has no user, and therefore no credential. During that time, the
    /// operations that set up the service are open to everybody (contract section 2.4).
    #[must_use]
    pub fn needs_while_fresh(self) -> Needs {
        match self {
            Self::CreateUser | Self::CreateOrganization => Needs::Nothing,
            Self::Read(entity) if *entity == ORGANIZATION => Needs::Nothing,
            _ => self.needs(),
        }
    }
}

const fn spec(name: &'static str, needs: Needs, step_up: StepUp, effect: Effect, most: usize) -> Spec {
    Spec { name, needs, step_up, effect, most }
}
