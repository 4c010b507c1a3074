//! What goes over the links, byte by byte.
//!
//! All is Borsh; a value has one encoding, and bytes that go on after it are refused.
//! The question of [`Service::Routes`](phalanx_p2p::Service::Routes) is empty and its
//! answer a [`Told`]. The question of
//! [`Service::Directed`](phalanx_p2p::Service::Directed) is a [`Directed`] and its answer
//! an [`Answer`].

use crate::{BODY_BYTES_MAX, CONTENT_BYTES_MAX, HOPS_MAX, NEIGHBOURS_TOLD_MAX, TRIP_MS_MAX};
use borsh::{BorshDeserialize, BorshSerialize};
use phalanx_geometry::{
    gap,
    latency::{ERROR_PPM_MAX, FlatPlace},
    routing::{BadMessage, Message, PATH_MAX},
};
use phalanx_types::{
    Hash, Height, JobId, Name, PublicKey, Signature, SigningKey,
    agent::{COORDINATE_FRACTION_BITS, DIMENSION_DEFAULT, Position},
    codec::{self, DecodeError},
    tags,
};

/// Most bytes of a [`Told`].
pub const TOLD_BYTES_MAX: usize = 64 << 10;
/// Most bytes of a [`Directed`]; what the mesh takes is set to the same.
pub const DIRECTED_BYTES_MAX: usize = 64 << 10;
/// Most nodes in a trail: the source, and one a hop.
const TRAIL_MAX: usize = HOPS_MAX as usize + 1;
/// Most nodes in the way of an answer.
pub(crate) const WAY_MAX: usize = TRAIL_MAX;
/// Bytes of a place: the number of its coordinates, and these.
const PLACE_BYTES: usize = 4 + 8 * DIMENSION_DEFAULT;
/// Most jobs that a message hands over.
pub const JOBS_MAX: usize = 64;
/// Most bytes of an [`Answer`].
pub const ANSWER_BYTES_MAX: usize = BODY_BYTES_MAX + TRAIL_MAX * (32 + 36) + 256;

const _: () = assert!(NEIGHBOURS_TOLD_MAX * (32 + PLACE_BYTES + 4) + 2 * PLACE_BYTES + 64 <= TOLD_BYTES_MAX);
const _: () =
    assert!(TRAIL_MAX * 34 + 2 * PATH_MAX * 32 + PLACE_BYTES + CONTENT_BYTES_MAX + 256 <= DIRECTED_BYTES_MAX);

/// Why bytes of a peer are refused. It is its fault: honest nodes send nothing like it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// They are too many, or no value.
    #[error(transparent)]
    Encoding(#[from] DecodeError),
    /// The header of a message is none.
    #[error(transparent)]
    Header(#[from] BadMessage),
    /// A number, list or text is larger than allowed.
    #[error("{what} of {found}; at most {max} are allowed")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many may be.
        max: usize,
    },
    /// A place is not in the mesh's space.
    #[error("a place that is none: {0}")]
    Place(String),
    /// Nodes that are told are not in ascending order.
    #[error("neighbours that are not in ascending order of their keys, or one of them twice")]
    Order,
    /// The signature is not that of whom it names.
    #[error("{0} that is not signed by whom it names")]
    Signature(&'static str),
}

fn at_most(what: &'static str, found: usize, max: usize) -> Result<(), Refused> {
    if found > max { Err(Refused::TooMany { what, found, max }) } else { Ok(()) }
}

fn check_place(place: &Position) -> Result<(), Refused> {
    if place.0.len() != DIMENSION_DEFAULT {
        let found = place.0.len();
        return Err(Refused::Place(format!("{found} dimensions where {DIMENSION_DEFAULT} are expected")));
    }
    gap(place).map_err(|error| Refused::Place(error.to_string()))?;
    Ok(())
}

/// A place in flat space with a height, in units of length with 40 fractional bits.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct FlatWire {
    /// The coordinates.
    pub x: Vec<i64>,
    /// The height.
    pub height: i64,
}

const FLAT_ONE: f64 = (1_u64 << COORDINATE_FRACTION_BITS) as f64;

