//! A chain of one's own, gone when it is dropped.

use phalanx_governance::rpc::{Chain, HttpEndpoint, HttpSettings, Transport};
use serde_json::{Value, json};
use std::{
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
};

const ADVICE: &str = "run `npm ci` in contracts/, or set PHALANX_ANVIL to an anvil";

/// The folder of npm's packages.
pub fn node_modules() -> PathBuf {
    let from_anvil = std::env::var_os("PHALANX_ANVIL").and_then(|path| {
        Path::new(&path)
            .ancestors()
            .find(|p| p.file_name() == Some(OsStr::new("node_modules")))
            .map(Path::to_owned)
    });
    from_anvil.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../contracts/node_modules"))
}

/// A tool of Foundry: the program itself, not the script of npm before it, so
/// that ending it ends it.
pub fn tool(name: &str) -> PathBuf {
    let modules = node_modules();
    let packages = fs::read_dir(modules.join("@foundry-rs")).into_iter().flatten().flatten();
    let native = packages
        .filter(|p| p.file_name().to_string_lossy().starts_with(&format!("{name}-")))
        .map(|p| p.path().join("bin").join(name))
        .find(|p| p.is_file());
    let named = std::env::var_os("PHALANX_ANVIL").filter(|_| name == "anvil").map(PathBuf::from);
    let found = native.or(named).unwrap_or_else(|| modules.join(".bin").join(name));
    assert!(found.exists(), "{name} is not at {}: {ADVICE}", found.display());
    found
}

pub struct Anvil {
    child: Child,
    url: String,
}

impl Anvil {
    /// A chain that mines each transaction at once.
    pub fn start() -> Self {
        Self::with(&[])
    }

    pub fn with(arguments: &[&str]) -> Self {
        let mut child = Command::new(tool("anvil"))
            .args(["--port", "0", "--hardfork", "prague"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|e| panic!("anvil does not start: {e}; {ADVICE}"));
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("Listening on ").map(str::to_owned))
            .expect("anvil says where it listens");
        // It must not stop for want of a reader.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url: format!("http://{address}") }
    }

    pub fn endpoint(&self) -> Arc<dyn Transport> {
        Arc::new(HttpEndpoint::new(&self.url, HttpSettings::default()).unwrap())
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
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        self.kill();
    }
}
