//! A chain of one's own, gone when it is dropped.

use phalanx_devnet::anvil;
use phalanx_governance::rpc::{Chain, HttpEndpoint, HttpSettings, Transport};
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

const ADVICE: &str = "run contracts/scripts/tools, or set PHALANX_ANVIL to an anvil";

fn contracts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../contracts")
}

/// The folder of npm's packages.
pub fn node_modules() -> PathBuf {
    anvil::node_modules(&contracts())
}

/// A tool of Foundry.
pub fn tool(name: &str) -> PathBuf {
    let found = anvil::foundry(&node_modules(), name);
    assert!(found.exists(), "{name} is not at {}: {ADVICE}", found.display());
    found
}

pub struct Anvil(anvil::Anvil);

impl Anvil {
    /// Where it is asked.
    pub fn url(&self) -> String {
        self.0.url()
    }

    /// A chain that mines each transaction at once.
    pub fn start() -> Self {
        Self::with(&[])
    }

    pub fn with(arguments: &[&str]) -> Self {
        let started = anvil::Anvil::start(&anvil::anvil_in(&contracts()), arguments);
        Self(started.unwrap_or_else(|e| panic!("{e}; {ADVICE}")))
    }

    pub fn endpoint(&self) -> Arc<dyn Transport> {
        Arc::new(HttpEndpoint::new(&self.0.url(), HttpSettings::default()).unwrap())
    }

    pub async fn chain(&self) -> Chain {
        Chain::connect(self.endpoint(), None, Some(31_337)).await.unwrap()
    }

    /// One of anvil's own methods.
    pub async fn ask(&self, method: &'static str, params: Value) -> Value {
        self.endpoint().ask(method, params).await.unwrap()
    }

    pub async fn mine(&self, blocks: u64) {
        self.ask("anvil_mine", json!([format!("0x{blocks:x}")])).await;
    }

    pub fn kill(&mut self) {
        self.0.kill();
    }
}
