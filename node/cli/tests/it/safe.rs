//! A development chain with a Safe of three owners and the contracts of a mesh,
//! and the binary as its owners use it.

use crate::support::{self, binary, stderr, stdout};
use base64::Engine;
use phalanx_devnet::{Anvil, anvil, anvil_in};
use phalanx_governance::{
    Address, Signer,
    contracts::{Deployment, DeploymentPlan, Registration},
    digest::{self, SetEntry},
    keys::{DevKeys, LocalKey, PasswordSource, keystore},
    rpc::{Chain, HttpEndpoint, HttpSettings},
    safe::{
        TxFile,
        deploy::{SafeContracts, deploy_contracts, deploy_safe},
    },
    submit::account::{Account, TxPayload},
};
use phalanx_types::{Hash, SigningKey, tags};
use serde_json::Value;
use std::{
    fs,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Arc,
};
use tempfile::TempDir;

const MESH: Hash = Hash([0x4d; 32]);

/// The secrets of the first development keys: payer, three owners.
pub const SECRETS: [&str; 4] = [
    "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    "7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
];

/// The words that name a development key.
pub const fn dev(index: &str) -> [&str; 3] {
    ["--dev", "--dev-key", index]
}

fn key(index: u32) -> LocalKey {
    DevKeys::new(anvil::CHAIN_ID).unwrap().key(index).unwrap()
}

pub fn write_private(path: &Path, bytes: &[u8]) {
    let mut file = fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(path).unwrap();
    file.write_all(bytes).unwrap();
}

pub struct Owned {
    anvil: Anvil,
    folder: TempDir,
    contracts: SafeContracts,
    pub safe: Address,
    pub deployment: Deployment,
    /// The validators with their labels, ascending by account.
    pub validators: Vec<(SetEntry, String)>,
    known: [String; 4],
}

impl Owned {
    pub fn new() -> Self {
        Self::of(MESH)
    }

