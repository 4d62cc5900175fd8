//! Roles: the records that the layers above exchange, and the rules for names and actions of roles.

use super::id::RoleId;
use super::name::check_name;
use super::permission::{Action, Actions};
use super::rights::Rights;
use super::text::{Text, text};

/// Maximum number of characters in the name of a role.
pub const NAME_MAX: usize = 255;

/// A stored role.
#[derive(Debug, Clone)]
pub struct Role {
    /// Id of the role.
    pub id: RoleId,
    /// Name of the role.
    pub name: String,
    /// Name of the preset, for example `ROOT`; `None` for a custom role.
    pub preset: Option<String>,
    /// Whether the role allows its actions only on objects that belong to the user who has the role (contract: `UserRolePlatform`
    /// SELF_SERVICE).
    pub self_service: bool,
    /// Actions that the role allows.
    pub actions: Actions,
}

impl Role {
    /// Returns the actions that the role allows, and on which objects.
    #[must_use]
    pub fn rights(&self) -> Rights {
        if self.self_service { Rights::on_own(self.actions) } else { Rights::from(self.actions) }
    }
}

/// A custom role to be stored.
#[derive(Debug, Clone)]
pub struct NewRole {
    /// Id of the role.
    pub id: RoleId,
    /// Name of the role, unique among roles.
    pub name: String,
    /// Actions that the role allows.
    pub actions: Actions,
}

/// Checks the name of a role.
///
/// # Errors
/// The text says what is wrong and what is allowed.
pub fn check_role_name(name: &str) -> Result<(), Text> {
    check_name("name", name, NAME_MAX)
}

/// Parses the names of a role's actions. An unknown name is an error, so that no action is dropped silently.
///
/// # Errors
/// The text quotes the first unknown name and the index of that name.
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
