//! Settings as TOML that explains itself.

use crate::{
    MomConfig,
    schema::{Part, schema},
};

/// Longest line of a comment, in characters.
const LINE_LEN_MAX: usize = 88;

impl MomConfig {
    /// The settings as TOML; above each stands what it means and what is allowed, from
    /// the docs of the types. [`MomConfig::parse`] reads it back to the same.
    ///
    /// # Errors
    /// When they cannot be written, which does not happen to what was parsed.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        let schema = schema();
        let root = Part(&schema);
        let mut text = String::new();
        comment(&mut text, root.text("description").unwrap_or_default());
        let mut section = Vec::new();
        for line in toml::to_string(self)?.lines() {
            let (path, is_header) = match (line.strip_prefix('['), line.split_once(" = ")) {
                (Some(header), _) => {
                    section = header.trim_end_matches(']').split('.').map(str::to_owned).collect();
                    (section.clone(), true)
                }
                (None, Some((key, _))) => (section.iter().cloned().chain([key.to_owned()]).collect(), false),
                (None, None) => continue,
            };
            if is_header {
                text.push('\n');
            }
            if let Some(part) = self.described(root, &path) {
                comment(&mut text, part.text("description").unwrap_or_default());
                if !is_header {
                    comment(&mut text, &format!("Allowed: {}.", part.allowed()));
                }
            }
            text.push_str(line);
            text.push('\n');
        }
        Ok(text)
    }

    /// The schema of a path; of a table of several kinds, of the kind in use.
    fn described<'s>(&self, root: Part<'s>, path: &[String]) -> Option<Part<'s>> {
        path.iter().try_fold(root, |at, key| {
            let Some(tag) = at.tag() else { return at.property(key) };
            // What tells the kinds apart is described by all of them.
            if key == tag {
                return Some(at);
            }
            at.branches().filter(|kind| self.is_in_use(kind.tagged(tag))).find_map(|kind| kind.property(key))
        })
    }

    fn is_in_use(&self, kind: Option<&str>) -> bool {
        kind == Some(self.orchestration.mode()) || kind == Some(self.verification.level())
    }
}

/// A comment in lines that fit.
fn comment(text: &mut String, words: &str) {
    let mut room = 0;
    for word in words.split_whitespace() {
        let len = word.chars().count() + 1;
        if room < len {
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            text.push('#');
            room = LINE_LEN_MAX;
        }
        text.push(' ');
        text.push_str(word);
        room = room.saturating_sub(len);
    }
    if !text.ends_with('\n') {
        text.push('\n');
    }
}
