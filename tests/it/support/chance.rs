//! Values that requests of chance are made of: edges, oddities, and what earlier answers held.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::random::Random;

/// Most texts that are remembered.
const REMEMBERED: usize = 300;

/// Makes values, right ones and wrong ones.
pub struct Chance {
    pub random: Random,
    /// One of so many values is of any type at all; none when 0.
    pub wild: usize,
    /// Texts of earlier answers, by the member that held them.
    seen: HashMap<String, Vec<String>>,
}

impl Chance {
    pub fn new(name: &str) -> Self {
        Self { random: Random::seeded(name), wild: 0, seen: HashMap::new() }
    }

    /// True once in so many times.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.random.below(times) == 0
    }

    pub fn pick<'a, T>(&mut self, some: &'a [T]) -> &'a T {
        &some[self.random.below(some.len())]
    }

    /// A value that need not fit, or nothing when it is to fit.
    pub fn wild(&mut self) -> Option<Value> {
        if self.wild == 0 || !self.once_in(self.wild) {
            return None;
        }
        let any = [
            json!(null),
            json!(true),
            json!(-1),
            json!(1.5),
            json!(u64::MAX),
            json!(1e300),
            json!(""),
            json!("1"),
            json!([]),
            json!([[null]]),
            json!({}),
            json!({ "a": { "id": 1 } }),
            json!("x".repeat(5_000)),
        ];
        Some(self.pick(&any).clone())
    }

    /// A text for a member, as likely as not one that such a member once held.
    pub fn text(&mut self, member: &str) -> String {
        // `id_in` asks for an id, `role_id` too.
        let known = self.seen.keys().filter(|name| member.starts_with(*name) || member.ends_with(*name)).max();
        let known = known.cloned().and_then(|name| self.seen.get(&name).cloned());
        if let Some(known) = known
            && !self.once_in(3)
        {
            return self.pick(&known).clone();
        }
        let odd = [
            "",
            " ",
            "a",
            "0",
            "-1",
            "null",
            "\u{0}",
            "\u{e9}",
            "\u{1f600}",
            "%",
            "_",
            "'",
            "\"",
            "\\",
            "$1",
            "{}",
            "2026-01-31",
            "2026-01-31T12:00:00.000Z",
            "root",
            "ROOT",
            "a password of theirs",
        ];
        (*self.pick(&odd)).to_owned()
    }

    pub fn integer(&mut self, wide: bool) -> Value {
        let edges: &[i64] = match wide {
            true => &[i64::MAX, i64::MIN, -1, 1 << 33],
            false => &[i64::from(i32::MAX), i64::from(i32::MIN), -1],
        };
        if self.once_in(8) { json!(self.pick(edges)) } else { json!(self.random.below(50)) }
    }

    pub fn float(&mut self) -> Value {
        json!(self.pick(&[0.0, 1.0, -0.5, 0.1, 1e300, -1e-300]))
    }

    /// Remembers the texts of an answer.
    pub fn remember(&mut self, answer: &Value) {
        match answer {
            Value::Array(items) => items.iter().take(20).for_each(|item| self.remember(item)),
            Value::Object(members) => self.members(members),
            _ => {}
        }
    }

    fn members(&mut self, members: &Map<String, Value>) {
        for (name, value) in members {
            match value {
                Value::String(text) if ["id", "name", "username", "key", "description"].contains(&name.as_str()) => {
                    let known = self.seen.entry(name.clone()).or_default();
                    match known.len() < REMEMBERED {
                        true => known.push(text.clone()),
                        false => known[self.random.below(REMEMBERED)] = text.clone(),
                    }
                }
                _ => self.remember(value),
            }
        }
    }
}
