//! Receipts: what was decided and what came of it, as RFC 8785 JSON.
//!
//! A receipt's *canonical bytes* are the RFC 8785 JSON of all its fields but
//! `hash`; `hash` is their SHA3-256. Types go by field, never by value:
//! integers of 64 bits and amounts are decimal strings, hashes are lower-case
//! hex, integers of 32 bits and fewer are JSON numbers. There are no floats and
//! no nulls; what is absent is left out.

use crate::{
    codec::{DecodeError, decode_hex},
    hash::Hash,
    name::Name,
    tags,
    units::{Height, ReceiptIndex, TimeMs},
};
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, collections::BTreeMap};

/// Longest canonical receipt in bytes.
pub const RECEIPT_BYTES_MAX: usize = 64 << 10;

/// What a receipt is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ReceiptKind {
    /// The first receipt: binds the mesh's identity.
    Genesis,
    /// An owner command was applied.
    OwnerCommand,
    /// An owner command could not be applied.
    OwnerCommandRefused,
    /// An operation was refused.
    Refused,
    /// A worker's offer was taken or changed.
    WorkerOffered,
    /// A worker left the marketplace.
    WorkerWithdrawn,
    /// A worker missed its heartbeats.
    WorkerUnhealthy,
    /// An unhealthy worker gave a sign of life.
    WorkerRecovered,
    /// A job was taken in.
    JobAccepted,
    /// A job was given to a worker.
    JobAssigned,
    /// A job moved to another shard.
    JobSpilled,
    /// A job went back to its shard's queue.
    JobRequeued,
    /// An attempt ended.
    AttemptEnded,
    /// A job ended.
    JobEnded,
    /// An agent was spawned.
    AgentSpawned,
    /// An agent moved to another worker.
    AgentMigrated,
    /// An agent went one step in the ball.
    AgentMoved,
    /// An agent did not go on, since a constraint of a policy forbids it.
    AgentHeld,
    /// An agent ended.
    AgentTerminated,
    /// The agreed latency between two regions changed.
    LatencyAgreed,
    /// A validator was convicted.
    Evidence,
    /// A validator was put in quarantine.
    Quarantine,
    /// The validator set or its proposers' rule changed.
    ValidatorsChanged,
    /// Time stood still; deadlines and leases were moved.
    TimeShifted,
    /// The registered validators changed: whose signatures checkpoints ask for.
    ValidatorsRegistered,
    /// The chain is not the chain that the mesh has obeyed.
    ChainDiverged,
    /// An interval of receipts was closed.
    CheckpointClosed,
}

impl ReceiptKind {
    /// Kinds that are receipted at every verification level.
    #[must_use]
    pub const fn is_always_receipted(self) -> bool {
        matches!(
            self,
            Self::Genesis
                | Self::OwnerCommand
                | Self::OwnerCommandRefused
                | Self::Evidence
                | Self::Quarantine
                | Self::ValidatorsChanged
                | Self::ValidatorsRegistered
                | Self::ChainDiverged
                | Self::CheckpointClosed
                | Self::AttemptEnded
                | Self::JobEnded
        )
    }
}

/// One value inside a receipt's `data`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Field {
    /// True or false.
    Bool(bool),
    /// An integer of at most 32 bits, signed or not.
    Number(i64),
    /// Text, a decimal string, or hex.
    Text(String),
    /// A list.
    List(Vec<Field>),
    /// Named values; keys are ASCII.
    Map(BTreeMap<Key, Field>),
}

impl Field {
    /// A 64-bit integer, as a decimal string.
    #[must_use]
    pub fn u64(value: u64) -> Self {
        Self::Text(value.to_string())
    }

    /// A signed 64-bit integer, as a decimal string.
    #[must_use]
    pub fn i64(value: i64) -> Self {
        Self::Text(value.to_string())
    }

    /// An integer of at most 32 bits, as a number.
    #[must_use]
    pub fn u32(value: u32) -> Self {
        Self::Number(i64::from(value))
    }

    /// Anything that has a text form: names, hashes, ids.
    #[must_use]
    pub fn text(value: impl std::fmt::Display) -> Self {
        Self::Text(value.to_string())
    }

    fn check(&self) -> Result<(), String> {
        match self {
            Self::Bool(_) | Self::Text(_) => Ok(()),
            Self::Number(number) if (i64::from(i32::MIN)..=i64::from(u32::MAX)).contains(number) => Ok(()),
            Self::Number(number) => Err(format!("the number {number} has more than 32 bits")),
            Self::List(items) => items.iter().try_for_each(Self::check),
            Self::Map(items) => items.iter().try_for_each(|(key, item)| {
                if key.is_ascii() { item.check() } else { Err(format!("the key {key:?} is not ASCII")) }
            }),
        }
    }
}

