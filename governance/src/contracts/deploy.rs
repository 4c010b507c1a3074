//! All contracts of a mesh in one transaction, and whether they are what they
//! should be.

use super::{
    Anchor, Commands, ContractError, Registry, artifacts,
    bindings::phalanx_deployment::DeployedFilter,
    command::{Registration, entry_token, registration_token},
    commands::decode,
};
use crate::{
    address::Address,
    digest::SetEntry,
    rpc::{Chain, RpcError, TxReceipt},
};
use ethers::contract::EthEvent;
use ethers::core::abi::Token;
use phalanx_types::Hash;

/// What is deployed.
#[derive(Clone, Debug)]
pub struct DeploymentPlan {
    /// The Safe that commands.
    pub owner: Address,
    /// The mesh.
    pub mesh: Hash,
    /// The first validators, with their registrations, ascending by account.
    pub validators: Vec<(SetEntry, Registration)>,
    /// Seconds that a command waits.
    pub command_delay_s: u32,
    /// Seconds between the request of a force and its execution.
    pub force_delay_s: u64,
}

impl DeploymentPlan {
    /// The bytes of the transaction, which has no recipient.
    ///
    /// # Errors
    /// When this build has no contracts in it.
    pub fn creation(&self) -> Result<Vec<u8>, ContractError> {
        let mut code = artifacts::creation_code(artifacts::DEPLOYMENT)?;
        code.extend(ethers::core::abi::encode(&[
            Token::Address(self.owner.h160()),
            Token::FixedBytes(self.mesh.0.to_vec()),
            Token::Array(self.validators.iter().map(|(entry, _)| entry_token(entry)).collect()),
            Token::Array(self.validators.iter().map(|(_, r)| registration_token(r)).collect()),
            Token::Uint(self.command_delay_s.into()),
            Token::Uint(self.force_delay_s.into()),
        ]));
        Ok(code)
    }
}

/// The contracts of a mesh, as genesis names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deployment {
    /// The mesh.
    pub mesh: Hash,
    /// `ValidatorRegistry`.
    pub registry: Address,
    /// `CheckpointAnchor`.
    pub anchor: Address,
    /// `OwnerCommands`.
    pub commands: Address,
}

/// What was found at a deployment.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct DeploymentReport {
    /// The contracts.
    pub deployment: Deployment,
    /// Who commands.
    pub owner: Address,
    /// Hash of the registry's code; genesis binds the three.
    pub registry_code: Hash,
    /// Hash of the anchor's code.
    pub anchor_code: Hash,
    /// Hash of the commands' code.
    pub commands_code: Hash,
}

impl Deployment {
    /// The contracts that a mined deployment made.
    ///
    /// # Errors
    /// When it made none of this mesh.
    pub fn from_receipt(receipt: &TxReceipt, mesh: &Hash) -> Result<Self, ContractError> {
        let missing = ContractError::NotDeployed { tx: receipt.tx_hash, mesh: *mesh };
        let signature = Hash(DeployedFilter::signature().0);
        let log = receipt
            .logs
            .iter()
            .find(|log| Some(log.address) == receipt.created && log.topics.first() == Some(&signature));
        let Some(log) = log.filter(|_| receipt.is_success) else { return Err(missing) };
        let event: DeployedFilter = decode(log, "Deployed")?;
        if Hash(event.mesh_id) != *mesh {
            return Err(missing);
        }
        Ok(Self {
            mesh: *mesh,
            registry: Address::of(event.registry),
            anchor: Address::of(event.anchor),
            commands: Address::of(event.commands),
        })
    }

    /// The contracts that belong to an anchor, as they name one another.
    ///
    /// # Errors
    /// When it is no anchor, or the chain cannot be asked.
    pub async fn discover(chain: &Chain, anchor: Address, at: u64) -> Result<Self, ContractError> {
        if chain.code(anchor, at).await?.is_empty() {
            return Err(RpcError::NoCode { address: anchor, chain_id: chain.id() }.into());
        }
        let contract = Anchor::new(chain.clone(), anchor);
        // Whoever refuses to be asked for its mesh is no anchor.
        let mesh = contract.mesh(at).await.map_err(|error| match error {
            ContractError::Rpc(RpcError::Reverted { .. }) => {
                ContractError::Answer { address: anchor, function: "meshId", found: 0 }
            }
            other => other,
        })?;
        let registry = contract.registry(at).await?;
        let (commands, _) = Registry::new(chain.clone(), registry).obeys(at).await?;
        Ok(Self { mesh, registry, anchor, commands })
    }

    /// Checks at a height that the three are of this build and of the mesh and
    /// name one another, and says what genesis binds.
    ///
    /// # Errors
    /// The first thing that is not as it should be.
    pub async fn check(&self, chain: &Chain, at: u64) -> Result<DeploymentReport, ContractError> {
        let mut hashes = [Hash::ZERO; 3];
        let parts = [
            ("ValidatorRegistry", artifacts::REGISTRY, self.registry),
            ("CheckpointAnchor", artifacts::ANCHOR, self.anchor),
            ("OwnerCommands", artifacts::COMMANDS, self.commands),
        ];
        for (slot, (name, json, address)) in hashes.iter_mut().zip(parts) {
            let code = chain.code(address, at).await?;
            if code.is_empty() {
                return Err(RpcError::NoCode { address, chain_id: chain.id() }.into());
            }
            if artifacts::build_hash(json, &code)? != Some(artifacts::expected_build_hash(json)?) {
                return Err(ContractError::OtherBuild { name, address });
            }
            *slot = crate::digest::keccak(&code);
        }
        let registry = Registry::new(chain.clone(), self.registry);
        let anchor = Anchor::new(chain.clone(), self.anchor);
        let commands = Commands::new(chain.clone(), self.commands, self.mesh);
        for (address, found) in
            [(self.registry, registry.mesh(at).await?), (self.anchor, anchor.mesh(at).await?)]
        {
            if found != self.mesh {
                return Err(ContractError::OtherMesh { address, expected: self.mesh, found });
            }
        }
        commands.check_mesh(at).await?;
        let (obeyed, activator) = registry.obeys(at).await?;
        for (contract, part, expected, found) in [
            (self.registry, "commands", self.commands, obeyed),
            (self.registry, "anchor", self.anchor, activator),
            (self.anchor, "registry", self.registry, anchor.registry(at).await?),
            (self.commands, "registry", self.registry, commands.registry(at).await?),
        ] {
            if expected != found {
                return Err(ContractError::OtherPart { contract, part, expected, found });
            }
        }
        let [registry_code, anchor_code, commands_code] = hashes;
        Ok(DeploymentReport {
            deployment: *self,
            owner: commands.owner(at).await?,
            registry_code,
            anchor_code,
            commands_code,
        })
    }
}
