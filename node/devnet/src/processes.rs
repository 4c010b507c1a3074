//! Node processes: start, wait, end, kill.

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use phalanx_api::{Client, ClientError};
use serde_json::Value;
use std::{
    fs::File,
    io,
    net::{SocketAddr, TcpListener, UdpSocket},
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};
use tokio::process::{Child, Command};

/// A node to start.
#[derive(Clone, Debug)]
pub struct NodeSpec {
    /// A word for people.
    pub name: String,
    /// Its home folder.
    pub home: PathBuf,
    /// Where its interface listens.
    pub api: SocketAddr,
    /// The token of its interface.
    pub token: String,
}

impl NodeSpec {
    /// The node of a home folder.
    ///
    /// # Errors
    /// When its settings or its token cannot be read.
    pub fn at(name: &str, home: PathBuf) -> Result<Self, DevnetError> {
        let read = |file: &str| {
            let path = home.join(file);
            std::fs::read_to_string(&path).map_err(io_error(format!("{} cannot be read", path.display())))
        };
        let config: toml::Table = read("config.toml")?.parse().map_err(|error: toml::de::Error| {
            io_error(format!("config.toml of {name}"))(io::Error::new(io::ErrorKind::InvalidData, error))
        })?;
        let api = config.get("api").and_then(toml::Value::as_str).and_then(|text| text.parse().ok());
        let api = api.ok_or_else(|| {
            io_error(format!("config.toml of {name} names no api"))(io::ErrorKind::InvalidData.into())
        })?;
        Ok(Self { name: name.to_owned(), token: read("api-token")?, api, home })
    }
}

/// What went wrong with the processes.
#[derive(Debug, thiserror::Error)]
pub enum DevnetError {
    /// The operating system refused something.
    #[error("{what}: {error}")]
    Io {
        /// What.
        what: String,
        /// The error.
        error: io::Error,
    },
    /// A node answered something unexpected, or not at all.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A node answered something that no node of this version answers.
    #[error("a node answered {what}; is it of this version?")]
    Odd {
        /// What.
        what: String,
    },
    /// Something did not happen in time.
    #[error(
        "{what} did not happen within {seconds} s; the nodes' logs are in node.log of their home folders"
    )]
    Late {
        /// What.
        what: String,
        /// The time that was given.
        seconds: u64,
    },
    /// A node ended by itself.
    #[error("{name} ended by itself ({status}); its last words:\n{words}")]
    Ended {
        /// Which node.
        name: String,
        /// How.
        status: String,
        /// The end of its log.
        words: String,
    },
}

pub(crate) fn io_error(what: impl Into<String>) -> impl FnOnce(io::Error) -> DevnetError {
    let what = what.into();
    move |error| DevnetError::Io { what, error }
}

struct Node {
    spec: NodeSpec,
    client: Client,
    child: Option<Child>,
}

/// Processes of one mesh. Dropping it kills them.
pub struct Devnet {
    binary: PathBuf,
    nodes: Vec<Node>,
    /// Words on the command line of every node.
    words: Vec<String>,
}

impl Devnet {
    /// A mesh whose nodes are not started yet.
    #[must_use]
    pub fn new(binary: &Path, specs: Vec<NodeSpec>) -> Self {
        let nodes = specs
            .into_iter()
            .map(|spec| Node { client: Client::new(spec.api, spec.token.clone()), spec, child: None })
            .collect();
        Self { binary: binary.to_owned(), nodes, words: Vec::new() }
    }

    /// Puts words on the command line of every node that is started from now on.
    pub fn always_with(&mut self, words: &[&str]) {
        self.words = words.iter().map(|word| (*word).to_owned()).collect();
    }

    /// Number of nodes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether it has no nodes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The clients of all nodes, in order.
    #[must_use]
    pub fn clients(&self) -> Vec<Client> {
        self.nodes.iter().map(|n| n.client.clone()).collect()
    }

    /// The nodes.
    pub fn specs(&self) -> impl Iterator<Item = &NodeSpec> {
        self.nodes.iter().map(|n| &n.spec)
    }

