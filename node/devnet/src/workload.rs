//! Work for a mesh.

use phalanx_types::{
    GpuRequest, JobSpec, MicroUnits, Name, Resources, Work,
    job::{CommandLimits, WorkloadType},
};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use std::{collections::BTreeSet, time::Duration};

/// A job, when it is submitted, and how it should end.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The job.
    pub spec: JobSpec,
    /// When it is submitted, from the begin.
    pub at: Duration,
    /// The end state it should have, as receipts name it.
    pub expected: &'static str,
}

/// Region, capability that only some of its workers have, or none.
const PLACES: [(&str, Option<&str>); 8] = [
    ("earth", Some("general")),
    ("earth", Some("logistics")),
    ("luna", Some("navigation")),
    ("mars", Some("manufacturing")),
    ("mars", Some("gpu")),
    ("helios", Some("astronomy")),
    ("earth", None),
    ("mars", None),
];

/// A mixed workload: of five jobs one is a real command; some of the commands
/// fail on purpose, with and without retries. The same seed gives the same jobs.
///
/// # Errors
/// Never with the names above, which a test shows.
pub fn mixed(
    tenant: &Name,
    seed: u64,
    jobs: usize,
    over: Duration,
) -> Result<Vec<Planned>, phalanx_types::DecodeError> {
    let mut random = ChaCha20Rng::seed_from_u64(seed);
    let mut below = move |n: u32| random.next_u32() % n.max(1);
    (0..jobs)
        .map(|number| {
            let (region, skill) = PLACES.get(below(8) as usize).copied().unwrap_or(("earth", None));
            let (work, expected, retries) = match number % 20 {
                0 | 5 | 10 => (command("echo", &[&format!("job {number}")])?, "succeeded", 1),
                15 => (command("sleep", &["0.2"])?, "succeeded", 1),
                17 if number % 40 == 17 => (command("false", &[])?, "failed", 0),
                17 => (command("false", &[])?, "failed", 2),
                _ => (Work::Synthetic { duration_ms: 50 + below(450) }, "succeeded", 1),
            };
            let gpu = match (skill, below(2)) {
                (Some("gpu"), 0) => GpuRequest::Shared { milli: 250 },
                (Some("gpu"), _) => GpuRequest::Whole { count: 1 },
                _ => GpuRequest::None,
            };
            let spec = JobSpec {
                label: format!("mixed-{number}"),
                tenant: tenant.clone(),
                region: Name::new(region)?,
                deadline_ms: 0,
                skills: skill.map(Name::new).transpose()?.into_iter().collect::<BTreeSet<_>>(),
                budget: MicroUnits(1_000_000),
                resources: Resources { cpu_milli: 100 + below(900), memory_mib: 64 + below(1_000), gpu },
                workload: if below(2) == 0 { WorkloadType::Batch } else { WorkloadType::Interactive },
                priority: u8::try_from(below(256)).unwrap_or(0),
                retries,
                once: false,
                work,
            };
            let at = over.mul_f64(number as f64 / jobs.max(1) as f64);
            Ok(Planned { spec, at, expected })
        })
        .collect()
}

fn command(program: &str, args: &[&str]) -> Result<Work, phalanx_types::DecodeError> {
    Ok(Work::Command {
        program: Name::new(program)?,
        args: args.iter().map(|a| (*a).to_owned()).collect(),
        limits: CommandLimits { time_ms: 30_000, ..CommandLimits::default() },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_jobs() {
        let tenant = Name::new("tenant").unwrap();
        let specs = |seed| {
            mixed(&tenant, seed, 200, Duration::from_secs(1))
                .unwrap()
                .into_iter()
                .map(|p| p.spec)
                .collect::<Vec<_>>()
        };
        assert_eq!(specs(1), specs(1));
        assert_ne!(specs(1), specs(2));
    }
}
