//! `.zkey`: the result of a ceremony.
//!
//! Points are affine, their coordinates in Montgomery form, infinity all zero. Factors of
//! the matrices are in Montgomery form twice. What is checked: that the matrices are
//! those of our circuit, that all points are on their curves, that β and δ are the same
//! in both groups, and that γ is the generator. That the points fit the matrices and
//! that contributions are honest is checked by `snarkjs zkey verify` with the `.r1cs` and
//! the powers of tau: run it before the import.

use super::FIELD_LEN;
use crate::{
    groth16::{
        KeyError, PointError, Provenance, ProvingKey, domain_size,
        points::{self, in_group},
    },
    r1cs::{Circuit, Shape, Statement},
};
use ark_bn254::{Bn254, Fq, Fq2, Fr, G1Affine, G2Affine};
use ark_ec::{AffineRepr, CurveGroup, pairing::Pairing};
use ark_ff::{BigInt, Field, PrimeField};
use phalanx_types::Hash;

const COORDINATE_LEN: usize = FIELD_LEN as usize;
const SECTIONS: usize = 10;
/// Type and length of a section.
const SECTION_HEADER_LEN: usize = 12;
/// Hash of the circuit at the start of the list of contributions; their number follows.
const CIRCUIT_HASH_LEN: usize = 64;
/// Most bytes of the list of contributions.
const CONTRIBUTIONS_MAX: usize = 1 << 20;
const GROTH16: u32 = 1;

/// Why a `.zkey` is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ZkeyError {
    /// Not such a file.
    #[error("not a .zkey of snarkjs: {reason}")]
    Malformed {
        /// What is wrong.
        reason: &'static str,
    },
    /// A section of another size than the circuit's.
    #[error(
        "section {section} has {found} bytes where {circuit} needs {expected}: it is of another circuit, or cut off"
    )]
    Section {
        /// The circuit.
        circuit: String,
        /// The section's type.
        section: usize,
        /// Bytes that it needs.
        expected: usize,
        /// Bytes that it has.
        found: usize,
    },
    /// The header or the matrices are of another circuit.
    #[error("the key is not of {circuit}: its {what} differs; set it up from this circuit's .r1cs")]
    OtherCircuit {
        /// The circuit.
        circuit: String,
        /// What differs.
        what: &'static str,
    },
    /// Nobody contributed: everybody knows the trapdoor.
    #[error(
        "the key has no contribution, so that everybody can forge with it; run `snarkjs zkey contribute`"
    )]
    NoContribution,
    /// Points that no setup gives.
    #[error("the key's points do not fit together: {reason}; run `snarkjs zkey verify`")]
    Inconsistent {
        /// What is wrong.
        reason: &'static str,
    },
    /// A point is none.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Reads the result of a ceremony for this circuit. The transcript's hash is SHA3-256 of
/// the list of contributions.
///
/// # Errors
/// When it is no such file, or of another circuit.
pub fn read_zkey<S: Statement>(bytes: &[u8], circuit: &Circuit<S>) -> Result<ProvingKey, ZkeyError> {
    let (key, transcript) = read(bytes, circuit.shape(), &circuit.statement().name())?;
    let key = ProvingKey::new(circuit, Provenance::Ceremony { transcript }, key);
    key.verifying_key().raw().check()?;
    Ok(key)
}

type Points = ark_groth16::ProvingKey<Bn254>;

