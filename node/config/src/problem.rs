//! What is wrong with a file, where, and what is allowed instead.

use crate::tree::Span;
use serde::Serialize;
use std::fmt;

/// Most problems that are told one by one.
pub const PROBLEMS_MAX: usize = 64;
/// Longest part of a line or value that a message shows, in characters.
const SHOWN_MAX: usize = 100;

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The file is longer than any settings.
    #[error("the file has {found} bytes; settings have at most {max}")]
    TooLong {
        /// Its length in bytes.
        found: usize,
        /// The most that is read.
        max: usize,
    },
    /// It is no TOML or JSON.
    #[error("this is not {format}: {reason}")]
    Syntax {
        /// What it should be.
        format: &'static str,
        /// What the reader says.
        reason: String,
    },
    /// There is no such setting.
    #[error("`{path}` is no setting")]
    UnknownKey {
        /// Its path.
        path: String,
    },
    /// A setting that is needed is not there.
    #[error("`{path}` is missing")]
    Missing {
        /// Its path.
        path: String,
    },
    /// A setting has a value that it cannot have.
    #[error("`{path}` is {found}")]
    Value {
        /// Its path.
        path: String,
        /// The value.
        found: String,
    },
    /// A setting is allowed in a file, and no mesh does as it says.
    #[error("`{path}` is {found}, and no mesh carries that out yet")]
    NotCarriedOut {
        /// Its path.
        path: String,
        /// The value.
        found: String,
    },
    /// Settings do not go together.
    #[error("`{path}` {rule_broken}")]
    Together {
        /// The path of the settings.
        path: String,
        /// What is wrong, with the values.
        rule_broken: String,
    },
}

/// One thing that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    #[serde(serialize_with = "as_text")]
    pub fault: Fault,
    /// What is allowed there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed: Option<String>,
    /// What to try.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    #[serde(skip)]
    shown: Shown,
}

fn as_text<S: serde::Serializer>(fault: &Fault, s: S) -> Result<S::Ok, S::Error> {
    s.collect_str(fault)
}

/// The line of a problem, cut to what fits, with what is marked in it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Shown {
    text: String,
    before: usize,
    marked: usize,
}

/// Everything that is wrong with a file, in its order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problems {
    /// The file's name, as it was given.
    pub file: String,
    /// The first [`PROBLEMS_MAX`] problems.
    pub problems: Vec<Problem>,
    /// How many more there are.
    pub more: usize,
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    /// Like a compiler's: the fault, the place, the line with a mark, what is allowed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.problems {
            let Problem { line, column, fault, allowed, help, shown } = problem;
            let margin = " ".repeat(line.to_string().len());
            writeln!(f, "error: {fault}")?;
            writeln!(f, "{margin}--> {}:{line}:{column}", self.file)?;
            writeln!(f, "{margin} |")?;
            writeln!(f, "{line} | {}", shown.text)?;
            writeln!(f, "{margin} | {}{}", " ".repeat(shown.before), "^".repeat(shown.marked))?;
            if let Some(allowed) = allowed {
                writeln!(f, "{margin} = allowed: {allowed}")?;
            }
            if let Some(help) = help {
                writeln!(f, "{margin} = help: {help}")?;
            }
            writeln!(f)?;
        }
        let count = self.problems.len() + self.more;
        write!(f, "{}: {count} problem{}", self.file, if count == 1 { "" } else { "s" })?;
        if self.more > 0 {
            write!(f, ", of which the first {} are shown", self.problems.len())?;
        }
        Ok(())
    }
}

/// A problem before its place has a line.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub span: Span,
    pub fault: Fault,
    pub allowed: Option<String>,
    pub help: Option<String>,
}

impl Problems {
    /// The problems of a text, sorted by place.
    pub(crate) fn new(file: &str, text: &str, mut found: Vec<Found>) -> Self {
        found.sort_by_key(|found| (found.span.start, found.span.end));
        let more = found.len().saturating_sub(PROBLEMS_MAX);
        found.truncate(PROBLEMS_MAX);
        let problems = found.into_iter().map(|found| Problem::at(text, found)).collect();
        Self { file: file.to_owned(), problems, more }
    }
}

impl Problem {
    fn at(text: &str, found: Found) -> Self {
        let Found { span, fault, allowed, help } = found;
        let boundary = |mut at: usize| {
            at = at.min(text.len());
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let (head, rest) = text.split_at(boundary(span.start));
        let line_start = head.rfind('\n').map_or(0, |at| at + 1);
        let before = head.get(line_start..).unwrap_or_default();
        let line = head.bytes().filter(|b| *b == b'\n').count() + 1;
        let after = rest.lines().next().unwrap_or_default();
        let width = boundary(span.end).saturating_sub(head.len()).min(after.len());
        let marked = after.get(..width).unwrap_or_default().chars().count();
        let column = before.chars().count() + 1;
        Self { line, column, fault, allowed, help, shown: Shown::of(before, after, marked) }
    }
}

impl Shown {
    /// Of a long line, what is around the mark.
    fn of(before: &str, after: &str, marked: usize) -> Self {
        let before_len = before.chars().count();
        let cut = before_len.saturating_sub(SHOWN_MAX / 2);
        let visible = |c: char| if c.is_control() { ' ' } else { c };
        let text: String =
            before.chars().chain(after.chars()).skip(cut).take(SHOWN_MAX).map(visible).collect();
        let before = before_len - cut;
        let marked = marked.min(SHOWN_MAX - before.min(SHOWN_MAX)).max(1);
        Self { text, before, marked }
    }
}

/// A text in quotes, cut to what fits a message.
pub(crate) fn quoted(text: &str) -> String {
    let mut cut: String = text.chars().take(SHOWN_MAX).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    format!("{cut:?}")
}