impl From<&FlatPlace> for FlatWire {
    fn from(place: &FlatPlace) -> Self {
        let fixed = |x: f64| (x * FLAT_ONE).round() as i64;
        Self { x: place.coordinates().iter().copied().map(fixed).collect(), height: fixed(place.height()) }
    }
}

impl FlatWire {
    /// The place.
    ///
    /// # Errors
    /// When it is too far out, its height is negative, or it has another dimension.
    pub fn place(&self) -> Result<FlatPlace, Refused> {
        let float = |x: i64| x as f64 / FLAT_ONE;
        let x: Vec<f64> = self.x.iter().copied().map(float).collect();
        if x.len() != DIMENSION_DEFAULT {
            return Err(Refused::Place(format!("{} flat dimensions", x.len())));
        }
        FlatPlace::new(x, float(self.height)).map_err(|error| Refused::Place(error.to_string()))
    }
}

/// A node that is linked to the one that tells of it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ToldNeighbour {
    /// Its network key.
    pub key: PublicKey,
    /// Where it says it is.
    pub place: Position,
    /// The round trip to it in microseconds; 0 when it was not measured yet.
    pub round_trip_us: u32,
}

/// Where a node is and whom it is linked to, as it says.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Told {
    /// Its place in the ball.
    pub place: Position,
    /// How wrong its distances are, in millionths of them.
    pub error_ppm: u32,
    /// Its place in the baseline's space.
    pub flat: FlatWire,
    /// How wrong its distances are there.
    pub flat_error_ppm: u32,
    /// Nodes that it is linked to, ascending by key.
    pub neighbours: Vec<ToldNeighbour>,
}

impl Told {
    /// As it is sent.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// What a peer told.
    ///
    /// # Errors
    /// When it is too long, malformed, or tells of places outside of the mesh's space.
    pub fn decode(bytes: &[u8]) -> Result<Self, Refused> {
        let told: Self = codec::decode_exact(bytes, TOLD_BYTES_MAX, "a list of neighbours")?;
        at_most("an error in millionths", told.error_ppm as usize, ERROR_PPM_MAX as usize)?;
        at_most("a flat error in millionths", told.flat_error_ppm as usize, ERROR_PPM_MAX as usize)?;
        at_most("a list of neighbours", told.neighbours.len(), NEIGHBOURS_TOLD_MAX)?;
        check_place(&told.place)?;
        told.flat.place()?;
        told.neighbours.iter().try_for_each(|neighbour| check_place(&neighbour.place))?;
        if told.neighbours.iter().zip(told.neighbours.iter().skip(1)).any(|(a, b)| a.key >= b.key) {
            return Err(Refused::Order);
        }
        Ok(told)
    }
}

/// What a directed message asks its target.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Question {
    /// Nothing: the answer shows the way.
    Trace,
    /// What [`Service::Beats`](phalanx_p2p::Service::Beats) is asked.
    Beats(Vec<u8>),
    /// What [`Service::Checkpoints`](phalanx_p2p::Service::Checkpoints) is asked.
    Checkpoints(Vec<u8>),
    /// Which of its healthy workers have this capability: [`Hosted`].
    Find(Name),
    /// Jobs of its region that the beat of this height has moved to the target's: the answer
    /// is the height that the target has decided.
    HandOver {
        /// The beat.
        height: Height,
        /// The jobs, at most [`JOBS_MAX`].
        jobs: Vec<JobId>,
    },
    /// Where it is and whom it is linked to: [`Told`].
    Links,
}

impl Question {
    /// What is asked, in a word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Beats(_) => "beats",
            Self::Checkpoints(_) => "checkpoints",
            Self::Find(_) => "find",
            Self::HandOver { .. } => "hand_over",
            Self::Links => "links",
        }
    }

    fn jobs_len(&self) -> usize {
        if let Self::HandOver { jobs, .. } = self { jobs.len() } else { 0 }
    }

    fn content_len(&self) -> usize {
        match self {
            Self::Trace | Self::Find(_) | Self::HandOver { .. } | Self::Links => 0,
            Self::Beats(bytes) | Self::Checkpoints(bytes) => bytes.len(),
        }
    }
}

