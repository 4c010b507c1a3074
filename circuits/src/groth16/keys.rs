//! Keys, and their files.
//!
//! A file is: magic, format, kind, provenance, the ceremony's transcript hash (zero for
//! `DEV`), the circuit's hash, its name and the name's length; then points, as many as
//! the circuit says and without counts; then SHA3-256 of all of that. Integers are
//! little-endian. A reader knows from the circuit how long the file is.

use super::{
    KeyError, PointError,
    points::{G1_LEN, G2_LEN, Order, in_group, read_g1, read_g2, write_g1, write_g2},
};
use crate::r1cs::{Circuit, Shape, Statement};
use ark_bn254::{Bn254, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use phalanx_types::Hash;
use serde::{Deserialize, Serialize};
use sha3::{Digest, Sha3_256};
use std::fmt;

/// The format that is read and written here.
pub const FORMAT: u16 = 1;
const MAGIC: &[u8; 8] = b"phalanxk";
/// Longest name of a circuit.
const NAME_LEN_MAX: usize = 64;
/// Magic, format, kind, provenance, transcript, circuit hash, name, its length.
const HEADER_LEN: usize = 8 + 2 + 1 + 1 + 32 + 32 + NAME_LEN_MAX + 1;
const DIGEST_LEN: usize = 32;

/// Who knows the trapdoor of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE", deny_unknown_fields)]
pub enum Provenance {
    /// Whoever made it: good for development only.
    Dev,
    /// Nobody, if one contributor of the ceremony was honest.
    Ceremony {
        /// Hash of the ceremony's transcript.
        transcript: Hash,
    },
}

impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Dev => "DEV",
            Self::Ceremony { .. } => "CEREMONY",
        })
    }
}

/// What a key says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Name of its circuit.
    pub circuit: String,
    /// [`Circuit::hash`] of its circuit.
    pub circuit_hash: Hash,
    /// Where it comes from.
    pub provenance: Provenance,
}

impl Identity {
    pub(crate) fn of<S: Statement>(circuit: &Circuit<S>, provenance: Provenance) -> Self {
        Self { circuit: circuit.statement().name(), circuit_hash: circuit.hash(), provenance }
    }

    /// What a key file of either kind says of itself. Only its header is read.
    ///
    /// # Errors
    /// When it is no such file, or cut off within its header.
    pub fn of_file(bytes: &[u8]) -> Result<Self, KeyError> {
        match Self::read(Kind::Proving, &mut Reader(bytes)) {
            Err(KeyError::Format { .. }) => Self::read(Kind::Verifying, &mut Reader(bytes)),
            read => read,
        }
    }

    /// Refuses a key of another circuit.
    ///
    /// # Errors
    /// When the name or the hash is another one.
    pub fn check<S: Statement>(&self, circuit: &Circuit<S>) -> Result<(), KeyError> {
        let (expected, expected_hash) = (circuit.statement().name(), circuit.hash());
        if (&self.circuit, self.circuit_hash) == (&expected, expected_hash) {
            return Ok(());
        }
        let (found, found_hash) = (self.circuit.clone(), self.circuit_hash);
        Err(KeyError::OtherCircuit { expected, expected_hash, found, found_hash })
    }

    fn write(&self, kind: Kind, to: &mut Vec<u8>) {
        let (provenance, transcript) = match self.provenance {
            Provenance::Dev => (0, Hash::ZERO),
            Provenance::Ceremony { transcript } => (1, transcript),
        };
        to.extend_from_slice(MAGIC);
        to.extend_from_slice(&FORMAT.to_le_bytes());
        to.extend_from_slice(&[kind as u8, provenance]);
        to.extend_from_slice(&transcript.0);
        to.extend_from_slice(&self.circuit_hash.0);
        let mut name = [0; NAME_LEN_MAX];
        for (to, from) in name.iter_mut().zip(self.circuit.bytes()) {
            *to = from;
        }
        to.extend_from_slice(&name);
        to.push(self.circuit.len().min(NAME_LEN_MAX) as u8);
    }

