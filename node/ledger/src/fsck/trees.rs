//! The trees of agents and actions against the checkpoints, and what their leaves open to.

use super::{Check, Run, begin::Begin, stored, wrong};
use crate::{
    kv::{Cf, Kv},
    ledger::{Tip, meta_key, number_key},
    trees::check::{self, Fault},
};
use phalanx_types::{Checkpoint, Hash, units::CheckpointNumber};

impl<K: Kv> Run<'_, K> {
    pub(super) fn trees(&mut self, tip: &Tip, begin: &Begin) -> Check<()> {
        let known = begin.checkpoint.0;
        let end = self.contiguous(Cf::Audit, known + 1, tip.checkpoint.0)?;
        let mut checkpoints: Vec<Checkpoint> = Vec::new();
        for number in known + 1..end {
            // One that is missing was noted.
            if let Some(checkpoint) = self.value(Cf::Checkpoints, &number_key(number))? {
                checkpoints.push(checkpoint);
            }
        }
        let is_whole = checkpoints.len() as u64 == tip.checkpoint.0 - known && self.report.first_gap.is_none();
        let mut digest = begin.base.as_ref().map_or(Hash::ZERO, |base| base.tip.checkpoint_digest);
        if begin.base.as_ref().is_some_and(|base| base.tip.checkpoint != CheckpointNumber(known)) {
            return Err(wrong(Cf::Meta, meta_key::BASE, "its tip is not at its checkpoint"));
        }
        for checkpoint in checkpoints.iter().filter(|_| is_whole) {
            digest = self.fault(check::audit(self.kv, checkpoint, digest))?;
        }
        if !is_whole {
            return Ok(());
        }
        if digest != tip.checkpoint_digest {
            return Err(wrong(Cf::Meta, meta_key::TIP, "its digest is not that of the last checkpoint's last beat"));
        }
        self.fault(check::nodes(self.kv, &checkpoints))?;
        self.fault(check::agents(self.kv, known))?;
        self.fault(check::actions(self.kv, known, tip.checkpoint.0))?;
        self.fault(check::bindings(self.kv))
    }

    fn fault<T>(&mut self, found: Result<T, Fault>) -> Check<T> {
        found.map_err(|fault| match fault {
            Fault::Store(error) => stored(&error),
            Fault::Wrong { cf, key, what } => wrong(cf, &key, what),
            Fault::Missing { cf, key } => {
                self.gap(cf, &key, "it is missing");
                super::Stop::Blind
            }
        })
    }
}
