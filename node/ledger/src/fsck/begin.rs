//! Where the record begins: at the genesis, or at the beat of a snapshot.

use super::{Check, Run, stored, wrong};
use crate::{
    history::Edge,
    kv::{Cf, Kv},
    ledger::{meta_key, number_key},
    snapshot::Base,
};
use phalanx_types::{
    Checkpoint, CommitCertificate, Genesis, Hash, Header, Height, ReceiptIndex, RegisteredSet, TimeMs,
    ValidatorSet, params::Verification,
};
use std::ops::ControlFlow;

/// What the first record of each kind continues.
pub(super) struct Begin {
    /// The snapshot, when there was one.
    pub base: Option<Base>,
    /// Its beat: none before it are stored. 0 at the genesis.
    pub height: Height,
    /// That beat's id, or the genesis hash.
    pub id: Hash,
    /// Its time.
    pub time: TimeMs,
    /// The first beat whose receipts are stored.
    pub first_range: Height,
    /// The history tree before the first stored receipt.
    pub edge: Edge,
    /// Hash of the receipt before it, where that is known.
    pub previous: Option<Hash>,
    /// Hash of the checkpoint before the first interval that is whole here, its
    /// number, and where that interval begins.
    pub checkpoint: (u64, Hash, Height, ReceiptIndex),
    /// The registered validators and the verification level there.
    pub level: (RegisteredSet, Verification),
}

impl Begin {
    pub(super) fn new(genesis: &Genesis, base: Option<Base>) -> Check<Self> {
        let Some(base) = base else {
            return Ok(Self {
                base: None,
                height: Height::ZERO,
                id: genesis.hash(),
                time: genesis.time,
                first_range: Height::ZERO,
                edge: Edge::default(),
                previous: Some(Hash::ZERO),
                checkpoint: (0, Hash::ZERO, Height::ZERO, ReceiptIndex::ZERO),
                level: (RegisteredSet::first(&genesis.validators), genesis.verification),
            });
        };
        let bad = |what: &str| Err(wrong(Cf::Meta, meta_key::BASE, what));
        let tip = &base.tip;
        let fits = tip.header.as_ref().is_some_and(|header| {
            (header.id(), header.height, header.app_hash, header.time)
                == (tip.header_id, tip.height, tip.app_hash, tip.time)
        });
        if !fits || tip.certificate.is_none() {
            return bad("it is not its header's");
        }
        let checkpoint = match &base.checkpoint {
            None => (0, Hash::ZERO, Height::ZERO, ReceiptIndex::ZERO),
            Some(c) => (c.number.0, c.hash(), c.last_beat.next(), ReceiptIndex(c.history_size)),
        };
        let size = base.checkpoint.as_ref().map_or(0, |c| c.history_size);
        let root = base.checkpoint.as_ref().map_or_else(|| Edge::default().root(), |c| c.history_root);
        if !base.edge.is_shaped() || (base.edge.size(), base.edge.root()) != (size, root) {
            return bad("its edge is not its checkpoint's");
        }
        Ok(Self {
            height: tip.height,
            id: tip.header_id,
            time: tip.time,
            first_range: checkpoint.2,
            edge: base.edge.clone(),
            // What the first receipt follows is not here; the chain is bound at
            // the snapshot's beat instead.
            previous: if size == 0 { Some(Hash::ZERO) } else { None },
            checkpoint,
            level: (base.registered, base.verification),
            base: Some(base),
        })
    }

    /// The header of a beat that is not stored as one: the snapshot's.
    pub(super) fn header(&self, height: Height) -> Option<&Header> {
        self.base.as_ref().filter(|base| base.tip.height == height).and_then(|base| base.tip.header.as_ref())
    }

    /// Whether the checkpoint that the snapshot began with is stored as it was.
    pub(super) fn is_known(&self, stored: &Checkpoint) -> bool {
        self.base.as_ref().and_then(|base| base.checkpoint.as_ref()) == Some(stored)
    }
}

impl<K: Kv> Run<'_, K> {
    /// From the first set to the one that decides the beat after the snapshot.
    /// Gives it, and how many sets that took.
    pub(super) fn first_sets(&mut self, begin: &Begin, first: ValidatorSet) -> Check<(ValidatorSet, u64)> {
        let Some(base) = &begin.base else { return Ok((first, 1)) };
        let (mut set, mut sets) = (first, 1);
        let mut keys = Vec::new();
        self.kv
            .scan(Cf::Handovers, &[], &mut |key, _| {
                keys.push(key.to_vec());
                ControlFlow::Continue(())
            })
            .map_err(|error| stored(&error))?;
        let last = number_key(begin.height.next().0);
        for key in keys.into_iter().take_while(|key| key.as_slice() <= last.as_slice()) {
            let (header, certificate): (Header, CommitCertificate) = self.needed(Cf::Handovers, &key)?;
            let next: ValidatorSet = self.needed(Cf::Sets, &key)?;
            if number_key(header.height.next().0).as_slice() != key
                || header.next_validator_set != next.hash()
            {
                return Err(wrong(Cf::Sets, &key, "it is not the set that the beat before it named"));
            }
            if header.height == begin.height {
                break;
            }
            self.decided(Cf::Handovers, &key, &header, &certificate, &set)?;
            (set, sets) = (next, sets + 1);
        }
        let (Some(header), Some(certificate)) = (&base.tip.header, &base.tip.certificate) else {
            return Ok((set, sets));
        };
        self.decided(Cf::Meta, meta_key::BASE, header, certificate, &set)?;
        if header.next_validator_set != header.validator_set {
            let (before, by): (Header, CommitCertificate) = self.needed(Cf::Handovers, &last)?;
            if (&before, &by) != (header, certificate) {
                return Err(wrong(Cf::Handovers, &last, "it is not the beat before the set"));
            }
            set = self.needed(Cf::Sets, &last)?;
            sets += 1;
        }
        Ok((set, sets))
    }

    fn decided(
        &mut self,
        cf: Cf,
        key: &[u8],
        header: &Header,
        certificate: &CommitCertificate,
        set: &ValidatorSet,
    ) -> Check<()> {
        if header.validator_set != set.hash()
            || (certificate.mesh, certificate.height, certificate.beat)
                != (header.mesh, header.height, header.id())
        {
            return Err(wrong(cf, key, "it is not decided by the set before it"));
        }
        self.report.signatures += certificate.signatures.len() as u64;
        certificate.verify(set).map_err(|error| wrong(cf, key, error.to_string()))
    }
}
