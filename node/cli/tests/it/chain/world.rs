//! A founded mesh, a development chain, the contracts, and their owner.

use crate::support::{self, Mesh, phalanx, stderr};
use phalanx_devnet::{Anvil, anvil_in};
use phalanx_governance::{
    Address, Signer,
    address::Wei,
    contracts::{ChainCommand, CircuitKey, Deployment, ProofVerifier},
    keys::DevKeys,
    rpc::{Chain, HttpEndpoint, HttpSettings, Transport},
    safe::{
        Call, Safe, SafeTx, TxFile,
        deploy::{deploy_contracts, deploy_safe},
    },
    submit::account::{Account, TxPayload},
};
use phalanx_types::{Genesis, Hash};
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

/// How long anything here may take.
pub const WITHIN: Duration = Duration::from_secs(60);

pub fn contracts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts")
}

/// With rich accounts for the validators too.
pub fn anvil(words: &[&str]) -> Anvil {
    let all = [&["--accounts", "20"], words].concat();
    Anvil::start(&anvil_in(&contracts()), &all).unwrap()
}

pub fn dev(index: u32) -> Signer {
    Signer::Local(DevKeys::new(31_337).unwrap().key(index).unwrap())
}

pub async fn connect(url: &str) -> Chain {
    let endpoint = HttpEndpoint::new(url, HttpSettings::default()).unwrap();
    Chain::connect(Arc::new(endpoint), None, None).await.unwrap()
}

/// One of anvil's own methods.
pub async fn ask(url: &str, method: &'static str, params: Value) -> Value {
    HttpEndpoint::new(url, HttpSettings::default()).unwrap().ask(method, params).await.unwrap()
}

/// How fast a mesh without work goes on.
#[derive(Clone, Copy)]
pub struct Pace {
    pub checkpoint_beats: u32,
    pub idle_beat_ms: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self { checkpoint_beats: 4, idle_beat_ms: 300 }
    }
}

/// A mesh that is bound to a chain, with its Safe.
pub struct Chained {
    pub mesh: Mesh,
    pub safe: Address,
    pub deployment: Deployment,
    url: String,
}

impl Chained {
    /// Founds a mesh of four and binds it to the chain at `url`. `words` are more words
    /// for `chain deploy`.
    pub async fn new(url: &str, pace: Pace, words: &[&str]) -> Self {
        let mut mesh = support::found(4, &[]);
        for index in 0..4 {
            let path = mesh.home(index).join("genesis.json");
            let mut genesis: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            genesis["params"]["checkpoint_beats"] = json!(pace.checkpoint_beats);
            genesis["params"]["idle_beat_ms"] = json!(pace.idle_beat_ms);
            std::fs::write(path, genesis.to_string()).unwrap();
        }
        let chain = connect(url).await;
        let payer = Account::new(chain, Arc::new(dev(0)));
        let made = deploy_contracts(&payer, &contracts().join("node_modules")).await.unwrap();
        let owners = [1, 2, 3].map(|index| dev(index).address());
        let safe = deploy_safe(&payer, &made, &owners, 2, 0).await.unwrap();
        let folder = mesh.folder.path().join("mesh");
        let (folder, owner) = (folder.to_str().unwrap().to_owned(), safe.to_string());
        let mut all = vec!["chain", "deploy", "--mesh", &folder, "--rpc", url, "--safe", &owner];
        all.extend(["--depth", "2", "--poll", "100", "--takeover", "2000", "--output", "json"]);
        all.extend(words);
        let deployed = phalanx(&all);
        assert!(deployed.status.success(), "{}", stderr(&deployed));
        let said: Value = serde_json::from_slice(&deployed.stdout).unwrap();
        // With the accounts and the chain.
        let genesis = std::fs::read(mesh.home(0).join("genesis.json")).unwrap();
        mesh.genesis = Genesis::from_json(&genesis).unwrap();
        let deployment = serde_json::from_value(said["deployment"].clone()).unwrap();
        Self { mesh, safe, deployment, url: url.to_owned() }
    }

    /// With development keys.
    pub async fn dev(url: &str) -> Self {
        Self::dev_at(url, Pace::default()).await
    }

