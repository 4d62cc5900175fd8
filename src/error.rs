//! The error type of keytower: a kind from a closed list, a public text for the caller, and an internal text for the log.

use std::fmt;
use std::time::Duration;

use crate::domain::customer::Status;
use crate::domain::mfa::MfaMeta;
use crate::domain::permit::Denial;
use crate::domain::principal::Duty;
use crate::domain::random::Exhausted;
use crate::domain::reason::Reason;
use crate::domain::text::text;
use crate::domain::text::{Language, Text};

/// Maximum length of a public text, in characters.
const PUBLIC_MAX: usize = 4000;

/// Kind of an error: what went wrong, as far as the caller can react to it. Each API renders the kinds in one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The request is wrong; the message says what is wrong and what is allowed.
    Invalid,
    /// The login failed: the username, password or code is wrong, a code of the second factor is missing, or the user may not log in.
    LoginFailed,
    /// The request has no credential, or a credential that is not valid or no longer valid.
    Unauthenticated,
    /// The credential is valid, but does not have the right that the operation requires.
    Forbidden,
    /// The credential is valid, but the user has not recently proven the second factor, or the password if the user has no second factor.
    StepUp,
    /// The credential is valid, but the user must enroll a second factor before anything else.
    MustEnrollMfa,
    /// The credential is valid, but the user must change the password before anything else.
    MustChangePassword,
    /// The object does not exist, or the caller may not see it.
    NotFound,
    /// Another change has locked the object.
    Locked,
    /// Too many requests; [`Error::retry_after`] says when to try again.
    TooMany,
    /// The path exists, but does not support the method.
    MethodNotAllowed,
    /// The request did not arrive completely within the time limit.
    Timeout,
    /// The request is too large.
    TooLarge,
    /// The route does not accept this content type of the body.
    UnsupportedMediaType,
    /// This node is passive; the active node serves the request.
    Passive,
    /// The database or the mail server is unreachable; the same request may succeed later.
    Unavailable,
    /// The upstream is unreachable, rejected keytower's request or sent an unusable answer.
    BadGateway,
    /// The upstream did not answer within the time limit.
    GatewayTimeout,
    /// A bug or an unexpected failure in keytower.
    Internal,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 19] = [
        Self::Invalid,
        Self::LoginFailed,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::StepUp,
        Self::MustEnrollMfa,
        Self::MustChangePassword,
        Self::NotFound,
        Self::Locked,
        Self::TooMany,
        Self::MethodNotAllowed,
        Self::Timeout,
        Self::TooLarge,
        Self::UnsupportedMediaType,
        Self::Passive,
        Self::Unavailable,
        Self::BadGateway,
        Self::GatewayTimeout,
        Self::Internal,
    ];
}

/// An error with a public and an internal text. The type does not implement `Display`, so that the internal text does not reach a caller by
/// accident.
pub struct Error {
    kind: Kind,
    public: Text,
    internal: Option<String>,
    detail: Option<Detail>,
}

/// Details of an error for programs.
#[derive(Debug, Clone)]
enum Detail {
    /// Type and id of each object that another change has locked.
    Locked(Vec<(&'static str, String)>),
    /// How long to wait before the next try.
    RetryAfter(Duration),
    /// The challenge of a login that also needs a code of the second factor.
    Challenge(Box<MfaMeta>),
    /// Why a request is refused although the credential is right.
    Barred(Barred),
    /// Reason why a change is refused.
    Reason(Reason),
}

/// Why a request is refused although the credential is right, or a login although the password is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Barred {
    /// The user or the classic key is restricted to certain addresses, and the client's address is not one of them.
    Address,
    /// The user is not active.
    Status(Status),
    /// The answer to a security question is missing or wrong.
    Answer,
}

/// A result with keytower's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Creates an error with a public text. The text is cut to 4000 characters, since it may repeat a long input of the caller.
    pub fn new(kind: Kind, public: impl Into<Text>) -> Self {
        let cut = |mut text: String| {
            if let Some((end, _)) = text.char_indices().nth(PUBLIC_MAX) {
                text.truncate(end);
                text.push('…');
            }
            text
        };
        Self { kind, public: public.into().map(cut), internal: None, detail: None }
    }

    /// Creates the error for a wrong request.
    pub fn invalid(public: impl Into<Text>) -> Self {
        Self::new(Kind::Invalid, public)
    }

