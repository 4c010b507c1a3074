//! TOML to a [`Tree`].

use crate::tree::{DEPTH_MAX, Entry, Shape, SyntaxError, Tree};
use toml::{
    Spanned,
    de::{DeInteger, DeTable, DeValue},
};

/// Reads a file, or says all that keeps it from being read.
pub(crate) fn read(text: &str) -> Result<Tree, Vec<SyntaxError>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let told = |error: &toml::de::Error| SyntaxError {
            span: error.span().unwrap_or(0..0),
            reason: error.message().lines().collect::<Vec<_>>().join("; "),
        };
        return Err(errors.iter().map(told).collect());
    }
    let span = table.span();
    let entries = entries(table.into_inner(), 0).map_err(|error| vec![error])?;
    Ok(Tree { span, shape: Shape::Table(entries) })
}

fn entries(table: DeTable<'_>, depth: usize) -> Result<Vec<Entry>, SyntaxError> {
    table
        .into_iter()
        .map(|(key, value)| {
            let key_span = key.span();
            Ok(Entry { key: key.into_inner().into_owned(), key_span, value: tree(value, depth + 1)? })
        })
        .collect()
}

fn tree(value: Spanned<DeValue<'_>>, depth: usize) -> Result<Tree, SyntaxError> {
    let span = value.span();
    if depth > DEPTH_MAX {
        return Err(SyntaxError::too_deep(span));
    }
    let shape = match value.into_inner() {
        DeValue::String(text) => Shape::Text(text.into_owned()),
        DeValue::Integer(number) => Shape::Number(decimal(&number)),
        DeValue::Float(number) => Shape::Number(number.as_str().to_owned()),
        DeValue::Boolean(value) => Shape::Bool(value),
        DeValue::Datetime(_) => Shape::Other("a date"),
        DeValue::Array(items) => {
            Shape::List(items.into_iter().map(|item| tree(item, depth + 1)).collect::<Result<_, _>>()?)
        }
        DeValue::Table(table) => Shape::Table(entries(table, depth)?),
    };
    Ok(Tree { span, shape })
}

/// The decimal literal of a number that may be written in hex, octal or binary. One that
/// fits no i128 stays as it is: no setting is that large, or has such a literal.
fn decimal(number: &DeInteger<'_>) -> String {
    i128::from_str_radix(number.as_str(), number.radix())
        .map_or_else(|_| number.as_str().to_owned(), |number| number.to_string())
}
