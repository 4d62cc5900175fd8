//! Rights: which actions a user or a credential may do, and on which objects.

use super::permission::{Action, Actions};

/// Allowed actions, and the objects on which these actions are allowed. A role of the platform SELF_SERVICE allows actions only on objects
/// that belong to the user who has the role. Every other role allows actions on all objects (contract: `UserRolePlatform`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rights {
    /// Actions allowed on all objects.
    everywhere: Actions,
    /// Actions allowed on objects that belong to the user: all actions of `everywhere`, and the actions of self-service roles.
    on_own: Actions,
}

impl Rights {
    /// No rights.
    pub const NONE: Self = Self { everywhere: Actions::NONE, on_own: Actions::NONE };

    /// Returns rights that allow these actions only on objects that belong to the user.
    #[must_use]
    pub fn on_own(actions: Actions) -> Self {
        Self { everywhere: Actions::NONE, on_own: actions }
    }

    /// Returns whether an action is allowed on all objects.
    #[must_use]
    pub fn allows(&self, action: Action) -> bool {
        self.everywhere.allows(action)
    }

    /// Returns whether an action is allowed at least on objects that belong to the user.
    #[must_use]
    pub fn allows_on_own(&self, action: Action) -> bool {
        self.on_own.allows(action)
    }

    /// Returns the actions allowed on all objects.
    #[must_use]
    pub fn everywhere(&self) -> &Actions {
        &self.everywhere
    }

    /// Returns the actions allowed on all objects, or only on objects that belong to the user.
    #[must_use]
    pub fn actions(&self) -> &Actions {
        &self.on_own
    }

    /// Returns the first action that `other` allows on more objects than these rights do; `None` if these rights cover `other`.
    #[must_use]
    pub fn missing_action(&self, other: &Self) -> Option<Action> {
        self.everywhere.missing_action(&other.everywhere).or_else(|| self.on_own.missing_action(&other.on_own))
    }

    /// Returns the rights that `self` and `other` have in common.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self {
            everywhere: self.everywhere.intersection(&other.everywhere),
            on_own: self.on_own.intersection(&other.on_own),
        }
    }

    /// Returns the rights that `self` or `other` has.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self { everywhere: self.everywhere.union(&other.everywhere), on_own: self.on_own.union(&other.on_own) }
    }
}

/// Grants the actions on all objects.
impl From<Actions> for Rights {
    fn from(actions: Actions) -> Self {
        Self { everywhere: actions, on_own: actions }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actions(name: &str) -> Actions {
        Actions::from_names([name])
    }

    #[test]
    fn rights_to_ones_own_do_not_cover_rights_to_everything() {
        let (own, all) = (Rights::on_own(actions("CREATE_VM")), Rights::from(actions("CREATE_VM")));
        assert_eq!(own.missing_action(&all).map(Action::name), Some("CREATE_VM"));
        assert_eq!(
            (all.missing_action(&own), own.missing_action(&own), Rights::NONE.missing_action(&Rights::NONE)),
            (None, None, None)
        );
        let create = Action::named("CREATE_VM");
        assert!(!own.allows(create) && own.allows_on_own(create) && all.allows(create) && all.allows_on_own(create));
    }

    #[test]
    fn what_a_key_may_do_reaches_as_far_as_both_its_roles_and_its_owner() {
        let (own, all) = (Rights::on_own(actions("CREATE_VM")), Rights::from(actions("*")));
        assert_eq!(own.intersection(&all), own);
        assert_eq!(all.intersection(&own), own);
        let both = own.union(&Rights::from(actions("MANAGE_API_KEY")));
        assert_eq!(both.intersection(&all), both);
        assert_eq!(both.actions().names(), ["CREATE_VM", "MANAGE_API_KEY"]);
        assert!(both.allows(Action::MANAGE_API_KEY) && !both.allows(Action::named("CREATE_VM")));
    }
}
