//! A [`Tree`] against the schema: every problem, not the first only.

use crate::{
    decimal::{self, Inexact, ONE},
    nearest::nearest,
    problem::{Fault, Found, quoted},
    schema::{Part, words},
    tree::{Entry, Shape, Span, Tree},
};
use phalanx_types::Name;
use serde_json::{Map, Number, Value};

/// Checks a file and gives it as a value, which means what the types say if nothing was
/// found.
pub(crate) fn check(root: Part<'_>, tree: &Tree) -> (Value, Vec<Found>) {
    let mut checker = Checker { root, found: Vec::new() };
    // A file has no key of its own: what is missing in it is told at its beginning.
    let value = checker.value(tree, root, &Place { path: String::new(), span: 0..0 });
    (value, checker.found)
}

struct Checker<'s> {
    root: Part<'s>,
    found: Vec<Found>,
}

/// A setting's path, and the place of its key.
struct Place {
    path: String,
    span: Span,
}

impl Place {
    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn of(&self, entry: &Entry) -> Self {
        Self { path: self.path_of(&shown(&entry.key)), span: entry.key_span.clone() }
    }
}

/// A key as a path shows it.
fn shown(key: &str) -> String {
    let is_bare = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    if !key.is_empty() && key.len() <= phalanx_types::name::NAME_LEN_MAX && key.bytes().all(is_bare) {
        key.to_owned()
    } else {
        quoted(key)
    }
}

/// A value as a message shows it.
fn described(tree: &Tree) -> String {
    match &tree.shape {
        Shape::Text(text) => quoted(text),
        Shape::Number(literal) => quoted(literal).trim_matches('"').to_owned(),
        Shape::Bool(value) => value.to_string(),
        Shape::List(_) => "a list".to_owned(),
        Shape::Table(_) => "a table".to_owned(),
        Shape::Other(what) => (*what).to_owned(),
    }
}