/// A message that goes from node to node. Its header changes on the way; what it is for,
/// and whose it is, does not.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Directed {
    /// Who asks: its network key.
    pub source: PublicKey,
    /// How it finds its way. Ids are network keys.
    pub header: Message<PublicKey>,
    /// How long its sender still waits, in milliseconds.
    pub left_ms: u32,
    /// Drawn by the source: the answer is signed with it, so that no old one passes.
    pub nonce: u64,
    /// The question.
    pub question: Question,
    /// The source's, under [`tags::DIRECTED_QUESTION`].
    pub signature: Signature,
}

/// The bytes that a source signs: mesh, target, nonce, and the hash of the question.
fn asked(mesh: &Hash, target: &PublicKey, nonce: u64, question: &Question) -> Vec<u8> {
    let mut bytes = mesh.0.to_vec();
    bytes.extend_from_slice(&target.0);
    bytes.extend_from_slice(&nonce.to_le_bytes());
    bytes.extend_from_slice(&Hash::sha3(&codec::encode(question)).0);
    bytes
}

impl Directed {
    /// A new message of `key`, with no time left yet.
    #[must_use]
    pub fn sign(
        key: &SigningKey,
        mesh: &Hash,
        header: Message<PublicKey>,
        nonce: u64,
        question: Question,
    ) -> Self {
        let bytes = asked(mesh, &header.target, nonce, &question);
        let signature = key.sign(tags::DIRECTED_QUESTION, &bytes);
        Self { source: key.public(), header, left_ms: 0, nonce, question, signature }
    }

    /// Whether its source has signed it.
    ///
    /// # Errors
    /// When the signature says otherwise.
    pub fn verify(&self, mesh: &Hash) -> Result<(), Refused> {
        let bytes = asked(mesh, &self.header.target, self.nonce, &self.question);
        let holds = self.source.verifies(tags::DIRECTED_QUESTION, &bytes, &self.signature);
        if holds { Ok(()) } else { Err(Refused::Signature("a message")) }
    }

    /// As it is sent.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// A message that a peer handed over.
    ///
    /// # Errors
    /// When it is too long, malformed, may walk too far, or asks too much.
    pub fn decode(bytes: &[u8]) -> Result<Self, Refused> {
        let directed: Self = codec::decode_exact(bytes, DIRECTED_BYTES_MAX, "a directed message")?;
        let Self { header, left_ms, question, .. } = &directed;
        header.check()?;
        check_place(&header.position)?;
        at_most("hops", usize::from(header.hops_left), usize::from(HOPS_MAX))?;
        at_most("a trail", header.trail.len(), TRAIL_MAX)?;
        at_most("milliseconds", *left_ms as usize, TRIP_MS_MAX as usize)?;
        at_most("bytes of content", question.content_len(), CONTENT_BYTES_MAX)?;
        at_most("jobs", question.jobs_len(), JOBS_MAX)?;
        Ok(directed)
    }
}

/// A node on the way of an answer, by its own word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Held {
    /// Which.
    pub node: PublicKey,
    /// Microseconds from the message's coming until the answer went on.
    pub us: u32,
}

/// What the target says, with its signature.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Arrived {
    /// The nodes from where the search that arrived began to the target.
    pub path: Vec<PublicKey>,
    /// The answer.
    pub body: Vec<u8>,
    /// The target's, under [`tags::DIRECTED_ANSWER`].
    pub signature: Signature,
}

/// The bytes that a target signs: mesh, nonce, and the hashes of question, path and
/// answer.
fn signed(mesh: &Hash, nonce: u64, question: &Question, path: &[PublicKey], body: &[u8]) -> Vec<u8> {
    let mut bytes = mesh.0.to_vec();
    bytes.extend_from_slice(&nonce.to_le_bytes());
    for part in [&codec::encode(question)[..], &codec::encode(path), body] {
        bytes.extend_from_slice(&Hash::sha3(part).0);
    }
    bytes
}

impl Arrived {
    /// Signs an answer.
    #[must_use]
    pub fn sign(
        key: &SigningKey,
        mesh: &Hash,
        nonce: u64,
        question: &Question,
        path: Vec<PublicKey>,
        body: Vec<u8>,
    ) -> Self {
        let signature = key.sign(tags::DIRECTED_ANSWER, &signed(mesh, nonce, question, &path, &body));
        Self { path, body, signature }
    }

