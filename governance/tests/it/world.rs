//! A Safe of three owners, the contracts of a mesh of four validators.

use crate::anvil::{Anvil, node_modules};
use phalanx_governance::{
    Address, Signer,
    contracts::{
        Anchor, ChainCommand, CommandLog, Commands, Deployment, DeploymentPlan, Registration, Registry,
        SignedCheckpoint,
    },
    digest::{self, SetEntry},
    keys::{DevKeys, LocalKey},
    rpc::{Chain, TxReceipt},
    safe::{
        Call, Safe, SafeTx, TxFile,
        deploy::{SafeContracts, deploy_contracts, deploy_safe},
    },
    submit::account::{Account, TxPayload},
    words::Known,
};
use phalanx_types::{Checkpoint, Hash, Height, ReceiptIndex, SigningKey, TimeMs, units::CheckpointNumber};
use std::sync::Arc;

pub const MESH: Hash = Hash([0x4d; 32]);

/// Whoever pays for gas; owners are 1 to 3, validators from 10 on.
pub const PAYER: u32 = 0;

pub fn key(index: u32) -> LocalKey {
    DevKeys::new(31_337).unwrap().key(index).unwrap()
}

pub fn signer(index: u32) -> Signer {
    Signer::Local(key(index))
}

pub fn account(chain: &Chain, index: u32) -> Account {
    Account::new(chain.clone(), Arc::new(signer(index)))
}

/// A validator with its three keys.
pub struct TestValidator {
    pub account: LocalKey,
    pub network: SigningKey,
    pub vote: SigningKey,
    pub weight: u32,
}

impl TestValidator {
    pub fn new(index: u8, weight: u32) -> Self {
        Self {
            account: key(10 + u32::from(index)),
            network: SigningKey::from_seed([index + 1; 32]),
            vote: SigningKey::from_seed([index + 101; 32]),
            weight,
        }
    }

    pub fn entry(&self) -> SetEntry {
        SetEntry {
            network_key: self.network.public(),
            vote_key: self.vote.public(),
            account: self.account.address(),
            weight: self.weight,
        }
    }

    pub fn registration(&self, chain_id: u64) -> Registration {
        let digest = digest::registration(chain_id, &MESH, &self.network.public(), &self.vote.public());
        Registration {
            account: self.account.sign(&digest).unwrap().to_64(),
            network: self.network.sign(phalanx_types::tags::REGISTRATION, &digest.0),
            vote: self.vote.sign(phalanx_types::tags::REGISTRATION, &digest.0),
        }
    }
}

/// Validators, ascending by account as the chain wants them.
pub fn validators(indexes: std::ops::Range<u8>) -> Vec<TestValidator> {
    let mut list: Vec<TestValidator> = indexes.map(|i| TestValidator::new(i, 100)).collect();
    list.sort_by_key(|v| v.account.address());
    list
}

pub struct World {
    pub anvil: Anvil,
    pub chain: Chain,
    pub payer: Account,
    pub contracts: SafeContracts,
    pub safe: Safe,
    pub deployment: Deployment,
    pub deployed_in: u64,
    pub validators: Vec<TestValidator>,
}

impl World {
    pub async fn new() -> Self {
        Self::with_delay(0).await
    }

    pub async fn with_delay(command_delay_s: u32) -> Self {
        let anvil = Anvil::start();
        let chain = anvil.chain().await;
        let payer = account(&chain, PAYER);
        let contracts = deploy_contracts(&payer, &node_modules()).await.unwrap();
        let owners = [1, 2, 3].map(|i| key(i).address());
        let safe = deploy_safe(&payer, &contracts, &owners, 2, 0).await.unwrap();
        let validators = validators(0..4);
        let plan = DeploymentPlan {
            owner: safe,
            mesh: MESH,
            validators: validators.iter().map(|v| (v.entry(), v.registration(chain.id()))).collect(),
            command_delay_s,
            force_delay_s: 3_600,
        };
        let receipt = payer.run(&TxPayload::create(plan.creation().unwrap())).await.unwrap();
        let deployment = Deployment::from_receipt(&receipt, &MESH).unwrap();
        let safe = Safe::new(chain.clone(), safe);
        let deployed_in = receipt.block_number;
        Self { anvil, chain, payer, contracts, safe, deployment, deployed_in, validators }
    }

    pub async fn tip(&self) -> u64 {
        self.chain.tip().await.unwrap().number
    }

    pub fn commands(&self) -> Commands {
        Commands::new(self.chain.clone(), self.deployment.commands, MESH)
    }