/// The key of a value; one that the code names costs no allocation.
pub type Key = Cow<'static, str>;

/// A receipt's `data`: named values, keys ASCII.
pub type Data = BTreeMap<Key, Field>;

/// What the state machine says of a receipt; the ledger adds index, time and
/// the hash chain, and may leave it out below `full_audit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptDraft {
    /// What it is about.
    pub kind: ReceiptKind,
    /// Whom or what it is about: a job id, a worker, a tenant.
    pub subject: String,
    /// Who caused it: a key, or `fabric`.
    pub actor: String,
    /// Whose it is.
    pub tenant: Option<Name>,
    /// Hash of the input that caused it; zero when the beat itself did.
    pub inputs: Hash,
    /// The rest.
    pub data: Data,
    /// Receipts that caused this one.
    pub causes: Vec<Cause>,
    /// W3C trace id.
    pub trace_id: Option<[u8; 16]>,
    /// Values that stand in `data` as salted hashes, to be kept beside the
    /// ledger for those who may see them.
    pub hidden: Vec<HiddenField>,
}

/// Where a cause is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// An earlier draft of the same beat, by position.
    SameBeat(u32),
    /// A receipt of an earlier beat.
    Earlier(ReceiptIndex),
}

/// A value behind a salted hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HiddenField {
    /// Its key in `data`.
    pub key: String,
    /// The salt.
    pub salt: Hash,
    /// The value.
    pub value: Field,
}

impl HiddenField {
    /// Hides `value` under `key`. `secret` is known to those who may see the
    /// value and to nobody else; `context` makes the salt unique (receipt
    /// subject and nonce).
    #[must_use]
    pub fn new(key: &str, value: Field, secret: &[u8; 32], context: &[u8]) -> Self {
        let salt =
            Hash::of_parts(tags::SALT, &[secret, &(key.len() as u32).to_le_bytes(), key.as_bytes(), context]);
        Self { key: key.to_owned(), salt, value }
    }

    /// What stands in `data` instead: `{"salted": hash}`, where hash =
    /// SHA3-256(tag SALTED ‖ 00 ‖ salt ‖ canonical JSON of the value).
    #[must_use]
    pub fn commitment(&self) -> Field {
        let hash = Hash::of_parts(tags::SALTED, &[&self.salt.0, &canonical(&self.value)]);
        Field::Map(BTreeMap::from([(Key::Borrowed("salted"), Field::text(hash))]))
    }
}

/// A receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
// The fields stand in the order of their names: the derived serializer then
// writes RFC 8785 order (a test holds it against a canonicalizer).
pub struct Receipt {
    /// Who caused it.
    pub actor: String,
    /// The beat that decided it; 0 for the genesis receipt.
    pub beat: Height,
    /// Indexes of the receipts that caused it.
    pub causes: Vec<ReceiptIndex>,
    /// Named values.
    pub data: Data,
    /// Its place in the ledger.
    pub index: ReceiptIndex,
    /// Hash of the input that caused it.
    pub inputs: Hash,
    /// What it is about.
    pub kind: ReceiptKind,
    /// The policy version it was decided under.
    #[serde(with = "crate::units::decimal")]
    pub policy_version: u64,
    /// Hash of the receipt before it; zero for the first.
    pub previous_hash: Hash,
    /// Whom or what it is about.
    pub subject: String,
    /// Whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<Name>,
    /// The beat's time.
    pub time_ms: TimeMs,
    /// W3C trace id, 32 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
}

impl Receipt {
    /// Its canonical bytes (RFC 8785), without `hash`.
    #[must_use]
    pub fn canonical_bytes(&self) -> Vec<u8> {
        canonical(self)
    }

