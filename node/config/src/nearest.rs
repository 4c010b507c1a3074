//! The word that was meant.

/// Longest word that is compared: no setting is longer.
const WORD_LEN_MAX: usize = 64;

/// The allowed word that is nearest to a found one, if it is near.
pub(crate) fn nearest<'a>(found: &str, allowed: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if found.len() > WORD_LEN_MAX {
        return None;
    }
    let plain = found.trim().to_ascii_lowercase().replace(['-', ' '], "_");
    let near = (plain.len() / 3).max(1);
    allowed
        .into_iter()
        .map(|word| (strsim::osa_distance(&plain, word), word))
        .filter(|(distance, word)| *distance <= near && *distance < word.len())
        .min()
        .map(|(_, word)| word)
}
