//! snarkjs' JSON.
//!
//! Numbers are decimal strings; a point of G1 is `[x, y, "1"]`, one of G2 is
//! `[[x.c0, x.c1], [y.c0, y.c1], ["1", "0"]]`.

use super::{FormatError, JSON_MAX, PROOF_JSON_MAX, digits};
use crate::groth16::{Proof, RawKey, points};
use ark_bn254::{Fq, Fq2, Fr, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

type G1Json = [String; 3];
type G2Json = [[String; 2]; 3];

const PROTOCOL: &str = "groth16";
const CURVE: &str = "bn128";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProofJson {
    pi_a: G1Json,
    pi_b: G2Json,
    pi_c: G1Json,
    protocol: String,
    curve: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyJson {
    protocol: String,
    curve: String,
    #[serde(rename = "nPublic")]
    inputs: usize,
    vk_alpha_1: G1Json,
    vk_beta_2: G2Json,
    vk_gamma_2: G2Json,
    vk_delta_2: G2Json,
    #[serde(default, skip_serializing)]
    #[allow(dead_code)]
    vk_alphabeta_12: Option<[[[String; 2]; 3]; 2]>,
    #[serde(rename = "IC")]
    points: Vec<G1Json>,
}

fn read<T: DeserializeOwned>(what: &'static str, max: usize, bytes: &[u8]) -> Result<T, FormatError> {
    if bytes.len() > max {
        return Err(FormatError::TooLong { what, max, found: bytes.len() });
    }
    serde_json::from_slice(bytes).map_err(|e| FormatError::Malformed { what, reason: e.to_string() })
}

fn write<T: Serialize>(value: &T) -> String {
    let text = serde_json::to_string_pretty(value);
    debug_assert!(text.is_ok(), "text and lists can be written");
    text.unwrap_or_default()
}

fn check_kind(what: &'static str, protocol: &str, curve: &str) -> Result<(), FormatError> {
    if (protocol, curve) == (PROTOCOL, CURVE) {
        return Ok(());
    }
    let reason =
        format!("protocol {protocol:?} and curve {curve:?}, where {PROTOCOL:?} and {CURVE:?} are read");
    Err(FormatError::Malformed { what, reason })
}

fn affine(what: &'static str, is_one: bool) -> Result<(), FormatError> {
    let reason = "its last coordinate is not 1".to_owned();
    if is_one { Ok(()) } else { Err(FormatError::Malformed { what, reason }) }
}

fn g1(what: &'static str, [x, y, z]: &G1Json) -> Result<G1Affine, FormatError> {
    affine(what, z == "1")?;
    let (x, y) = (digits::read::<Fq>(what, x)?, digits::read::<Fq>(what, y)?);
    points::g1(x, y).map_err(|source| FormatError::Point { what, source })
}

fn g2(what: &'static str, [x, y, z]: &G2Json) -> Result<G2Affine, FormatError> {
    affine(what, z == &["1", "0"])?;
    let half = |[c0, c1]: &[String; 2]| -> Result<Fq2, FormatError> {
        Ok(Fq2::new(digits::read(what, c0)?, digits::read(what, c1)?))
    };
    points::g2(half(x)?, half(y)?)
        .and_then(points::in_group)
        .map_err(|source| FormatError::Point { what, source })
}

fn g1_json(point: &G1Affine) -> G1Json {
    let (x, y) = point.xy().unwrap_or_default();
    [x.to_string(), y.to_string(), "1".to_owned()]
}

fn g2_json(point: &G2Affine) -> G2Json {
    let (x, y) = point.xy().unwrap_or_default();
    let half = |c: Fq2| [c.c0.to_string(), c.c1.to_string()];
    [half(x), half(y), ["1".to_owned(), "0".to_owned()]]
}

/// A proof as `proof.json`.
#[must_use]
pub fn proof_to_json(proof: &Proof) -> String {
    let (a, b, c) = proof.points();
    write(&ProofJson {
        pi_a: g1_json(&a),
        pi_b: g2_json(&b),
        pi_c: g1_json(&c),
        protocol: PROTOCOL.to_owned(),
        curve: CURVE.to_owned(),
    })
}

/// Reads `proof.json`.
///
/// # Errors
/// When it is too long, of another form, or a point is none.
pub fn proof_from_json(bytes: &[u8]) -> Result<Proof, FormatError> {
    const WHAT: &str = "proof";
    let json: ProofJson = read(WHAT, PROOF_JSON_MAX, bytes)?;
    check_kind(WHAT, &json.protocol, &json.curve)?;
    let (a, b, c) = (g1("pi_a", &json.pi_a)?, g2("pi_b", &json.pi_b)?, g1("pi_c", &json.pi_c)?);
    Proof::new(a, b, c).map_err(|source| FormatError::Point { what: WHAT, source })
}

/// Public inputs as `public.json`.
#[must_use]
pub fn public_to_json(inputs: &[Fr]) -> String {
    write(&inputs.iter().map(ToString::to_string).collect::<Vec<_>>())
}

/// Reads `public.json` of a circuit with that many public inputs.
///
/// # Errors
/// When it is too long, of another form, or has another number of inputs.
pub fn public_from_json(bytes: &[u8], expected: usize) -> Result<Vec<Fr>, FormatError> {
    const WHAT: &str = "public inputs";
    let json: Vec<String> = read(WHAT, JSON_MAX, bytes)?;
    if json.len() != expected {
        return Err(FormatError::Count { what: WHAT, expected, found: json.len() });
    }
    json.iter().map(|text| digits::read(WHAT, text)).collect()
}

/// A key as `verification_key.json`.
#[must_use]
pub fn key_to_json(key: &RawKey) -> String {
    write(&KeyJson {
        protocol: PROTOCOL.to_owned(),
        curve: CURVE.to_owned(),
        inputs: key.inputs.len().saturating_sub(1),
        vk_alpha_1: g1_json(&key.alpha),
        vk_beta_2: g2_json(&key.beta),
        vk_gamma_2: g2_json(&key.gamma),
        vk_delta_2: g2_json(&key.delta),
        vk_alphabeta_12: None,
        points: key.inputs.iter().map(g1_json).collect(),
    })
}

/// Reads `verification_key.json` of a circuit with that many public inputs.
///
/// # Errors
/// When it is too long, of another form, a point is none, or it has another number of
/// inputs than `expected`, than its own `nPublic`, or than its points.
pub fn key_from_json(bytes: &[u8], expected: usize) -> Result<RawKey, FormatError> {
    const WHAT: &str = "verification key";
    let json: KeyJson = read(WHAT, JSON_MAX, bytes)?;
    check_kind(WHAT, &json.protocol, &json.curve)?;
    for (what, found) in
        [("nPublic", json.inputs), ("IC without its first", json.points.len().saturating_sub(1))]
    {
        if found != expected {
            return Err(FormatError::Count { what, expected, found });
        }
    }
    let key = RawKey {
        alpha: g1("vk_alpha_1", &json.vk_alpha_1)?,
        beta: g2("vk_beta_2", &json.vk_beta_2)?,
        gamma: g2("vk_gamma_2", &json.vk_gamma_2)?,
        delta: g2("vk_delta_2", &json.vk_delta_2)?,
        inputs: json.points.iter().map(|point| g1("IC", point)).collect::<Result<_, _>>()?,
    };
    key.check()?;
    Ok(key)
}