    /// SHA3-256 of the canonical bytes.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Hash::sha3(&self.canonical_bytes())
    }

    /// Checks what its types leave open: the keys of `data` are ASCII, its
    /// numbers have at most 32 bits, and a trace id is 32 hex digits.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), DecodeError> {
        let malformed = |reason: String| DecodeError::Malformed { what: "receipt", reason };
        if let Some(trace) = &self.trace_id {
            decode_hex::<16>(trace, "trace id")?;
        }
        for (key, field) in &self.data {
            if !key.is_ascii() {
                return Err(malformed(format!("the key {key:?} is not ASCII")));
            }
            field.check().map_err(|reason| malformed(format!("{key}: {reason}")))?;
        }
        Ok(())
    }

    /// Reads canonical bytes.
    ///
    /// # Errors
    /// When they are too long, no receipt, or not in canonical form.
    pub fn from_canonical_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        const WHAT: &str = "receipt";
        if bytes.len() > RECEIPT_BYTES_MAX {
            return Err(DecodeError::TooLong { what: WHAT, max: RECEIPT_BYTES_MAX, found: bytes.len() });
        }
        let receipt: Self = serde_json::from_slice(bytes)
            .map_err(|e| DecodeError::Malformed { what: WHAT, reason: e.to_string() })?;
        receipt.check()?;
        if receipt.canonical_bytes() != bytes {
            return Err(DecodeError::Malformed {
                what: WHAT,
                reason: "it is not in RFC 8785 canonical form".into(),
            });
        }
        Ok(receipt)
    }
}

/// RFC 8785 bytes of a value whose structs declare their fields in order and
/// that holds no floats.
fn canonical<T: Serialize>(value: &T) -> Vec<u8> {
    let bytes = serde_json::to_vec(value);
    debug_assert!(bytes.is_ok(), "maps have text keys and memory is writable");
    bytes.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn field() -> impl Strategy<Value = Field> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Field::Bool),
            (i64::from(i32::MIN)..=i64::from(u32::MAX)).prop_map(Field::Number),
            any::<String>().prop_map(Field::Text),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Field::List),
                prop::collection::btree_map("[ -~]{0,8}".prop_map(Key::Owned), inner, 0..4)
                    .prop_map(Field::Map),
            ]
        })
    }

    prop_compose! {
        fn receipt()(
            numbers in any::<[u64; 5]>(), subject in any::<String>(), actor in "[ -~]{0,20}",
            data in prop::collection::btree_map("[ -~]{0,8}".prop_map(Key::Owned), field(), 0..6),
            hashes in any::<[[u8; 32]; 2]>(), causes in prop::collection::vec(any::<u64>(), 0..4),
            tenant in prop::option::of("[a-z]{1,9}"), traced in any::<bool>(),
        ) -> Receipt {
            Receipt {
                actor, beat: Height(numbers[0]), causes: causes.into_iter().map(ReceiptIndex).collect(),
                data, index: ReceiptIndex(numbers[1]), inputs: Hash(hashes[0]), kind: ReceiptKind::JobEnded,
                policy_version: numbers[2], previous_hash: Hash(hashes[1]), subject,
                tenant: tenant.map(|t| Name::new(&t).unwrap()), time_ms: TimeMs(numbers[3]),
                trace_id: traced.then(|| hex::encode([7_u8; 16])),
            }
        }
    }

    proptest! {
        #[test]
        fn canonical_bytes_are_rfc_8785(receipt in receipt()) {
            prop_assert_eq!(receipt.canonical_bytes(), serde_jcs::to_vec(&receipt).unwrap());
        }

        #[test]
        fn canonical_bytes_round_trip(receipt in receipt()) {
            let bytes = receipt.canonical_bytes();
            prop_assert_eq!(Receipt::from_canonical_bytes(&bytes).unwrap(), receipt);
        }

        #[test]
        fn other_forms_of_the_same_receipt_are_refused(receipt in receipt()) {
            let mut spaced = receipt.canonical_bytes();
            spaced.push(b' ');
            prop_assert!(Receipt::from_canonical_bytes(&spaced).is_err());
        }
    }

    proptest! {
        #[test]
        fn a_wide_number_a_key_beyond_ascii_and_a_bad_trace_id_are_refused(mut receipt in receipt(), which in 0..4) {
            match which {
                0 => drop(receipt.data.insert("n".into(), Field::List(vec![Field::Number(1 << 32)]))),
                1 => drop(receipt.data.insert("é".into(), Field::Bool(true))),
                2 => drop(receipt.data.insert("m".into(), Field::Map(BTreeMap::from([("é".into(), Field::u32(1))])))),
                _ => receipt.trace_id = Some("7".into()),
            }
            prop_assert!(Receipt::from_canonical_bytes(&receipt.canonical_bytes()).is_err());
        }
    }

    #[test]
    fn a_hidden_value_is_bound_but_not_shown() {
        let hidden = HiddenField::new("position", Field::text("secret place"), &[9; 32], b"agent/1");
        let shown = serde_json::to_string(&hidden.commitment()).unwrap();
        assert!(!shown.contains("secret"));
        let other = HiddenField::new("position", Field::text("other place"), &[9; 32], b"agent/1");
        assert_ne!(hidden.commitment(), other.commitment());
    }
}