    fn read(kind: Kind, bytes: &mut Reader<'_>) -> Result<Self, KeyError> {
        let format = KeyError::Format { what: kind.name(), format: FORMAT };
        let mut start = MAGIC.to_vec();
        start.extend_from_slice(&FORMAT.to_le_bytes());
        start.push(kind as u8);
        let whole = bytes.0.len() >= HEADER_LEN;
        // What is cut off is damaged as long as it begins like a key.
        let begin = bytes.take(start.len());
        if !start.starts_with(begin) {
            return Err(format);
        }
        if !whole {
            return Err(KeyError::Damaged);
        }
        let provenance = bytes.take(1).first().copied();
        let transcript = bytes.hash();
        let circuit_hash = bytes.hash();
        let name = bytes.take(NAME_LEN_MAX);
        let length = bytes.take(1).first().copied().map_or(0, usize::from);
        let (name, rest) = name.split_at_checked(length).ok_or(format.clone())?;
        let circuit = std::str::from_utf8(name).map_err(|_| format.clone())?.to_owned();
        let provenance = match provenance {
            Some(0) if transcript == Hash::ZERO => Provenance::Dev,
            Some(1) => Provenance::Ceremony { transcript },
            _ => return Err(format),
        };
        if rest.iter().any(|byte| *byte != 0) {
            return Err(format);
        }
        Ok(Self { circuit, circuit_hash, provenance })
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Proving = 1,
    Verifying = 2,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Proving => "proving key",
            Self::Verifying => "verifying key",
        }
    }
}

/// A key that proves.
#[derive(Clone)]
pub struct ProvingKey {
    identity: Identity,
    pub(crate) key: ark_groth16::ProvingKey<Bn254>,
}

/// A key that verifies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyingKey {
    identity: Identity,
    pub(crate) key: RawKey,
}

/// The points of a verifying key; none of them is infinity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawKey {
    /// `α` in G1.
    pub alpha: G1Affine,
    /// `β` in G2.
    pub beta: G2Affine,
    /// `γ` in G2.
    pub gamma: G2Affine,
    /// `δ` in G2.
    pub delta: G2Affine,
    /// For the constant one and each public input, a point of G1.
    pub inputs: Vec<G1Affine>,
}

impl RawKey {
    fn of(key: &ark_groth16::VerifyingKey<Bn254>) -> Self {
        Self {
            alpha: key.alpha_g1,
            beta: key.beta_g2,
            gamma: key.gamma_g2,
            delta: key.delta_g2,
            inputs: key.gamma_abc_g1.clone(),
        }
    }

    pub(crate) fn to_ark(&self) -> ark_groth16::VerifyingKey<Bn254> {
        ark_groth16::VerifyingKey {
            alpha_g1: self.alpha,
            beta_g2: self.beta,
            gamma_g2: self.gamma,
            delta_g2: self.delta,
            gamma_abc_g1: self.inputs.clone(),
        }
    }

    fn write(&self, to: &mut Vec<u8>) {
        write_g1(to, &self.alpha);
        for point in [&self.beta, &self.gamma, &self.delta] {
            write_g2(to, point, Order::RealFirst);
        }
        for point in &self.inputs {
            write_g1(to, point);
        }
    }

    fn read(inputs: usize, bytes: &mut Reader<'_>) -> Result<Self, KeyError> {
        let key = Self {
            alpha: bytes.g1("alpha", 0)?,
            beta: bytes.g2("beta", 0)?,
            gamma: bytes.g2("gamma", 0)?,
            delta: bytes.g2("delta", 0)?,
            inputs: bytes.g1_list("inputs", inputs)?,
        };
        key.check()?;
        Ok(key)
    }

