//! Texts for people, in the languages of the contract (section 1.6).

use serde::{Deserialize, Serialize};
use serde_json::json;

/// Language that the caller asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Language {
    /// English.
    #[default]
    EnUs,
    /// Simplified Chinese.
    ZhCn,
    /// Both languages: each text becomes a JSON object from language to text, serialized as a string.
    All,
}

impl Language {
    /// Parses the value of a `content-language` header; `None` if the language is not supported.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "en-US" => Some(Self::EnUs),
            "zh-CN" => Some(Self::ZhCn),
            "*" => Some(Self::All),
            _ => None,
        }
    }
}

/// A text in English and Chinese, made by the macro `text!`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    en: String,
    zh: String,
}

impl Text {
    /// Makes a text from an English and a Chinese version.
    pub fn new(en: impl Into<String>, zh: impl Into<String>) -> Self {
        Self { en: en.into(), zh: zh.into() }
    }

    /// Returns the English version.
    #[must_use]
    pub fn en(&self) -> &str {
        &self.en
    }

    /// Returns the Chinese version.
    #[must_use]
    pub fn zh(&self) -> &str {
        &self.zh
    }

    /// Returns the English and the Chinese version.
    #[must_use]
    pub fn versions(&self) -> [&str; 2] {
        [&self.en, &self.zh]
    }

    /// Returns the text in the given language.
    #[must_use]
    pub fn said_in(&self, language: Language) -> String {
        match language {
            Language::EnUs => self.en.clone(),
            Language::ZhCn => self.zh.clone(),
            Language::All => self.to_json(),
        }
    }

    /// Returns a JSON object from language to text, as a string: the stored form, and the answer for the language `*`.
    #[must_use]
    pub fn to_json(&self) -> String {
        json!({ "en-US": self.en, "zh-CN": self.zh }).to_string()
    }

    /// Appends another text.
    #[must_use]
    pub fn then(self, more: &Self) -> Self {
        Self { en: self.en + &more.en, zh: self.zh + &more.zh }
    }

    /// Applies the same change to both versions.
    #[must_use]
    pub fn map(self, change: impl Fn(String) -> String) -> Self {
        Self { en: change(self.en), zh: change(self.zh) }
    }
}

/// Makes a text that is the same in both languages, for names and for output that only the operator sees.
impl From<String> for Text {
    fn from(text: String) -> Self {
        Self { zh: text.clone(), en: text }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

/// Makes a [`Text`] from an English and a Chinese format string. Both format strings get the same arguments.
macro_rules! text {
    ($en:literal, $zh:literal $(, $argument:expr)* $(,)?) => {
        $crate::domain::text::Text::new(format!($en $(, $argument)*), format!($zh $(, $argument)*))
    };
}
pub(crate) use text;
