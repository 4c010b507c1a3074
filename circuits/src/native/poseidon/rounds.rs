//! The permutation as sums of products and fifth powers.
//!
//! The partial rounds are a linear system that one S-box a round drives. With `x_i` in lane 0
//! before the S-box and `y_i = x_i^5` behind it, the state is
//! `u_{i+1} = M·(u_i + e·(y_i − x_i)) + c_{i+1}`, where `e` is lane 0. So
//!
//! - `x_1` to `x_{t−1}` are sums over the state that the partial rounds begin with and the `x` and
//!   `y` so far;
//! - every later `x_i` is the same sum over the last `t` of each (Cayley-Hamilton), plus a
//!   constant;
//! - the state behind the last of them is a sum over the same, because the matrix `O` of the rows
//!   `e·M^k` is regular.
//!
//! That is `2t` products a round which are added before they are reduced, where the sparse form
//! that the circuits use has `t − 1` that are reduced one by one.

use super::linear::{dot, solve, times, transposed};
use crate::native::Fr;
use ark_ff::{AdditiveGroup, Field};

/// A sum of products, plus a constant.
pub(super) struct Row<C> {
    weights: Vec<C>,
    constant: C,
}

/// A permutation, of which lane 0 is the result. `C` is the form of its constants.
pub(super) struct Rounds<C> {
    /// What is added to the inputs.
    entry: Vec<C>,
    /// The full rounds before the partial ones: a row a lane, with the constant of the next
    /// round.
    before: Vec<Vec<Row<C>>>,
    /// `x_1` to `x_{t−1}`, by lanes 1 to t−1 of the state and then `x_0, y_0, x_1, …`.
    first: Vec<Row<C>>,
    /// The next `x` by the last `t` pairs `x, y`, but for its constant.
    next: Vec<C>,
    /// One for each `x` from `x_t` on.
    constants: Vec<C>,
    /// The state behind the partial rounds by the last `t` pairs.
    exit: Vec<Row<C>>,
    /// The full rounds behind them.
    after: Vec<Vec<Row<C>>>,
}

/// What a permutation is done with. All of it must be inlined where an instruction set is
/// chosen at run time.
pub(super) trait Arithmetic {
    /// A constant.
    type Constant;
    /// A lane.
    type Value: Copy;

    fn add(&self, value: Self::Value, constant: &Self::Constant) -> Self::Value;

    /// `constant + Σ weight·value`, of at most `3t − 3` products.
    fn sum(
        &self,
        weights: &[Self::Constant],
        values: &[Self::Value],
        constant: &Self::Constant,
    ) -> Self::Value;

    /// `x^5`
    fn power(&self, value: Self::Value) -> Self::Value;
}

/// Element `at`, or zero.
fn at(list: &[Fr], at: usize) -> Fr {
    list.get(at).copied().unwrap_or_default()
}

impl Rounds<Fr> {
    /// From the constants that each round adds before its S-boxes, and the matrix behind them.
    /// There are more partial rounds than lanes.
    pub(super) fn new(constants: &[Vec<Fr>], matrix: &[Vec<Fr>], full: usize) -> Self {
        let width = matrix.len();
        let half = full / 2;
        let partial = constants.len().saturating_sub(full);
        let none = vec![Fr::ZERO; width];
        let of = |round: usize| constants.get(round).unwrap_or(&none);
        let full_round = |round: usize| -> Vec<Row<Fr>> {
            let next = of(round + 1);
            matrix.iter().zip(next).map(|(row, c)| Row { weights: row.clone(), constant: *c }).collect()
        };

        // e·M^k and M^k·e for k = 0, 1, … t.
        let unit: Vec<Fr> = std::iter::once(Fr::ONE).chain(none.iter().copied()).take(width).collect();
        let powers = |matrix: &[Vec<Fr>]| -> Vec<Vec<Fr>> {
            std::iter::successors(Some(unit.clone()), |row| Some(times(row, matrix)))
                .take(width + 1)
                .collect()
        };
        let (rows, columns) = (powers(matrix), powers(&transposed(matrix)));
        // What y_j − x_j adds to x_{j+k}.
        let response =
            |k: usize| if k == 0 { Fr::ZERO } else { rows.get(k).map_or(Fr::ZERO, |row| at(row, 0)) };

        // The partial rounds from a state of zeros and without S-boxes: what the constants add.
        let mut alone = none.clone();
        let mut added = vec![Fr::ZERO];
        for round in half + 1..=half + partial {
            alone = matrix.iter().zip(of(round)).map(|(row, c)| dot(row, &alone) + c).collect();
            added.push(at(&alone, 0));
        }

        let first = rows.iter().enumerate().take(width).skip(1).map(|(i, row)| {
            let pairs = (0..i).flat_map(|j| {
                let own = if j == 0 { at(row, 0) } else { Fr::ZERO };
                [own - response(i - j), response(i - j)]
            });
            let weights = row.iter().skip(1).copied().chain(pairs).collect();
            Row { weights, constant: at(&added, i) }
        });

        // Behind t rounds the state is M^t·O⁻¹·(x − added − T·d) + N·d, with d = y − x, T what d
        // adds to the x, and N what it adds to the state.
        let mut last = matrix.to_vec();
        for _ in 1..width {
            last = last.iter().map(|row| times(row, matrix)).collect();
        }
        let observed = transposed(rows.get(..width).unwrap_or_default());
        let by_x: Vec<Vec<Fr>> = last.iter().map(|row| solve(&observed, row)).collect();
        let window = |end: usize| added.get(end.saturating_sub(width)..end).unwrap_or_default();
        let exit: Vec<Row<Fr>> = by_x
            .iter()
            .enumerate()
            .map(|(lane, by_x)| {
                let by_d = |k: usize| {
                    let direct = columns.get(width - k).map_or(Fr::ZERO, |column| at(column, lane));
                    direct - (k..width).map(|i| at(by_x, i) * response(i - k)).sum::<Fr>()
                };
                let weights = by_x.iter().enumerate().flat_map(|(k, x)| [*x - by_d(k), by_d(k)]).collect();
                Row { weights, constant: at(&alone, lane) - dot(by_x, window(partial)) }
            })
            .collect();
        // Its lane 0 is the x behind any t rounds.
        let (lane, by_x) = (exit.first(), by_x.first().map_or(&[][..], Vec::as_slice));
        Self {
            entry: of(0).clone(),
            before: (0..half).map(full_round).collect(),
            first: first.collect(),
            next: lane.map_or(Vec::new(), |row| row.weights.clone()),
            constants: (width..partial).map(|i| at(&added, i) - dot(by_x, window(i))).collect(),
            exit,
            after: (half + partial..full + partial).map(full_round).collect(),
        }
    }

