//! Poseidon's partial rounds in their sparse form (appendix B of the paper, ePrint 2019/458).
//!
//! Their constants are moved behind the S-box of the lane that has one, and each matrix is split
//! into one that touches that lane only and one that does not, which moves into the next round.
//! So a round adds `2t − 1` terms to what the constraints are about instead of `t²`.

use crate::native::{
    Fr,
    poseidon::{
        FULL_ROUNDS, Parameters, Widths,
        linear::{dot, solve, transposed},
    },
};

/// One partial round: a constant behind the S-box, then lane 0 gets `row·state` and
/// every other lane gets `column·lane 0` added.
pub(super) struct Partial {
    pub(super) constant: Fr,
    pub(super) row: Vec<Fr>,
    pub(super) column: Vec<Fr>,
}

/// A permutation.
pub(super) struct Sparse {
    /// Constants of the full rounds before the partial ones.
    pub(super) before: Vec<Vec<Fr>>,
    /// What is added to all lanes before the first partial round.
    pub(super) entry: Vec<Fr>,
    /// All partial rounds but the last.
    pub(super) partial: Vec<Partial>,
    /// The matrix of the last partial round.
    pub(super) exit: Vec<Vec<Fr>>,
    /// Constants of the full rounds after the partial ones.
    pub(super) after: Vec<Vec<Fr>>,
    /// The matrix of the full rounds.
    pub(super) matrix: Vec<Vec<Fr>>,
}

impl Sparse {
    /// The permutation for `rate` inputs, as [`Parameters::of`] reads it.
    pub(super) fn of(rate: usize) -> &'static Self {
        static ROUNDS: Widths<Sparse> = Widths::new();
        ROUNDS.get(rate, || Self::new(Parameters::of(rate)))
    }

    fn new(Parameters { constants: mut before, matrix }: Parameters) -> Self {
        let after = before.split_off(before.len() - FULL_ROUNDS / 2);
        let mut middle = before.split_off(FULL_ROUNDS / 2);

        // From the last partial round to the first, constants move to the round before.
        let mut carried = middle.pop().unwrap_or_default();
        let mut constants = Vec::with_capacity(middle.len());
        for mut round in middle.into_iter().rev() {
            let moved = solve(&matrix, &carried);
            constants.push(moved.first().copied().unwrap_or_default());
            for (lane, part) in round.iter_mut().zip(&moved).skip(1) {
                *lane += part;
            }
            carried = round;
        }
        constants.reverse();

        // From the first to the last, what does not touch lane 0 moves to the round after.
        let mut dense = matrix.clone();
        let mut partial = Vec::with_capacity(constants.len());
        for constant in constants {
            let row = dense.first().cloned().unwrap_or_default();
            let below = || dense.iter().skip(1);
            let lanes: Vec<Vec<Fr>> = below().map(|r| r.iter().skip(1).copied().collect()).collect();
            let column: Vec<Fr> = below().filter_map(|r| r.first().copied()).collect();
            partial.push(Partial { constant, row, column: solve(&lanes, &column) });
            // matrix · diag(1, lanes)
            let columns = transposed(&lanes);
            let after = |row: &Vec<Fr>| {
                let (head, tail) = row.split_first()?;
                Some(std::iter::once(*head).chain(columns.iter().map(|c| dot(tail, c))).collect())
            };
            dense = matrix.iter().filter_map(after).collect();
        }
        Self { before, entry: carried, partial, exit: dense, after, matrix }
    }
}
