//! What a beat must be before it is worth executing.
//!
//! [`judge`] checks the form of a beat against its parent: everything but the
//! roots that only execution can tell. It is a pure function of the beat, the
//! parent's tip, the state after the parent and, for new proposals, the clock.

use phalanx_fabric::{Fabric, Input};
use phalanx_types::{
    Beat, CommitCertificate, Evidence, Hash, Height, Params, PublicKey, SignedEnvelope, TimeMs,
    beat::{EVIDENCE_MAX, inputs_root},
    codec,
    crypto::verify_batch,
    envelope::{ENVELOPE_BYTES_MAX, OPERATIONS_MAX},
    evidence::Fault,
    validator::ValidatorSet,
};
use std::collections::BTreeSet;

/// What the parent fixes for its child.
#[derive(Clone, Debug)]
pub struct Parent<'a> {
    /// The mesh.
    pub mesh: Hash,
    /// The parent's height.
    pub height: Height,
    /// The parent's id; the genesis hash before the first beat.
    pub id: Hash,
    /// The parent's time.
    pub time: TimeMs,
    /// The set that decided the parent; none before the first beat.
    pub set: Option<&'a ValidatorSet>,
    /// The set that decides the child.
    pub next_set: &'a ValidatorSet,
}

/// A beat that no honest proposer makes, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Rejection {
    /// The fault that its proposer is accused of; none when it may have done
    /// nothing wrong.
    pub fault: Option<Fault>,
    /// What is wrong.
    pub reason: String,
}

impl Rejection {
    fn new(fault: Fault, reason: impl Into<String>) -> Self {
        Self { fault: Some(fault), reason: reason.into() }
    }
}

/// How much older or newer than a validator's clock a new proposal may be.
#[must_use]
pub fn clock_tolerance_ms(params: &Params) -> u64 {
    u64::from(params.clock_bound_ms) + u64::from(params.message_bound_ms)
}

/// Checks header, parent certificate, sizes, time, evidence and envelopes.
///
/// `clock` is this node's clock when the beat is a new proposal, and none when
/// it was locked, decided or logged before: then time was judged already.
/// `known` says whether an envelope, with just this signature, was verified
/// before: the signature is not part of its id.
///
/// # Errors
/// The first rule that is broken, with the fault it amounts to.
pub fn judge(
    beat: &Beat,
    parent: &Parent<'_>,
    fabric: &Fabric,
    params: &Params,
    clock: Option<TimeMs>,
    known: impl Fn(&Hash, &SignedEnvelope) -> bool,
) -> Result<Vec<Hash>, Rejection> {
    let wrong = |reason: String| Rejection::new(Fault::WrongRoot, reason);
    let header = &beat.header;
    if header.mesh != parent.mesh {
        return Err(wrong(format!("it is of the mesh {}, not {}", header.mesh, parent.mesh)));
    }
    if header.height != parent.height.next() {
        return Err(wrong(format!("it has height {}, but follows {}", header.height, parent.height)));
    }
    if header.parent != parent.id {
        return Err(wrong(format!("its parent is {}, not {}", header.parent, parent.id)));
    }
    if header.validator_set != parent.next_set.hash() {
        return Err(wrong("its validator set is not the agreed one".into()));
    }
    if parent.next_set.weight_of(&header.proposer).is_none() {
        return Err(wrong(format!("its proposer {} is no validator", header.proposer)));
    }
    parent_certificate(beat, parent)?;
    time(header.time, parent.time, params, clock)?;
    if header.inputs_root != inputs_root(&beat.envelopes, &beat.evidence) {
        return Err(wrong("its inputs root does not cover its inputs".into()));
    }
    evidence(&beat.evidence, &parent.mesh)?;
    envelopes(beat, fabric, params, known)
}

fn parent_certificate(beat: &Beat, parent: &Parent<'_>) -> Result<(), Rejection> {
    let wrong = |reason: String| Rejection::new(Fault::WrongRoot, reason);
    let (Some(certificate), Some(set)) = (&beat.parent_certificate, parent.set) else {
        let none = beat.parent_certificate.is_none() && parent.set.is_none();
        return if none && beat.header.parent_certificate == Hash::ZERO {
            Ok(())
        } else {
            Err(wrong("it carries a parent certificate if and only if it is not the first beat".into()))
        };
    };
    if certificate.hash() != beat.header.parent_certificate {
        return Err(wrong("its header names another parent certificate".into()));
    }
    let CommitCertificate { mesh, height, beat: decided, .. } = certificate;
    if (*mesh, *height, *decided) != (parent.mesh, parent.height, parent.id) {
        return Err(wrong("its parent certificate is of another beat".into()));
    }
    certificate.verify(set).map_err(|error| wrong(format!("its parent certificate is invalid: {error}")))
}

