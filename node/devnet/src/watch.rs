//! Following what becomes of jobs, by the events of one node.

use phalanx_api::Client;
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::task::JoinHandle;

/// What is known so far.
#[derive(Clone, Debug, Default)]
pub struct Outcomes {
    /// End state and turnaround in mesh milliseconds, by job id.
    pub ended: HashMap<String, (String, u64)>,
    /// Index of the receipt of a job's end.
    pub receipts: HashMap<String, u64>,
    /// Jobs that were refused when their turn came, with the reason's code.
    pub refused: BTreeMap<String, String>,
    /// Number of receipts, by kind.
    pub kinds: BTreeMap<String, u64>,
    /// Height of the last beat.
    pub height: u64,
    /// Beats seen.
    pub beats: u64,
}

impl Outcomes {
    fn take(&mut self, event: &Value) {
        let text = |path: &str| event.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        let number = |path: &str| text(path).parse::<u64>().unwrap_or(0);
        match event.get("event").and_then(Value::as_str) {
            Some("beat") => {
                self.height = number("/height");
                self.beats += 1;
            }
            Some("receipt") => {
                let kind = text("/receipt/kind");
                let subject = text("/receipt/subject");
                match kind.as_str() {
                    "job_ended" => {
                        self.receipts.insert(subject.clone(), number("/receipt/index"));
                        self.refused.remove(&subject);
                        self.ended.insert(
                            subject,
                            (text("/receipt/data/state"), number("/receipt/data/turnaround_ms")),
                        );
                    }
                    "refused" if text("/receipt/data/operation") == "submit_job" => {
                        self.refused.insert(subject, text("/receipt/data/code"));
                    }
                    _ => {}
                }
                *self.kinds.entry(kind).or_default() += 1;
            }
            _ => {}
        }
    }

    /// Takes in what a node's list of jobs shows, for what events did not tell.
    fn catch_up(&mut self, rows: &Value) {
        for row in rows.as_array().into_iter().flatten() {
            let word = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            let state = word("state");
            if state != "queued" && state != "running" {
                self.ended.entry(word("id")).or_insert((state, 0));
            }
        }
    }
}

/// Follows a node in the background.
pub struct Watch {
    known: Arc<Mutex<Outcomes>>,
    task: JoinHandle<()>,
}

impl Watch {
    /// Begins to follow the node of `client`; what it misses while the node is
    /// away is read from the node's list afterwards.
    #[must_use]
    pub fn start(client: Client) -> Self {
        let known = Arc::new(Mutex::new(Outcomes::default()));
        let task = tokio::spawn(follow(client, Arc::clone(&known)));
        Self { known, task }
    }

    /// What is known now.
    pub fn known(&self) -> MutexGuard<'_, Outcomes> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn follow(client: Client, known: Arc<Mutex<Outcomes>>) {
    loop {
        if let Ok(mut stream) = client.events().await {
            if let Ok(rows) = client.get("/v1/list/jobs").await {
                known.lock().unwrap_or_else(PoisonError::into_inner).catch_up(&rows);
            }
            let mut rest = Vec::new();
            while let Ok(Some(chunk)) = stream.chunk().await {
                rest.extend_from_slice(&chunk);
                let whole = rest.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
                let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
                for line in rest.get(..whole).unwrap_or_default().split(|b| *b == b'\n') {
                    if let Ok(event) = serde_json::from_slice(line) {
                        known.take(&event);
                    }
                }
                rest.drain(..whole);
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
