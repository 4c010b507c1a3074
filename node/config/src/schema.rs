//! JSON Schema, made from the types, and how the checker reads it.

use crate::{MomConfig, decimal};
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

/// The JSON Schema (draft 2020-12) of a mom_config.
///
/// Two rules are beyond it: the goals sum to exactly one, and a number has at most as
/// many decimals as `x-decimals` says.
#[must_use]
pub fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<MomConfig>().to_value()
}

/// A part of the schema.
#[derive(Clone, Copy)]
pub(crate) struct Part<'s>(pub &'s Value);

impl<'s> Part<'s> {
    pub fn text(self, word: &str) -> Option<&'s str> {
        self.0.get(word).and_then(Value::as_str)
    }

    pub fn part(self, word: &str) -> Option<Self> {
        self.0.get(word).map(Self)
    }

    fn members(self, word: &str) -> impl Iterator<Item = (&'s str, Self)> + use<'s> {
        let map: Option<&'s Map<String, Value>> = self.0.get(word).and_then(Value::as_object);
        map.into_iter().flatten().map(|(key, value)| (key.as_str(), Self(value)))
    }

    /// The settings of a table that have names.
    pub fn properties(self) -> impl Iterator<Item = (&'s str, Self)> + use<'s> {
        self.members("properties")
    }

    /// The setting of this name.
    pub fn property(self, key: &str) -> Option<Self> {
        self.part("properties")?.part(key)
    }

    /// What every entry of a table whose keys are free must be, and what the keys must.
    pub fn free(self) -> Option<(&'s str, Self)> {
        self.members("patternProperties").next()
    }

    /// The keys that must be there.
    pub fn required(self) -> impl Iterator<Item = &'s str> + use<'s> {
        self.0.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }

    /// A bound that counts.
    pub fn count(self, word: &str) -> Option<usize> {
        self.0.get(word).and_then(Value::as_u64).and_then(|count| usize::try_from(count).ok())
    }

    /// A bound of a number, in millionths.
    pub fn bound(self, word: &str) -> Option<i128> {
        decimal::millionths(&self.0.get(word)?.to_string()).ok()
    }

    /// The kinds of a table that a tag tells apart.
    pub fn branches(self) -> impl Iterator<Item = Self> + use<'s> {
        self.0.get("oneOf").and_then(Value::as_array).into_iter().flatten().map(Self)
    }

    /// The key that tells the kinds of a table apart.
    pub fn tag(self) -> Option<&'s str> {
        let first = self.branches().next()?;
        first.properties().find(|(_, part)| part.0.get("const").is_some()).map(|(key, _)| key)
    }

    /// The kind's tag.
    pub fn tagged(self, tag: &str) -> Option<&'s str> {
        self.property(tag)?.text("const")
    }

    /// The tags of all kinds.
    pub fn tags(self, tag: &str) -> Vec<&'s str> {
        self.branches().filter_map(|kind| kind.tagged(tag)).collect()
    }

    /// The words that are allowed, where only some are; empty elsewhere.
    pub fn choices(self) -> Vec<&'s str> {
        let listed = self.0.get("enum").and_then(Value::as_array);
        let listed = listed.into_iter().flatten().filter_map(Value::as_str);
        let each = self.branches().filter_map(|branch| branch.text("const"));
        self.text("const").into_iter().chain(listed).chain(each).collect()
    }

    /// What is allowed, in words.
    pub fn allowed(self) -> String {
        let choices = self.choices();
        if !choices.is_empty() {
            return words(&choices);
        }
        let bound = |word| self.bound(word).map_or_else(|| "any".to_owned(), decimal::plain);
        let counts = |least: Option<usize>, most: Option<usize>| match (least, most) {
            (Some(least), Some(most)) => format!("{least} to {most} "),
            (Some(least), None) => format!("at least {least} "),
            (None, Some(most)) => format!("at most {most} "),
            (None, None) => String::new(),
        };
        match self.text("type") {
            Some("integer") => format!("a whole number from {} to {}", bound("minimum"), bound("maximum")),
            Some("number") => format!(
                "a number from {} to {} with at most {} decimals",
                bound("minimum"),
                bound("maximum"),
                decimal::PLACES
            ),
            Some("boolean") => "true or false".to_owned(),
            Some("string") => NAME.to_owned(),
            Some("array") => format!("a list of {}names", counts(None, self.count("maxItems"))),
            _ if self.free().is_some() => {
                format!(
                    "a table of {}lists",
                    counts(self.count("minProperties"), self.count("maxProperties"))
                )
            }
            _ => "a table".to_owned(),
        }
    }
}

/// What a name may be, in words.
const NAME: &str = "a name of 1 to 64 characters from a-z 0-9 . _ -, of which the first is a letter or digit";

/// Words in quotes.
pub(crate) fn words(words: &[&str]) -> String {
    words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ")
}