    /// Checks what points on the curves may still lack.
    ///
    /// # Errors
    /// When a point is infinity or outside of the group, or phase 2 of its ceremony was left out.
    pub(crate) fn check(&self) -> Result<(), KeyError> {
        for (part, point) in [("beta", self.beta), ("gamma", self.gamma), ("delta", self.delta)] {
            let checked = if point.is_zero() { Err(PointError::Infinity) } else { in_group(point) };
            let _ = checked.map_err(|source| KeyError::Point { part, index: 0, source })?;
        }
        if self.gamma == self.delta {
            return Err(KeyError::GammaIsDelta);
        }
        let list = std::iter::once(("alpha", 0, &self.alpha))
            .chain(self.inputs.iter().enumerate().map(|(index, point)| ("inputs", index, point)));
        for (part, index, point) in list {
            if point.is_zero() {
                return Err(KeyError::Point { part, index, source: PointError::Infinity });
            }
        }
        Ok(())
    }
}

impl VerifyingKey {
    /// Names a key that came without its circuit's hash, as snarkjs files do.
    ///
    /// # Errors
    /// When it has another number of public inputs than the circuit.
    pub fn name<S: Statement>(
        circuit: &Circuit<S>,
        provenance: Provenance,
        key: RawKey,
    ) -> Result<Self, KeyError> {
        let (expected, found) = (circuit.shape().inputs(), key.inputs.len());
        if expected != found {
            let circuit = circuit.statement().name();
            return Err(KeyError::Inputs { circuit, expected, found });
        }
        key.check()?;
        Ok(Self { identity: Identity::of(circuit, provenance), key })
    }

    /// What it says of itself.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Its points.
    #[must_use]
    pub fn raw(&self) -> &RawKey {
        &self.key
    }

    /// The file.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.identity.write(Kind::Verifying, &mut bytes);
        self.key.write(&mut bytes);
        seal(bytes)
    }

    /// Reads the file of this circuit's key.
    ///
    /// # Errors
    /// When it is no such file, damaged, or of another circuit.
    pub fn decode<S: Statement>(bytes: &[u8], circuit: &Circuit<S>) -> Result<Self, KeyError> {
        let inputs = circuit.shape().inputs();
        let (identity, mut points) = open(bytes, Kind::Verifying, circuit, verifying_len(inputs))?;
        Ok(Self { identity, key: RawKey::read(inputs, &mut points)? })
    }

    /// SHA3-256 of the file: the key's identity.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Hash::sha3(&self.encode())
    }
}

impl ProvingKey {
    pub(crate) fn new<S: Statement>(
        circuit: &Circuit<S>,
        provenance: Provenance,
        key: ark_groth16::ProvingKey<Bn254>,
    ) -> Self {
        Self { identity: Identity::of(circuit, provenance), key }
    }

    /// The same key, when it is of a ceremony, with the hash of a published transcript
    /// instead of that of the list of contributions.
    #[must_use]
    pub fn with_transcript(mut self, transcript: Hash) -> Self {
        if let Provenance::Ceremony { transcript: hash } = &mut self.identity.provenance {
            *hash = transcript;
        }
        self
    }