    /// Creates the error for an invalid credential. The public text is always the same; `why` goes to the log.
    pub fn refused(why: impl Into<String>) -> Self {
        Self::new(Kind::Unauthenticated, text!("the credential is not valid", "凭据无效")).because(why.into())
    }

    /// Like [`Error::refused`], with a reason, for the APIs whose contract requires a reason in the answer.
    pub fn refused_for(barred: Barred, why: impl Into<String>) -> Self {
        Self { detail: Some(Detail::Barred(barred)), ..Self::refused(why) }
    }

    /// Creates the error for a login that is refused although the password is right.
    pub fn barred(barred: Barred, public: impl Into<Text>) -> Self {
        Self { detail: Some(Detail::Barred(barred)), ..Self::new(Kind::LoginFailed, public) }
    }

    /// Creates the error for a refused change. Each API has its own text for the reason.
    #[must_use]
    pub fn refused_change(reason: Reason) -> Self {
        let kind = if reason == Reason::KeyBesideFactor { Kind::Forbidden } else { Kind::Invalid };
        Self { detail: Some(Detail::Reason(reason.clone())), ..Self::new(kind, reason.text()) }
    }

    /// Creates the error for a failure inside keytower; `why` goes to the log, and the caller reads only "internal error".
    pub fn internal(why: impl fmt::Display) -> Self {
        Self::new(Kind::Internal, text!("internal error", "内部错误")).because(why.to_string())
    }

    /// Creates the error for an unreachable database; `why` goes to the log.
    pub fn unavailable(why: impl fmt::Display) -> Self {
        let public = text!("the database can't be reached, try again later", "无法访问数据库，请稍后重试");
        Self::new(Kind::Unavailable, public).because(why.to_string())
    }

    /// Creates the error for a mail server that is unreachable or rejected a letter; `why` goes to the log.
    pub fn mail_unavailable(why: impl fmt::Display) -> Self {
        let public = text!("the letter can't be sent by mail, try again later", "无法发送邮件，请稍后重试");
        Self::new(Kind::Unavailable, public).because(why.to_string())
    }

    /// Creates the error for a failing upstream; `why` goes to the log.
    pub fn bad_gateway(public: impl Into<Text>, why: impl fmt::Display) -> Self {
        Self::new(Kind::BadGateway, public).because(why.to_string())
    }

    /// Creates the error for objects that another change has locked; `resources` holds the type (contract section 1.7) and the id of each
    /// object.
    #[must_use]
    pub fn locked(resources: Vec<(&'static str, String)>) -> Self {
        let names: Vec<String> = resources.iter().map(|(kind, id)| format!("[{kind}-{id}]")).collect();
        let names = names.join(", ");
        let mut error = Self::new(Kind::Locked, text!("Resource {names} locked", "资源 {names} 已被锁定"));
        error.detail = Some(Detail::Locked(resources));
        error
    }

    /// Creates the error for too many requests; the same request may succeed after `retry_after`.
    #[must_use]
    pub fn too_many(public: Text, retry_after: Duration) -> Self {
        let mut error = Self::new(Kind::TooMany, public);
        error.detail = Some(Detail::RetryAfter(retry_after));
        error
    }

    fn because(mut self, why: String) -> Self {
        self.internal = Some(why);
        self
    }

    /// Puts a place in the request before the public text: for the place `[1]`, `username must …` becomes `[1].username must …`. Changes
    /// only `Invalid` and `Forbidden` errors.
    #[must_use]
    pub fn at(self, place: &str) -> Self {
        match self.kind {
            Kind::Invalid | Kind::Forbidden => {
                Self { public: self.public.map(|text| format!("{place}.{text}")), ..self }
            }
            _ => self,
        }
    }

    /// Returns the kind of the error.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the public text in English.
    #[must_use]
    pub fn public(&self) -> &str {
        self.public.en()
    }

    /// Returns the public text in the given language.
    #[must_use]
    pub fn said_in(&self, language: Language) -> String {
        self.public.said_in(language)
    }

    /// Returns the public text in both languages.
    #[must_use]
    pub fn text(&self) -> &Text {
        &self.public
    }

    /// Returns the type and id of each locked object; empty for other errors.
    #[must_use]
    pub fn locks(&self) -> &[(&'static str, String)] {
        match &self.detail {
            Some(Detail::Locked(locks)) => locks,
            _ => &[],
        }
    }

    /// Creates the error for a login that also needs a code of the second factor. `challenge` identifies the pending login; `None` if no
    /// login is pending.
    #[must_use]
    pub fn needs_code(public: Text, challenge: Option<MfaMeta>) -> Self {
        let mut error = Self::new(Kind::LoginFailed, public);
        error.detail = challenge.map(|challenge| Detail::Challenge(Box::new(challenge)));
        error
    }

    /// Returns the challenge of the pending login that needs a code; `None` for other errors, or if no login is pending.
    #[must_use]
    pub fn challenge(&self) -> Option<&MfaMeta> {
        match &self.detail {
            Some(Detail::Challenge(challenge)) => Some(challenge),
            _ => None,
        }
    }

    /// Returns why a request or a login is refused although the credential or the password is right; `None` for other errors.
    #[must_use]
    pub fn bar(&self) -> Option<Barred> {
        match self.detail {
            Some(Detail::Barred(barred)) => Some(barred),
            _ => None,
        }
    }

    /// Returns the reason why a change is refused; `None` for other errors.
    #[must_use]
    pub fn reason(&self) -> Option<&Reason> {
        match &self.detail {
            Some(Detail::Reason(reason)) => Some(reason),
            _ => None,
        }
    }

    /// Returns how long to wait before the next try, in seconds, rounded up, at least 1; `None` if the time is not known.
    #[must_use]
    pub fn retry_after(&self) -> Option<u64> {
        match self.detail {
            Some(Detail::RetryAfter(time)) => Some((time.as_secs() + u64::from(time.subsec_nanos() > 0)).max(1)),
            _ => None,
        }
    }

    /// Returns the internal text, for the log; `None` if there is only the public text.
    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        self.internal.as_deref()
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.internal.as_deref().unwrap_or(self.public.en()))
    }
}

