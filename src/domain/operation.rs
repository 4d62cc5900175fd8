//! The authorization table: every operation that a face offers, and what a caller needs for it.
//!
//! A REST route, a GraphQL field, a SoftLayer method and a command each name one of these; the suite keeps the table of role against
//! operation as a snapshot. A request that changes several members asks for the operation of each member that it changes.

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

/// What a caller has to have proven within `step_up_time` (setting), beside showing a live token. Keys prove nothing anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepUp {
    /// Nothing.
    Never,
    /// The second factor, where the caller has one.
    Factor,
    /// The second factor, or the password where the caller has no second factor.
    FactorOrPassword,
}

/// What an operation does to what is stored. It decides which locks a write takes, and who goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Reads.
    Read,
    /// Changes something.
    Change,
    /// Ends credentials of the caller or of other users, or what they may do.
    End,
    /// Changes what the rights of everybody follow from: roles, policies, access lists.
    Rules,
    /// Judges a password or a code, and may open a session.
    Login,
    /// Is the service's own work, or its operator's: no credential is judged, and it may take its time.
    Work,
}

/// What an operation is, in one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spec {
    /// Its name in the audit log and in the authorization table. An operation that is a part of a request has the name of that: a request is
    /// called alike whether it was refused before its members were known, or done.
    pub name: &'static str,
    /// What a caller needs.
    pub needs: Needs,
    /// What a caller must have proven lately.
    pub step_up: StepUp,
    /// What it does to what is stored.
    pub effect: Effect,
    /// How many elements a request may hold.
    pub most: usize,
}

impl Spec {
    /// Tells whether it changes something, so that the audit log tells of it even when it is refused.
    #[must_use]
    pub fn is_change(&self) -> bool {
        self.effect != Effect::Read
    }
}

/// Most elements of a request that changes things.
pub const MOST: usize = 100;

/// Most VMs that one request switches: its `where` may match more of them than a request could carry.
pub const MOST_VMS: usize = 1_000;

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
    /// Change users in what has no operation of its own.
    UpdateUser,
    /// Give users a role with actions that they do not have.
    GiveRole,
    /// Give users another password.
    SetPassword,
    /// Give other users another e-mail address, where links go that set a password.
    SetAddress,
    /// Change one's own e-mail address.
    SetOwnAddress,
    /// Delete users.
    DeleteUser,
    /// Name the organization, of which there is always one.
    CreateOrganization,
    /// Make roles.
    CreateRole,
    /// Rename roles, and take actions from them.
    UpdateRole,
    /// Give roles actions that they do not have.
    WidenRole,
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
    /// Change one's own user, or those whom one manages, in what has no operation of its own.
    EditCustomer,
    /// Change login names on SoftLayer's face.
    RenameCustomer,
    /// Let users log in from more addresses, or without the answer to a security question.
    LoosenLogin,
    /// Make users active again, and with them their API keys.
    EnableCustomer,
    /// Put users into a state in which they can do nothing.
    DisableCustomer,
    /// Give users below oneself permissions.
    GivePermissions,
    /// Take permissions from users below oneself.
    TakePermissions,
    /// Give a user below oneself another parent.
    AssignParent,
    /// Make a classic key, for oneself or a user below.
    AddClassicKey,
    /// Remove one's own classic key, or that of a user below.
    RemoveClassicKey,
    /// Say from where a classic key works.
    EditClassicKey,
    /// Let a classic key work from more addresses.
    LoosenClassicKey,
    /// Ask whether a password is the right one.
    CheckPassword,
    /// Set one's own answers to security questions.
    UpdateSecurityAnswers,
    /// Hand a route on to the upstream; [`super::forward::Rules`] tell what it takes.
    Forward(Needs),
}

impl Operation {
    /// What it is. Every operation says all of it.
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
            // A task is written down in anybody's name, and no action of the contract stands for that.
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

    /// What a caller needs for it; see [`Spec::needs`].
    #[must_use]
    pub const fn needs(self) -> Needs {
        self.spec().needs
    }

    /// Its name; see [`Spec::name`].
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.spec().name
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
}

const fn spec(name: &'static str, needs: Needs, step_up: StepUp, effect: Effect, most: usize) -> Spec {
    Spec { name, needs, step_up, effect, most }
}