    /// What it says of itself.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The key that verifies what this one proves.
    #[must_use]
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey { identity: self.identity.clone(), key: RawKey::of(&self.key.vk) }
    }

    /// The file.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.identity.write(Kind::Proving, &mut bytes);
        let key = &self.key;
        RawKey::of(&key.vk).write(&mut bytes);
        let single = [key.beta_g1, key.delta_g1];
        for point in
            single.iter().chain(&key.a_query).chain(&key.b_g1_query).chain(&key.h_query).chain(&key.l_query)
        {
            write_g1(&mut bytes, point);
        }
        for point in &key.b_g2_query {
            write_g2(&mut bytes, point, Order::RealFirst);
        }
        seal(bytes)
    }

    /// Reads the file of this circuit's key. Points are checked to be on their curves; those
    /// of the verifying part also to be in the group. The digest finds damage, but a key
    /// of a stranger may be made to leak what it proves: take keys from where you trust.
    ///
    /// # Errors
    /// When it is no such file, damaged, or of another circuit.
    pub fn decode<S: Statement>(bytes: &[u8], circuit: &Circuit<S>) -> Result<Self, KeyError> {
        let shape = circuit.shape();
        let (identity, mut points) = open(bytes, Kind::Proving, circuit, proving_len(shape))?;
        let vk = RawKey::read(shape.inputs(), &mut points)?.to_ark();
        let key = ark_groth16::ProvingKey {
            vk,
            beta_g1: points.g1("beta in G1", 0)?,
            delta_g1: points.g1("delta in G1", 0)?,
            a_query: points.g1_list("A", shape.columns())?,
            b_g1_query: points.g1_list("B in G1", shape.columns())?,
            h_query: points.g1_list("H", domain_size(shape))?,
            l_query: points.g1_list("L", shape.columns() - shape.inputs())?,
            b_g2_query: (0..shape.columns()).map(|i| points.g2("B in G2", i)).collect::<Result<_, _>>()?,
        };
        Ok(Self { identity, key })
    }

    /// Whether its parts have the circuit's sizes.
    pub(crate) fn fits(&self, shape: &Shape) -> bool {
        let key = &self.key;
        let found = [
            key.a_query.len(),
            key.b_g1_query.len(),
            key.b_g2_query.len(),
            key.h_query.len(),
            key.l_query.len() + shape.inputs(),
            key.vk.gamma_abc_g1.len(),
        ];
        let columns = shape.columns();
        found == [columns, columns, columns, domain_size(shape), columns, shape.inputs()]
    }
}

/// Size of the domain that the circuit's polynomials live on.
pub(crate) fn domain_size(shape: &Shape) -> usize {
    (shape.constraints() + shape.inputs()).next_power_of_two()
}

fn verifying_len(inputs: usize) -> usize {
    HEADER_LEN + G1_LEN + 3 * G2_LEN + inputs * G1_LEN + DIGEST_LEN
}

fn proving_len(shape: &Shape) -> usize {
    let in_g1 = 2 + 3 * shape.columns() - shape.inputs() + domain_size(shape);
    verifying_len(shape.inputs()) + in_g1 * G1_LEN + shape.columns() * G2_LEN
}

fn seal(mut bytes: Vec<u8>) -> Vec<u8> {
    let digest = Sha3_256::digest(&bytes);
    bytes.extend_from_slice(&digest);
    bytes
}

/// Checks all but the points: header first, so that a key of another circuit is called
/// so, then size and digest.
fn open<'a, S: Statement>(
    bytes: &'a [u8],
    kind: Kind,
    circuit: &Circuit<S>,
    expected: usize,
) -> Result<(Identity, Reader<'a>), KeyError> {
    let found = bytes.len();
    let mut reader = Reader(bytes);
    let identity = Identity::read(kind, &mut reader)?;
    identity.check(circuit)?;
    if found != expected {
        return Err(KeyError::Length { circuit: circuit.statement().name(), expected, found });
    }
    let (content, digest) = bytes.split_at_checked(expected - DIGEST_LEN).unwrap_or_default();
    if Sha3_256::digest(content).as_slice() != digest {
        return Err(KeyError::Damaged);
    }
    Ok((identity, reader))
}

/// What is left of a file.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> &'a [u8] {
        crate::take(&mut self.0, count)
    }

    fn hash(&mut self) -> Hash {
        self.take(32).try_into().map_or(Hash::ZERO, Hash)
    }

    fn g1(&mut self, part: &'static str, index: usize) -> Result<G1Affine, KeyError> {
        read_g1(self.take(G1_LEN)).map_err(|source| KeyError::Point { part, index, source })
    }

    fn g2(&mut self, part: &'static str, index: usize) -> Result<G2Affine, KeyError> {
        read_g2(self.take(G2_LEN), Order::RealFirst).map_err(|source| KeyError::Point { part, index, source })
    }

    fn g1_list(&mut self, part: &'static str, count: usize) -> Result<Vec<G1Affine>, KeyError> {
        (0..count).map(|index| self.g1(part, index)).collect()
    }
}
