//! The chain of beats, their certificates, inputs and validator sets.

use super::{Check, Run, begin::Begin, stored, wrong};
use crate::{
    kv::{Cf, Kv},
    ledger::{Tip, get_value, meta_key, number_key},
};
use phalanx_types::{
    Beat, CommitCertificate, Genesis, Hash, Header, Height, TimeMs, ValidatorSet, beat::inputs_root,
};
use std::ops::ControlFlow;

/// What a beat must continue.
struct Before {
    id: Hash,
    time: TimeMs,
    /// The set that it handed over to, when that is another one.
    handed_to: Option<Hash>,
}

impl<K: Kv> Run<'_, K> {
    pub(super) fn beats(&mut self, genesis: &Genesis, tip: &Tip, begin: &Begin) -> Check<()> {
        let first = begin.height.next().0;
        if tip.height < begin.height {
            return Err(wrong(
                Cf::Meta,
                meta_key::TIP,
                "it is before the snapshot that the ledger began with",
            ));
        }
        let end = self
            .contiguous(Cf::Beats, first, tip.height.0)?
            .max(self.contiguous(Cf::Certificates, first, tip.height.0)?)
            .max(self.contiguous(Cf::Ranges, begin.first_range.0, tip.height.0)?);
        self.facts.blind |= end <= tip.height.0;
        let mut set: Option<ValidatorSet> = self.value(Cf::Sets, &number_key(1))?;
        if set.as_ref().is_some_and(|set| set.members() != genesis.first_members()) {
            return Err(wrong(Cf::Sets, &number_key(1), "it is not the first set that the genesis makes"));
        }
        let mut sets = u64::from(set.is_some());
        if let Some(genesis_set) = set.take() {
            let (at_begin, counted) = self.first_sets(begin, genesis_set)?;
            (set, sets) = (Some(at_begin), counted);
        }
        // None after a beat that is missing.
        let mut before = Some(Before { id: begin.id, time: begin.time, handed_to: None });
        for height in first..=end {
            if height > first
                && let Some(new) = self.handed_over(height, before.as_ref())?
            {
                sets += u64::from(new.is_some());
                set = new;
            }
            if height == end {
                break;
            }
            let key = number_key(height);
            let beat: Option<Beat> = self.value(Cf::Beats, &key)?;
            let certificate: Option<CommitCertificate> = self.value(Cf::Certificates, &key)?;
            let Some(beat) = beat else {
                // A set that came in with it is named by nothing that is there, and
                // nothing after it vouches for the last one.
                let set_came_in = self.kv.get(Cf::Sets, &number_key(height + 1));
                self.facts.blind |=
                    height == tip.height.0 || set_came_in.map_err(|error| stored(&error))?.is_some();
                before = None;
                continue;
            };
            let header = &beat.header;
            self.header(genesis, height, &beat, before.as_ref())?;
            if set.as_ref().is_some_and(|set| set.hash() != header.validator_set) {
                if before.is_some() {
                    return Err(wrong(
                        Cf::Beats,
                        &key,
                        "its validator set is not the one stored for this height",
                    ));
                }
                // It may have come in with the missing beat.
                self.gap(Cf::Sets, &key, "it is missing");
                set = None;
            }
            // The tip keeps the last one as well.
            let of_tip = tip.certificate.as_ref().filter(|_| height == tip.height.0);
            self.certificate(genesis, height, &beat, certificate.as_ref().or(of_tip), set.as_ref())?;
            if height == tip.height.0 {
                tip_is(tip, &beat, certificate.as_ref())?;
            }
            self.handover(height, &beat, certificate.as_ref())?;
            before = Some(Before {
                id: beat.id(),
                time: header.time,
                handed_to: (header.next_validator_set != header.validator_set)
                    .then_some(header.next_validator_set),
            });
            self.report.beats += 1;
        }
        if let Some(header) = begin.header(tip.height)
            && (tip.header.as_ref() != Some(header) || (tip.header_id, tip.time) != (begin.id, begin.time))
        {
            return Err(wrong(Cf::Meta, meta_key::TIP, "it is not the beat of the snapshot"));
        }
        if tip.height == Height::ZERO
            && ((tip.header_id, tip.time) != (genesis.hash(), genesis.time)
                || tip.header.is_some()
                || tip.certificate.is_some())
        {
            return Err(wrong(Cf::Meta, meta_key::TIP, "it is not the genesis"));
        }
        self.strange_sets(sets)?;
        self.strange_handovers(tip, begin)
    }

    /// The set that came in at a height: the outer none when none did, the inner
    /// none when it is missing.
    fn handed_over(&mut self, height: u64, before: Option<&Before>) -> Check<Option<Option<ValidatorSet>>> {
        let key = number_key(height);
        let stored_set: Option<ValidatorSet> =
            get_value(self.kv, Cf::Sets, &key).map_err(|error| stored(&error))?;
        match (stored_set, before) {
            (Some(set), Some(before)) if before.handed_to != Some(set.hash()) => {
                Err(wrong(Cf::Sets, &key, "it is not the set that the beat before it named"))
            }
            (Some(set), _) => Ok(Some(Some(set))),
            (None, Some(Before { handed_to: Some(_), .. })) => {
                self.gap(Cf::Sets, &key, "it is missing");
                Ok(Some(None))
            }
            (None, _) => Ok(None),
        }
    }

    /// Who handed over to another set is kept a second time, for those who have
    /// only the sets.
    fn handover(&mut self, height: u64, beat: &Beat, certificate: Option<&CommitCertificate>) -> Check<()> {
        let (header, key) = (&beat.header, number_key(height + 1));
        if header.next_validator_set == header.validator_set {
            return Ok(());
        }
        let kept: Option<(Header, CommitCertificate)> = self.value(Cf::Handovers, &key)?;
        let Some((before, by)) = kept else { return Ok(()) };
        if before != *header || certificate.is_some_and(|certificate| by != *certificate) {
            return Err(wrong(Cf::Handovers, &key, "it is not the beat before the set"));
        }
        Ok(())
    }

    fn header(&mut self, genesis: &Genesis, height: u64, beat: &Beat, before: Option<&Before>) -> Check<()> {
        let (header, key) = (&beat.header, number_key(height));
        let bad = |what: &str| Err(wrong(Cf::Beats, &key, what));
        if header.mesh != genesis.mesh || header.height != Height(height) {
            return bad("it is not the beat of this mesh and height");
        }
        if let Some(before) = before {
            if header.parent != before.id {
                return bad("it does not name the beat before it as its parent");
            }
            if header.time <= before.time {
                return bad("its time is not after its parent's");
            }
        }
        if header.inputs_root != inputs_root(&beat.envelopes, &beat.evidence) {
            return bad("its inputs root does not cover its inputs");
        }
        let carried = beat.parent_certificate.as_ref();
        if header.parent_certificate != carried.map_or(Hash::ZERO, CommitCertificate::hash) {
            return bad("its parent certificate is not the one its header names");
        }
        let of_parent = carried.map(|c| (c.height.0, c.beat));
        if of_parent != (height > 1).then(|| (height - 1, header.parent)) {
            return bad("its parent certificate is of another beat");
        }
        for signed in &beat.envelopes {
            if !signed.verify_signature(&signed.envelope.id()) {
                return bad("one of its envelopes has a wrong signature");
            }
            self.report.signatures += 1;
        }
        Ok(())
    }

    fn certificate(
        &mut self,
        genesis: &Genesis,
        height: u64,
        beat: &Beat,
        certificate: Option<&CommitCertificate>,
        set: Option<&ValidatorSet>,
    ) -> Check<()> {
        let Some(set) = set else {
            self.facts.blind = true;
            return Ok(());
        };
        // Without it, the next beat vouches for this one as its parent.
        let Some(certificate) = certificate else { return Ok(()) };
        let bad = |what: String| Err(wrong(Cf::Certificates, &number_key(height), what));
        if (certificate.mesh, certificate.height, certificate.beat)
            != (genesis.mesh, beat.header.height, beat.id())
        {
            return bad("it is not of the stored beat".into());
        }
        if let Err(error) = certificate.verify(set) {
            return bad(error.to_string());
        }
        self.report.signatures += certificate.signatures.len() as u64;
        Ok(())
    }

    /// No set is stored that no beat names.
    fn strange_sets(&self, sets: u64) -> Check<()> {
        let (mut found, mut last) = (0, Vec::new());
        self.kv
            .scan(Cf::Sets, &[], &mut |key, _| {
                found += 1;
                last = key.to_vec();
                ControlFlow::Continue(())
            })
            .map_err(|error| stored(&error))?;
        if found > sets {
            return Err(wrong(Cf::Sets, &last, format!("{found} sets are stored, {sets} were decided")));
        }
        Ok(())
    }

    /// No hand-over is stored after a beat that made none.
    fn strange_handovers(&self, tip: &Tip, begin: &Begin) -> Check<()> {
        let mut heights = Vec::new();
        self.kv
            .scan(Cf::Handovers, &[], &mut |key, _| {
                heights.extend(<[u8; 8]>::try_from(key).map(u64::from_be_bytes));
                ControlFlow::Continue(())
            })
            .map_err(|error| stored(&error))?;
        for height in heights.into_iter().filter(|height| *height > begin.height.next().0) {
            let key = number_key(height);
            let before: Option<Beat> =
                get_value(self.kv, Cf::Beats, &number_key(height - 1)).map_err(|error| stored(&error))?;
            let made_none =
                before.is_some_and(|beat| beat.header.next_validator_set == beat.header.validator_set);
            if made_none || height > tip.height.next().0 {
                return Err(wrong(Cf::Handovers, &key, "the beat before it handed over to no other set"));
            }
        }
        Ok(())
    }
}

fn tip_is(tip: &Tip, beat: &Beat, certificate: Option<&CommitCertificate>) -> Check<()> {
    let header = &beat.header;
    let same = tip.header.as_ref() == Some(header)
        && tip.header_id == beat.id()
        && certificate.is_none_or(|certificate| tip.certificate.as_ref() == Some(certificate))
        && tip.time == header.time
        && tip.app_hash == header.app_hash;
    if same { Ok(()) } else { Err(wrong(Cf::Meta, meta_key::TIP, "it is not the last stored beat")) }
}
