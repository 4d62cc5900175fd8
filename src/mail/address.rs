//! Checks e-mail addresses.

use lettre::Address;

use crate::domain::text::{Text, text};

/// Maximum length of an address, in bytes. RFC 5321 (4.5.3.1.3) allows 256 bytes for a path, which is an address in angle brackets.
const LONGEST: usize = 254;

/// Checks the address of a recipient. Accepts only a bare address, such as `name@example.com`, without a display name.
///
/// # Errors
/// A text that says what is wrong and what is allowed.
pub fn check_address(text: &str) -> Result<(), Text> {
    parse(text).map(drop)
}

pub(super) fn parse(text: &str) -> Result<Address, Text> {
    if text.len() > LONGEST {
        return Err(text!(
            "an e-mail address has at most {LONGEST} bytes, this one {}",
            "电子邮件地址最多 {LONGEST} 字节，当前为 {} 字节",
            text.len()
        ));
    }
    // The standards allow most of these characters within quotes, but real addresses do not contain them, and mail servers interpret such
    // addresses differently.
    let odd = |letter: char| letter.is_whitespace() || letter.is_control() || "\"<>()[]\\,;:".contains(letter);
    let address = text.parse().ok().filter(|_| !text.contains(odd));
    address.ok_or_else(|| {
        text!(
            "that is no e-mail address: it must be one address such as name@example.com, with nothing around it",
            "不是电子邮件地址：必须是单个地址，例如 name@example.com，前后不能有其他内容"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::check_address;

    #[test]
    fn an_address_is_one_address_and_nothing_else() {
        let of_length = |length: usize| {
            let (user, label) = ("a".repeat(64), "b".repeat(60));
            format!("{user}@{label}.{label}.{label}.{}", "c".repeat(length - 248))
        };
        let (longest, too_long) = (of_length(254), of_length(255));
        for good in
            ["a@example.com", "a+b.c@example.com", "o'neil@example.com", "名@例子.example", "root@localhost", &longest]
        {
            assert!(check_address(good).is_ok(), "{good}");
        }
        for wrong in [
            "",
            "a",
            "@example.com",
            "a@",
            "a@b@example.com",
            "A <a@example.com>",
            "<a@example.com>",
            "a@example.com, b@example.com",
            "a@example.com b@example.com",
            " a@example.com",
            "a@example.com\n",
            "a@example.com\r\nBcc: b@example.com",
            "a\0@example.com",
            "\"a b\"@example.com",
            "\"a> SIZE=1\"@example.com",
            "a@example.com>\r\nRCPT TO:<b@example.com",
            "a@[127.0.0.1]",
            "a@exam\u{2028}ple.com",
            &too_long,
        ] {
            assert!(check_address(wrong).is_err(), "{wrong:?}");
        }
    }
}