    /// Whether it is the target's answer to this question.
    ///
    /// # Errors
    /// When the signature says otherwise.
    pub fn verify(
        &self,
        target: &PublicKey,
        mesh: &Hash,
        nonce: u64,
        question: &Question,
    ) -> Result<(), Refused> {
        let bytes = signed(mesh, nonce, question, &self.path, &self.body);
        let holds = target.verifies(tags::DIRECTED_ANSWER, &bytes, &self.signature);
        if holds { Ok(()) } else { Err(Refused::Signature("an answer")) }
    }
}

/// Why a message did not arrive, by the word of a node on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, thiserror::Error)]
pub enum Failure {
    /// Everything that can be reached was searched.
    #[error("no path leads to it")]
    Unreachable,
    /// The hop limit, or the length of the trail, is used up.
    #[error("the hop limit is used up")]
    HopLimit,
    /// The time is over.
    #[error("there was no answer in time")]
    Late,
    /// The node has as many messages as it takes; another way may be free.
    #[error("the nodes on the way are too busy")]
    Busy,
    /// The target does not answer that.
    #[error("it does not answer that")]
    Refused,
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Outcome {
    /// It arrived.
    Arrived(Arrived),
    /// It did not.
    Failed(Failure),
}

/// The answer that comes back along the links.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Answer {
    /// What became of the message.
    pub outcome: Outcome,
    /// The nodes that it came back through, the one that answered first.
    pub way: Vec<Held>,
}

impl Answer {
    /// One that says why there is none.
    #[must_use]
    pub const fn failed(failure: Failure) -> Self {
        Self { outcome: Outcome::Failed(failure), way: Vec::new() }
    }

    /// As it is sent.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// What a peer answered.
    ///
    /// # Errors
    /// When it is too long or malformed.
    pub fn decode(bytes: &[u8]) -> Result<Self, Refused> {
        let answer: Self = codec::decode_exact(bytes, ANSWER_BYTES_MAX, "an answer")?;
        at_most("a way", answer.way.len(), WAY_MAX)?;
        if let Outcome::Arrived(arrived) = &answer.outcome {
            at_most("a path", arrived.path.len(), TRAIL_MAX)?;
            at_most("bytes of an answer", arrived.body.len(), BODY_BYTES_MAX)?;
        }
        Ok(answer)
    }
}

/// Most workers in one answer to [`Question::Find`].
pub const HOSTED_MAX: usize = 16;

/// A worker that a node hosts.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Hosted {
    /// Its name.
    pub worker: Name,
    /// Attempts that it can take beside those that run.
    pub free: u32,
    /// Of the key that signs for the worker, over the node's network key, under
    /// [`tags::HOSTED_WORKER`].
    pub proof: Signature,
}

fn hosting(mesh: &Hash, node: &PublicKey, worker: &Name) -> Vec<u8> {
    codec::encode(&(mesh, node, worker))
}

impl Hosted {
    /// Says that `node` hosts a worker for which `host` signs.
    #[must_use]
    pub fn sign(host: &SigningKey, mesh: &Hash, node: &PublicKey, worker: Name, free: u32) -> Self {
        let proof = host.sign(tags::HOSTED_WORKER, &hosting(mesh, node, &worker));
        Self { worker, free, proof }
    }

    /// Whether the key that signs for the worker says that `node` hosts it.
    #[must_use]
    pub fn is_at(&self, node: &PublicKey, host: &PublicKey, mesh: &Hash) -> bool {
        host.verifies(tags::HOSTED_WORKER, &hosting(mesh, node, &self.worker), &self.proof)
    }

    /// A list as it is sent.
    #[must_use]
    pub fn encode_list(list: &[Self]) -> Vec<u8> {
        codec::encode(list)
    }

    /// A list that a node sent.
    ///
    /// # Errors
    /// When it is too long or malformed.
    pub fn decode_list(bytes: &[u8]) -> Result<Vec<Self>, Refused> {
        let list: Vec<Self> = codec::decode_exact(bytes, HOSTED_MAX * 160, "a list of workers")?;
        at_most("a list of workers", list.len(), HOSTED_MAX)?;
        Ok(list)
    }
}
