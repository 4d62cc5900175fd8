//! A role as the rooms above exchange it.

use super::id::RoleId;
use super::name::check_name;
use super::permission::{Action, Actions};
use super::rights::Rights;
use super::text::{Text, text};

/// Most characters in the name of a role.
pub const NAME_MAX: usize = 255;

/// A role as decisions need it.
#[derive(Debug, Clone)]
pub struct Role {
    /// Id.
    pub id: RoleId,
    /// Name.
    pub name: String,
    /// The preset that it is; `None` for a role that was made here.
    pub preset: Option<String>,
    /// Whether it allows its actions only on what belongs to its user (contract: `UserRolePlatform` SELF_SERVICE).
    pub self_service: bool,
    /// What it allows.
    pub actions: Actions,
}

impl Role {
    /// What it allows, and on what.
    #[must_use]
    pub fn rights(&self) -> Rights {
        if self.self_service { Rights::on_own(self.actions) } else { Rights::from(self.actions) }
    }
}

/// A role to be stored, beside the presets.
#[derive(Debug, Clone)]
pub struct NewRole {
    /// Id.
    pub id: RoleId,
    /// Name, unique among roles.
    pub name: String,
    /// What it allows.
    pub actions: Actions,
}

/// Checks the name of a role.
///
/// # Errors
/// What is wrong and what is allowed.
pub fn check_role_name(name: &str) -> Result<(), Text> {
    check_name("name", name, NAME_MAX)
}

/// Reads the actions of a role. A name that is not known is refused rather than forgotten.
///
/// # Errors
/// Which name is not known.
pub fn read_actions(names: &[String]) -> Result<Actions, Text> {
    let read = |(at, name): (usize, &String)| {
        Action::parse(name).ok_or_else(|| {
            text!("actions[{at}] is {name:?}, which is no action", "actions[{at}] 为 {name:?}，不是有效的权限")
        })
    };
    names.iter().enumerate().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::read_actions;

    #[test]
    fn actions_are_known_by_their_exact_names() {
        let read = |names: &[&str]| read_actions(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(read(&["CREATE_VM", "*", "CREATE_VM"]).unwrap().names(), ["*"]);
        assert_eq!(read(&[]).unwrap().names(), [""; 0]);
        for unknown in ["", " *", "create_vm", "CREATE_VM ", "MANAGE_\0"] {
            assert!(read(&["CREATE_VM", unknown]).unwrap_err().en().starts_with("actions[1] is"), "{unknown:?}");
        }
    }
}
