//! The rule for names that people read.

use super::text::{Text, text};

/// Checks a name: not empty, at most `max` characters, no control characters.
///
/// # Errors
/// The text begins with `what`, then says what is wrong and what is allowed.
pub fn check_name(what: &str, name: &str, max: usize) -> Result<(), Text> {
    let length = name.chars().count();
    if name.trim().is_empty() {
        return Err(text!("{what} must not be empty", "{what} 不能为空"));
    }
    if length > max {
        return Err(text!(
            "{what} must have at most {max} characters, this one has {length}",
            "{what} 最多 {max} 个字符，当前为 {length} 个"
        ));
    }
    if name.chars().any(char::is_control) {
        return Err(text!("{what} must not contain control characters", "{what} 不能包含控制字符"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check_name;

    #[test]
    fn names_are_checked() {
        for (name, good) in
            [("ci", true), ("", false), (" ", false), ("a\u{7}", false), ("abcd", true), ("abcde", false)]
        {
            assert_eq!(check_name("name", name, 4).is_ok(), good, "{name:?}");
        }
    }
}
