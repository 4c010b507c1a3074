//! What a checkpoint rests on: the signatures under it, and the chain.

use crate::{
    chain::{self, ChainArgs},
    home::Home,
    output::Code,
};
use anyhow::Result;
use phalanx_api::Client;
use phalanx_governance::{
    Address,
    contracts::{
        Anchor, SignedCheckpoint,
        anchor::{QuorumError, WINDOW},
        verdict::{self, Standing, Verdict},
    },
    digest::SetEntry,
    keys::EcdsaSignature,
};
use phalanx_types::{Checkpoint, Genesis, cosign::Cosignatures, registry, units::CheckpointNumber};
use serde::Serialize;

/// What the signatures under a checkpoint show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Genuine {
    /// Accounts whose signatures hold.
    pub signers: Vec<Address>,
    /// Their weight, of the set's; none when the signatures do not carry it.
    pub weight: Option<[u64; 2]>,
    /// In words, with what was trusted.
    pub words: String,
    /// Whether something is wrong with them.
    is_refuted: bool,
}

impl Genuine {
    /// Checks the signatures under a checkpoint for the chain that a genesis names.
    pub fn of(checkpoint: &Checkpoint, cosigned: Option<&Cosignatures>, genesis: Option<&Genesis>) -> Self {
        let nothing = |words: String| Self { signers: Vec::new(), weight: None, words, is_refuted: false };
        let refuted = |words: String| Self { is_refuted: true, ..nothing(words) };
        let Some(cosigned) = cosigned else { return nothing("none are given".into()) };
        let Some(genesis) = genesis else {
            return nothing("not checked: name a genesis document, which binds the chain".into());
        };
        if checkpoint.mesh != genesis.mesh {
            return refuted("it is of another mesh than the genesis".into());
        }
        let Some(binding) = &genesis.chain else {
            return nothing("the genesis of this mesh names no chain".into());
        };
        let parsed: Result<Vec<EcdsaSignature>, _> =
            cosigned.signatures.iter().map(|s| EcdsaSignature::from_bytes_strict(&s.0)).collect();
        let signatures = match parsed {
            Ok(signatures) => signatures,
            Err(error) => return refuted(error.to_string()),
        };
        let anchor = Address(binding.contract);
        let signed = SignedCheckpoint::new(checkpoint.clone(), &signatures, binding.chain_id, anchor);
        let set: Vec<SetEntry> = cosigned.set.iter().map(SetEntry::from).collect();
        match signed.check_quorum(&set) {
            Ok(()) => {}
            // Who exported it had not heard the others yet: nothing is wrong with that.
            Err(error @ QuorumError::TooLittle { .. }) => return nothing(error.to_string()),
            Err(error) => return refuted(error.to_string()),
        }
        let signers: Vec<Address> = signed.signers().collect();
        let weigh = |all: bool| {
            let counted = set.iter().filter(|e| all || signers.contains(&e.account));
            counted.map(|e| u64::from(e.weight)).sum::<u64>()
        };
        let weight = [weigh(false), weigh(true)];
        let counted = format!("{} accounts with weight {}/{}", signers.len(), weight[0], weight[1]);
        let is_first = checkpoint.set_hash == registry::set_hash(&genesis.validators);
        match (checkpoint.set_epoch, is_first) {
            (0, true) => {
                let words = format!("{counted} of the validators that the genesis names");
                Self { signers, weight: Some(weight), words, is_refuted: false }
            }
            (0, false) => refuted("it names epoch 0 and other validators than the genesis".into()),
            // Anybody can make keys and a set of them.
            (epoch, _) => nothing(format!(
                "{counted} of a set that the file names for epoch {epoch}: whether it is registered, only the chain \
                 knows, so ask it with --rpc"
            )),
        }
    }

    /// Whether enough have signed.
    pub const fn is_shown(&self) -> bool {
        self.weight.is_some()
    }

    /// Whether something in it is wrong.
    pub const fn is_refuted(&self) -> bool {
        self.is_refuted
    }
}

/// Looks for a checkpoint on the chain. `descendants` gives the checkpoints between two
/// numbers, for one that is older than what the contract keeps.
pub async fn on_chain(
    home: &Home,
    args: &ChainArgs,
    checkpoint: &Checkpoint,
    depth: Option<u64>,
    descendants: impl AsyncFnOnce(CheckpointNumber, CheckpointNumber) -> Result<Vec<Checkpoint>>,
) -> Result<Verdict> {
    let contracts = args.contracts(home).await?;
    let depth = depth.unwrap_or_else(|| chain::depth_of(home));
    let at = contracts.chain.tip().await?.number;
    let (head, _) = Anchor::new(contracts.chain.clone(), contracts.deployment.anchor).head(at).await?;
    // The newest that the contract keeps for a while yet.
    let known = CheckpointNumber((head.0 + 1).saturating_sub(WINDOW / 2));
    let links = if checkpoint.number.0.saturating_add(WINDOW) <= head.0 {
        descendants(CheckpointNumber(checkpoint.number.0.saturating_add(1)), known).await?
    } else {
        Vec::new()
    };
    Ok(verdict::checkpoint(&contracts.chain, &contracts.deployment, checkpoint, &links, depth).await?)
}

/// Checkpoints from a running node, first and last included.
pub async fn of_node(
    client: &Client,
    first: CheckpointNumber,
    last: CheckpointNumber,
) -> Result<Vec<Checkpoint>> {
    let mut found = Vec::new();
    for number in first.0..=last.0 {
        let mut record = client.get(&format!("/v1/checkpoints/{number}")).await?;
        found.push(serde_json::from_value(record["checkpoint"].take())?);
    }
    Ok(found)
}

/// The exit code that a verdict means.
pub const fn code(verdict: &Verdict) -> Code {
    match verdict.standing {
        Standing::Anchored | Standing::Final => Code::Done,
        Standing::NotAnchored | Standing::Contradicted { .. } => Code::Refused,
        Standing::TooOld => Code::Unavailable,
    }
}

/// A verdict in words, with what was trusted.
pub fn words(verdict: &Verdict) -> String {
    let standing = match verdict.standing {
        Standing::NotAnchored => "it is NOT anchored".to_owned(),
        Standing::Anchored => "it is anchored, but not deep enough to be final".to_owned(),
        Standing::Final => "it is anchored for good".to_owned(),
        Standing::Contradicted { anchored } => {
            format!("ANOTHER checkpoint of this number is anchored, {anchored}: one of the two is forged")
        }
        Standing::TooOld => {
            "it is older than what the contract keeps, and nothing leads from it to a newer one: do this with the \
             --home of a running node of the mesh, which has those between"
                .to_owned()
        }
    };
    let mut text = format!("  chain at block {}: {standing}\n", verdict.block);
    for epoch in &verdict.forced_epochs {
        text.push_str(&format!(
            "  FORCED: epoch {epoch} began without the signatures of the set before it\n"
        ));
    }
    for trusted in &verdict.trusted {
        text.push_str(&format!("  trusted: {trusted}\n"));
    }
    text
}
