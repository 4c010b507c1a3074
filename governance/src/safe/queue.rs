//! Several files for one Safe: in which order they run, and which exclude one
//! another. Pure.

use super::{chain::SafeStatus, file::TxFile};
use phalanx_types::Hash;
use serde::Serialize;

/// One file of the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QueueItem {
    /// Its nonce.
    pub nonce: u64,
    /// What owners sign.
    pub safe_tx_hash: Hash,
    /// How many owners have consented.
    pub signatures: u64,
    /// Whether it can be executed now.
    pub is_next: bool,
    /// Whether it only uses up its nonce.
    pub is_cancel: bool,
    /// What an owner should know.
    pub warnings: Vec<String>,
}

/// Owners whose signatures were checked in a file, without asking the chain.
#[must_use]
pub fn signed(file: &TxFile, status: &SafeStatus) -> u64 {
    file.signers().filter(|signer| status.owners.contains(signer)).count() as u64
}

/// The files in the order of their nonces, with what is wrong with each. `consents` says
/// how many owners have consented to one.
#[must_use]
pub fn queue(files: &[TxFile], status: &SafeStatus, consents: impl Fn(&TxFile) -> u64) -> Vec<QueueItem> {
    let is_own = |file: &TxFile| file.safe == status.safe && file.chain_id == status.chain_id;
    let mut items: Vec<QueueItem> = files
        .iter()
        .map(|file| {
            let hash = file.safe_tx_hash();
            let nonce = file.tx.nonce;
            let signatures = consents(file);
            let is_cancel = file.tx.is_cancel(file.safe);
            if !is_own(file) {
                let warnings = vec![format!(
                    "it is for Safe {} on chain {}, not for this one",
                    file.safe, file.chain_id
                )];
                return QueueItem {
                    nonce,
                    safe_tx_hash: hash,
                    signatures,
                    is_next: false,
                    is_cancel,
                    warnings,
                };
            }
            let mut warnings = Vec::new();
            if nonce < status.nonce {
                warnings.push(format!(
                    "nonce {nonce} is used: it was executed or replaced (the next one is {})",
                    status.nonce
                ));
            }
            for other in files.iter().filter(|o| is_own(o) && o.tx.nonce == nonce && o.safe_tx_hash() != hash)
            {
                let what = if other.tx.is_cancel(other.safe) { "cancels it" } else { "excludes it" };
                warnings.push(format!(
                    "{} has the same nonce {nonce} and {what}: only one of them can be executed",
                    other.safe_tx_hash().short()
                ));
            }
            for signer in file.signers().filter(|signer| !status.owners.contains(signer)) {
                warnings.push(format!("{signer} has signed but is no owner"));
            }
            let is_next = nonce == status.nonce && signatures >= status.threshold;
            QueueItem { nonce, safe_tx_hash: hash, signatures, is_next, is_cancel, warnings }
        })
        .collect();
    items.sort_by_key(|item| (item.nonce, item.safe_tx_hash));
    items.dedup();
    let mut expected = status.nonce;
    let own: Vec<Hash> = files.iter().filter(|f| is_own(f)).map(TxFile::safe_tx_hash).collect();
    for item in items.iter_mut().filter(|item| own.contains(&item.safe_tx_hash)) {
        if item.nonce > expected {
            item.warnings.push(format!("nothing here has nonce {expected}, which must come before"));
        }
        expected = expected.max(item.nonce.saturating_add(1));
    }
    items
}

/// The nonce that a new transaction should have: behind all that waits.
#[must_use]
pub fn next_nonce(files: &[TxFile], status: &SafeStatus) -> u64 {
    files.iter().map(|f| f.tx.nonce.saturating_add(1)).max().unwrap_or(0).max(status.nonce)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        address::{Address, Wei},
        safe::{
            signatures::OwnerSignature,
            tx::{Operation, SafeTx},
        },
    };

    const SAFE: Address = Address([1; 20]);

    fn status() -> SafeStatus {
        SafeStatus {
            safe: SAFE,
            chain_id: 31_337,
            owners: vec![Address([5; 20])],
            threshold: 1,
            nonce: 4,
            version: crate::safe::VERSION.into(),
            modules: Vec::new(),
            guard: None,
            fallback_handler: None,
            balance: Wei(0),
        }
    }

    fn file(nonce: u64, to: u8) -> TxFile {
        let tx = SafeTx {
            to: Address([to; 20]),
            value: Wei(0),
            data: vec![to],
            operation: Operation::Call,
            nonce,
        };
        TxFile::new(31_337, SAFE, tx)
    }

    fn waiting(files: &[TxFile]) -> Vec<QueueItem> {
        queue(files, &status(), |file| signed(file, &status()))
    }

    #[test]
    fn files_of_another_safe_exclude_nothing_here_and_claims_do_not_count() {
        let mut foreign = file(4, 9);
        foreign.safe = Address([9; 20]);
        let mut own = file(4, 2);
        own.add(OwnerSignature::ApprovedHash { owner: Address([5; 20]) }).unwrap();
        let items = waiting(&[own.clone(), foreign, file(5, 3)]);
        assert!(items.iter().all(|item| !item.warnings.join(" ").contains("same nonce")), "{items:?}");
        let found = items.iter().find(|item| item.safe_tx_hash == own.safe_tx_hash()).unwrap();
        assert_eq!((found.signatures, found.is_next), (0, false));
        let asked = queue(&[own], &status(), |_| 1);
        assert!(asked[0].is_next);
    }

    #[test]
    fn two_items_on_one_nonce_warn_of_each_other() {
        let cancel = TxFile::new(31_337, SAFE, SafeTx::cancel(SAFE, 4));
        let items = waiting(&[file(4, 2), file(5, 3), cancel]);
        assert_eq!(items.len(), 3);
        let warnings: Vec<_> = items.iter().map(|i| (i.nonce, i.is_cancel, i.warnings.join(" "))).collect();
        for (nonce, is_cancel, text) in warnings {
            assert_eq!(nonce == 4, text.contains("same nonce"), "{text}");
            assert_eq!(nonce == 4 && !is_cancel, text.contains("cancels it"), "{text}");
        }
    }

    #[test]
    fn used_nonces_gaps_and_other_safes_are_named() {
        let mut other = file(4, 2);
        other.safe = Address([9; 20]);
        let text = |files: &[TxFile]| format!("{:?}", waiting(files));
        assert!(text(&[file(3, 2)]).contains("nonce 3 is used"));
        assert!(text(&[file(6, 2)]).contains("nothing here has nonce 4"));
        assert!(text(&[other]).contains("not for this one"));
        assert_eq!(next_nonce(&[file(6, 2)], &status()), 7);
        assert_eq!(next_nonce(&[file(1, 2)], &status()), 4);
        assert_eq!(waiting(&[file(4, 2), file(4, 2)]).len(), 1);
    }
}
