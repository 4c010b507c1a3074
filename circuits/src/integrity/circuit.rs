//! The circuit.

use super::Secret;
use crate::{
    native::{DEPTH, Fr, Path, field_of, tags},
    r1cs::{self, Input, Mismatch, Statement, System, hash},
};
use ark_ff::{AdditiveGroup, Field};
use phalanx_types::{Hash, Height};

/// Most links of one proof.
pub const COUNT_MAX: usize = 16;

/// The statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Integrity;

impl Statement for Integrity {
    type Secret = Secret;

    fn name(&self) -> String {
        "integrity".to_owned()
    }

    fn inputs(&self) -> &'static [Input] {
        &[
            Input { name: "audit_root", meaning: "root of the audit tree of a checkpoint" },
            Input { name: "first", meaning: "digest of the beat of the first receipt" },
            Input { name: "last", meaning: "digest of the beat of the last receipt" },
            Input { name: "count", meaning: "beats from the one to the other, 1 to 16" },
        ]
    }

    fn caveats(&self) -> &'static [&'static str] {
        &[
            "more than two thirds of the validators recorded it so; whether the receipts are true is not shown",
            "the root must be one that they signed: compare it with a checkpoint",
            "that a receipt is of its beat is shown by the receipt's own path",
        ]
    }

    fn blank(&self) -> Secret {
        Secret {
            from: Height(0),
            receipts_roots: Vec::new(),
            path: Path([[Fr::ZERO; crate::native::ARITY]; DEPTH]),
        }
    }

    fn lay<C: System>(&self, cs: &mut C, inputs: &[C::Num], secret: &Secret) -> Result<(), Mismatch> {
        let [audit_root, first, last, count] = Mismatch::named(inputs)?;
        let found = secret.receipts_roots.len();
        if found > COUNT_MAX {
            return Err(Mismatch { what: "receipts roots (1 to 16)", expected: COUNT_MAX, found });
        }
        let (one, zero) = (cs.constant(Fr::ONE), cs.constant(Fr::ZERO));
        let mut height = cs.witness(Fr::from(secret.from.0));
        let (mut ends, mut links, mut reached) = (zero.clone(), zero.clone(), zero);
        let mut digest = first.clone();
        let roots = secret.receipts_roots.iter().chain(std::iter::repeat(&Hash::ZERO));
        for (link, root) in (1..=COUNT_MAX as u64).map(Fr::from).zip(roots) {
            let root = cs.witness(field_of(&root.0));
            digest = hash(cs, Some(tags::BEAT), [&digest, &height, &root]);
            cs.add(&mut height, Fr::ONE, &one);
            let is_end = cs.value(count) == link;
            let is_end = r1cs::bit(cs, is_end);
            let here = cs.product(&is_end, &digest);
            cs.add(&mut ends, Fr::ONE, &is_end);
            cs.add(&mut links, link, &is_end);
            cs.add(&mut reached, Fr::ONE, &here);
        }
        cs.equal("the count is 1 to 16", &ends, &one);
        cs.equal("the count is 1 to 16", &links, count);
        cs.equal("the last digest follows from the first", &reached, last);
        let root = r1cs::member(cs, last, &secret.path);
        cs.equal("the tree is the one with this root", &root, audit_root);
        Ok(())
    }
}
