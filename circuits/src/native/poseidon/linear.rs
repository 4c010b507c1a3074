//! Linear algebra for constants: nothing here is secret or hot. Matrices are lists of rows.

use crate::native::Fr;
use ark_ff::{AdditiveGroup, Field};

pub(crate) fn dot(a: &[Fr], b: &[Fr]) -> Fr {
    a.iter().zip(b).map(|(x, y)| *x * y).sum()
}

/// A row times a matrix.
pub(crate) fn times(row: &[Fr], matrix: &[Vec<Fr>]) -> Vec<Fr> {
    transposed(matrix).iter().map(|column| dot(row, column)).collect()
}

pub(crate) fn transposed(matrix: &[Vec<Fr>]) -> Vec<Vec<Fr>> {
    let width = matrix.first().map_or(0, Vec::len);
    (0..width).map(|at| matrix.iter().filter_map(|row| row.get(at).copied()).collect()).collect()
}

/// The `x` with `matrix · x = right`. The systems here have one solution: their matrices are
/// minors of a Cauchy matrix, or that of the partial rounds' recurrence, which the test of
/// all widths shows to be regular.
pub(crate) fn solve(matrix: &[Vec<Fr>], right: &[Fr]) -> Vec<Fr> {
    let mut rows: Vec<Vec<Fr>> =
        matrix.iter().zip(right).map(|(row, b)| row.iter().chain([b]).copied().collect()).collect();
    let mut pivots: Vec<Vec<Fr>> = Vec::with_capacity(rows.len());
    while let Some(at) = rows.iter().position(|row| row.first().is_some_and(|x| *x != Fr::ZERO)) {
        let mut pivot = rows.swap_remove(at);
        let inverse = pivot.remove(0).inverse().unwrap_or_default();
        for x in &mut pivot {
            *x *= inverse;
        }
        for row in &mut rows {
            let factor = row.remove(0);
            for (x, p) in row.iter_mut().zip(&pivot) {
                *x -= factor * p;
            }
        }
        pivots.push(pivot);
    }
    debug_assert!(rows.is_empty(), "the matrix is regular");
    let mut solution: Vec<Fr> = Vec::with_capacity(pivots.len());
    for pivot in pivots.iter().rev() {
        if let Some((b, factors)) = pivot.split_last() {
            let known: Fr = factors.iter().zip(solution.iter().rev()).map(|(a, b)| *a * b).sum();
            solution.push(*b - known);
        }
    }
    solution.reverse();
    solution
}