    /// With the contracts of a mesh.
    pub fn of(mesh: Hash) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(Self::deploy(mesh))
    }

    async fn deploy(mesh: Hash) -> Self {
        let contracts_folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts");
        let anvil = Anvil::start::<&str>(&anvil_in(&contracts_folder), &[]).unwrap();
        let endpoint = Arc::new(HttpEndpoint::new(&anvil.url(), HttpSettings::default()).unwrap());
        let chain = Chain::connect(endpoint, None, Some(anvil::CHAIN_ID)).await.unwrap();
        let payer = Account::new(chain, Arc::new(Signer::Local(key(0))));
        let contracts = deploy_contracts(&payer, &anvil::node_modules(&contracts_folder)).await.unwrap();
        let owners = [1, 2, 3].map(|i| key(i).address());
        let safe = deploy_safe(&payer, &contracts, &owners, 2, 0).await.unwrap();
        let mut validators: Vec<_> = (0..4).map(|index| validator(index, &mesh)).collect();
        validators.sort_by_key(|(entry, _)| entry.account);
        let labels = (0..4).map(|i| format!("v{i}"));
        let plan = DeploymentPlan {
            owner: safe,
            mesh,
            validators: validators.clone(),
            command_delay_s: 0,
            force_delay_s: 3_600,
        };
        let receipt = payer.run(&TxPayload::create(plan.creation().unwrap())).await.unwrap();
        let deployment = Deployment::from_receipt(&receipt, &mesh).unwrap();
        let (anchor, multi_send) =
            (deployment.anchor.to_string(), contracts.multi_send_call_only.to_string());
        Self {
            known: ["--anchor".to_owned(), anchor, "--multi-send".to_owned(), multi_send],
            validators: validators.into_iter().map(|(entry, _)| entry).zip(labels).collect(),
            folder: tempfile::tempdir().unwrap(),
            anvil,
            contracts,
            safe,
            deployment,
        }
    }

    pub fn url(&self) -> String {
        self.anvil.url()
    }

    /// The account of a development key.
    pub fn owner(&self, index: u32) -> Address {
        key(index).address()
    }

    pub fn multi_send(&self) -> String {
        self.contracts.multi_send_call_only.to_string()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    pub fn write_private(&self, name: &str, bytes: &[u8]) {
        write_private(&self.path(name), bytes);
    }

    pub fn file(&self, name: &str) -> TxFile {
        TxFile::read(&fs::read(self.path(name)).unwrap()).unwrap()
    }

    /// A keystore of a development key, with its password in `NAME.password`.
    pub fn keystore(&self, name: &str, index: u32, password: &str) {
        let source = format!("{name}.password");
        self.write_private(&source, password.as_bytes());
        keystore::create(&self.path(name), &key(index), &PasswordSource::File(self.path(&source))).unwrap();
    }

    /// Words of a command with the chain and the contracts.
    pub fn online(&self, words: &[&str]) -> Vec<String> {
        let mut all: Vec<String> = words.iter().map(ToString::to_string).collect();
        // What the command takes no notice of, it does not take.
        let takes = if words.first() == Some(&"status") { 2 } else { 4 };
        all.extend(["--rpc".to_owned(), self.url()]);
        all.extend(self.known.iter().take(takes).cloned());
        all
    }

    /// Words that execute a file.
    pub fn exec(&self, file: &str) -> Vec<String> {
        self.online(&["tx", "exec", file, "--dev", "--dev-key", "0"])
    }

    /// A command built, signed by two, executed; what the last step said.
    pub fn through(&self, words: &[&str], out: &str) -> String {
        self.done(&self.online(&[&["command"], words, &["--out", out]].concat()));
        self.sign(out);
        self.done(&self.exec(out))
    }

    /// Signed by two, who have looked at it.
    pub fn sign(&self, file: &str) {
        let hash = self.file(file).safe_tx_hash().to_string();
        for owner in [dev("1"), dev("2")] {
            let words = ["tx", "sign", file, "--safe-tx-hash", &hash];
            self.done(&self.online(&[&words[..], &owner].concat()));
        }
    }

    /// `phalanx owner …`; no secret may be in what it says.
    fn run<S: AsRef<str>>(&self, format: &str, words: &[S]) -> Output {
        let output = Command::new(binary())
            .args(["--home", "no-home", "--output", format, "owner"])
            .args(words.iter().map(AsRef::as_ref))
            .current_dir(self.folder.path())
            .env_remove("PHALANX_HOME")
            .output()
            .unwrap();
        for said in [&output.stdout, &output.stderr] {
            assert_keeps_secrets(said);
        }
        output
    }

    /// Ends with 0; what it says.
    pub fn done<S: AsRef<str>>(&self, words: &[S]) -> String {
        let output = self.run("text", words);
        assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
        stdout(&output)
    }

    /// Ends with a code and says something.
    #[track_caller]
    pub fn told<S: AsRef<str>>(&self, code: i32, words: &[S], part: &str) {
        let output = self.run("text", words);
        let said = format!("{}{}", stdout(&output), stderr(&output));
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(part), "{said}");
    }

    /// Ends with 0 and one JSON document.
    pub fn json<S: AsRef<str>>(&self, words: &[S]) -> Value {
        let output = self.run("json", words);
        assert!(output.status.success(), "{}", stderr(&output));
        let value: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(value["schema"], 1);
        value
    }
}

impl Drop for Owned {
    /// Nor may a secret be in any file that was written.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        for path in support::files(self.folder.path()) {
            assert_keeps_secrets(&fs::read(path).unwrap());
        }
    }
}

fn validator(index: u8, mesh: &Hash) -> (SetEntry, Registration) {
    let account = key(10 + u32::from(index));
    let (network, vote) = (SigningKey::from_seed([index + 1; 32]), SigningKey::from_seed([index + 101; 32]));
    let digest = digest::registration(anvil::CHAIN_ID, mesh, &network.public(), &vote.public());
    let entry = SetEntry {
        network_key: network.public(),
        vote_key: vote.public(),
        account: account.address(),
        weight: 100,
    };
    let registration = Registration {
        account: account.sign(&digest).unwrap().to_64(),
        network: network.sign(tags::REGISTRATION, &digest.0),
        vote: vote.sign(tags::REGISTRATION, &digest.0),
    };
    (entry, registration)
}

/// No secret key in raw bytes, hex or base64.
#[track_caller]
fn assert_keeps_secrets(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).to_lowercase();
    for secret in SECRETS {
        let raw = hex::decode(secret).unwrap();
        assert!(!bytes.windows(raw.len()).any(|w| w == raw), "a secret in raw bytes");
        assert!(!text.contains(secret), "a secret in hex");
        // Any place of the bytes in a longer base64 text: the characters that
        // depend on them alone.
        for shift in 0..3 {
            let padded = [&vec![0; shift][..], &raw].concat();
            let digits = base64::engine::general_purpose::STANDARD_NO_PAD.encode(padded);
            let whole = &digits[4..digits.len() - 4];
            assert!(!text.contains(&whole.to_lowercase()), "a secret in base64");
        }
    }
}
