//! Poseidon over BN254's scalar field, with circomlib's constants.
//!
//! One permutation takes 1 to 16 inputs; the lane before them is zero and gives the
//! result. S-box `x^5`, eight full rounds, [`PARTIAL_ROUNDS`] partial ones. The
//! constants are made at first use (`grain`) and pinned by tests for every width.
//!
//! The partial rounds are kept in the equivalent sparse form (appendix B of the paper,
//! ePrint 2019/458): their constants are moved behind the S-box of the lane that has
//! one, and each matrix is split into one that touches that lane only and one that
//! does not, which moves into the next round. `2t−1` products a round instead of `t²`.

use super::{Fr, grain::Grain, tags::Tag};
use ark_ff::{AdditiveGroup, Field};
use std::sync::OnceLock;

/// Most inputs of one permutation.
pub const RATE_MAX: usize = 16;
/// Full rounds: half before the partial ones, half after.
pub const FULL_ROUNDS: usize = 8;
/// Partial rounds for 1, 2, … 16 inputs.
pub const PARTIAL_ROUNDS: [usize; RATE_MAX] =
    [56, 57, 56, 60, 60, 63, 64, 63, 60, 66, 60, 65, 70, 60, 64, 68];

/// One partial round: a constant behind the S-box, then lane 0 gets `row·state` and
/// every other lane gets `column·lane 0` added.
pub(crate) struct Partial {
    pub(crate) constant: Fr,
    pub(crate) row: Vec<Fr>,
    pub(crate) column: Vec<Fr>,
}

/// A permutation.
pub(crate) struct Constants {
    /// Constants of the full rounds before the partial ones.
    pub(crate) before: Vec<Vec<Fr>>,
    /// What is added to all lanes before the first partial round.
    pub(crate) entry: Vec<Fr>,
    /// All partial rounds but the last.
    pub(crate) partial: Vec<Partial>,
    /// The matrix of the last partial round.
    pub(crate) exit: Vec<Vec<Fr>>,
    /// Constants of the full rounds after the partial ones.
    pub(crate) after: Vec<Vec<Fr>>,
    /// The matrix of the full rounds.
    pub(crate) matrix: Vec<Vec<Fr>>,
}

static TABLE: [OnceLock<Constants>; RATE_MAX] = [const { OnceLock::new() }; RATE_MAX];

impl Constants {
    /// The permutation for `rate` inputs; of no input as of one, of more than
    /// [`RATE_MAX`] as of that many.
    pub(crate) fn of(rate: usize) -> &'static Self {
        let [first, ..] = &TABLE;
        let rate = rate.clamp(1, RATE_MAX);
        let partial = PARTIAL_ROUNDS.get(rate - 1).copied().unwrap_or(68);
        TABLE.get(rate - 1).unwrap_or(first).get_or_init(|| Self::make(rate + 1, partial))
    }

    fn make(width: usize, partial_rounds: usize) -> Self {
        let mut grain = Grain::new(width as u32, FULL_ROUNDS as u32, partial_rounds as u32);
        let mut rounds: Vec<Vec<Fr>> = (0..FULL_ROUNDS + partial_rounds)
            .map(|_| (0..width).map(|_| grain.constant()).collect())
            .collect();
        let matrix = grain.matrix(width);
        let after = rounds.split_off(FULL_ROUNDS / 2 + partial_rounds);
        let mut middle = rounds.split_off(FULL_ROUNDS / 2);

        // From the last partial round to the first, constants move to the round before.
        let mut carried = middle.pop().unwrap_or_default();
        let mut constants = Vec::with_capacity(partial_rounds);
        for mut round in middle.into_iter().rev() {
            let moved = solve(augmented(&matrix, &carried));
            constants.push(moved.first().copied().unwrap_or_default());
            for (lane, part) in round.iter_mut().zip(&moved).skip(1) {
                *lane += part;
            }
            carried = round;
        }
        constants.reverse();

        // From the first to the last, what does not touch lane 0 moves to the round after.
        let mut dense = matrix.clone();
        let mut partial = Vec::with_capacity(partial_rounds);
        for constant in constants {
            let row = dense.first().cloned().unwrap_or_default();
            let below = || dense.iter().skip(1);
            let lanes: Vec<Vec<Fr>> = below().map(|r| r.iter().skip(1).copied().collect()).collect();
            let column: Vec<Fr> = below().filter_map(|r| r.first().copied()).collect();
            partial.push(Partial { constant, row, column: solve(augmented(&lanes, &column)) });
            // matrix · diag(1, lanes)
            dense = matrix
                .iter()
                .map(|r| {
                    let tail = |j: usize| {
                        r.iter().skip(1).zip(&lanes).filter_map(|(x, l)| l.get(j).map(|y| *x * y)).sum()
                    };
                    let head = r.first().copied().unwrap_or_default();
                    std::iter::once(head).chain((0..lanes.len()).map(tail)).collect()
                })
                .collect();
        }
        Self { before: rounds, entry: carried, partial, exit: dense, after, matrix }
    }

    fn permute(&self, state: &mut Vec<Fr>) {
        for constants in &self.before {
            full_round(state, constants, &self.matrix);
        }
        add(state, &self.entry);
        for Partial { constant, row, column } in &self.partial {
            let Some(lane) = state.first_mut() else { continue };
            let power = power(*lane) + constant;
            *lane = power;
            let mixed = dot(row, state);
            if let Some((lane, others)) = state.split_first_mut() {
                *lane = mixed;
                for (other, factor) in others.iter_mut().zip(column) {
                    *other += power * factor;
                }
            }
        }
        if let Some(lane) = state.first_mut() {
            *lane = power(*lane);
        }
        mix(state, &self.exit);
        for constants in &self.after {
            full_round(state, constants, &self.matrix);
        }
    }
}

