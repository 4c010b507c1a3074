//! The main job: start a mesh, give it work, watch it, judge it.

use crate::{
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
    collections::{BTreeMap, HashMap},
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
}

/// Header of one height at every node.
#[derive(Clone, Debug)]
pub struct Roots {
    /// The height.
    pub height: u64,
    /// Each node's beat id, app hash and receipts root there.
    pub nodes: Vec<[String; 3]>,
}

impl Roots {
    /// Whether all nodes have the same.
    #[must_use]
    pub fn agree(&self) -> bool {
        self.nodes.windows(2).all(|pair| pair.first() == pair.last())
    }
}

/// What came of a run.
#[derive(Debug)]
pub struct Judgement {
    /// Jobs that ended as they should.
    pub as_expected: usize,
    /// Jobs that ended otherwise or not at all: label, expected, found.
    pub otherwise: Vec<(String, String, String)>,
    /// How many jobs ended in each state.
    pub states: BTreeMap<String, usize>,
    /// From the first submission to the last end.
    pub took: Duration,
    /// Median and 99th percentile of mesh time from acceptance to end, in ms.
    pub turnaround_ms: [u64; 2],
    /// What was seen.
    pub outcomes: Outcomes,
    /// All nodes at one height.
    pub roots: Roots,
    /// Receipt of the end of the last job.
    pub receipt: Option<u64>,
    /// The outage that took place.
    pub outage: Option<Outage>,
}

impl Judgement {
    /// Whether all jobs ended as they should and all nodes agree.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.otherwise.is_empty() && self.roots.agree()
    }

    /// A table for people.
    #[must_use]
    pub fn table(&self, names: &[String]) -> String {
        let mut table = comfy_table::Table::new();
        table.load_preset(comfy_table::presets::NOTHING);
        let states: Vec<String> = self.states.iter().map(|(state, n)| format!("{n} {state}")).collect();
        let jobs = self.as_expected + self.otherwise.len();
        let seconds = self.took.as_secs_f64().max(0.001);
        let kinds = |word: &str| self.outcomes.kinds.get(word).copied().unwrap_or(0).to_string();
        let receipts: u64 = self.outcomes.kinds.values().sum();
        let rows = [
            ("jobs as expected", format!("{} of {jobs} ({})", self.as_expected, states.join(", "))),
            ("took", format!("{seconds:.1} s, {:.0} jobs/s", jobs as f64 / seconds)),
            (
                "acceptance to end",
                format!("median {} ms, p99 {} ms", self.turnaround_ms[0], self.turnaround_ms[1]),
            ),
            ("beats", format!("{} (to height {})", self.outcomes.beats, self.outcomes.height)),
            ("receipts", format!("{receipts}, {:.0}/s", receipts as f64 / seconds)),
            ("spilled, re-queued", format!("{}, {}", kinds("job_spilled"), kinds("job_requeued"))),
        ];
        for (name, value) in rows {
            table.add_row([name.to_owned(), value]);
        }
        if let Some(Outage { node, at, lasts }) = self.outage {
            let name = names.get(node).map_or("", String::as_str);
            let (from, until) = (at.as_secs(), (at + lasts).as_secs());
            table.add_row(["outage".to_owned(), format!("{name}: killed at {from} s, back at {until} s")]);
        }
        for (name, [beat, app, _]) in names.iter().zip(&self.roots.nodes) {
            let short = |hash: &str| hash.chars().take(16).collect::<String>();
            table.add_row([
                format!("{name} at {}", self.roots.height),
                format!("beat {} root {}", short(beat), short(app)),
            ]);
        }
        let verdict = if self.roots.agree() { "all nodes have the same root" } else { "THE NODES DISAGREE" };
        format!("{table}\n{verdict}")
    }
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
                    let text = |path: &str| {
                        beat.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned()
                    };
                    nodes.push([text("/id"), text("/header/app_hash"), text("/header/receipts_root")]);
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
                std::io::stdout().lock(),
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
    let roots = compare_roots(&clients).await?;
    let outcomes = watch.known().clone();
    if let Some(bar) = progress.bar {
        bar.finish_and_clear();
    }
    Ok(judge(plan, &ids, outcomes, took, roots))
}

fn judge(
    plan: &Run,
    ids: &HashMap<String, usize>,
    outcomes: Outcomes,
    took: Duration,
    roots: Roots,
) -> Judgement {
    let mut found: Vec<&str> = vec!["not ended"; plan.jobs.len()];
    let mut turnarounds = Vec::new();
    let mut states = BTreeMap::new();
    for (id, (state, turnaround)) in &outcomes.ended {
        let Some(place) = ids.get(id).and_then(|planned| found.get_mut(*planned)) else { continue };
        *place = state;
        turnarounds.push(*turnaround);
        *states.entry(state.clone()).or_default() += 1;
    }
    let otherwise: Vec<(String, String, String)> = plan
        .jobs
        .iter()
        .zip(found)
        .filter(|(job, found)| job.expected != *found)
        .map(|(job, found)| (job.spec.label.clone(), job.expected.to_owned(), found.to_owned()))
        .collect();
    turnarounds.sort_unstable();
    let at = |percent: usize| {
        turnarounds
            .get((turnarounds.len() * percent / 100).min(turnarounds.len().saturating_sub(1)))
            .copied()
            .unwrap_or(0)
    };
    Judgement {
        as_expected: plan.jobs.len() - otherwise.len(),
        otherwise,
        states,
        took,
        turnaround_ms: [at(50), at(99)],
        receipt: outcomes.receipts.values().max().copied(),
        outcomes,
        roots,
        outage: plan.outage.filter(|outage| outage.at <= took),
    }
}