fn read(bytes: &[u8], shape: &Shape, name: &str) -> Result<(Points, Hash), ZkeyError> {
    let sections = Sections::read(bytes)?;
    let sized = |section: usize, expected: usize| {
        let content = sections.get(section);
        let found = content.len();
        if found == expected {
            Ok(Reader(content))
        } else {
            Err(ZkeyError::Section { circuit: name.to_owned(), section, expected, found })
        }
    };
    let other = |what| ZkeyError::OtherCircuit { circuit: name.to_owned(), what };
    let (g1, g2) = (2 * COORDINATE_LEN, 4 * COORDINATE_LEN);
    let (columns, inputs, domain) = (shape.columns(), shape.inputs(), domain_size(shape));

    if sized(1, 4)?.number() != GROTH16 {
        return Err(ZkeyError::Malformed { reason: "its protocol is not Groth16" });
    }
    let mut header = sized(2, 2 * (4 + COORDINATE_LEN) + 12 + 3 * g1 + 3 * g2)?;
    for modulus in [Fq::MODULUS, Fr::MODULUS] {
        if header.number() != FIELD_LEN || header.integer() != modulus {
            return Err(ZkeyError::Malformed { reason: "it is not for the curve bn128" });
        }
    }
    for (what, expected) in
        [("number of wires", columns), ("number of public inputs", inputs - 1), ("domain", domain)]
    {
        if header.number() as usize != expected {
            return Err(other(what));
        }
    }
    let alpha_g1 = header.g1("alpha", 0)?;
    let beta_g1 = header.g1("beta in G1", 0)?;
    let beta_g2 = header.g2("beta", 0)?;
    let gamma_g2 = header.g2("gamma", 0)?;
    let delta_g1 = header.g1("delta in G1", 0)?;
    let delta_g2 = header.g2("delta", 0)?;

    check_matrices(sections.get(4), shape).map_err(|()| other("matrices"))?;
    let contributions = sections.get(10);
    if contributions.len() > CONTRIBUTIONS_MAX {
        return Err(ZkeyError::Malformed { reason: "its list of contributions is longer than 1 MiB" });
    }
    if Reader(contributions.get(CIRCUIT_HASH_LEN..).unwrap_or_default()).number() == 0 {
        return Err(ZkeyError::NoContribution);
    }
    let vk = ark_groth16::VerifyingKey {
        alpha_g1,
        beta_g2,
        gamma_g2,
        delta_g2,
        gamma_abc_g1: sized(3, inputs * g1)?.g1_list("inputs", inputs)?,
    };
    let key = Points {
        vk,
        beta_g1,
        delta_g1,
        a_query: sized(5, columns * g1)?.g1_list("A", columns)?,
        b_g1_query: sized(6, columns * g1)?.g1_list("B in G1", columns)?,
        b_g2_query: {
            let mut points = sized(7, columns * g2)?;
            (0..columns).map(|i| points.g2("B in G2", i)).collect::<Result<_, _>>()?
        },
        l_query: sized(8, (columns - inputs) * g1)?.g1_list("C", columns - inputs)?,
        h_query: sized(9, domain * g1)?.g1_list("H", domain)?,
    };
    check_groups(&key)?;
    Ok((key, Hash::sha3(contributions)))
}

/// The matrices A and B, and the rows that bind the public inputs, are those of the
/// circuit.
fn check_matrices(section: &[u8], shape: &Shape) -> Result<(), ()> {
    const ENTRY_LEN: usize = 12 + COORDINATE_LEN;
    let [a, b, _] = shape.matrices();
    let inputs: Vec<Vec<(Fr, usize)>> = (0..shape.inputs()).map(|i| vec![(Fr::ONE, i)]).collect();
    let mut expected: Vec<(u32, u32, u32, Fr)> = Vec::with_capacity(shape.non_zeros());
    for (matrix, rows) in [(0, a.iter().chain(&inputs).collect::<Vec<_>>()), (1, b.iter().collect())] {
        for (constraint, row) in rows.into_iter().enumerate() {
            expected.extend(row.iter().map(|(f, column)| (matrix, constraint as u32, *column as u32, *f)));
        }
    }
    let mut reader = Reader(section);
    if reader.number() as usize != expected.len() || section.len() != 4 + ENTRY_LEN * expected.len() {
        return Err(());
    }
    let mut found: Vec<(u32, u32, u32, Fr)> = (0..expected.len())
        .map(|_| (reader.number(), reader.number(), reader.number(), reader.factor()))
        .collect();
    found.sort_unstable_by_key(|(matrix, constraint, column, _)| (*matrix, *constraint, *column));
    if found == expected { Ok(()) } else { Err(()) }
}

