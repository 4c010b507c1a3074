//! A cluster trace as work for a mesh: two CSV files, one of machines and one of
//! jobs, in the columns of the Alibaba GPU trace of 2023.
//!
//! Machines become workers, dealt to the shards by number; jobs keep their order
//! of arrival. Times are made shorter: a gap between arrivals counts at most as
//! much as the longest but for one in ten, all arrivals then fit in
//! [`ARRIVALS`], and durations are scaled by one factor between
//! [`DURATION_FLOOR_MS`] and [`DURATION_CEILING_MS`].

use crate::workload::Planned;
use phalanx_types::{
    GpuRequest, JobSpec, MicroUnits, Name, Resources, Work, WorkerOffer,
    job::WorkloadType,
    resources::{GPU_MILLI, WorkerResources},
};
use serde::Deserialize;
use std::{collections::BTreeSet, path::Path, time::Duration};

/// All jobs arrive within this time.
pub const ARRIVALS: Duration = Duration::from_secs(60);
/// Shortest job.
pub const DURATION_FLOOR_MS: u32 = 50;
/// Longest job.
pub const DURATION_CEILING_MS: u32 = 90_000;
/// How full the cluster is made when nothing else is asked for.
pub const LOAD_DEFAULT: f64 = 0.5;
/// Attempts that one machine takes at a time, as clusters of that kind allow.
const CONCURRENCY: u32 = 110;
/// A machine promises a sign of life this often.
const HEARTBEAT_MS: u32 = 10_000;

/// A trace as it was read.
#[derive(Clone, Debug)]
pub struct Trace {
    machines: Vec<Machine>,
    jobs: Vec<Pod>,
}

#[derive(Clone, Debug, Deserialize)]
struct Machine {
    cpu_milli: u32,
    memory_mib: u32,
    gpu: u16,
}

#[derive(Clone, Debug, Deserialize)]
struct Pod {
    name: String,
    cpu_milli: u32,
    memory_mib: u32,
    num_gpu: u16,
    gpu_milli: u16,
    creation_time: u64,
    deletion_time: u64,
}

impl Pod {
    const fn gpu(&self) -> GpuRequest {
        match (self.num_gpu, self.gpu_milli) {
            (0, _) | (1, 0) => GpuRequest::None,
            (1, milli) if milli < GPU_MILLI => GpuRequest::Shared { milli },
            (count, _) => GpuRequest::Whole { count },
        }
    }

    fn seconds(&self) -> u64 {
        self.deletion_time.saturating_sub(self.creation_time)
    }
}

/// Why a trace cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// A file cannot be read.
    #[error("{file}: {error}; the folder needs a file *node_list*.csv and a file *pod_list*.csv")]
    File {
        /// Which.
        file: String,
        /// Why.
        error: String,
    },
    /// There is nothing in it.
    #[error("the trace has {machines} machines and {jobs} jobs: both are needed")]
    Empty {
        /// Machines read.
        machines: usize,
        /// Jobs read.
        jobs: usize,
    },
    /// A value does not fit.
    #[error(transparent)]
    Value(#[from] phalanx_types::DecodeError),
}

fn read<T: for<'de> Deserialize<'de>>(folder: &Path, part: &str) -> Result<Vec<T>, TraceError> {
    let fail = |file: &Path, error: String| TraceError::File { file: file.display().to_string(), error };
    let entries = std::fs::read_dir(folder).map_err(|e| fail(folder, e.to_string()))?;
    let mut files: Vec<_> = entries
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .filter(|path| {
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            name.contains(part) && name.ends_with(".csv")
        })
        .collect();
    files.sort();
    let file = files.first().ok_or_else(|| fail(folder, format!("no file *{part}*.csv")))?;
    let bytes = std::fs::read(file).map_err(|e| fail(file, e.to_string()))?;
    rows(&file.display().to_string(), &bytes)
}

/// The rows of a CSV file.
fn rows<T: for<'de> Deserialize<'de>>(file: &str, bytes: &[u8]) -> Result<Vec<T>, TraceError> {
    let fail = |error: csv::Error| TraceError::File { file: file.to_owned(), error: error.to_string() };
    csv::Reader::from_reader(bytes).deserialize().collect::<Result<_, _>>().map_err(fail)
}

impl Trace {
    /// Reads the two files of a folder.
    ///
    /// # Errors
    /// See [`TraceError`].
    pub fn read(folder: &Path) -> Result<Self, TraceError> {
        Self::of(read(folder, "node_list")?, read(folder, "pod_list")?)
    }

