//! The compiled contracts: interface and bytes, as the compiler gave them.

use crate::digest::keccak;
use ethers::core::abi::Abi;
use phalanx_types::Hash;
use serde::Deserialize;
use serde_json::Value;

macro_rules! artifact {
    ($name:literal) => {
        include_str!(concat!("../../../contracts/artifacts/", $name, ".json"))
    };
}

/// `CheckpointAnchor`.
pub const ANCHOR: &str = artifact!("CheckpointAnchor");
/// `ValidatorRegistry`.
pub const REGISTRY: &str = artifact!("ValidatorRegistry");
/// `OwnerCommands`.
pub const COMMANDS: &str = artifact!("OwnerCommands");
/// `ProofVerifier`.
pub const VERIFIER: &str = artifact!("ProofVerifier");
/// `PhalanxDeployment`.
pub const DEPLOYMENT: &str = artifact!("PhalanxDeployment");

/// Every contract by name.
pub const ABIS: [(&str, &str); 5] = [
    ("OwnerCommands", COMMANDS),
    ("CheckpointAnchor", ANCHOR),
    ("ValidatorRegistry", REGISTRY),
    ("ProofVerifier", VERIFIER),
    ("PhalanxDeployment", DEPLOYMENT),
];

/// Why an artifact cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this contract artifact has no {missing}: build it anew")]
pub struct ArtifactError {
    /// What is not in it.
    pub missing: &'static str,
}

/// The interface in an artifact: a list, or an object with `abi`.
pub(crate) fn abi_of(json: &str) -> Option<Abi> {
    let value: Value = serde_json::from_str(json).ok()?;
    let list = value.get("abi").cloned().unwrap_or(value);
    serde_json::from_value(list).ok()
}

/// The bytes that create the contract.
///
/// # Errors
/// When there are none, or they are not linked.
pub fn creation_code(json: &str) -> Result<Vec<u8>, ArtifactError> {
    code(json, "bytecode")
}

fn code(json: &str, member: &'static str) -> Result<Vec<u8>, ArtifactError> {
    let missing = ArtifactError { missing: member };
    let value: Value = serde_json::from_str(json).map_err(|_| missing.clone())?;
    let code = value.get(member).ok_or_else(|| missing.clone())?;
    let text = code
        .as_str()
        .or_else(|| code.get("object").and_then(Value::as_str))
        .ok_or_else(|| missing.clone())?;
    let code = hex::decode(text.strip_prefix("0x").unwrap_or(text)).map_err(|_| missing.clone())?;
    if code.is_empty() { Err(missing) } else { Ok(code) }
}

/// The hash of a deployed contract's code with its immutables set to zero: the
/// same for every deployment of one build. `None` when the code has another
/// length than this build's.
///
/// # Errors
/// When the artifact does not say where the immutables are.
pub fn build_hash(json: &str, deployed: &[u8]) -> Result<Option<Hash>, ArtifactError> {
    let missing = || ArtifactError { missing: "immutables" };
    let artifact: Immutables = serde_json::from_str(json).map_err(|_| missing())?;
    let mut code = deployed.to_vec();
    for place in artifact.immutables {
        match code.get_mut(place.start..place.start.saturating_add(place.length)) {
            Some(slot) => slot.fill(0),
            None => return Ok(None),
        }
    }
    Ok(Some(keccak(&code)))
}

/// Where the code of a deployment has values of its own.
#[derive(Deserialize)]
struct Immutables {
    immutables: Vec<Place>,
}

#[derive(Deserialize)]
struct Place {
    start: usize,
    length: usize,
}

/// What [`build_hash`] gives for the code of this build.
///
/// # Errors
/// When the artifact has no deployed code.
pub fn expected_build_hash(json: &str) -> Result<Hash, ArtifactError> {
    Ok(keccak(&code(json, "deployedBytecode")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_artifacts_have_an_interface_and_bytes() {
        for (name, json) in ABIS {
            assert!(abi_of(json).is_some_and(|abi| abi.constructor.is_some()), "{name}");
            assert!(creation_code(json).unwrap().len() > 100, "{name}");
            let code = code(json, "deployedBytecode").unwrap();
            assert_eq!(build_hash(json, &code).unwrap(), Some(expected_build_hash(json).unwrap()), "{name}");
        }
    }
}
