//! What goes wrong in a run.

use std::{collections::BTreeSet, fmt, str::FromStr};

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Messages are lost: by chance, and at some heights just those that hurt.
    Drop,
    /// Messages are late and overtake one another.
    Delay,
    /// The mesh is cut in two for a while.
    Partition,
    /// Nodes crash, at any effect, and come back.
    Crash,
    /// Up to a third of the nodes lies.
    Byzantine,
    /// The geometry is the target: cuts in the shape of balls, work that pulls the focus,
    /// up to a third of the nodes lying about how far they are.
    Geometry,
}

impl Fault {
    const ALL: [(&'static str, Self); 6] = [
        ("drop", Self::Drop),
        ("delay", Self::Delay),
        ("partition", Self::Partition),
        ("crash", Self::Crash),
        ("byzantine", Self::Byzantine),
        ("geometry", Self::Geometry),
    ];
}

/// A set of faults, written as `drop,delay,…`, `all` or `none`.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct FaultSet(BTreeSet<Fault>);

impl FaultSet {
    /// Every fault.
    #[must_use]
    pub fn all() -> Self {
        Self(Fault::ALL.iter().map(|(_, fault)| *fault).collect())
    }

    /// Whether a fault is in it.
    #[must_use]
    pub fn has(&self, fault: Fault) -> bool {
        self.0.contains(&fault)
    }
}

/// The words of some faults, in their order.
fn words(is_meant: impl Fn(Fault) -> bool) -> String {
    let meant = Fault::ALL.iter().filter(|(_, fault)| is_meant(*fault));
    meant.map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// A word that is no fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no fault: use a list of {list}, or all, or none", list = words(|_| true))]
pub struct UnknownFault(String);

impl FromStr for FaultSet {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        match text {
            "all" => return Ok(Self::all()),
            "none" | "" => return Ok(Self::default()),
            _ => {}
        }
        let mut set = BTreeSet::new();
        for word in text.split(',') {
            let found = Fault::ALL.iter().find(|(name, _)| *name == word.trim());
            set.insert(found.ok_or_else(|| UnknownFault(word.to_owned()))?.1);
        }
        Ok(Self(set))
    }
}

impl fmt::Display for FaultSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "none" } else { "" })?;
        f.write_str(&words(|fault| self.has(fault)).replace(' ', ""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_no_fault_is_answered_with_all_that_are() {
        let told = "drop,flood".parse::<FaultSet>().unwrap_err().to_string();
        for (name, _) in Fault::ALL {
            assert!(told.contains(name), "{told}");
        }
    }

    #[test]
    fn a_set_is_written_as_it_is_read() {
        for text in ["none", "drop", "delay,crash", "drop,delay,partition,crash,byzantine,geometry"] {
            assert_eq!(text.parse::<FaultSet>().unwrap().to_string(), text);
        }
        assert_eq!(FaultSet::all(), FaultSet::all().to_string().parse().unwrap());
    }
}
