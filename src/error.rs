//! The one error: a kind from a closed list, what the caller may read, and what only the log may.

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

/// Most characters of what the caller may read.
const PUBLIC_MAX: usize = 4000;

/// What went wrong, as far as a caller can act on it. Each face renders each kind in one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The request is wrong: what is wrong and what is allowed stands in the message.
    Invalid,
    /// The login did not succeed: user name or password is wrong.
    LoginFailed,
    /// No credential, or one that does not work (any more).
    Unauthenticated,
    /// The credential works, and lacks the right.
    Forbidden,
    /// The credential works; its second factor was not proven lately.
    StepUp,
    /// The credential works; a second factor has to be enrolled before it can do anything else.
    MustEnrollMfa,
    /// The credential works; the password has to be changed before it can do anything else.
    MustChangePassword,
    /// There is no such thing, or none that the caller may know of.
    NotFound,
    /// Another change holds what this one is about.
    Locked,
    /// Too often; when to try again stands in [`Error::retry_after`].
    TooMany,
    /// The address exists, the method does not.
    MethodNotAllowed,
    /// The request did not arrive in time.
    Timeout,
    /// The request is too large.
    TooLarge,
    /// The body is of a type that is not understood here.
    UnsupportedMediaType,
    /// This node is passive: another one serves.
    Passive,
    /// The database or the mail server is away; the same request may work later.
    Unavailable,
    /// The upstream did not do its part.
    BadGateway,
    /// The upstream did not do its part in time.
    GatewayTimeout,
    /// A fault of ours.
    Internal,
}

impl Kind {
    /// Every kind.
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

/// An error with two texts. There is no way to print the internal one to a caller.
pub struct Error {
    kind: Kind,
    public: Text,
    internal: Option<String>,
    detail: Option<Detail>,
}

/// What a program wants to know of an error.
#[derive(Debug, Clone)]
enum Detail {
    /// Type and id of what is locked.
    Locked(Vec<(&'static str, String)>),
    /// How long to wait.
    RetryAfter(Duration),
    /// A login that a code would complete.
    Challenge(Box<MfaMeta>),
    /// What keeps somebody out whose credential is right.
    Barred(Barred),
    /// Why a change is refused.
    Reason(Reason),
}

/// What keeps somebody out whose credential is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Barred {
    /// The address they come from is not one of theirs.
    Address,
    /// The user is not active.
    Status(Status),
    /// The answer to a security question lacks, or is wrong.
    Answer,
}

/// A result with our [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error whose text the caller may read; it is cut where it would repeat much of what the caller sent.
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

    /// A wrong request.
    pub fn invalid(public: impl Into<Text>) -> Self {
        Self::new(Kind::Invalid, public)
    }

    /// A credential that does not work. All of them look alike; `why` goes to the log.
    pub fn refused(why: impl Into<String>) -> Self {
        Self::new(Kind::Unauthenticated, text!("the credential is not valid", "凭据无效")).because(why.into())
    }

    /// The same, with what a face may tell whose contract asks for it.
    pub fn refused_for(barred: Barred, why: impl Into<String>) -> Self {
        Self { detail: Some(Detail::Barred(barred)), ..Self::refused(why) }
    }

    /// A login whose password is right, and which is refused all the same.
    pub fn barred(barred: Barred, public: impl Into<Text>) -> Self {
        Self { detail: Some(Detail::Barred(barred)), ..Self::new(Kind::LoginFailed, public) }
    }

    /// A change that is refused for a reason that faces say in their own words.
    #[must_use]
    pub fn refused_change(reason: Reason) -> Self {
        let kind = if reason == Reason::KeyBesideFactor { Kind::Forbidden } else { Kind::Invalid };
        Self { detail: Some(Detail::Reason(reason.clone())), ..Self::new(kind, reason.text()) }
    }

    /// A fault of ours; the caller learns nothing of it.
    pub fn internal(why: impl fmt::Display) -> Self {
        Self::new(Kind::Internal, text!("internal error", "内部错误")).because(why.to_string())
    }

