//! Reasons to refuse a change of users, permissions, keys or security answers. The reasons are values, so that the SoftLayer API can use
//! SoftLayer's wording.

use super::customer::{ANSWERS, QUESTIONS, Status};
use super::text::{Text, text};

/// Maximum number of bytes in an answer to a security question.
pub const ANSWER_MAX: usize = 1_024;

/// Reason to refuse a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The number of security questions is not [`ANSWERS`], or two of the questions are equal.
    QuestionsNotDifferent,
    /// No security question has this number.
    UnknownQuestion,
    /// The number of answers is not [`ANSWERS`], two answers are equal, or an answer is empty or longer than [`ANSWER_MAX`].
    AnswersNotDifferent,
    /// A login can't require a security answer, because the user has set none.
    AnswersMissing,
    /// The name of a permission is empty.
    PermissionNotNamed,
    /// No permission has this name.
    UnknownPermission(String),
    /// The caller tries to give a permission that the caller does not have.
    PermissionNotHeld(&'static str),
    /// The caller tries to change their own permissions.
    OwnPermissions(Step),
    /// The user is not below the caller in the hierarchy, so that the caller can't change the user's permissions.
    PermissionsNotBelow(Step),
    /// The caller tries to change their own parent.
    OwnParent,
    /// The new parent is the user itself, a user below that user, or the user's present parent.
    ParentNotAbove,
    /// The new parent does not have all permissions of the user.
    ParentHoldsLess,
    /// A user with this status can't get an API key.
    KeyForStatus(Status),
    /// The user already has a classic key.
    SecondClassicKey,
    /// The user has a second factor, and the settings do not let the SoftLayer API accept API keys of such users.
    KeyBesideFactor,
}

/// Direction of a change of permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Permissions are given to a user.
    Give,
    /// Permissions are taken from a user.
    Take,
}

impl Reason {
    /// Returns the reason as a message for people, in keytower's own words.
    #[must_use]
    pub fn text(&self) -> Text {
        let last = QUESTIONS.len();
        match self {
            Self::QuestionsNotDifferent => {
                text!("{ANSWERS} different security questions are needed", "需要 {ANSWERS} 个不同的安全问题")
            }
            Self::UnknownQuestion => {
                text!("a security question has a number from 1 to {last}", "安全问题的编号为 1 至 {last}")
            }
            Self::AnswersNotDifferent => text!(
                "{ANSWERS} different answers are needed, each of 1 to {ANSWER_MAX} bytes",
                "需要 {ANSWERS} 个不同的答案，每个为 1 至 {ANSWER_MAX} 字节"
            ),
            Self::AnswersMissing => {
                text!("the user has to set security answers first", "该用户需要先设置安全问题答案")
            }
            Self::PermissionNotNamed => text!("the name of a permission is empty", "权限名称为空"),
            Self::UnknownPermission(name) => text!("there is no permission {name:?}", "没有权限 {name:?}"),
            Self::PermissionNotHeld(name) => {
                text!("you do not have the permission {name} yourself", "您自己没有权限 {name}")
            }
            Self::OwnPermissions(_) => {
                text!("your own permissions can't be changed by yourself", "不能自行修改自己的权限")
            }
            Self::PermissionsNotBelow(_) => {
                text!("only the permissions of users below you can be changed", "只能修改下级用户的权限")
            }
            Self::OwnParent => text!("your own parent can't be changed by yourself", "不能自行修改自己的上级"),
            Self::ParentNotAbove => text!(
                "the new parent must be another user, not the present parent and not below the user",
                "新的上级必须是其他用户，不能是当前上级，也不能在该用户之下"
            ),
            Self::ParentHoldsLess => {
                text!("the new parent lacks permissions of the user", "新的上级缺少该用户的权限")
            }
            Self::KeyForStatus(status) => {
                let status = status.key_name();
                text!("a user who is {status} gets no API key", "状态为 {status} 的用户不能拥有 API 密钥")
            }
            Self::SecondClassicKey => {
                text!("the user has a classic API key already", "该用户已有经典 API 密钥")
            }
            Self::KeyBesideFactor => text!(
                "API keys of users with a second factor are not accepted here",
                "此处不接受启用了第二因素的用户的 API 密钥"
            ),
        }
    }
}
