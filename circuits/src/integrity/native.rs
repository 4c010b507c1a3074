//! The twin: the same verdict without a circuit.

use super::COUNT_MAX;
use crate::{
    native::{Error, Fr, Path, beat_digest},
    r1cs::{Broken, Mismatch},
};
use phalanx_types::{Hash, Height};

/// What the prover knows.
#[derive(Clone)]
pub struct Secret {
    /// The height of the beat after the one of `first`.
    pub from: Height,
    /// The receipts roots from there on, 1 to 16.
    pub receipts_roots: Vec<Hash>,
    /// Where the leaf of the last one is.
    pub path: Path,
}

impl Secret {
    /// The digests from `first` on, itself included.
    fn digests(&self, first: Fr) -> Vec<Fr> {
        let mut digests = vec![first];
        let mut last = first;
        for (links, root) in (0..).zip(&self.receipts_roots) {
            last = beat_digest(last, Height(self.from.0.saturating_add(links)), root);
            digests.push(last);
        }
        digests
    }
}

/// The public inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Public {
    /// Root of the audit tree.
    pub audit_root: Fr,
    /// Digest of the beat of the first receipt.
    pub first: Fr,
    /// Digest of the beat of the last receipt.
    pub last: Fr,
    /// Beats from the one to the other.
    pub count: u32,
}

impl Public {
    /// What `secret` proves from the digest `first` on.
    ///
    /// # Errors
    /// When the path is not of the last digest.
    pub fn of(secret: &Secret, first: Fr) -> Result<Self, Error> {
        let last = secret.digests(first).last().copied().unwrap_or(first);
        let audit_root = secret.path.root(last).ok_or(Error::OtherPath)?;
        Ok(Self { audit_root, first, last, count: secret.receipts_roots.len() as u32 })
    }

    /// In the circuit's order.
    #[must_use]
    pub fn inputs(&self) -> [Fr; 4] {
        [self.audit_root, self.first, self.last, Fr::from(self.count)]
    }
}

/// Whether the statement holds of any four field elements.
///
/// # Errors
/// A rule that is broken; not always the one that the circuit names.
pub fn check(inputs: &[Fr], secret: &Secret) -> Result<(), Broken> {
    let broken = |rule: &'static str| Broken::Rule { rule };
    let [audit_root, first, last, count] = *Mismatch::named(inputs)?;
    let found = secret.receipts_roots.len();
    if found > COUNT_MAX {
        return Err(Mismatch { what: "receipts roots (1 to 16)", expected: COUNT_MAX, found }.into());
    }
    let links = (1..=found).find(|n| Fr::from(*n as u64) == count).ok_or(broken("the count is 1 to 16"))?;
    if secret.digests(first).get(links) != Some(&last) {
        return Err(broken("the last digest follows from the first"));
    }
    match secret.path.root(last) {
        Some(root) if root == audit_root => Ok(()),
        Some(_) => Err(broken("the tree is the one with this root")),
        None => Err(broken("the leaf is in the tree")),
    }
}
