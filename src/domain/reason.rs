//! Why a change of users, permissions, keys or security answers is refused, as a value: each face says it in its own words.

use super::customer::{ANSWERS, QUESTIONS, Status};
use super::text::{Text, text};

/// Most bytes of an answer to a security question.
pub const ANSWER_MAX: usize = 1_024;

/// Why a change is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The security questions are not as many different ones as a user answers.
    QuestionsNotDifferent,
    /// A security question has a number that no question has.
    UnknownQuestion,
    /// The answers are not as many different ones as there are questions, or one is empty or too long.
    AnswersNotDifferent,
    /// A user who has no security answers can't be asked for one.
    AnswersMissing,
    /// The text that names a permission is empty.
    PermissionNotNamed,
    /// No permission has this name.
    UnknownPermission(String),
    /// The caller lacks a permission that the caller gives.
    PermissionNotHeld(&'static str),
    /// Nobody changes the own permissions.
    OwnPermissions(Step),
    /// Permissions of users who are not below the caller stay.
    PermissionsNotBelow(Step),
    /// Nobody changes the own parent.
    OwnParent,
    /// The new parent is the user, below the user, or the parent already.
    ParentNotAbove,
    /// The new parent lacks permissions of the user.
    ParentHoldsLess,
    /// A user in this state gets no API key.
    KeyForStatus(Status),
    /// The user has a classic key already.
    SecondClassicKey,
    /// API keys of users with a second factor are not accepted here.
    KeyBesideFactor,
}

/// What is done to permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// They are given.
    Give,
    /// They are taken.
    Take,
}

impl Reason {
    /// The reason in keytower's own words.
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