    /// Reads the contents of the two files.
    ///
    /// # Errors
    /// See [`TraceError`].
    pub fn parse(machines: &[u8], jobs: &[u8]) -> Result<Self, TraceError> {
        Self::of(rows("node_list", machines)?, rows("pod_list", jobs)?)
    }

    fn of(machines: Vec<Machine>, mut jobs: Vec<Pod>) -> Result<Self, TraceError> {
        if machines.is_empty() || jobs.is_empty() {
            return Err(TraceError::Empty { machines: machines.len(), jobs: jobs.len() });
        }
        jobs.sort_by_key(|job| job.creation_time);
        Ok(Self { machines, jobs })
    }

    /// The machines as workers of `shards`.
    ///
    /// # Errors
    /// Never: the names are made here.
    pub fn workers(&self, shards: &[Name]) -> Result<Vec<WorkerOffer>, TraceError> {
        let dealt = self.machines.iter().enumerate().zip(shards.iter().cycle());
        dealt
            .map(|((number, machine), shard)| {
                let gpu = (machine.gpu > 0).then(|| Name::new("gpu")).transpose()?;
                Ok(WorkerOffer {
                    worker: Name::new(&format!("{shard}.machine-{number:04}"))?,
                    region: shard.clone(),
                    capacity: (machine.cpu_milli / 1_000).max(1),
                    max_concurrency: CONCURRENCY,
                    heartbeat_interval_ms: HEARTBEAT_MS,
                    latency_window_ms: 0,
                    capabilities: gpu.into_iter().collect(),
                    resources: WorkerResources {
                        cpu_milli: machine.cpu_milli,
                        memory_mib: machine.memory_mib,
                        gpus: machine.gpu,
                    },
                    price: MicroUnits(1_000),
                })
            })
            .collect()
    }

    /// The fullest resource when all `jobs` ran at once, as a part of the whole.
    fn demand<'a>(&self, jobs: impl Iterator<Item = (&'a Pod, f64)> + Clone) -> f64 {
        let part = |have: f64, of: fn(&Pod) -> f64| {
            if have > 0.0 {
                jobs.clone().map(|(job, share)| of(job) * share).sum::<f64>() / have
            } else {
                0.0
            }
        };
        let have = |of: fn(&Machine) -> f64| self.machines.iter().map(of).sum::<f64>();
        part(have(|m| m.cpu_milli.into()), |j| j.cpu_milli.into())
            .max(part(have(|m| m.memory_mib.into()), |j| j.memory_mib.into()))
            .max(part(have(|m| f64::from(m.gpu) * f64::from(GPU_MILLI)), |j| j.gpu().total_milli().into()))
    }

    /// The jobs for a tenant. With a `load`, jobs are repeated in order until all
    /// together would fill the cluster that much; durations are scaled so that
    /// the work on offer fills it that much while jobs arrive.
    ///
    /// # Errors
    /// Never: the names are made here.
    pub fn jobs(
        &self,
        tenant: &Name,
        shards: &[Name],
        load: Option<f64>,
    ) -> Result<Vec<Planned>, TraceError> {
        let wanted = load.unwrap_or(LOAD_DEFAULT).clamp(0.01, 4.0);
        let mut rounds = self.jobs.len();
        if load.is_some() {
            let once = self.demand(self.jobs.iter().map(|j| (j, 1.0))).max(0.01);
            rounds = ((wanted / once).max(1.0) * self.jobs.len() as f64).ceil() as usize;
        }
        let jobs: Vec<&Pod> = self.jobs.iter().cycle().take(rounds).collect();
        let arrivals = self.arrivals(rounds);
        let factor = self.duration_factor(&jobs, wanted);
        let places = shards.iter().cycle();
        jobs.iter()
            .enumerate()
            .zip(arrivals)
            .zip(places)
            .map(|(((number, job), at), shard)| {
                let gpu = job.gpu();
                let skills = if gpu == GpuRequest::None { None } else { Some(Name::new("gpu")?) };
                let round = number / self.jobs.len();
                let label = if round == 0 { job.name.clone() } else { format!("{}-again-{round}", job.name) };
                let spec = JobSpec {
                    label,
                    tenant: tenant.clone(),
                    region: shard.clone(),
                    deadline_ms: 0,
                    skills: skills.into_iter().collect::<BTreeSet<_>>(),
                    budget: MicroUnits(1_000_000),
                    resources: Resources { cpu_milli: job.cpu_milli, memory_mib: job.memory_mib, gpu },
                    workload: WorkloadType::Batch,
                    priority: 100,
                    retries: 3,
                    once: false,
                    work: Work::Synthetic { duration_ms: scaled(job, factor) },
                };
                Ok(Planned { spec, at, expected: "succeeded" })
            })
            .collect()
    }

    /// When each of `count` jobs arrives.
    fn arrivals(&self, count: usize) -> Vec<Duration> {
        let gaps: Vec<u64> =
            self.jobs.windows(2).map(|w| w[1].creation_time.saturating_sub(w[0].creation_time)).collect();
        let mut sorted = gaps.clone();
        sorted.sort_unstable();
        let longest = sorted.get(sorted.len() * 9 / 10).copied().unwrap_or(1).max(1);
        let mut at = 0_u64;
        let places: Vec<u64> = std::iter::once(0)
            .chain(gaps.iter().map(|gap| (*gap).min(longest)).chain(std::iter::once(longest)).cycle())
            .take(count)
            .map(|gap| {
                at = at.saturating_add(gap);
                at
            })
            .collect();
        let whole = places.last().copied().unwrap_or(1).max(1) as f64;
        places.into_iter().map(|place| ARRIVALS.mul_f64(place as f64 / whole)).collect()
    }

    /// Milliseconds for each second of a job, so that the offered work is `load`.
    fn duration_factor(&self, jobs: &[&Pod], load: f64) -> f64 {
        let offered = |factor: f64| {
            let arrivals = ARRIVALS.as_millis() as f64;
            self.demand(jobs.iter().map(|job| (*job, f64::from(scaled(job, factor)) / arrivals)))
        };
        // Offered work grows with the factor.
        let (mut low, mut high) = (0.0, 1e6);
        for _ in 0..60 {
            let middle = (low + high) / 2.0;
            if offered(middle) < load { low = middle } else { high = middle }
        }
        low
    }
}

