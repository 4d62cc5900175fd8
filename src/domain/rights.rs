//! What a user or a credential may do, and to what.

use super::permission::{Action, Actions};

/// Actions and how far they reach. A role of the platform SELF_SERVICE allows its actions on what belongs to its holder, every other role on
/// everything (contract: `UserRolePlatform`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rights {
    /// What is allowed on everything.
    everywhere: Actions,
    /// What is allowed on what belongs to the holder: all of the above, and what self-service roles add.
    on_own: Actions,
}

impl Rights {
    /// None.
    pub const NONE: Self = Self { everywhere: Actions::NONE, on_own: Actions::NONE };

    /// Rights to these actions on what belongs to the holder.
    #[must_use]
    pub fn on_own(actions: Actions) -> Self {
        Self { everywhere: Actions::NONE, on_own: actions }
    }

    /// Tells whether an action is allowed, whatever it is done to.
    #[must_use]
    pub fn allows(&self, action: Action) -> bool {
        self.everywhere.allows(action)
    }

    /// Tells whether an action is allowed on what belongs to the holder at least.
    #[must_use]
    pub fn allows_on_own(&self, action: Action) -> bool {
        self.on_own.allows(action)
    }

    /// The actions that are allowed on everything.
    #[must_use]
    pub fn everywhere(&self) -> &Actions {
        &self.everywhere
    }

    /// The actions that are allowed, however far they reach.
    #[must_use]
    pub fn actions(&self) -> &Actions {
        &self.on_own
    }

    /// The first action that `other` allows, or allows on more, and these rights do not; none when they cover the other.
    #[must_use]
    pub fn missing_action(&self, other: &Self) -> Option<Action> {
        self.everywhere.missing_action(&other.everywhere).or_else(|| self.on_own.missing_action(&other.on_own))
    }

    /// What both allow.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self {
            everywhere: self.everywhere.intersection(&other.everywhere),
            on_own: self.on_own.intersection(&other.on_own),
        }
    }

    /// What one or the other allows.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self { everywhere: self.everywhere.union(&other.everywhere), on_own: self.on_own.union(&other.on_own) }
    }
}

/// Rights to these actions on everything.
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
