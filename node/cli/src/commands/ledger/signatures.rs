//! Signatures under checkpoints, held against the checkpoints of the ledger.

use crate::home::Home;
use anyhow::Result;
use phalanx_governance::{Address, digest, digest::SetEntry, keys::EcdsaSignature};
use phalanx_ledger::{Ledger, RocksKv, cosigns::CosignStore};
use phalanx_types::{Checkpoint, Hash, cosign::Cosigned, genesis::ChainBinding, units::CheckpointNumber};
use serde::Serialize;
use std::{collections::BTreeSet, ops::ControlFlow};

/// What was found.
#[derive(Debug, Default, Serialize)]
pub struct Signatures {
    /// Checkpoints with signatures.
    checkpoints: u64,
    /// Signatures that hold.
    signatures: u64,
    /// Those that are older than this ledger, or newer than its copy.
    unknown: u64,
    /// The first thing that is wrong.
    pub wrong: Option<String>,
}

impl Signatures {
    /// In a line.
    pub fn words(&self, home: &Home) -> String {
        if let Some(wrong) = &self.wrong {
            let folder = home.file("cosigns");
            return format!(
                "signatures for the chain: not clean: {wrong}; move {} away and start the node: its peers fill it again",
                folder.display()
            );
        }
        let unknown = match self.unknown {
            0 => String::new(),
            count => format!(", {count} of checkpoints that are not in this ledger"),
        };
        format!(
            "signatures for the chain: {} hold under {} checkpoints{unknown}",
            self.signatures, self.checkpoints
        )
    }
}

/// Checks every stored signature; none for a mesh without a chain.
pub fn check(home: &Home, store: RocksKv) -> Result<Option<Signatures>> {
    let folder = home.file("cosigns");
    let Some(binding) = home.genesis()?.chain.filter(|_| folder.exists()) else { return Ok(None) };
    let ledger = Ledger::open(store)?;
    let kept = CosignStore::open(&folder)?;
    let mut found = Signatures::default();
    let mut failed = None;
    let read = kept.each(&mut |number, cosigned| {
        match of_one(&binding, &ledger, &kept, number, &cosigned, &mut found) {
            Ok(None) => return ControlFlow::Continue(()),
            Ok(Some(wrong)) => found.wrong = Some(format!("checkpoint {number}: {wrong}")),
            Err(error) => failed = Some(error),
        }
        ControlFlow::Break(())
    });
    if let Some(error) = failed {
        return Err(error);
    }
    if let Err(error) = read {
        found.wrong = Some(error.to_string());
    }
    Ok(Some(found))
}

/// What is wrong with the signatures of one checkpoint.
fn of_one(
    binding: &ChainBinding,
    ledger: &Ledger<RocksKv>,
    kept: &CosignStore,
    number: CheckpointNumber,
    cosigned: &Cosigned,
    found: &mut Signatures,
) -> Result<Option<String>> {
    let Some(checkpoint) = ledger.checkpoint(number)? else {
        found.unknown = found.unknown.saturating_add(1);
        return Ok(None);
    };
    if checkpoint.hash() != cosigned.checkpoint {
        return Ok(Some(format!(
            "{} was signed, but the ledger has {}",
            cosigned.checkpoint,
            checkpoint.hash()
        )));
    }
    let set = match kept.set(&checkpoint.set_hash) {
        Ok(Some(set)) => set.iter().map(SetEntry::from).collect::<Vec<_>>(),
        Ok(None) => return Ok(Some(format!("the set {} that signed it is missing", checkpoint.set_hash))),
        Err(error) => return Ok(Some(error.to_string())),
    };
    let held = hold(binding, &checkpoint, &set, cosigned);
    Ok(match held {
        Ok(count) => {
            found.checkpoints = found.checkpoints.saturating_add(1);
            found.signatures = found.signatures.saturating_add(count);
            None
        }
        Err(wrong) => Some(wrong),
    })
}

/// Counts the signatures under a checkpoint, which must be of its set, one a member.
fn hold(
    binding: &ChainBinding,
    checkpoint: &Checkpoint,
    set: &[SetEntry],
    cosigned: &Cosigned,
) -> Result<u64, String> {
    let signed: Hash = digest::checkpoint(binding.chain_id, Address(binding.contract), &checkpoint.hash());
    let mut signers = BTreeSet::new();
    for signature in &cosigned.signatures {
        let signature = EcdsaSignature::from_bytes_strict(&signature.0).map_err(|error| error.to_string())?;
        let signer = signature.recover(&signed).map_err(|error| error.to_string())?;
        if !set.iter().any(|entry| entry.account == signer) {
            return Err(format!("a signature of {signer}, which is not of its set"));
        }
        if !signers.insert(signer) {
            return Err(format!("two signatures of {signer}"));
        }
    }
    Ok(signers.len() as u64)
}
