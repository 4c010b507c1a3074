//! A file as values with their places in the text, before it is known what they mean.

use std::ops::Range;

/// Deepest nesting of a file. The settings need five.
pub(crate) const DEPTH_MAX: usize = 16;

/// Where something stands, in bytes.
pub(crate) type Span = Range<usize>;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tree {
    pub span: Span,
    pub shape: Shape,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shape {
    Text(String),
    /// A decimal literal, as it is written.
    Number(String),
    Bool(bool),
    List(Vec<Tree>),
    Table(Vec<Entry>),
    /// What no setting can be.
    Other(&'static str),
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub key: String,
    pub key_span: Span,
    pub value: Tree,
}

/// What keeps a file from being read at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    pub span: Span,
    pub reason: String,
}

impl SyntaxError {
    /// A value that is nested too deeply.
    pub fn too_deep(span: Span) -> Self {
        Self { span, reason: format!("nested more than {DEPTH_MAX} deep") }
    }
}