    /// With development keys, at a pace.
    pub async fn dev_at(url: &str, pace: Pace) -> Self {
        let mut chained = Self::new(url, pace, &["--dev", "--dev-key", "0"]).await;
        chained.mesh.devnet.always_with(&["--dev"]);
        chained
    }

    /// Gives one node other endpoints.
    pub fn set_rpc(&self, index: usize, rpc: &[&str]) {
        let path = self.mesh.home(index).join("config.toml");
        let mut config: toml::Table = std::fs::read_to_string(&path).unwrap().parse().unwrap();
        let list = rpc.iter().map(|url| toml::Value::from(*url)).collect::<Vec<_>>();
        config["chain"].as_table_mut().unwrap().insert("rpc".into(), list.into());
        std::fs::write(path, config.to_string()).unwrap();
    }

    /// A command through the Safe, signed by two owners.
    pub async fn command(&self, command: ChainCommand) {
        self.call(Call { to: self.deployment.commands, value: Wei(0), data: command.calldata() }).await;
    }

    /// A call by the Safe, signed by two owners.
    pub async fn call(&self, call: Call) {
        let chain = connect(&self.url).await;
        let safe = Safe::new(chain.clone(), self.safe);
        let at = chain.tip().await.unwrap().number;
        let nonce = safe.nonce(at).await.unwrap();
        let tx = SafeTx::of_calls(&[call], Address::ZERO, nonce).unwrap();
        let mut file = TxFile::new(chain.id(), self.safe, tx);
        file.sign(&dev(1)).unwrap();
        file.sign(&dev(2)).unwrap();
        let payer = Account::new(chain, Arc::new(dev(0)));
        let data = safe.exec_calldata(&file, at).await.unwrap();
        let receipt = payer.run(&TxPayload::call(self.safe, data)).await.unwrap();
        safe.check_executed(&file, &receipt).unwrap();
    }

    /// The contract that verifies proofs, as the settings of a node name it.
    pub fn verifier(&self) -> Address {
        let path = self.mesh.home(0).join("config.toml");
        let config: toml::Table = std::fs::read_to_string(path).unwrap().parse().unwrap();
        config["chain"]["verifier"].as_str().unwrap().parse().unwrap()
    }

    /// The key of a circuit that this contract has.
    pub async fn key(&self, circuit: &Hash) -> Option<CircuitKey> {
        let chain = connect(&self.url).await;
        let at = chain.tip().await.unwrap().number;
        ProofVerifier::new(chain, self.verifier()).key(circuit, at).await.unwrap()
    }

    pub async fn status(&self, index: usize) -> Value {
        let clients = self.mesh.devnet.clients();
        clients[index].get("/v1/status").await.unwrap()
    }

    /// Waits until the status of one node `holds`.
    pub async fn until(&self, index: usize, what: &str, mut holds: impl FnMut(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let status = self.status(index).await;
            if holds(&status) {
                return status;
            }
            assert!(began.elapsed() < WITHIN, "{what}: {status}\n{}", self.mesh.logs());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The same of all nodes.
    pub async fn all_until(&self, what: &str, holds: impl Fn(&Value) -> bool) {
        for index in 0..4 {
            self.until(index, what, &holds).await;
        }
    }

    /// Receipts about a word at one node.
    pub async fn receipts(&self, index: usize, subject: &str) -> Vec<Value> {
        let client = &self.mesh.devnet.clients()[index];
        let found = client.get(&format!("/v1/receipts?subject={subject}")).await.unwrap();
        let mut receipts = Vec::new();
        for number in found["receipts"].as_array().unwrap() {
            let path = format!("/v1/receipts/{}", number.as_str().unwrap());
            receipts.push(client.get(&path).await.unwrap());
        }
        receipts
    }
}

/// A number in a status, which has them as text.
pub fn number(status: &Value, pointer: &str) -> u64 {
    status.pointer(pointer).and_then(Value::as_str).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Whether a status has no alarm.
pub fn is_calm(status: &Value) -> bool {
    status["chain"]["alarms"].as_array().is_some_and(Vec::is_empty)
}
