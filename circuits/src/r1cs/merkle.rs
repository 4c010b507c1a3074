//! Membership in a group of nodes, and in a tree.

use super::{System, poseidon};
use crate::native::{ARITY, Path};
use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, Field};

/// `Π (member − number)`: zero where `number` is one of `group`. It shows that it is
/// there, not where. A group of one or more.
pub(crate) fn distance<C: System>(cs: &mut C, number: &C::Num, group: &[C::Num]) -> C::Num {
    let mut product: Option<C::Num> = None;
    for member in group {
        let difference = cs.minus(member, number);
        product = Some(match product {
            Some(product) => cs.product(&product, &difference),
            None => difference,
        });
    }
    product.unwrap_or_else(|| cs.constant(Fr::ONE))
}

/// `number` is one of `group`.
pub(crate) fn is_one_of<C: System>(cs: &mut C, rule: &'static str, number: &C::Num, group: &[C::Num]) {
    let zero = cs.constant(Fr::ZERO);
    if let Some((last, others)) = group.split_last() {
        let others = distance(cs, number, others);
        let difference = cs.minus(last, number);
        cs.enforce(rule, &others, &difference, &zero);
    }
}

/// The root of the tree that has `leaf` at `path`. The nodes of the path need no range:
/// they are inputs of Poseidon only.
pub(crate) fn member<C: System>(cs: &mut C, leaf: &C::Num, path: &Path) -> C::Num {
    let mut node = leaf.clone();
    for children in &path.0 {
        let children: [C::Num; ARITY] = children.map(|child| cs.witness(child));
        is_one_of(cs, "the leaf is in the tree", &node, &children);
        node = poseidon::hash(cs, None, children.each_ref());
    }
    node
}
