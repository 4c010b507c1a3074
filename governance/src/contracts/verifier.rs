//! `ProofVerifier`: the keys of circuits, set by the owner, and proofs under anchored roots.

use super::{ContractError, artifacts, bindings::proof_verifier as b, view};
use crate::{
    address::{Address, Wei},
    rpc::{Chain, RpcError},
    safe::Call,
};
use ethers::core::{
    abi::{AbiEncode, Token},
    types::{Bytes, H160, U256},
};
use phalanx_types::{Checkpoint, Hash};

/// A call's proof: eight words, as the contract takes them.
pub type ProofWords = [Hash; 8];

/// A key as the owner sets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CircuitKey {
    /// Hash of its circuit.
    pub circuit: Hash,
    /// Hash of the ceremony's transcript; zero for a development key.
    pub transcript: Hash,
    /// Whose root a proof speaks of (0 agents, 1 audit), and which inputs are root, nullifier and
    /// context.
    pub places: [u8; 4],
    /// Its points, as the chain takes them.
    pub points: Vec<u8>,
}

/// What the contract says of a proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It holds.
    Holds,
    /// It does not.
    Fails,
    /// The contract refuses to look at it, for this reason.
    Refused(String),
}

/// `ProofVerifier` of one mesh.
#[derive(Clone, Debug)]
pub struct ProofVerifier {
    chain: Chain,
    address: Address,
}

impl CircuitKey {
    /// The call by which the owner sets it.
    #[must_use]
    pub fn call(&self, verifier: Address) -> Call {
        let [root, root_at, nullifier_at, context_at] = self.places;
        let call = b::SetKeyCall {
            circuit: self.circuit.0,
            transcript: self.transcript.0,
            places: b::Places { root, root_at, nullifier_at, context_at },
            points: self.points.clone().into(),
        };
        Call { to: verifier, value: Wei(0), data: call.encode() }
    }
}

impl ProofVerifier {
    /// The contract at an address, without asking anything.
    #[must_use]
    pub const fn new(chain: Chain, address: Address) -> Self {
        Self { chain, address }
    }

    /// The bytes of the transaction that creates one, which has no recipient.
    ///
    /// # Errors
    /// When this build has no contracts in it.
    pub fn creation(owner: Address, anchor: Address) -> Result<Vec<u8>, ContractError> {
        let mut code = artifacts::creation_code(artifacts::VERIFIER)?;
        code.extend(ethers::core::abi::encode(&[
            Token::Address(owner.h160()),
            Token::Address(anchor.h160()),
        ]));
        Ok(code)
    }

    /// Checks that it is of this build, and whose keys and checkpoints it takes.
    ///
    /// # Errors
    /// The first thing that is not as it should be.
    pub async fn check(&self, owner: Address, anchor: Address, at: u64) -> Result<(), ContractError> {
        let address = self.address;
        let code = self.chain.code(address, at).await?;
        if code.is_empty() {
            return Err(RpcError::NoCode { address, chain_id: self.chain.id() }.into());
        }
        let expected = artifacts::expected_build_hash(artifacts::VERIFIER)?;
        if artifacts::build_hash(artifacts::VERIFIER, &code)? != Some(expected) {
            return Err(ContractError::OtherBuild { name: "ProofVerifier", address });
        }
        let its_owner: H160 = view(&self.chain, address, "owner", b::OwnerCall, at).await?;
        let its_anchor: H160 = view(&self.chain, address, "anchor", b::AnchorCall, at).await?;
        for (part, expected, found) in
            [("owner", owner, Address::of(its_owner)), ("anchor", anchor, Address::of(its_anchor))]
        {
            if expected != found {
                return Err(ContractError::OtherPart { contract: address, part, expected, found });
            }
        }
        Ok(())
    }

    /// A circuit's key; none when the owner has set none.
    ///
    /// # Errors
    /// When the chain cannot be asked.
    pub async fn key(&self, circuit: &Hash, at: u64) -> Result<Option<CircuitKey>, ContractError> {
        let call = b::KeyOfCall { circuit: circuit.0 };
        let points: Bytes = view(&self.chain, self.address, "keyOf", call, at).await?;
        if points.is_empty() {
            return Ok(None);
        }
        let call = b::KeyInfoCall { circuit: circuit.0 };
        let info: b::KeyInfo = view(&self.chain, self.address, "keyInfo", call, at).await?;
        let b::Places { root, root_at, nullifier_at, context_at } = info.places;
        Ok(Some(CircuitKey {
            circuit: *circuit,
            transcript: Hash(info.transcript),
            places: [root, root_at, nullifier_at, context_at],
            points: points.to_vec(),
        }))
    }

    /// The call that spends a proof's nullifier: the contract takes a statement once for each
    /// purpose, under an anchored root.
    #[must_use]
    pub fn spend(
        &self,
        circuit: &Hash,
        purpose: &Hash,
        checkpoint: &Checkpoint,
        inputs: &[Hash],
        proof: &ProofWords,
    ) -> Call {
        let call = b::SpendCall {
            circuit: circuit.0,
            purpose: purpose.0,
            checkpoint: on_chain(checkpoint),
            inputs: inputs.iter().map(word).collect(),
            proof: proof.each_ref().map(word),
        };
        Call { to: self.address, value: Wei(0), data: call.encode() }
    }

    /// The statement that has spent a nullifier: a hash of circuit and public inputs. None when it
    /// is not spent.
    ///
    /// # Errors
    /// When the chain cannot be asked.
    pub async fn spent(&self, nullifier: &Hash, at: u64) -> Result<Option<Hash>, ContractError> {
        let call = b::StatementOfCall { nullifier: word(nullifier) };
        let statement: [u8; 32] = view(&self.chain, self.address, "statementOf", call, at).await?;
        Ok(Some(Hash(statement)).filter(|statement| *statement != Hash::ZERO))
    }

    /// Whether a proof holds; with a checkpoint, whether its root is also the one that the proof
    /// speaks of, and is anchored.
    ///
    /// # Errors
    /// When the chain cannot be asked.
    pub async fn verify(
        &self,
        circuit: &Hash,
        checkpoint: Option<&Checkpoint>,
        inputs: &[Hash],
        proof: &ProofWords,
        at: u64,
    ) -> Result<Answer, ContractError> {
        let inputs = inputs.iter().map(word).collect();
        let proof = proof.each_ref().map(word);
        let answer: Result<bool, ContractError> = match checkpoint {
            Some(checkpoint) => {
                let checkpoint = on_chain(checkpoint);
                let call = b::VerifyAnchoredCall { circuit: circuit.0, checkpoint, inputs, proof };
                view(&self.chain, self.address, "verifyAnchored", call, at).await
            }
            None => {
                let call = b::VerifyCall { circuit: circuit.0, inputs, proof };
                view(&self.chain, self.address, "verify", call, at).await
            }
        };
        match answer {
            Ok(true) => Ok(Answer::Holds),
            Ok(false) => Ok(Answer::Fails),
            Err(ContractError::Rpc(RpcError::Reverted { reverted, .. })) => {
                Ok(Answer::Refused(reverted.to_string()))
            }
            Err(error) => Err(error),
        }
    }
}

fn word(hash: &Hash) -> U256 {
    U256::from_big_endian(&hash.0)
}

fn on_chain(c: &Checkpoint) -> b::Checkpoint {
    checkpoint_words!(c, b)
}
