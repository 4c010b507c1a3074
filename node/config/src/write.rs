//! Settings as TOML that explains itself.

use crate::{
    MomConfig,
    schema::{Part, schema, words},
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
            if let Some((meaning, allowed)) = self.described(root, &path) {
                comment(&mut text, meaning);
                if !is_header {
                    comment(&mut text, &format!("Allowed: {allowed}."));
                }
            }
            text.push_str(line);
            text.push('\n');
        }
        Ok(text)
    }

    /// What the setting of a path means, and what is allowed.
    fn described<'s>(&self, root: Part<'s>, path: &[String]) -> Option<(&'s str, String)> {
        let mut at = root;
        for key in path {
            at = match at.tag() {
                None => at.property(key)?,
                Some(tag) => {
                    let in_use = at.branches().find(|kind| self.is_in_use(kind.tagged(tag)))?;
                    // What tells the kinds apart means what the kind in use means.
                    if key == tag {
                        return Some((in_use.text("description")?, words(&at.tags(tag))));
                    }
                    in_use.property(key)?
                }
            };
        }
        Some((at.text("description")?, at.allowed()))
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
