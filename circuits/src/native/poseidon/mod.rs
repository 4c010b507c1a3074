//! Poseidon over BN254's scalar field, with circomlib's constants.
//!
//! One permutation takes 1 to 16 inputs; the lane before them is zero and gives the
//! result. S-box `x^5`, eight full rounds, [`PARTIAL_ROUNDS`] partial ones. The
//! constants are made at first use (`grain`) and pinned by tests for every width.
//!
//! Many hashes of one width are done eight at a time where the processor can (`eight`), and on
//! all cores.

#[cfg(target_arch = "x86_64")]
mod eight;
mod grain;
pub(crate) mod linear;
mod rounds;
mod single;

use super::{Fr, tags::Tag};
use ark_ff::{AdditiveGroup, Field};
use grain::Grain;
use rayon::prelude::*;
use rounds::Rounds;
use single::Single;
use std::sync::OnceLock;

/// Most inputs of one permutation.
pub const RATE_MAX: usize = 16;
/// Full rounds: half before the partial ones, half after.
pub const FULL_ROUNDS: usize = 8;
/// Partial rounds for 1, 2, … 16 inputs.
pub const PARTIAL_ROUNDS: [usize; RATE_MAX] =
    [56, 57, 56, 60, 60, 63, 64, 63, 60, 66, 60, 65, 70, 60, 64, 68];

/// Below this it is not worth waking another core: eight at a time, they take a millisecond.
const PARALLEL_MIN: usize = 128;
/// What a core takes at once of many.
const PIECE: usize = 32;

/// Where a permutation comes from.
pub(crate) struct Parameters {
    /// What each round adds before its S-boxes.
    pub(crate) constants: Vec<Vec<Fr>>,
    /// The matrix behind them.
    pub(crate) matrix: Vec<Vec<Fr>>,
}

impl Parameters {
    /// For 1 to [`RATE_MAX`] inputs; of no input as of one, of more as of that many.
    pub(crate) fn of(rate: usize) -> Self {
        let rate = rate.clamp(1, RATE_MAX);
        let partial = PARTIAL_ROUNDS.get(rate - 1).copied().unwrap_or(68);
        let width = rate + 1;
        let mut grain = Grain::new(width as u32, FULL_ROUNDS as u32, partial as u32);
        let round = |grain: &mut Grain| (0..width).map(|_| grain.constant()).collect();
        let constants = (0..FULL_ROUNDS + partial).map(|_| round(&mut grain)).collect();
        Self { constants, matrix: grain.matrix(width) }
    }
}

/// One value for each number of inputs, made at first use.
pub(crate) struct Widths<T>([OnceLock<T>; RATE_MAX]);

impl<T> Widths<T> {
    pub(crate) const fn new() -> Self {
        Self([const { OnceLock::new() }; RATE_MAX])
    }

    /// That of `rate` inputs, as [`Parameters::of`] reads it.
    pub(crate) fn get(&self, rate: usize, make: impl FnOnce() -> T) -> &T {
        let [first, ..] = &self.0;
        self.0.get(rate.clamp(1, RATE_MAX) - 1).unwrap_or(first).get_or_init(make)
    }
}

fn rounds(rate: usize) -> &'static Rounds<Fr> {
    static ROUNDS: Widths<Rounds<Fr>> = Widths::new();
    ROUNDS.get(rate, || {
        let Parameters { constants, matrix } = Parameters::of(rate);
        Rounds::new(&constants, &matrix, FULL_ROUNDS)
    })
}

/// `x^5`
pub(crate) fn power(x: Fr) -> Fr {
    x.square().square() * x
}

fn hash_slice(inputs: &[Fr]) -> Fr {
    let mut state = Vec::with_capacity(inputs.len() + 1);
    state.push(Fr::ZERO);
    state.extend_from_slice(inputs);
    rounds(inputs.len()).permute(&Single, state).unwrap_or_default()
}

/// Those of up to eight lists of one length, side by side; none where the processor cannot.
#[cfg(target_arch = "x86_64")]
fn side_by_side(lists: &[&[Fr]]) -> Option<Vec<Fr>> {
    static ROUNDS: Widths<Rounds<eight::Constant>> = Widths::new();
    let with = crate::eight::Eight::try_new().filter(|_| lists.len() > 1)?;
    let rate = lists.first()?.len();
    let mut hashes =
        eight::permute(with, ROUNDS.get(rate, || rounds(rate).map(eight::Constant::of)), lists)?.to_vec();
    hashes.truncate(lists.len());
    Some(hashes)
}

#[cfg(not(target_arch = "x86_64"))]
fn side_by_side(_: &[&[Fr]]) -> Option<Vec<Fr>> {
    None
}

/// Lists at once.
const LANES: usize = 8;

/// Poseidon of each list of 1 to 16 elements, in order.
pub(crate) fn hash_each<L: AsRef<[Fr]> + Sync>(lists: &[L]) -> Vec<Fr> {
    let some = |lists: &[L]| -> Vec<Fr> {
        let lists: Vec<&[Fr]> = lists.iter().map(AsRef::as_ref).collect();
        lists
            .chunk_by(|a, b| a.len() == b.len())
            .flat_map(|same| same.chunks(LANES))
            .flat_map(|few| side_by_side(few).unwrap_or_else(|| few.iter().map(|l| hash_slice(l)).collect()))
            .collect()
    };
    if lists.len() < PARALLEL_MIN {
        some(lists)
    } else {
        lists.par_chunks(PIECE).flat_map_iter(some).collect()
    }
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

/// What [`hash_list`] hashes in the end.
pub(crate) fn list_inputs(tag: Tag, count: u32, mut elements: Vec<Fr>) -> Vec<Fr> {
    while elements.len() >= RATE_MAX {
        elements = hash_each(&elements.chunks(RATE_MAX).collect::<Vec<_>>());
    }
    elements.insert(0, tag.counted(count));
    elements
}

/// Poseidon of `tag` and any number of elements, up to 2^32. Up to 15 go into one
/// permutation; more are hashed by 16 first, then the digests like elements.
#[must_use]
pub fn hash_list(tag: Tag, count: u32, elements: &[Fr]) -> Fr {
    hash_slice(&list_inputs(tag, count, elements.to_vec()))
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

    /// Eight at a time, and what is left over, give what one after the other gives; the largest
    /// elements are those in which a carry would be lost.
    #[test]
    fn many_at_once_give_what_each_gives() {
        let most = -Fr::from(1);
        let element = |i: usize, j: usize| match (i + j) % 5 {
            0 => most,
            1 => Fr::from(0),
            2 => most - Fr::from((i * 31 + j) as u64),
            _ => Fr::from((i * 31 + j + 1) as u64).pow([(i + 2 * j) as u64 + 100]),
        };
        for width in 1..=RATE_MAX {
            for n in [0, 1, 2, 7, 8, 9, 43, PARALLEL_MIN + 5] {
                let n = if width == 5 { n } else { n.min(43) };
                let lists: Vec<Vec<Fr>> =
                    (0..n).map(|i| (0..width).map(|j| element(i, j)).collect()).collect();
                let each: Vec<Fr> = lists.iter().map(|list| hash_slice(list)).collect();
                assert_eq!(hash_each(&lists), each, "{n} of {width}");
            }
        }
        let mixed: Vec<Vec<Fr>> = (0..40).map(|i| vec![most; 1 + i / 3 % RATE_MAX]).collect();
        let each: Vec<Fr> = mixed.iter().map(|list| hash_slice(list)).collect();
        assert_eq!(hash_each(&mixed), each);
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