fn time(time: TimeMs, parent: TimeMs, params: &Params, clock: Option<TimeMs>) -> Result<(), Rejection> {
    if time <= parent {
        return Err(Rejection::new(
            Fault::WrongTime,
            format!("its time {time} is not after its parent's {parent}"),
        ));
    }
    let Some(clock) = clock else { return Ok(()) };
    let (distance, tolerance) = (time.0.abs_diff(clock.0), clock_tolerance_ms(params));
    if distance <= tolerance {
        return Ok(());
    }
    let reason = format!("its time is {distance} ms from this node's clock; {tolerance} ms are allowed");
    // One from the past may have been right when it was sent: the way here was
    // long, or this node slept. Only a clock that is wrong makes one from the
    // future.
    let fault = (time > clock).then_some(Fault::WrongTime);
    Err(Rejection { fault, reason })
}

fn evidence(all: &[Evidence], mesh: &Hash) -> Result<(), Rejection> {
    let bad = |reason: &str| Rejection::new(Fault::BadInput, reason);
    if all.len() > EVIDENCE_MAX {
        return Err(bad("it has too much evidence"));
    }
    let mut seen = BTreeSet::new();
    for item in all {
        if !seen.insert(item.hash()) {
            return Err(bad("it has the same evidence twice"));
        }
        if !item.convicts(mesh) {
            return Err(bad("it has evidence that convicts nobody"));
        }
    }
    Ok(())
}

/// Checks the envelopes of a beat and gives their ids.
fn envelopes(
    beat: &Beat,
    fabric: &Fabric,
    params: &Params,
    known: impl Fn(&Hash, &SignedEnvelope) -> bool,
) -> Result<Vec<Hash>, Rejection> {
    let bad = |reason: String| Rejection::new(Fault::BadInput, reason);
    let mut room = Room::new(params);
    let mut numbers: BTreeSet<(PublicKey, u64)> = BTreeSet::new();
    let ids: Vec<Hash> = beat.envelopes.iter().map(|signed| signed.envelope.id()).collect();
    for (signed, id) in beat.envelopes.iter().zip(&ids) {
        let envelope = &signed.envelope;
        let bytes = codec::encode(signed).len();
        let operations = envelope.operations.len();
        if operations == 0 || operations > OPERATIONS_MAX || bytes > ENVELOPE_BYTES_MAX {
            return Err(bad(format!("an envelope of {operations} operations and {bytes} bytes")));
        }
        if !room.take(bytes, operations) {
            return Err(bad("it is larger than a beat may be".into()));
        }
        if !numbers.insert((envelope.sender, envelope.sequence)) {
            return Err(bad(format!("two envelopes of {} have one number", envelope.sender)));
        }
        if let Err(refusal) = fabric.beat_worthy(beat.header.time, &Input { id: *id, signed }) {
            return Err(bad(format!("an envelope that had to be left out: {refusal}")));
        }
    }
    if !signatures_hold(&beat.envelopes, &ids, known) {
        return Err(bad("an envelope with a wrong signature".into()));
    }
    Ok(ids)
}

/// Whether all envelopes that are not `known` are signed by their senders.
#[must_use]
pub fn signatures_hold(
    envelopes: &[SignedEnvelope],
    ids: &[Hash],
    known: impl Fn(&Hash, &SignedEnvelope) -> bool,
) -> bool {
    let claims: Vec<_> = envelopes
        .iter()
        .zip(ids)
        .filter(|(signed, id)| !known(id, signed))
        .map(|(signed, id)| signed.claim(id))
        .collect();
    verify_batch(&claims)
}

/// Room in a beat, for who fills it and for who checks it.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    bytes: usize,
    operations: usize,
}

impl Room {
    /// An empty beat's room.
    #[must_use]
    pub const fn new(params: &Params) -> Self {
        Self { bytes: params.beat_bytes_max as usize, operations: params.beat_operations_max as usize }
    }

    /// Takes room for an envelope; false, and nothing taken, if there is none.
    pub const fn take(&mut self, bytes: usize, operations: usize) -> bool {
        match (self.bytes.checked_sub(bytes), self.operations.checked_sub(operations)) {
            (Some(bytes_left), Some(operations_left)) => {
                (self.bytes, self.operations) = (bytes_left, operations_left);
                true
            }
            _ => false,
        }
    }
}
