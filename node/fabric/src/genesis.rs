//! The state before the first beat.

use crate::{
    Applied, Fabric,
    chain::ChainCursor,
    receipts::{Drafts, Origin},
    state::{FULL_PPM, Settings, Shard, TenantState, ValidatorState},
};
use phalanx_types::{
    AgentId, Genesis, Height, LedgerMark, ReceiptKind, RegisteredSet, Weight,
    genesis::GenesisError,
    validator::{Member, ValidatorSet},
};
use std::sync::Arc;

impl Fabric {
    /// The state that a genesis document describes, with its receipt.
    ///
    /// # Errors
    /// When the document does not hang together.
    pub fn genesis(genesis: &Genesis) -> Result<(Self, Applied), GenesisError> {
        genesis.check()?;
        let empty_set = |e: phalanx_types::validator::SetError| GenesisError::Unknown {
            what: "validator set",
            which: e.to_string(),
        };
        let members =
            genesis.validators.iter().map(|v| Member { key: v.vote_key, weight: Weight(1) }).collect();
        let proposers = genesis.validators.iter().map(|v| v.vote_key).collect();
        let all = ValidatorSet::new(members, proposers).map_err(empty_set)?;
        let mut fabric = Self::empty(Settings {
            mesh: genesis.mesh,
            owner: genesis.owner,
            chain: genesis.chain.as_ref().map(|_| ChainCursor::BEGIN),
            params: genesis.params.clone(),
            mode: genesis.mode.clone(),
            verification: genesis.verification,
            policy_version: 0,
            registered: RegisteredSet::first(&genesis.validators),
            is_paused: false,
            thermostat_ppm: FULL_PPM,
            height: Height::ZERO,
            time: genesis.time,
            shift_ms: 0,
            ledger: LedgerMark::BEGIN,
            arrivals: 0,
            actions: 0,
            patrol: AgentId([0; 32]),
            next_set: all.clone(),
            last_set: all,
        });
        for shard in &genesis.shards {
            fabric.shards.insert(shard.name.clone(), Shard::new(shard.clone()));
        }
        for tenant in &genesis.tenants {
            fabric.tenants.insert(tenant.name.clone(), TenantState::new(tenant.clone()));
        }
        for (worker, key) in &genesis.workers {
            fabric.approvals.insert(worker.clone(), *key);
        }
        for entry in &genesis.latencies {
            fabric.latencies.insert((entry.from.clone(), entry.to.clone()), entry.latency_ms);
        }
        for validator in &genesis.validators {
            let state = ValidatorState {
                entry: validator.clone(),
                is_quarantined: false,
                convicted: None,
                missed: None,
            };
            fabric.validators.insert(validator.vote_key, state);
        }
        fabric.place_all();
        if !fabric.find_homes(genesis.tenants.iter().map(|tenant| &tenant.name)) {
            let found = genesis.tenants.len();
            let most = found.saturating_sub(1);
            return Err(GenesisError::Count { what: "tenants that need room", found, least: 0, most });
        }
        let first = fabric
            .set_for(&genesis.mode, Height::FIRST)
            .ok_or(GenesisError::Unknown { what: "voting validator", which: "of any kind".to_owned() })?;
        fabric.sets.insert(Height::FIRST, first.clone());
        fabric.settings.next_set = first.clone();
        fabric.settings.last_set = first.clone();
        fabric.next_set = Arc::new(first);
        fabric.rebuild_index();

        let mut drafts = Drafts::default();
        let mut note = drafts
            .note(
                ReceiptKind::Genesis,
                genesis.mesh,
                &Origin { actor: "genesis".to_owned(), ..Origin::fabric() },
            )
            .text("genesis", genesis.hash())
            .text("mesh", genesis.mesh)
            .text("owner", genesis.owner)
            .text("mode", genesis.mode.name())
            .text("set", fabric.next_set.hash());
        if let Some(chain) = &genesis.chain {
            note = note
                .u64("chain_id", chain.chain_id)
                .text("contract", format_args!("0x{}", hex_of(&chain.contract)))
                .text("code_hash", chain.code_hash);
        }
        note.done();
        let applied = fabric.finish(drafts, false);
        Ok((fabric, applied))
    }
}

fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