    pub fn anchor(&self) -> Anchor {
        Anchor::new(self.chain.clone(), self.deployment.anchor)
    }

    pub fn registry(&self) -> Registry {
        Registry::new(self.chain.clone(), self.deployment.registry)
    }

    pub fn known(&self) -> Known {
        Known {
            safe: self.safe.address(),
            multi_send: Some(self.contracts.multi_send_call_only),
            commands: Some(self.deployment.commands),
            anchor: Some(self.deployment.anchor),
            registry: Some(self.deployment.registry),
            verifier: None,
        }
    }

    pub fn calls(&self, commands: &[ChainCommand]) -> Vec<Call> {
        commands
            .iter()
            .map(|c| Call {
                to: self.deployment.commands,
                value: phalanx_governance::address::Wei(0),
                data: c.calldata(),
            })
            .collect()
    }

    /// A file of commands with the Safe's next nonce.
    pub async fn file(&self, commands: &[ChainCommand]) -> TxFile {
        let nonce = self.safe.nonce(self.tip().await).await.unwrap();
        let multi_send = self.contracts.multi_send_call_only;
        let tx = SafeTx::of_calls(&self.calls(commands), multi_send, nonce).unwrap();
        TxFile::new(self.chain.id(), self.safe.address(), tx)
    }

    pub async fn exec(&self, file: &TxFile) -> TxReceipt {
        let data = self.safe.exec_calldata(file, self.tip().await).await.unwrap();
        let receipt = self.payer.run(&TxPayload::call(self.safe.address(), data)).await.unwrap();
        self.safe.check_executed(file, &receipt).unwrap();
        receipt
    }

    /// Commands through the Safe, signed by two owners.
    pub async fn command(&self, commands: &[ChainCommand]) -> TxReceipt {
        let mut file = self.file(commands).await;
        file.sign(&signer(1)).unwrap();
        file.sign(&signer(3)).unwrap();
        self.exec(&file).await
    }

    pub fn log(&self) -> CommandLog {
        CommandLog::new(MESH)
    }

    /// The checkpoint after `previous`, unsigned.
    pub fn checkpoint(&self, previous: Option<&Checkpoint>, set: &[TestValidator], epoch: u64) -> Checkpoint {
        let entries: Vec<SetEntry> = set.iter().map(TestValidator::entry).collect();
        let set_hash = digest::validator_set(&entries);
        let number = previous.map_or(1, |p| p.number.0 + 1);
        Checkpoint {
            version: phalanx_types::checkpoint::VERSION,
            number: CheckpointNumber(number),
            parent: previous.map_or(Hash::ZERO, Checkpoint::hash),
            mesh: MESH,
            first_beat: Height(previous.map_or(0, |p| p.last_beat.0 + 1)),
            last_beat: Height(number * 32),
            first_receipt: ReceiptIndex(previous.map_or(0, |p| p.history_size)),
            receipt_count: 100,
            interval_root: Hash([number as u8; 32]),
            history_root: Hash([2; 32]),
            history_size: number * 100,
            app_hash: Hash([3; 32]),
            agents_root: Hash::ZERO,
            audit_root: Hash::ZERO,
            set_epoch: epoch,
            set_hash,
            next_set_hash: set_hash,
            verification_level: 1,
            verification_fraction_ppm: 50_000,
            time: TimeMs(1_790_000_000_000 + number),
        }
    }

    /// Signed by the first `count` of a set.
    pub fn signed(&self, checkpoint: &Checkpoint, set: &[TestValidator], count: usize) -> SignedCheckpoint {
        let digest = digest::checkpoint(self.chain.id(), self.deployment.anchor, &checkpoint.hash());
        let signatures: Vec<_> = set.iter().take(count).map(|v| v.account.sign(&digest).unwrap()).collect();
        SignedCheckpoint::new(checkpoint.clone(), &signatures, self.chain.id(), self.deployment.anchor)
    }

    /// The next `count` checkpoints, signed by three of four.
    pub fn queue(&self, previous: Option<&Checkpoint>, count: usize) -> Vec<SignedCheckpoint> {
        let mut list: Vec<SignedCheckpoint> = Vec::new();
        for _ in 0..count {
            let before = list.last().map(|s| &s.checkpoint).or(previous);
            let checkpoint = self.checkpoint(before, &self.validators, 0);
            list.push(self.signed(&checkpoint, &self.validators, 3));
        }
        list
    }
}

pub fn address(byte: u8) -> Address {
    Address([byte; 20])
}
