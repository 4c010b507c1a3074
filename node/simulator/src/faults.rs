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

/// A word that is no fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no fault: use a list of drop, delay, partition, crash, byzantine, or all, or none")]
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
        let words: Vec<&str> =
            Fault::ALL.iter().filter(|(_, fault)| self.has(*fault)).map(|(name, _)| *name).collect();
        f.write_str(if words.is_empty() { "none" } else { "" })?;
        f.write_str(&words.join(","))
    }
}
