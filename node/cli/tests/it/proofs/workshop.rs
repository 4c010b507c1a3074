//! A folder with keys, witnesses and proofs.

use crate::support::{phalanx, stderr, stdout};
use phalanx_circuits::{
    native::{Action, AgentState, Fr, Selector, Tree, beat_digest, capacity_hash, tenant_field},
    witness::{ActionWitness, BoundPolicy, BoundRule, IntegrityWitness, PositionWitness, Witness},
};
use phalanx_geometry::{Curvature, Reach};
use phalanx_types::{
    AgentId, GpuRequest, Hash, Height, Name, Resources,
    agent::{AgentSeed, Position},
    resources::WorkerResources,
    units::CheckpointNumber,
};
use serde_json::Value;
use std::{fs, process::Output};
use tempfile::TempDir;

/// The coordinates and the seed that nobody must see.
pub const PLACE: [i64; 2] = [123_456_789_012, -234_567_890_123];
pub const SEED: [u8; 32] = [0xa7; 32];

pub struct Workshop {
    pub folder: TempDir,
}

/// A place with zeros behind these coordinates.
fn wide(coordinates: &[i64], dimension: usize) -> Position {
    let mut all = coordinates.to_vec();
    all.resize(dimension, 0);
    Position(all)
}

fn rule(dimension: usize, constraint: &str, micro: u64, selector: Selector) -> BoundRule {
    let reach = match selector {
        Selector::Within => Reach::for_within(Curvature::ONE, micro),
        Selector::Beyond => Reach::for_beyond(Curvature::ONE, micro),
    };
    BoundRule {
        policy: Name::new("zones").unwrap(),
        constraint: Name::new(constraint).unwrap(),
        center: wide(&[7 << 30], dimension),
        reach: reach.unwrap(),
        selector,
    }
}

/// An agent near a centre: the rule `zones/near` holds, `zones/far` does not.
fn position(dimension: usize, nonce: u64) -> PositionWitness {
    let policy = BoundPolicy {
        step: Reach::MAX,
        rules: vec![
            rule(dimension, "near", 2_000_000, Selector::Within),
            rule(dimension, "far", 9_000_000, Selector::Beyond),
        ],
    };
    let agent = AgentState {
        id: AgentId([1; 32]),
        tenant: tenant_field(&Name::new("acme").unwrap()),
        position: wide(&PLACE, dimension),
        resources: Resources { cpu_milli: 1, memory_mib: 2, gpu: GpuRequest::None },
        policy_root: policy.to_native().unwrap().root(),
        nonce,
        seed: AgentSeed(SEED),
    };
    let tree = Tree::new(vec![Fr::from(5), agent.leaf().unwrap()]).unwrap();
    PositionWitness { checkpoint: CheckpointNumber(7), agent, path: tree.path(1).unwrap(), policy }
}

fn integrity() -> IntegrityWitness {
    let (first, from, receipts_roots) = (Fr::from(9), Height(3), vec![Hash([1; 32]), Hash([2; 32])]);
    let last = beat_digest(beat_digest(first, from, &receipts_roots[0]), Height(4), &receipts_roots[1]);
    let path = Tree::new(vec![last]).unwrap().path(0).unwrap();
    IntegrityWitness { checkpoint: CheckpointNumber(7), first, from, receipts_roots, path }
}

/// An action that moved the agent to there.
fn action(dimension: usize) -> ActionWitness {
    let PositionWitness { checkpoint, agent: after, policy, .. } = position(dimension, 4);
    let mut before = after.clone();
    before.nonce -= 1;
    before.position.0[0] -= 1 << 30;
    let worker = WorkerResources { cpu_milli: 4_000, memory_mib: 8_000, gpus: 0 };
    let action = Action {
        index: 11,
        before: before.leaf().unwrap(),
        after: after.leaf().unwrap(),
        policy_root: after.policy_root,
        capacity_hash: capacity_hash(&worker),
        beat: Height(3),
    };
    let path = Tree::new(vec![Fr::from(5), action.leaf()]).unwrap().path(1).unwrap();
    let (index, beat) = (action.index, action.beat);
    ActionWitness { checkpoint, before, after, policy, worker, index, beat, path }
}

impl Workshop {
    /// With keys for development of these circuits.
    pub fn with(circuits: &[&str]) -> Self {
        let shop = Self { folder: tempfile::tempdir().unwrap() };
        let mut words = vec!["setup", "--dev"];
        words.extend(circuits.iter().flat_map(|name| ["--circuit", name]));
        let made = shop.proof(&words);
        assert!(made.status.success(), "{}", stderr(&made));
        shop
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// Runs `phalanx proof` with the folder as its home.
    pub fn proof(&self, words: &[&str]) -> Output {
        let home = self.path("");
        let run = phalanx(&[&["proof", "--home", &home], words].concat());
        // Whatever a command says, it says nothing of what is secret.
        for text in [stdout(&run), stderr(&run)] {
            assert_no_secret(&text);
        }
        run
    }

    /// The same; what it prints as JSON, and its exit code.
    pub fn json(&self, words: &[&str]) -> (Value, i32) {
        let run = self.proof(&[&["--output", "json"], words].concat());
        let text = stdout(&run);
        let value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text} {}", stderr(&run)));
        (value, run.status.code().unwrap())
    }

    pub fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// A witness file of an agent after that many actions.
    pub fn position(&self, nonce: u64) -> String {
        self.position_in(2, nonce)
    }

    /// The same in so many dimensions.
    pub fn position_in(&self, dimension: usize, nonce: u64) -> String {
        let text = Witness::Position(position(dimension, nonce)).to_json().unwrap();
        self.write(&format!("position-{nonce}.witness"), &text)
    }

    pub fn action(&self) -> String {
        self.action_in(2)
    }

    /// The same in so many dimensions.
    pub fn action_in(&self, dimension: usize) -> String {
        self.write("action.witness", &Witness::Action(action(dimension)).to_json().unwrap())
    }

    pub fn integrity(&self) -> String {
        self.write("integrity.witness", &Witness::Integrity(integrity()).to_json().unwrap())
    }

    /// Proves the first rule; the path of the proof file, which holds no secret.
    pub fn proven(&self, name: &str, nonce: u64) -> String {
        let out = self.path(name);
        let run = self.proof(&["prove", "position", "--witness", &self.position(nonce), "--out", &out]);
        assert!(run.status.success(), "{}", stderr(&run));
        assert_no_secret(&self.read(name));
        out
    }

    /// Changes a value of a JSON file and writes it under another name.
    pub fn changed(&self, from: &str, name: &str, change: impl FnOnce(&mut Value)) -> String {
        let mut value: Value = serde_json::from_str(&fs::read_to_string(from).unwrap()).unwrap();
        change(&mut value);
        self.write(name, &value.to_string())
    }
}

fn assert_no_secret(text: &str) {
    for secret in [hex::encode(&SEED[..4]), PLACE[0].to_string(), PLACE[1].abs().to_string()] {
        assert!(!text.to_lowercase().contains(&secret), "{text}");
    }
}