/// `x^5`
pub(crate) fn power(x: Fr) -> Fr {
    x.square().square() * x
}

/// The sum of products, reduced once for each four of them.
fn dot(row: &[Fr], state: &[Fr]) -> Fr {
    let ((fours, rest), (others, left)) = (row.as_chunks::<4>(), state.as_chunks::<4>());
    let whole: Fr = fours.iter().zip(others).map(|(a, b)| Fr::sum_of_products(a, b)).sum();
    whole + rest.iter().zip(left).map(|(a, b)| *a * b).sum::<Fr>()
}

fn mix(state: &mut Vec<Fr>, matrix: &[Vec<Fr>]) {
    *state = matrix.iter().map(|row| dot(row, state)).collect();
}

fn add(state: &mut [Fr], constants: &[Fr]) {
    for (lane, constant) in state.iter_mut().zip(constants) {
        *lane += constant;
    }
}

fn full_round(state: &mut Vec<Fr>, constants: &[Fr], matrix: &[Vec<Fr>]) {
    add(state, constants);
    for lane in state.iter_mut() {
        *lane = power(*lane);
    }
    mix(state, matrix);
}

fn augmented(matrix: &[Vec<Fr>], right: &[Fr]) -> Vec<Vec<Fr>> {
    matrix.iter().zip(right).map(|(row, b)| row.iter().chain([b]).copied().collect()).collect()
}

/// Solves a system of linear equations, each given as its coefficients and its right
/// side. The systems here are minors of a Cauchy matrix, which have one solution.
fn solve(mut rows: Vec<Vec<Fr>>) -> Vec<Fr> {
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
    debug_assert!(rows.is_empty(), "a minor of a Cauchy matrix is regular");
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

fn hash_slice(inputs: &[Fr]) -> Fr {
    let mut state = Vec::with_capacity(inputs.len() + 1);
    state.push(Fr::ZERO);
    state.extend_from_slice(inputs);
    Constants::of(inputs.len()).permute(&mut state);
    state.first().copied().unwrap_or_default()
}

/// Poseidon of 1 to 16 inputs.
///
/// ```
/// use phalanx_circuits::native::{Fr, poseidon::hash};
/// let golden = "7853200120776062878684798364095072458815029376092732009249414926327459813530";
/// assert_eq!(hash([Fr::from(1), Fr::from(2)]).to_string(), golden);
/// ```
#[must_use]
pub fn hash<const N: usize>(inputs: [Fr; N]) -> Fr {
    const { assert!(N >= 1 && N <= RATE_MAX, "Poseidon takes 1 to 16 inputs") };
    hash_slice(&inputs)
}

/// Poseidon of `tag` and any number of elements, up to 2^32. Up to 15 go into one
/// permutation; more are hashed by 16 first, then the digests like elements.
#[must_use]
pub fn hash_list(tag: Tag, count: u32, elements: &[Fr]) -> Fr {
    let mut elements = elements.to_vec();
    while elements.len() >= RATE_MAX {
        elements = elements.chunks(RATE_MAX).map(hash_slice).collect();
    }
    elements.insert(0, tag.counted(count));
    hash_slice(&elements)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Poseidon of 1, 2, … n with the constants that circomlib publishes.
    const GOLDEN: [&str; RATE_MAX] = [
        "18586133768512220936620570745912940619677854269274689475585506675881198879027",
        "7853200120776062878684798364095072458815029376092732009249414926327459813530",
        "6542985608222806190361240322586112750744169038454362455181422643027100751666",
        "18821383157269793795438455681495246036402687001665670618754263018637548127333",
        "6183221330272524995739186171720101788151706631170188140075976616310159254464",
        "20400040500897583745843009878988256314335038853985262692600694741116813247201",
        "12748163991115452309045839028154629052133952896122405799815156419278439301912",
        "18604317144381847857886385684060986177838410221561136253933256952257712543953",
        "13589767895268936107593642967621470491511464502761040466226072462545218539640",
        "3657500514307717306974218405144578736633140001277925127187636780142269815841",
        "3572015662710076994097916907865950486270383304442561406230608893458731714472",
        "2501997477381648492950318384533644783248002172679259592360114615426357826485",
        "7041832639553862712666971417715061873827921493498355005117622707743491651590",
        "8354478399926161176778659061636406690034081872658507739535256090879947077494",
        "4203130618016961831408770638653325366880478848856764494148034853759773445968",
        "9989051620750914585850546081941653841776809718687451684622678807385399211877",
    ];

    #[test]
    fn every_width_gives_what_circomlib_gives() {
        for (n, golden) in (1..).zip(GOLDEN) {
            let inputs: Vec<Fr> = (1..=n).map(|i: u64| Fr::from(i)).collect();
            assert_eq!(hash_slice(&inputs).to_string(), golden, "{n} inputs");
        }
    }

    #[test]
    fn a_list_is_bound_to_its_tag_its_count_and_each_element() {
        let list: Vec<Fr> = (0..40).map(Fr::from).collect();
        let tag = super::super::tags::POSITION;
        let whole = hash_list(tag, 40, &list);
        assert_ne!(whole, hash_list(super::super::tags::RULE, 40, &list));
        assert_ne!(whole, hash_list(tag, 41, &list));
        for at in 0..40 {
            let mut other = list.clone();
            other[at] += Fr::from(1);
            assert_ne!(whole, hash_list(tag, 40, &other), "{at}");
        }
    }
}
