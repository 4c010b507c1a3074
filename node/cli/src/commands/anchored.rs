//! What a checkpoint rests on: the signatures under it, and the chain.

use crate::{
    chain::{self, ChainArgs},
    home::Home,
    output::Code,
};
use anyhow::Result;
use phalanx_api::{Client, ClientError};
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
use phalanx_types::{
    Checkpoint, Genesis, Hash, cosign::Cosignatures, genesis::ChainBinding, registry, units::CheckpointNumber,
};
use serde::{Deserialize, Serialize};

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

/// A checkpoint as a node gives it. What the node says of it is not read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// Who has signed it.
    #[serde(default)]
    pub cosigned: Option<Cosignatures>,
    /// Those by which one set of validators has named the next, from the first set on: so
    /// the signatures under it are checked without a chain.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub handovers: Vec<Record>,
}

/// The signatures of a set under a checkpoint that they carry.
struct Carried {
    signers: Vec<Address>,
    /// Of the set's.
    weight: [u64; 2],
}

/// What is wrong with signatures.
enum Wrong {
    /// They are of somebody or something else.
    Refuted(String),
    /// Too few are known: who exported it had not heard the others yet.
    TooFew(String),
}

/// Checks the signatures under a checkpoint against the set that stands beside them.
fn carried(record: &Record, binding: &ChainBinding) -> Result<Carried, Wrong> {
    let refuted = |error: &dyn std::fmt::Display| Wrong::Refuted(error.to_string());
    let Some(cosigned) = &record.cosigned else { return Err(Wrong::TooFew("none are given".into())) };
    let parsed: Result<Vec<EcdsaSignature>, _> =
        cosigned.signatures.iter().map(|s| EcdsaSignature::from_bytes_strict(&s.0)).collect();
    let signatures = parsed.map_err(|error| refuted(&error))?;
    let anchor = Address(binding.contract);
    let signed = SignedCheckpoint::new(record.checkpoint.clone(), &signatures, binding.chain_id, anchor);
    let set: Vec<SetEntry> = cosigned.set.iter().map(SetEntry::from).collect();
    signed.check_quorum(&set).map_err(|error| match error {
        QuorumError::TooLittle { .. } => Wrong::TooFew(error.to_string()),
        _ => refuted(&error),
    })?;
    let signers: Vec<Address> = signed.signers().collect();
    let weigh = |all: bool| {
        let counted = set.iter().filter(|e| all || signers.contains(&e.account));
        counted.map(|e| u64::from(e.weight)).sum::<u64>()
    };
    let weight = [weigh(false), weigh(true)];
    Ok(Carried { signers, weight })
}

/// The epoch and the set that the hand-overs lead to, from those of the genesis.
fn led_to(record: &Record, genesis: &Genesis, binding: &ChainBinding) -> Result<(u64, Hash), Wrong> {
    let mut reached = (0, registry::set_hash(&genesis.validators));
    for handover in &record.handovers {
        let checkpoint = &handover.checkpoint;
        let number = checkpoint.number;
        let wrong = |what: &str| Wrong::Refuted(format!("hand-over at checkpoint {number}: {what}"));
        if checkpoint.mesh != genesis.mesh {
            return Err(wrong("it is of another mesh than the genesis"));
        }
        if (checkpoint.set_epoch, checkpoint.set_hash) != reached || !checkpoint.changes_set() {
            return Err(wrong("it does not follow from the one before it"));
        }
        match carried(handover, binding) {
            Ok(_) => reached = (reached.0.saturating_add(1), checkpoint.next_set_hash),
            Err(Wrong::Refuted(reason)) => return Err(wrong(&reason)),
            // It may be so all the same.
            Err(Wrong::TooFew(_)) => return Ok(reached),
        }
    }
    Ok(reached)
}

impl Genuine {
    /// Checks the signatures under a checkpoint for the chain that a genesis names.
    pub fn of(record: &Record, genesis: Option<&Genesis>) -> Self {
        let checkpoint = &record.checkpoint;
        let nothing = |words: String| Self { signers: Vec::new(), weight: None, words, is_refuted: false };
        let refuted = |words: String| Self { is_refuted: true, ..nothing(words) };
        if record.cosigned.is_none() {
            return nothing("none are given".into());
        }
        let Some(genesis) = genesis else {
            return nothing("not checked: name a genesis document, which binds the chain".into());
        };
        if checkpoint.mesh != genesis.mesh {
            return refuted("it is of another mesh than the genesis".into());
        }
        let Some(binding) = &genesis.chain else {
            return nothing("the genesis of this mesh names no chain".into());
        };
        let of_wrong = |wrong| match wrong {
            Wrong::Refuted(words) => refuted(words),
            Wrong::TooFew(words) => nothing(words),
        };
        let Carried { signers, weight } = match carried(record, binding) {
            Ok(carried) => carried,
            Err(wrong) => return of_wrong(wrong),
        };
        let (epoch, set) = match led_to(record, genesis, binding) {
            Ok(reached) => reached,
            Err(wrong) => return of_wrong(wrong),
        };
        let counted = format!("{} accounts with weight {}/{}", signers.len(), weight[0], weight[1]);
        let shown = |of: String| {
            let words = format!("{counted} of {of}");
            Self { signers: signers.clone(), weight: Some(weight), words, is_refuted: false }
        };
        match (checkpoint.set_epoch == epoch, checkpoint.set_hash == set) {
            (true, true) if epoch == 0 => shown("the validators that the genesis names".into()),
            (true, true) => shown(format!(
                "the validators of epoch {epoch}, to whom {epoch} hand-overs lead from those that the genesis names"
            )),
            (true, false) => {
                refuted(format!("it names epoch {epoch} and other validators than were named for it"))
            }
            // Anybody can make keys and a set of them.
            (false, _) => nothing(format!(
                "{counted} of a set that the file names for epoch {}: whether it is registered, only the chain knows, \
                 so ask it with --rpc",
                checkpoint.set_epoch
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

/// Most hand-overs of an exported file; with more of them the chain must be asked.
const HANDOVERS_MAX: u64 = 256;

/// The hand-overs that lead to a checkpoint's set, from a running node; those that it does
/// not have are left out, with all after them.
pub async fn handovers(client: &Client, checkpoint: &Checkpoint) -> Result<Vec<Record>> {
    let get = async |number: u64| -> Result<Option<Record>> {
        match client.get(&format!("/v1/checkpoints/{number}")).await {
            Ok(found) => Ok(Some(serde_json::from_value(found)?)),
            Err(ClientError::Refused(refused)) if refused.status == 404 => Ok(None),
            Err(error) => Err(error.into()),
        }
    };
    let mut found: Vec<Record> = Vec::new();
    for epoch in 0..checkpoint.set_epoch.min(HANDOVERS_MAX) {
        // Epochs never go back: the last checkpoint of one is found by halving.
        let mut low = found.last().map_or(1, |last| last.checkpoint.number.0.saturating_add(1));
        let mut high = checkpoint.number.0;
        while low < high {
            let middle = low + (high - low) / 2;
            match get(middle).await? {
                Some(record) if record.checkpoint.set_epoch > epoch => high = middle,
                // What a node does not have is older than what it has.
                Some(_) | None => low = middle + 1,
            }
        }
        match get(low.saturating_sub(1)).await? {
            Some(last) if last.checkpoint.set_epoch == epoch && last.checkpoint.changes_set() => {
                found.push(last);
            }
            _ => break,
        }
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