/// β and δ are the same in both groups, and γ is the generator, as phase 2 leaves it.
fn check_groups(key: &Points) -> Result<(), ZkeyError> {
    let vk = &key.vk;
    for point in [vk.beta_g2, vk.gamma_g2, vk.delta_g2] {
        let _ = in_group(point).map_err(|source| KeyError::Point {
            part: "the verifying key",
            index: 0,
            source,
        })?;
    }
    let (one, two) = (G1Affine::generator(), G2Affine::generator());
    if vk.gamma_g2 != two {
        return Err(ZkeyError::Inconsistent { reason: "gamma is not the generator" });
    }
    for (in_g1, in_g2) in [(key.beta_g1, vk.beta_g2), (key.delta_g1, vk.delta_g2)] {
        let minus = (-one.into_group()).into_affine();
        if Bn254::multi_pairing([in_g1, minus], [two, in_g2]).0 != ark_bn254::Fq12::ONE {
            return Err(ZkeyError::Inconsistent { reason: "beta or delta differs between the groups" });
        }
    }
    Ok(())
}

/// The sections of a file by their type.
struct Sections<'a>([&'a [u8]; SECTIONS + 1]);

impl<'a> Sections<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, ZkeyError> {
        let malformed = |reason| ZkeyError::Malformed { reason };
        let mut reader = Reader(bytes);
        if reader.take(4) != b"zkey" || reader.number() != 1 {
            return Err(malformed("it does not start like one of version 1"));
        }
        let mut sections: [Option<&[u8]>; SECTIONS + 1] = [None; SECTIONS + 1];
        if reader.number() as usize != SECTIONS {
            return Err(malformed("it does not have ten sections"));
        }
        for _ in 0..SECTIONS {
            if reader.0.len() < SECTION_HEADER_LEN {
                return Err(malformed("a section is cut off"));
            }
            let kind = reader.number() as usize;
            let length = u64::from(reader.number()) | u64::from(reader.number()) << 32;
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            if length > reader.0.len() {
                return Err(malformed("a section is cut off"));
            }
            match sections.get_mut(kind) {
                Some(section @ None) if kind > 0 => *section = Some(reader.take(length)),
                _ => return Err(malformed("a section is unknown, or there twice")),
            }
        }
        if !reader.0.is_empty() {
            return Err(malformed("something follows its last section"));
        }
        Ok(Self(sections.map(Option::unwrap_or_default)))
    }

    fn get(&self, kind: usize) -> &'a [u8] {
        self.0.get(kind).copied().unwrap_or_default()
    }
}

/// What is left of a section. Reading past the end gives zeros; sizes are checked before.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> &'a [u8] {
        crate::take(&mut self.0, count)
    }

    fn number(&mut self) -> u32 {
        self.take(4).try_into().map_or(0, u32::from_le_bytes)
    }

    fn integer(&mut self) -> BigInt<4> {
        let mut limbs = [0; 4];
        for limb in &mut limbs {
            *limb = self.take(8).try_into().map_or(0, u64::from_le_bytes);
        }
        BigInt(limbs)
    }

    /// An element times `R^2`; one above the modulus counts as what is left of it.
    fn factor(&mut self) -> Fr {
        let once = Fr::from_bigint(self.integer()).unwrap_or_default();
        let unit = Fr::new_unchecked(BigInt([1, 0, 0, 0]));
        once * unit * unit
    }

    fn coordinate(&mut self) -> Result<Fq, PointError> {
        let raw = self.integer();
        if raw < Fq::MODULUS { Ok(Fq::new_unchecked(raw)) } else { Err(PointError::Coordinate) }
    }

    fn g1(&mut self, part: &'static str, index: usize) -> Result<G1Affine, KeyError> {
        let mut read = || {
            let (x, y) = (self.coordinate()?, self.coordinate()?);
            if (x, y) == Default::default() { Ok(G1Affine::identity()) } else { points::g1(x, y) }
        };
        read().map_err(|source| KeyError::Point { part, index, source })
    }

    fn g2(&mut self, part: &'static str, index: usize) -> Result<G2Affine, KeyError> {
        let mut read = || {
            let x = Fq2::new(self.coordinate()?, self.coordinate()?);
            let y = Fq2::new(self.coordinate()?, self.coordinate()?);
            if (x, y) == Default::default() { Ok(G2Affine::identity()) } else { points::g2(x, y) }
        };
        read().map_err(|source| KeyError::Point { part, index, source })
    }

    fn g1_list(&mut self, part: &'static str, count: usize) -> Result<Vec<G1Affine>, KeyError> {
        (0..count).map(|index| self.g1(part, index)).collect()
    }
}