    /// Starts a node.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub fn start(&mut self, index: usize) -> Result<(), DevnetError> {
        self.start_with(index, &[])
    }

    /// Starts a node with more words on its command line.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub fn start_with(&mut self, index: usize, words: &[&str]) -> Result<(), DevnetError> {
        let binary = self.binary.clone();
        let Some(node) = self.nodes.get_mut(index) else { return Ok(()) };
        let path = node.spec.home.join("node.log");
        let log = File::options().create(true).append(true).open(&path);
        let log = log.map_err(io_error(path.display().to_string()))?;
        let child = Command::new(binary)
            .args(["node", "run", "--home"])
            .arg(&node.spec.home)
            .args(&self.words)
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            // Ctrl-C in the terminal is for this process; it ends the nodes.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(io_error(format!("{} cannot be started", node.spec.name)))?;
        node.child = Some(child);
        Ok(())
    }

    /// Starts all nodes.
    ///
    /// # Errors
    /// When a process cannot be started.
    pub fn start_all(&mut self) -> Result<(), DevnetError> {
        (0..self.nodes.len()).try_for_each(|index| self.start(index))
    }

    /// Ends a node as a power cut would: `SIGKILL`.
    pub async fn kill(&mut self, index: usize) {
        if let Some(mut child) = self.nodes.get_mut(index).and_then(|n| n.child.take()) {
            // Already gone is as good.
            let _ = child.kill().await;
        }
    }

    /// Freezes a node: it neither hears nor says anything until it is thawed, and
    /// then finds that time has passed.
    pub fn freeze(&self, index: usize) {
        self.signal(index, Signal::SIGSTOP);
    }

    /// Ends a freeze.
    pub fn thaw(&self, index: usize) {
        self.signal(index, Signal::SIGCONT);
    }

    fn signal(&self, index: usize, signal: Signal) {
        let child = self.nodes.get(index).and_then(|node| node.child.as_ref());
        if let Some(pid) = child.and_then(Child::id).and_then(|pid| i32::try_from(pid).ok()) {
            // One that is gone needs no signal.
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    /// Asks all nodes to stop, which must all have ended well within `patience` of that; says
    /// of each one that had to be killed, or ended with a failure, what it did.
    pub async fn stop_all(&mut self, patience: Duration) -> Vec<String> {
        (0..self.nodes.len()).for_each(|index| self.signal(index, Signal::SIGTERM));
        let deadline = tokio::time::Instant::now() + patience;
        let mut wrong = Vec::new();
        for node in &mut self.nodes {
            let Some(mut child) = node.child.take() else { continue };
            let name = &node.spec.name;
            match tokio::time::timeout_at(deadline, child.wait()).await {
                Ok(Ok(status)) if status.success() => {}
                Ok(Ok(status)) => wrong.push(format!("{name} ended with {status}")),
                Ok(Err(error)) => wrong.push(format!("{name}: {error}")),
                Err(_) => {
                    let _ = child.kill().await;
                    wrong.push(format!("{name} had to be killed after {} s", patience.as_secs()));
                }
            }
        }
        wrong
    }

    /// Fails when a node that was started has ended.
    ///
    /// # Errors
    /// With the end of its log.
    pub fn check(&mut self) -> Result<(), DevnetError> {
        for node in &mut self.nodes {
            let Some(Ok(Some(status))) = node.child.as_mut().map(Child::try_wait) else { continue };
            let log = std::fs::read_to_string(node.spec.home.join("node.log")).unwrap_or_default();
            let from = log.lines().count().saturating_sub(5);
            let words = log.lines().skip(from).collect::<Vec<_>>().join("\n");
            return Err(DevnetError::Ended {
                name: node.spec.name.clone(),
                status: status.to_string(),
                words,
            });
        }
        Ok(())
    }

    /// Waits until every started node answers with a status that `holds`.
    ///
    /// # Errors
    /// When a node ends, or it takes longer than `patience`.
    pub async fn wait_until(
        &mut self,
        what: &str,
        patience: Duration,
        mut holds: impl FnMut(&Value) -> bool,
    ) -> Result<(), DevnetError> {
        let began = Instant::now();
        'nodes: for index in 0..self.nodes.len() {
            let Some((client, true)) = self.nodes.get(index).map(|n| (n.client.clone(), n.child.is_some()))
            else {
                continue;
            };
            while began.elapsed() < patience {
                if client.get("/v1/status").await.is_ok_and(|status| holds(&status)) {
                    continue 'nodes;
                }
                self.check()?;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            return Err(DevnetError::Late { what: what.to_owned(), seconds: patience.as_secs() });
        }
        Ok(())
    }
}

/// A base port, from which on the ports of nodes and of their interfaces are free. Held
/// against others that look for one, also while the nodes are stopped, until it is
/// dropped.
#[derive(Debug)]
pub struct PortBlock {
    base: u16,
    _held: TcpListener,
}

impl PortBlock {
    /// One with room for some nodes.
    ///
    /// # Errors
    /// When there is none.
    pub fn free(nodes: u16) -> Result<Self, DevnetError> {
        // Below the range from which systems give ports to clients. Different
        // processes begin at different places.
        let begin = u16::try_from(std::process::id() % 80).unwrap_or(0);
        let is_free = |port: u16| {
            TcpListener::bind(("127.0.0.1", port)).is_ok() && UdpSocket::bind(("127.0.0.1", port)).is_ok()
        };
        (0..80_u16)
            .map(|step| 11_000 + (begin + step) % 80 * 250)
            .find_map(|base| {
                // Held before the others are looked at.
                let held = TcpListener::bind(("127.0.0.1", base + 249)).ok()?;
                let all = (0..=nodes).all(|i| is_free(base + i) && is_free(base + 100 + i));
                all.then_some(Self { base, _held: held })
            })
            .ok_or_else(|| DevnetError::Io {
                what: "no free ports between 11000 and 31000".to_owned(),
                error: io::Error::from(io::ErrorKind::AddrInUse),
            })
    }

    /// The base port.
    #[must_use]
    pub const fn base(&self) -> u16 {
        self.base
    }
}