impl From<Exhausted> for Error {
    fn from(_: Exhausted) -> Self {
        Self::internal("the source of randomness did not answer")
    }
}

impl From<Denial> for Error {
    fn from(denial: Denial) -> Self {
        match denial {
            Denial::NoCredential => {
                let text = text!(
                    "a token or an API key is needed in the Authorization header",
                    "Authorization 请求头中需要令牌或 API 密钥"
                );
                Self::new(Kind::Unauthenticated, text)
            }
            Denial::KeyNotAllowed => Self::new(
                Kind::Forbidden,
                text!("an API key can't do this: log in and use the token", "API 密钥不能执行此操作：请登录并使用令牌"),
            ),
            Denial::MissingAction(action) => {
                Self::new(Kind::Forbidden, text!("the action {action} is missing", "缺少权限 {action}"))
            }
            Denial::OwnOnly(action) => Self::new(
                Kind::Forbidden,
                text!(
                    "self-service roles allow the action {action} on what belongs to you, and nothing says whose this is: a role of the platform MANAGEMENT is needed",
                    "自助服务角色仅允许对属于您的对象使用权限 {action}，而此对象的归属未知：需要平台为 MANAGEMENT 的角色"
                ),
            ),
            Denial::StaleFactor => Self::new(
                Kind::StepUp,
                text!(
                    "this needs your second factor anew: prove it with GraphQL's reauthenticate, then try again",
                    "此操作需要重新验证第二因素：请先调用 GraphQL 的 reauthenticate，然后重试"
                ),
            ),
            Denial::StalePassword => Self::new(
                Kind::StepUp,
                text!(
                    "this needs your password anew: prove it with GraphQL's reauthenticate, then try again",
                    "此操作需要重新验证密码：请先调用 GraphQL 的 reauthenticate，然后重试"
                ),
            ),
            Denial::Duty(Duty::EnrollMfa) => Self::new(
                Kind::MustEnrollMfa,
                text!(
                    "a second factor is required of you: until you have one, this session can only enrol it, with GraphQL's \
                     enrollTotp and confirmTotp, or enrollMail and confirmMail",
                    "您必须启用第二因素：在此之前，本会话只能通过 GraphQL 的 enrollTotp 与 confirmTotp（或 enrollMail 与 confirmMail）进行注册"
                ),
            ),
            Denial::Duty(Duty::ChangePassword) => Self::new(
                Kind::MustChangePassword,
                text!(
                    "your password has expired: this session can only change it, with GraphQL's changePassword",
                    "您的密码已过期：本会话只能通过 GraphQL 的 changePassword 修改密码"
                ),
            ),
        }
    }
}
