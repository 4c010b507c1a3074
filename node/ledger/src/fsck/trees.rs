//! The trees of agents and actions against the checkpoints, and what their leaves open to.

use super::{Check, Run, begin::Begin, stored, wrong};
use crate::{
    kv::{Cf, Kv},
    ledger::{Tip, meta_key, number_key},
    trees::check::{self, Fault},
};
use phalanx_types::{Checkpoint, Hash};

impl<K: Kv> Run<'_, K> {
    pub(super) fn trees(&mut self, tip: &Tip, begin: &Begin) -> Check<()> {
        let known = begin.checkpoint.0;
        let end = self.contiguous(Cf::Audit, known + 1, tip.checkpoint.0)?;
        let mut checkpoints: Vec<Checkpoint> = Vec::new();
        for number in known + 1..end {
            checkpoints.extend(self.value::<Checkpoint>(Cf::Checkpoints, &number_key(number))?);
        }
        // Without all of them nothing can be grown again; nonsense in them is named later.
        let is_sane = |(number, c): (u64, &Checkpoint)| {
            c.number.0 == number && c.first_beat <= c.last_beat && c.last_beat <= tip.height
        };
        let is_whole = checkpoints.len() as u64 == tip.checkpoint.0.saturating_sub(known);
        if !is_whole || self.report.first_gap.is_some() || !(known + 1..).zip(&checkpoints).all(is_sane) {
            return Ok(());
        }
        let found = self.check_trees(tip, begin, &checkpoints);
        match found {
            Ok(()) => Ok(()),
            Err(Fault::Store(error)) => Err(stored(&error)),
            Err(Fault::Wrong { cf, key, what }) => Err(wrong(cf, &key, what)),
            Err(Fault::Missing { cf, key }) => {
                self.gap(cf, &key, "it is missing");
                self.facts.blind = true;
                Ok(())
            }
        }
    }

    fn check_trees(&self, tip: &Tip, begin: &Begin, checkpoints: &[Checkpoint]) -> Result<(), Fault> {
        let known = begin.checkpoint.0;
        let mut digest = begin.base.as_ref().map_or(Hash::ZERO, |base| base.tip.checkpoint_digest);
        for checkpoint in checkpoints {
            digest = check::audit(self.kv, checkpoint, digest)?;
        }
        if digest != tip.checkpoint_digest {
            let what = "its digest is not that of the last checkpoint's last beat";
            return Err(Fault::Wrong { cf: Cf::Meta, key: meta_key::TIP.to_vec(), what });
        }
        let opened = check::agents(self.kv, known)?;
        check::nodes(self.kv, checkpoints, &opened)?;
        check::leaves(self.kv, opened)?;
        check::actions(self.kv, known, tip.checkpoint.0)?;
        check::bindings(self.kv)
    }
}
