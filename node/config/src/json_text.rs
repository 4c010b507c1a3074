//! JSON to a [`Tree`].

use crate::tree::{DEPTH_MAX, Entry, Shape, Span, SyntaxError, Tree};
use serde::{Deserialize, Deserializer, de};
use serde_json::value::RawValue;
use std::fmt;

/// Reads a file, or says what keeps it from being read.
pub(crate) fn read(text: &str) -> Result<Tree, Vec<SyntaxError>> {
    let reader = Reader { text };
    let read = || {
        let root: &RawValue =
            serde_json::from_str(text).map_err(|error| reader.syntax(&(0..text.len()), &error))?;
        reader.tree(root, 0)
    };
    read().map_err(|error| vec![error])
}

struct Reader<'t> {
    text: &'t str,
}

impl<'t> Reader<'t> {
    /// Where a raw value, which is a part of the text, stands in it.
    fn span(&self, raw: &RawValue) -> Span {
        let start = (raw.get().as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        start..start + raw.get().len()
    }

    fn syntax(&self, within: &Span, error: &serde_json::Error) -> SyntaxError {
        let part = self.text.get(within.clone()).unwrap_or_default();
        let line_start = match error.line().checked_sub(2) {
            Some(breaks) => part.match_indices('\n').nth(breaks).map_or(0, |(at, _)| at + 1),
            None => 0,
        };
        let at = (line_start + error.column().saturating_sub(1)).min(part.len());
        let start = within.start + self.text.get(within.start..within.start + at).map_or(0, str::len);
        let reason = error.to_string();
        let reason = reason.split(" at line ").next().unwrap_or_default().to_owned();
        SyntaxError { span: start..start, reason }
    }

    fn parse<T: Deserialize<'t>>(&self, raw: &'t RawValue) -> Result<T, SyntaxError> {
        serde_json::from_str(raw.get()).map_err(|error| self.syntax(&self.span(raw), &error))
    }

    fn tree(&self, raw: &'t RawValue, depth: usize) -> Result<Tree, SyntaxError> {
        let span = self.span(raw);
        if depth > DEPTH_MAX {
            return Err(SyntaxError::too_deep(span));
        }
        let shape = match raw.get().as_bytes().first() {
            Some(b'"') => Shape::Text(self.parse(raw)?),
            Some(b'{') => {
                let Members(members) = self.parse(raw)?;
                Shape::Table(self.entries(members, depth)?)
            }
            Some(b'[') => {
                let items: Vec<&RawValue> = self.parse(raw)?;
                let items = items.into_iter().map(|item| self.tree(item, depth + 1));
                Shape::List(items.collect::<Result<_, _>>()?)
            }
            Some(b't') => Shape::Bool(true),
            Some(b'f') => Shape::Bool(false),
            Some(b'n') => Shape::Other("null"),
            _ => Shape::Number(raw.get().to_owned()),
        };
        Ok(Tree { span, shape })
    }

    fn entries(
        &self,
        members: Vec<(&'t RawValue, &'t RawValue)>,
        depth: usize,
    ) -> Result<Vec<Entry>, SyntaxError> {
        let mut seen = std::collections::BTreeSet::new();
        let entry = |(key, value): (&'t RawValue, &'t RawValue)| {
            let (key_span, key) = (self.span(key), self.parse::<String>(key)?);
            if !seen.insert(key.clone()) {
                return Err(SyntaxError { span: key_span, reason: "duplicate key".to_owned() });
            }
            Ok(Entry { key, key_span, value: self.tree(value, depth + 1)? })
        };
        members.into_iter().map(entry).collect()
    }
}

/// The members of an object, in order, with what is there twice.
struct Members<'t>(Vec<(&'t RawValue, &'t RawValue)>);

impl<'de: 't, 't> Deserialize<'de> for Members<'t> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Vec<(&'de RawValue, &'de RawValue)>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }
        d.deserialize_map(Visitor).map(Self)
    }
}