/// A job's duration in milliseconds.
fn scaled(job: &Pod, factor: f64) -> u32 {
    // A float to integer cast saturates.
    let ms = (job.seconds() as f64 * factor) as u32;
    ms.clamp(DURATION_FLOOR_MS, DURATION_CEILING_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Trace {
        let machine = Machine { cpu_milli: 8_000, memory_mib: 16_384, gpu: 2 };
        let pod = |i: u64, num_gpu, gpu_milli| Pod {
            name: format!("p{i}"),
            cpu_milli: 1_000,
            memory_mib: 1_024,
            num_gpu,
            gpu_milli,
            creation_time: i * i * 10,
            deletion_time: i * i * 10 + 100 + i,
        };
        Trace {
            machines: vec![machine; 4],
            jobs: (0..20)
                .map(|i| pod(i, u16::from(i % 2 == 0), if i % 4 == 0 { 500 } else { 1_000 }))
                .collect(),
        }
    }

    fn shards() -> Vec<Name> {
        ["a", "b"].iter().map(|n| Name::new(n).unwrap()).collect()
    }

    #[test]
    fn order_is_kept_and_gaps_are_closed() {
        let jobs = small().jobs(&Name::new("t").unwrap(), &shards(), None).unwrap();
        assert_eq!(jobs.len(), 20);
        assert!(jobs.is_sorted_by_key(|j| j.at));
        assert!(jobs.last().unwrap().at <= ARRIVALS);
        let names: Vec<_> = jobs.iter().map(|j| j.spec.label.clone()).collect();
        assert_eq!(names, (0..20).map(|i| format!("p{i}")).collect::<Vec<_>>());
    }

    #[test]
    fn durations_keep_their_order_above_the_floor() {
        let jobs = small().jobs(&Name::new("t").unwrap(), &shards(), Some(0.5)).unwrap();
        let ms: Vec<u32> = jobs
            .iter()
            .map(|j| match j.spec.work {
                Work::Synthetic { duration_ms } => duration_ms,
                Work::Command { .. } => 0,
            })
            .collect();
        assert!(ms.iter().all(|ms| *ms >= DURATION_FLOOR_MS));
        assert!(ms.iter().take(20).is_sorted());
    }

    #[test]
    fn a_load_repeats_jobs_until_the_cluster_is_that_full() {
        let trace = small();
        let once = trace.demand(trace.jobs.iter().map(|j| (j, 1.0)));
        let jobs = trace.jobs(&Name::new("t").unwrap(), &shards(), Some(2.0 * once)).unwrap();
        assert_eq!(jobs.len(), 40);
    }

    #[test]
    fn a_request_for_one_whole_gpu_is_whole() {
        let trace = small();
        assert_eq!(trace.jobs[0].gpu(), GpuRequest::Shared { milli: 500 });
        assert_eq!(trace.jobs[2].gpu(), GpuRequest::Whole { count: 1 });
        assert_eq!(trace.jobs[1].gpu(), GpuRequest::None);
    }
}
