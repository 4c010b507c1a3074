//! The main job: start a mesh, give it work, watch it, judge it.

use crate::{
    judgement::{Judgement, Roots, judge},
    processes::{Devnet, DevnetError},
    submit::Submitter,
    watch::{Outcomes, Watch},
    workload::Planned,
};
use indicatif::{ProgressBar, ProgressStyle};
use phalanx_api::Client;
use phalanx_types::{Hash, SigningKey};
use serde_json::Value;
use std::{
    collections::HashMap,
    io::{IsTerminal, Write},
    time::{Duration, Instant},
};

/// How often progress is shown and the processes are looked at.
const TICK: Duration = Duration::from_millis(250);
/// How often a line is printed where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// Jobs refused for lack of room are sent again after this time.
const REFUSED_AGAIN: Duration = Duration::from_secs(1);
/// Time for a mesh to come up.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// Time for the nodes to reach one height at the end.
const SAME_HEIGHT_WITHIN: Duration = Duration::from_secs(30);

/// A power cut of one node: it is killed while work runs, and started again.
#[derive(Clone, Copy, Debug)]
pub struct Outage {
    /// Which node, from 0.
    pub node: usize,
    /// When, after the first job was sent.
    pub at: Duration,
    /// How long it is away.
    pub lasts: Duration,
}

/// Work for a mesh that runs.
pub struct Run {
    /// The mesh.
    pub mesh: Hash,
    /// The tenant's key.
    pub tenant: SigningKey,
    /// How long envelopes are valid.
    pub expiry_ms: u64,
    /// The jobs by time.
    pub jobs: Vec<Planned>,
    /// Workers that must be there before it begins.
    pub workers: u64,
    /// Everything must have ended after this time.
    pub patience: Duration,
    /// What goes wrong meanwhile.
    pub outage: Option<Outage>,
    /// Whether the jobs are more than the shards hold, so that some must spill over, and
    /// with an outage some must be queued again.
    pub is_overfull: bool,
}

fn number(value: &Value, name: &str) -> u64 {
    let field = value.get(name);
    field.and_then(|v| v.as_u64().or_else(|| v.as_str()?.parse().ok())).unwrap_or(0)
}

/// Waits until all nodes have one height, and reads what they have there.
///
/// # Errors
/// When a node does not answer or stays behind.
pub async fn compare_roots(clients: &[Client]) -> Result<Roots, DevnetError> {
    let mut height = 0;
    for client in clients {
        height = height.max(number(&client.get("/v1/status").await?, "height"));
    }
    let began = Instant::now();
    let mut nodes = Vec::new();
    for client in clients {
        loop {
            match client.get(&format!("/v1/beats/{height}")).await {
                Ok(beat) => {
                    let text = |path: &str| match beat.pointer(path).and_then(Value::as_str) {
                        Some(text) => Ok(text.to_owned()),
                        None => Err(DevnetError::Odd { what: format!("beat {height} without {path}") }),
                    };
                    nodes.push([text("/id")?, text("/header/app_hash")?, text("/header/receipts_root")?]);
                    break;
                }
                Err(_) if began.elapsed() < SAME_HEIGHT_WITHIN => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(Roots { height, nodes })
}

struct Progress {
    bar: Option<ProgressBar>,
    said: Instant,
    total: usize,
}

impl Progress {
    fn new(total: usize) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(total as u64);
            if let Ok(style) =
                ProgressStyle::with_template("{elapsed_precise} {wide_bar} {pos}/{len} jobs ended, {msg}")
            {
                bar.set_style(style);
            }
            bar
        });
        Self { bar, said: Instant::now(), total }
    }

    fn show(&mut self, sent: usize, known: &Outcomes) {
        let ended = known.ended.len();
        if let Some(bar) = &self.bar {
            bar.set_position(ended as u64);
            bar.set_message(format!("{sent} sent, height {}", known.height));
        } else if self.said.elapsed() >= LINE_EVERY {
            self.said = Instant::now();
            // A reader who has gone is no failure.
            let _ = writeln!(
                std::io::stderr().lock(),
                "{ended} of {} jobs ended, {sent} sent, height {}",
                self.total,
                known.height
            );
        }
    }
}

