//! Typed calls and events, generated from the artifacts.

// What the macro writes is not ours to lint.
#![allow(missing_docs, clippy::all, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use ethers::contract::abigen;

abigen!(CheckpointAnchor, "../contracts/artifacts/CheckpointAnchor.json");
abigen!(ValidatorRegistry, "../contracts/artifacts/ValidatorRegistry.json");
abigen!(OwnerCommands, "../contracts/artifacts/OwnerCommands.json");
abigen!(ProofVerifier, "../contracts/artifacts/ProofVerifier.json");
abigen!(PhalanxDeployment, "../contracts/artifacts/PhalanxDeployment.json");