    /// With constants of another form.
    pub(super) fn map<C>(&self, form: impl Fn(&Fr) -> C) -> Rounds<C> {
        let list = |list: &[Fr]| list.iter().map(&form).collect::<Vec<C>>();
        let rows = |rows: &[Row<Fr>]| -> Vec<Row<C>> {
            rows.iter()
                .map(|row| Row { weights: list(&row.weights), constant: form(&row.constant) })
                .collect()
        };
        Rounds {
            entry: list(&self.entry),
            before: self.before.iter().map(|round| rows(round)).collect(),
            first: rows(&self.first),
            next: list(&self.next),
            constants: list(&self.constants),
            exit: rows(&self.exit),
            after: self.after.iter().map(|round| rows(round)).collect(),
        }
    }
}

impl<C> Rounds<C> {
    /// Lane 0 of the permuted state; none when the state has another width than this.
    ///
    /// Loops and no closures: those would not be compiled for the instructions of `with`.
    #[inline(always)]
    pub(super) fn permute<A: Arithmetic<Constant = C>>(
        &self,
        with: &A,
        mut state: Vec<A::Value>,
    ) -> Option<A::Value> {
        let mut seen = Vec::with_capacity(state.len() + 2 * (self.first.len() + self.constants.len() + 1));
        for (lane, constant) in state.iter_mut().zip(&self.entry) {
            *lane = with.add(*lane, constant);
        }
        for round in &self.before {
            powers(with, &state, &mut seen);
            sums(with, round, &seen, &mut state);
        }
        let (lane, others) = state.split_first()?;
        seen.clear();
        seen.extend_from_slice(others);
        seen.push(*lane);
        seen.push(with.power(*lane));
        for row in &self.first {
            let x = with.sum(&row.weights, &seen, &row.constant);
            seen.push(x);
            seen.push(with.power(x));
        }
        for constant in &self.constants {
            let x = with.sum(&self.next, last(&seen, self.next.len())?, constant);
            seen.push(x);
            seen.push(with.power(x));
        }
        sums(with, &self.exit, last(&seen, self.next.len())?, &mut state);
        let (end, rounds) = self.after.split_last()?;
        for round in rounds {
            powers(with, &state, &mut seen);
            sums(with, round, &seen, &mut state);
        }
        powers(with, &state, &mut seen);
        let row = end.first()?;
        Some(with.sum(&row.weights, &seen, &row.constant))
    }
}

#[inline(always)]
fn last<V>(list: &[V], n: usize) -> Option<&[V]> {
    list.get(list.len().checked_sub(n)?..)
}

#[inline(always)]
fn powers<A: Arithmetic>(with: &A, of: &[A::Value], to: &mut Vec<A::Value>) {
    to.clear();
    for value in of {
        to.push(with.power(*value));
    }
}

#[inline(always)]
fn sums<A: Arithmetic>(with: &A, rows: &[Row<A::Constant>], of: &[A::Value], to: &mut Vec<A::Value>) {
    to.clear();
    for row in rows {
        to.push(with.sum(&row.weights, of, &row.constant));
    }
}