/// Waits for a started mesh, sends the jobs, waits for their ends, judges.
///
/// # Errors
/// When a node ends by itself, refuses for good, or the mesh does not come up.
/// Jobs that do not end are no error: the judgement names them.
pub async fn run(devnet: &mut Devnet, plan: &Run) -> Result<Judgement, DevnetError> {
    let others = devnet.len().saturating_sub(1) as u64;
    let is_ready = |status: &Value| {
        number(status, "height") > 0
            && number(status, "workers_healthy") >= plan.workers
            && number(status, "peers_connected") >= others
    };
    devnet.wait_until("a mesh with all peers and workers", READY_WITHIN, is_ready).await?;
    let clients = devnet.clients();
    let Some(first) = clients.first().cloned() else {
        return Err(DevnetError::Late { what: "a first node".to_owned(), seconds: 0 });
    };
    let watch = Watch::start(first.clone());
    let submitter = Submitter::new(clients.clone(), plan.mesh, plan.tenant.clone(), plan.expiry_ms).await?;
    let mut progress = Progress::new(plan.jobs.len());
    let began = Instant::now();
    let mut ids: HashMap<String, usize> = HashMap::new();
    let mut sending = tokio::task::JoinSet::new();
    let mut unsent: Vec<usize> = (0..plan.jobs.len()).rev().collect();
    let mut again: Vec<(Instant, usize)> = Vec::new();
    let mut is_away = None;
    loop {
        if let Some(Outage { node, at, lasts }) = plan.outage {
            match is_away {
                None if began.elapsed() >= at => {
                    devnet.kill(node).await;
                    is_away = Some(true);
                }
                Some(true) if began.elapsed() >= at + lasts => {
                    devnet.start(node)?;
                    is_away = Some(false);
                }
                _ => {}
            }
        }
        let due = |planned: usize| plan.jobs.get(planned).is_some_and(|job| job.at <= began.elapsed());
        let mut now = Vec::new();
        while let Some(planned) = unsent.pop_if(|planned| due(*planned)) {
            now.push(planned);
        }
        let ripe = |(since, _): &mut (Instant, usize)| since.elapsed() >= REFUSED_AGAIN;
        now.extend(again.extract_if(.., ripe).map(|(_, planned)| planned));
        let batch: Vec<(usize, &Planned)> =
            now.iter().filter_map(|planned| plan.jobs.get(*planned).map(|job| (*planned, job))).collect();
        for (envelope, submitted) in submitter.pack(&batch) {
            ids.extend(submitted.iter().map(|s| (s.id.to_string(), s.planned)));
            let submitter = submitter.clone();
            sending.spawn(async move { submitter.send(envelope, 0).await });
        }
        tokio::time::sleep(TICK).await;
        while let Some(sent) = sending.try_join_next() {
            if let Ok(Err(error)) = sent {
                return Err(error.into());
            }
        }
        devnet.check()?;
        let mut known = watch.known();
        // A refused job gets a new id when it is sent again.
        for id in std::mem::take(&mut known.refused).into_keys() {
            if let Some(planned) = ids.remove(&id) {
                again.push((Instant::now(), planned));
            }
        }
        progress.show(plan.jobs.len() - unsent.len(), &known);
        if known.ended.len() >= plan.jobs.len() || began.elapsed() > plan.patience {
            break;
        }
    }
    let took = began.elapsed();
    if let (Some(true), Some(outage)) = (is_away, plan.outage) {
        devnet.start(outage.node)?;
    }
    let outage = plan.outage.filter(|_| is_away.is_some());
    let roots = compare_roots(&clients).await?;
    let outcomes = watch.known().clone();
    if let Some(bar) = progress.bar {
        bar.finish_and_clear();
    }
    Ok(judge(plan, &ids, outcomes, took, roots, outage))
}
