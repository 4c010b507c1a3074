//! A file: read, checked, written.

use crate::{
    MomConfig, Orchestration, Unheeded, check,
    decimal::{self, ONE},
    json_text,
    problem::{Fault, Found, Problems},
    schema::{Part, schema},
    toml_text,
    tree::{Entry, Shape, Span, Tree},
};
use std::{collections::BTreeSet, path::Path};

/// Longest file in bytes. Settings that name 128 validators by their keys have a sixth of it.
pub const FILE_BYTES_MAX: usize = 64 << 10;

/// How a file is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// TOML 1.1.
    #[default]
    Toml,
    /// JSON, RFC 8259.
    Json,
}

impl Format {
    /// By the end of a file's name: JSON for `.json`, else TOML.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        let is_json = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("json"));
        if is_json { Self::Json } else { Self::Toml }
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Toml => "TOML",
            Self::Json => "JSON",
        }
    }

    fn read(self, text: &str) -> Result<Tree, Vec<Found>> {
        let tree = match self {
            Self::Toml => toml_text::read(text),
            Self::Json => json_text::read(text),
        };
        tree.map_err(|errors| {
            let found = |error: crate::tree::SyntaxError| Found {
                span: error.span,
                fault: Fault::Syntax { format: self.name(), reason: error.reason },
                allowed: None,
                help: None,
            };
            errors.into_iter().map(found).collect()
        })
    }
}

impl MomConfig {
    /// Reads and checks a file; `file` is its name in messages. What is left out is as
    /// in [`MomConfig::default`].
    ///
    /// # Errors
    /// All that is wrong, each with its place, what is allowed and what may be meant.
    pub fn parse(text: &str, format: Format, file: &str) -> Result<Self, Problems> {
        let refuse = |found: Vec<Found>| Problems::new(file, text, found);
        if text.len() > FILE_BYTES_MAX {
            let fault = Fault::TooLong { found: text.len(), max: FILE_BYTES_MAX };
            return Err(refuse(vec![Found { span: 0..0, fault, allowed: None, help: None }]));
        }
        let tree = format.read(text).map_err(refuse)?;
        let schema = schema();
        let (value, found) = check::check(Part(&schema), &tree);
        if !found.is_empty() {
            return Err(refuse(found));
        }
        let config: Self = serde_json::from_value(value).map_err(|error| {
            let fault = Fault::Syntax { format: "mom_config", reason: error.to_string() };
            refuse(vec![Found { span: 0..0, fault, allowed: None, help: None }])
        })?;
        let found: Vec<Found> = config.together(&tree).into_iter().flatten().collect();
        if found.is_empty() { Ok(config) } else { Err(refuse(found)) }
    }

    /// What keeps these settings, read from `text`, from founding a mesh: those that no
    /// mesh carries out, each with its place and what is in effect. None when nothing does.
    #[must_use]
    pub fn problems_of_founding(&self, text: &str, format: Format, file: &str) -> Option<Problems> {
        let tree = format.read(text).unwrap_or(Tree { span: 0..0, shape: Shape::Table(Vec::new()) });
        let found = |Unheeded { path, found, allowed }: Unheeded| {
            let keys: Vec<&str> = path.split('.').collect();
            Some(Found {
                span: deepest(&tree, &keys).1.span.clone(),
                fault: Fault::NotCarriedOut { path: path.to_owned(), found },
                allowed: Some(allowed?),
                help: None,
            })
        };
        let found: Vec<Found> = self.unheeded().into_iter().filter_map(found).collect();
        (!found.is_empty()).then(|| Problems::new(file, text, found))
    }

    /// What no single setting shows.
    fn together(&self, tree: &Tree) -> [Option<Found>; 2] {
        let told = |path: &[&str], rule_broken: String, allowed: String| Found {
            span: deepest(tree, path).0,
            fault: Fault::Together { path: path.join("."), rule_broken },
            allowed: Some(allowed),
            help: None,
        };
        let (sum, one) = (i128::from(self.optimization_goals.sum_ppm()), i128::from(ONE));
        let goals = (sum != one).then(|| {
            let (way, by) = if sum > one { ("less", sum - one) } else { ("more", one - sum) };
            let rule_broken = format!("sum to {}", decimal::plain(sum));
            told(&["optimization_goals"], rule_broken, "a sum of exactly 1".to_owned())
                .with_help(format!("give {way} by {} in all", decimal::plain(by)))
        });
        let mut seen = BTreeSet::new();
        let twice = self.named_in_order().into_iter().find(|(label, _)| !seen.insert(label.as_str()));
        let twice = twice.map(|(label, path)| {
            told(&["orchestration", path], format!("names {label} twice"), "each validator once".to_owned())
        });
        [goals, twice]
    }

    /// Every validator that is named, with the setting that names it.
    fn named_in_order(&self) -> Vec<(&phalanx_types::Name, &'static str)> {
        match &self.orchestration {
            Orchestration::Centralized { controller, successors } => {
                std::iter::once((&controller.0, "controller"))
                    .chain(successors.iter().map(|label| (&label.0, "successors")))
                    .collect()
            }
            Orchestration::Federated { coordinators } => {
                coordinators.values().flatten().map(|label| (&label.0, "coordinators")).collect()
            }
            Orchestration::FullyDistributed {} | Orchestration::GeometricMesh {} => Vec::new(),
        }
    }
}

impl Found {
    fn with_help(self, help: String) -> Self {
        Self { help: Some(help), ..self }
    }
}

/// The place of the deepest key of a path that is there, and its value.
fn deepest<'t>(tree: &'t Tree, path: &[&str]) -> (Span, &'t Tree) {
    let mut at = tree;
    let mut span = 0..0;
    for key in path {
        let Shape::Table(entries) = &at.shape else { break };
        let Some(Entry { key_span, value, .. }) = entries.iter().find(|entry| entry.key == *key) else {
            break;
        };
        (span, at) = (key_span.clone(), value);
    }
    (span, at)
}