    /// The database is away; `why` goes to the log.
    pub fn unavailable(why: impl fmt::Display) -> Self {
        let public = text!("the database can't be reached, try again later", "无法访问数据库，请稍后重试");
        Self::new(Kind::Unavailable, public).because(why.to_string())
    }

    /// The mail server is away or did not take a letter; `why` goes to the log.
    pub fn mail_unavailable(why: impl fmt::Display) -> Self {
        let public = text!("the letter can't be sent by mail, try again later", "无法发送邮件，请稍后重试");
        Self::new(Kind::Unavailable, public).because(why.to_string())
    }

    /// The upstream did not do its part; `why` goes to the log.
    pub fn bad_gateway(public: impl Into<Text>, why: impl fmt::Display) -> Self {
        Self::new(Kind::BadGateway, public).because(why.to_string())
    }

    /// Something is held by another change: each with its type (contract section 1.7) and id.
    #[must_use]
    pub fn locked(resources: Vec<(&'static str, String)>) -> Self {
        let names: Vec<String> = resources.iter().map(|(kind, id)| format!("[{kind}-{id}]")).collect();
        let names = names.join(", ");
        let mut error = Self::new(Kind::Locked, text!("Resource {names} locked", "资源 {names} 已被锁定"));
        error.detail = Some(Detail::Locked(resources));
        error
    }

    /// Too often; the same may work after a while.
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

    /// The same error, said of a part of the request: behind `[1]`, `username must …` is `[1].username must …`.
    #[must_use]
    pub fn at(self, place: &str) -> Self {
        match self.kind {
            Kind::Invalid | Kind::Forbidden => {
                Self { public: self.public.map(|text| format!("{place}.{text}")), ..self }
            }
            _ => self,
        }
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What the caller may read, in English.
    #[must_use]
    pub fn public(&self) -> &str {
        self.public.en()
    }

    /// What the caller may read, in their language.
    #[must_use]
    pub fn said_in(&self, language: Language) -> String {
        self.public.said_in(language)
    }

    /// What the caller may read, in both languages.
    #[must_use]
    pub fn text(&self) -> &Text {
        &self.public
    }

    /// Type and id of what is locked; nothing for another error.
    #[must_use]
    pub fn locks(&self) -> &[(&'static str, String)] {
        match &self.detail {
            Some(Detail::Locked(locks)) => locks,
            _ => &[],
        }
    }

    /// A login that the password does not complete: what a code would have to be shown with, where one is awaited.
    #[must_use]
    pub fn needs_code(public: Text, challenge: Option<MfaMeta>) -> Self {
        let mut error = Self::new(Kind::LoginFailed, public);
        error.detail = challenge.map(|challenge| Detail::Challenge(Box::new(challenge)));
        error
    }

    /// The challenge that waits for a code; nothing for another error.
    #[must_use]
    pub fn challenge(&self) -> Option<&MfaMeta> {
        match &self.detail {
            Some(Detail::Challenge(challenge)) => Some(challenge),
            _ => None,
        }
    }

    /// What keeps somebody out whose credential is right; nothing for another error.
    #[must_use]
    pub fn bar(&self) -> Option<Barred> {
        match self.detail {
            Some(Detail::Barred(barred)) => Some(barred),
            _ => None,
        }
    }

    /// Why a change is refused; nothing for another error.
    #[must_use]
    pub fn reason(&self) -> Option<&Reason> {
        match &self.detail {
            Some(Detail::Reason(reason)) => Some(reason),
            _ => None,
        }
    }

    /// How many seconds to wait before trying again, where that is known: whole ones, and enough.
    #[must_use]
    pub fn retry_after(&self) -> Option<u64> {
        match self.detail {
            Some(Detail::RetryAfter(time)) => Some((time.as_secs() + u64::from(time.subsec_nanos() > 0)).max(1)),
            _ => None,
        }
    }

    /// What only the log may read, where it differs.
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
