//! SoftLayer's error text for each [`Reason`] to reject a change (contract, sections 5.2 to 5.5).

use crate::domain::reason::{Reason, Step};

/// Returns SoftLayer's error text for a reason.
pub(super) fn sentence(reason: &Reason) -> String {
    let fixed = match reason {
        Reason::QuestionsNotDifferent => "Please provide three different security questions.",
        Reason::UnknownQuestion => "Please provide valid security questions.",
        Reason::AnswersNotDifferent => "Please provide three unique security question answers.",
        Reason::AnswersMissing => {
            "secondaryLoginRequiredFlag needs answers to security questions: set them with updateSecurityAnswers first"
        }
        Reason::PermissionNotNamed => "Please specify a permission key name.",
        Reason::UnknownPermission(name) => {
            return format!("Unable to locate a permission with the key name {name}.");
        }
        Reason::PermissionNotHeld(name) => return format!("You do not have the permission {name} yourself."),
        Reason::OwnPermissions(Step::Give) => "You may not add permissions to your account.",
        Reason::OwnPermissions(Step::Take) => "You may not remove permissions from your account.",
        Reason::PermissionsNotBelow(Step::Give) => "You may not add permissions to this account.",
        Reason::PermissionsNotBelow(Step::Take) => "You may not remove permissions from this account.",
        Reason::OwnParent => "You may not change your own parent.",
        Reason::ParentNotAbove => "The new parent must be another user of the account, and must not be below the user.",
        Reason::ParentHoldsLess => {
            "The new parent lacks permissions of the user: set cascadePermissionsFlag to take them."
        }
        Reason::KeyForStatus(status) => {
            return format!("Generating an API key for a user in {} status is disallowed.", status.key_name());
        }
        Reason::SecondClassicKey => "Each user can only have a single API key.",
        Reason::KeyBesideFactor => {
            "API keys of users with an active external binding are not served here: log in with performExternalAuthentication"
        }
    };
    fixed.to_owned()
}
