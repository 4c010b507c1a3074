//! After a crash: the log gives the same signatures again.

use crate::{
    Application, Consensus, Fatal, Output, Probe, Purpose, Verdict, Wal,
    context::{Address, round_of},
    handler::Followups,
    wal::Record,
};
use arc_malachitebft_core_consensus::Input;
use phalanx_types::{Round, TimeMs};
use std::collections::BTreeSet;

impl<A: Application, W: Wal, P: Probe> Consensus<A, W, P> {
    /// Feeds the log of the current height to a fresh engine (C4).
    pub(crate) fn replay(
        &mut self,
        now: TimeMs,
        records: Vec<Vec<u8>>,
        outputs: &mut Vec<Output>,
    ) -> Result<(), Fatal> {
        let height = self.app.height().next();
        let mut inputs = Vec::with_capacity(records.len());
        for bytes in &records {
            let input = Record::decode(bytes).ok().and_then(|record| record.input(height));
            inputs.push(input.ok_or_else(|| {
                Fatal::Wal(
                    "a record of it cannot be read: use the version of the program that wrote it".into(),
                )
            })?);
        }
        // Execute the logged beats, so that they can be committed.
        for input in &inputs {
            if let Input::ProposedValue(value, _) = input
                && value.validity.is_valid()
            {
                let round = round_of(value.round);
                if let Verdict::Invalid { reason, .. } =
                    self.app.check(&value.value.beat, round, Purpose::Replay)?
                {
                    return Err(Fatal::Wal(format!(
                        "a beat that was valid when it was logged is not ({reason}): check the store with `phalanx ledger fsck`"
                    )));
                }
            }
        }
        let me = Address(self.config.key.public());
        let own_rounds: BTreeSet<Round> = inputs
            .iter()
            .filter_map(|input| match input {
                Input::Proposal(proposal) if proposal.message.address == me => {
                    Some(round_of(proposal.message.round))
                }
                _ => None,
            })
            .collect();
        self.begin();
        self.replaying = Some(records);
        let mut followups = Followups::default();
        if let Some(start) = self.queue.pop_front() {
            self.process(start, &mut followups, outputs)?;
        }
        if let Some(engine) = &mut self.engine {
            engine.index_wal_entries(inputs.iter());
        }
        for input in inputs {
            // Once decided, what follows in the log is of no more use.
            if followups.decided.is_some() {
                break;
            }
            self.process(input, &mut followups, outputs)?;
        }
        if let Some(engine) = &mut self.engine {
            engine.reset_entries_index();
        }
        self.replaying = None;
        // A proposal that is in the log may have left: it must stay the only one.
        if followups.propose.is_some_and(|round| own_rounds.contains(&round)) {
            followups.propose = None;
        }
        self.follow(now, followups, outputs)?;
        self.run(now, outputs)
    }
}