impl Checker<'_> {
    fn refuse(&mut self, tree: &Tree, part: Part<'_>, place: &Place, help: Option<String>) -> Value {
        self.found.push(Found {
            span: tree.span.clone(),
            fault: Fault::Value { path: place.path.clone(), found: described(tree) },
            allowed: Some(part.allowed()),
            help,
        });
        Value::Null
    }

    fn value(&mut self, tree: &Tree, part: Part<'_>, place: &Place) -> Value {
        let choices = part.choices();
        if !choices.is_empty() {
            return self.choice(tree, part, place, &choices);
        }
        if let Some(tag) = part.tag() {
            return self.tagged(tree, part, place, tag);
        }
        match (part.text("type"), &tree.shape) {
            (Some("object"), Shape::Table(entries)) => self.table(tree, entries, part, place),
            (Some("array"), Shape::List(items)) => self.list(tree, items, part, place),
            (Some("boolean"), Shape::Bool(value)) => Value::Bool(*value),
            (Some("string"), Shape::Text(text)) if Name::new(text).is_ok() => Value::String(text.clone()),
            (Some("integer" | "number"), Shape::Number(literal)) => self.number(tree, literal, part, place),
            (Some("integer" | "number"), Shape::Text(text)) if decimal::millionths(text).is_ok() => {
                let help = "write it without quotes".to_owned();
                self.refuse(tree, part, place, Some(help))
            }
            _ => self.refuse(tree, part, place, None),
        }
    }

    fn choice(&mut self, tree: &Tree, part: Part<'_>, place: &Place, choices: &[&str]) -> Value {
        let help = match &tree.shape {
            Shape::Text(text) if choices.contains(&text.as_str()) => return Value::String(text.clone()),
            Shape::Text(text) => {
                nearest(text, choices.iter().copied()).map(|word| format!("did you mean {word:?}?"))
            }
            Shape::Number(literal) if choices.contains(&literal.as_str()) => {
                Some(format!("write it in quotes: {literal:?}"))
            }
            _ => None,
        };
        self.refuse(tree, part, place, help)
    }

    fn number(&mut self, tree: &Tree, literal: &str, part: Part<'_>, place: &Place) -> Value {
        let is_whole = part.text("type") == Some("integer");
        let ppm = match decimal::millionths(literal) {
            Ok(ppm) => ppm,
            Err(inexact) => {
                let help = (inexact == Inexact::TooFine && !is_whole)
                    .then(|| format!("round it to {} decimals", decimal::PLACES));
                return self.refuse(tree, part, place, help);
            }
        };
        let is_low = part.bound("minimum").is_some_and(|least| ppm < least);
        let is_high = part.bound("maximum").is_some_and(|most| ppm > most);
        let one = i128::from(ONE);
        if is_low || is_high || (is_whole && ppm % one != 0) {
            return self.refuse(tree, part, place, None);
        }
        if is_whole {
            return i64::try_from(ppm / one).map_or(Value::Null, Value::from);
        }
        decimal::plain(ppm).parse().ok().and_then(Number::from_f64).map_or(Value::Null, Value::Number)
    }

    fn list(&mut self, tree: &Tree, items: &[Tree], part: Part<'_>, place: &Place) -> Value {
        if part.count("maxItems").is_some_and(|most| items.len() > most) {
            return self.refuse(tree, part, place, Some(format!("this one has {}", items.len())));
        }
        let Some(of) = part.part("items") else { return Value::Null };
        let item = |(at, item): (usize, &Tree)| {
            let place = Place { path: format!("{}[{at}]", place.path), span: item.span.clone() };
            self.value(item, of, &place)
        };
        Value::Array(items.iter().enumerate().map(item).collect())
    }

    /// A table of one of several kinds.
    fn tagged(&mut self, tree: &Tree, part: Part<'_>, place: &Place, tag: &str) -> Value {
        let Shape::Table(entries) = &tree.shape else { return self.refuse(tree, part, place, None) };
        let kinds = part.tags(tag);
        let Some(entry) = entries.iter().find(|entry| entry.key == tag) else {
            let meant = entries.iter().find(|entry| nearest(&entry.key, [tag]).is_some());
            match meant {
                Some(entry) => self.unknown(entry, place, &[tag], None),
                None => self.missing(place, tag, words(&kinds)),
            }
            return Value::Null;
        };
        let of_kind = |kind: &Part<'_>| matches!(&entry.value.shape, Shape::Text(text) if kind.tagged(tag) == Some(text.as_str()));
        if let Some(kind) = part.branches().find(of_kind) {
            return self.entries(entries, kind, place, Some((part, tag)));
        }
        let help = match &entry.value.shape {
            Shape::Text(text) => nearest(text, kinds.iter().copied()),
            _ => None,
        };
        self.found.push(Found {
            span: entry.value.span.clone(),
            fault: Fault::Value { path: place.path_of(tag), found: described(&entry.value) },
            allowed: Some(words(&kinds)),
            help: help.map(|word| format!("did you mean {word:?}?")),
        });
        Value::Null
    }

    fn table(&mut self, tree: &Tree, entries: &[Entry], part: Part<'_>, place: &Place) -> Value {
        let Some((_, of)) = part.free() else { return self.entries(entries, part, place, None) };
        let is_few = part.count("minProperties").is_some_and(|least| entries.len() < least);
        let is_many = part.count("maxProperties").is_some_and(|most| entries.len() > most);
        if is_few || is_many {
            // A table in TOML is where its header is.
            let there = Tree { span: place.span.clone(), shape: tree.shape.clone() };
            return self.refuse(&there, part, place, Some(format!("this one has {}", entries.len())));
        }
        let mut map = Map::new();
        for entry in entries {
            let place = place.of(entry);
            if let Err(error) = Name::new(&entry.key) {
                self.found.push(Found {
                    span: entry.key_span.clone(),
                    fault: Fault::UnknownKey { path: place.path },
                    allowed: None,
                    help: Some(error.to_string()),
                });
                continue;
            }
            let value = self.value(&entry.value, of, &place);
            map.insert(entry.key.clone(), value);
        }
        Value::Object(map)
    }

    /// The settings of a table; of a kind of table, with all kinds and what tells them
    /// apart.
    fn entries(
        &mut self,
        entries: &[Entry],
        part: Part<'_>,
        place: &Place,
        kinds: Option<(Part<'_>, &str)>,
    ) -> Value {
        let keys: Vec<&str> = part.properties().map(|(key, _)| key).collect();
        let mut map = Map::new();
        let mut meant = Vec::new();
        for entry in entries {
            if let Some(of) = part.property(&entry.key) {
                let value = self.value(&entry.value, of, &place.of(entry));
                map.insert(entry.key.clone(), value);
                continue;
            }
            // What is there needs no second spelling.
            let free: Vec<&str> =
                keys.iter().copied().filter(|key| !entries.iter().any(|e| e.key == *key)).collect();
            meant.extend(nearest(&entry.key, free.iter().copied()));
            self.unknown(entry, place, &keys, kinds);
        }
        for key in part.required() {
            if !meant.contains(&key) && !entries.iter().any(|entry| entry.key == key) {
                let allowed = part.property(key).map(Part::allowed).unwrap_or_default();
                self.missing(place, key, allowed);
            }
        }
        Value::Object(map)
    }

    fn missing(&mut self, place: &Place, key: &str, allowed: String) {
        self.found.push(Found {
            span: place.span.clone(),
            fault: Fault::Missing { path: place.path_of(key) },
            allowed: Some(allowed),
            help: None,
        });
    }

    fn unknown(&mut self, entry: &Entry, place: &Place, keys: &[&str], kinds: Option<(Part<'_>, &str)>) {
        let of_kind = kinds.and_then(|(part, tag)| {
            let kind = part.branches().find(|kind| kind.property(&entry.key).is_some())?;
            Some(format!("`{}` goes with {tag} = {:?}", entry.key, kind.tagged(tag)?))
        });
        let near = || Some(format!("did you mean `{}`?", nearest(&entry.key, keys.iter().copied())?));
        let elsewhere = || {
            let mut sections = self.root.properties().filter(|(_, section)| {
                let kinds = section.branches().any(|kind| kind.property(&entry.key).is_some());
                kinds || section.property(&entry.key).is_some()
            });
            Some(format!("`{}` belongs to `{}`", entry.key, sections.next()?.0))
        };
        let help = of_kind.or_else(near).or_else(elsewhere);
        self.found.push(Found {
            span: entry.key_span.clone(),
            fault: Fault::UnknownKey { path: place.path_of(&shown(&entry.key)) },
            allowed: Some(keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")),
            help,
        });
    }
}
