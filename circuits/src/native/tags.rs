//! All domain tags of Poseidon hashes, in one list.
//!
//! A tag is ASCII of at most 26 bytes, read as a big-endian number, times 2^32,
//! plus a count where the same hash is made over different numbers of things. It is
//! the hash's first input. Two hashes are told apart by the tag or by how many
//! inputs they have: the permutations of different widths have nothing in common.

use super::Fr;
use ark_ff::PrimeField;

/// A domain tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag(&'static str);

/// What an agent is at one nonce: the leaf of the agents tree.
pub const AGENT: Tag = Tag("phalanx/agent/v1");
/// The blinding of that leaf.
pub const BLIND: Tag = Tag("phalanx/blind/v1");
/// A place in the ball; counted by its dimensions.
pub const POSITION: Tag = Tag("phalanx/position/v1");
/// A tenant's name; counted by its bytes.
pub const TENANT: Tag = Tag("phalanx/tenant/v1");
/// What an agent takes from its worker.
pub const RESOURCES: Tag = Tag("phalanx/resources/v1");
/// What a worker has in all.
pub const CAPACITY: Tag = Tag("phalanx/capacity/v1");
/// One rule of a policy.
pub const RULE: Tag = Tag("phalanx/rule/v1");
/// A policy: its step and its rules.
pub const POLICY: Tag = Tag("phalanx/policy-root/v1");
/// An action of an agent: a leaf of the audit tree.
pub const ACTION: Tag = Tag("phalanx/action/v1");
/// A beat and all beats before it: a leaf of the audit tree.
pub const BEAT: Tag = Tag("phalanx/beat/v1");
/// What is spent when an action is proven.
pub const NULLIFIER: Tag = Tag("phalanx/null/v1");
/// What is spent when a position is proven.
pub const NULLIFIER_POSITION: Tag = Tag("phalanx/null-position/v1");

/// Every tag above, so that a test can show that no two are equal.
pub const ALL: &[Tag] = &[
    AGENT,
    BLIND,
    POSITION,
    TENANT,
    RESOURCES,
    CAPACITY,
    RULE,
    POLICY,
    ACTION,
    BEAT,
    NULLIFIER,
    NULLIFIER_POSITION,
];

impl Tag {
    /// The first input of the hash.
    #[must_use]
    pub fn field(self) -> Fr {
        self.counted(0)
    }

    /// The first input of a hash over `count` things.
    #[must_use]
    pub fn counted(self, count: u32) -> Fr {
        Fr::from_be_bytes_mod_order(self.0.as_bytes()) * Fr::from(1_u64 << 32) + Fr::from(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_tags_are_equal_and_none_wraps_around_the_modulus() {
        for (i, a) in ALL.iter().enumerate() {
            assert!(a.0.is_ascii() && a.0.len() <= 26, "{a:?}");
            for (j, b) in ALL.iter().enumerate() {
                assert!(i == j || a.field() != b.field(), "{a:?} {b:?}");
            }
        }
    }
}
