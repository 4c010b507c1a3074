//! What happens when: the load, and the incidents that the documents name.

use super::genesis::TENANTS;
use crate::random::Random;
use phalanx_types::{
    DecodeError, GpuRequest, JobSpec, MicroUnits, Name, OwnerCommand, Resources, Work, job::WorkloadType,
    owner::Scope, shard::ShardSpec,
};

/// When the load begins and ends, in virtual ms from the begin.
const LOAD_FROM_MS: u64 = 5_000;
const LOAD_UNTIL_MS: u64 = 300_000;
/// Mars is paused between these.
const PAUSE_MS: u64 = 60_000;
const RESUME_MS: u64 = 90_000;
/// The queue budget of Mars is lowered, so that what the dead worker leaves is
/// more than may wait there.
const TIGHTEN_MS: u64 = 115_000;
const TIGHT_BUDGET: u32 = 4;
/// Long work for the worker that dies.
const LONG_WORK_MS: u64 = 118_000;
const LONG_JOBS: u64 = 16;
const DEATH_MS: u64 = 130_000;
const RETURN_MS: u64 = 200_000;
const LOOSEN_MS: u64 = 210_000;
/// Luna gets more than its budget.
const LUNA_MS: u64 = 225_000;
const LUNA_BUDGET: u32 = 40;
const FLOOD_MS: u64 = 230_000;
const FLOOD_JOBS: u64 = 240;
const LUNA_AGAIN_MS: u64 = 270_000;

/// The worker that dies.
pub(super) const MORTAL: &str = "mars.gpu-helion";

/// A thing that happens.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// A tenant, by number, submits jobs in one envelope.
    Submit(usize, Vec<JobSpec>),
    /// The owner commands.
    Owner { name: &'static str, why: &'static str, command: OwnerCommand },
    /// A worker dies.
    Dies(Name),
    /// It comes back.
    Returns(Name),
}

#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub at_ms: u64,
    pub step: Step,
}

/// What one kind of job asks for: skills, whole GPUs, shortest and longest time
/// in ms.
type Profile = (&'static [&'static str], u16, u64, u64);

/// The kinds of each region, in the order of the shards.
const PROFILES: [&[Profile]; 4] = [
    &[
        (&["finance"], 0, 1_000, 6_000),
        (&["compliance"], 0, 3_000, 12_000),
        (&["general"], 0, 1_000, 9_000),
        (&["logistics"], 0, 2_000, 9_000),
        (&["iot", "edge"], 0, 500, 2_000),
    ],
    &[
        (&["navigation"], 0, 2_000, 8_000),
        (&["observation"], 0, 4_000, 12_000),
        // Only Mars can: it goes there by way of Earth.
        (&["manufacturing"], 0, 2_000, 6_000),
        (&[], 0, 500, 3_000),
    ],
    &[
        (&["manufacturing"], 0, 4_000, 14_000),
        (&["terraforming"], 0, 6_000, 20_000),
        (&["gpu", "vision"], 1, 3_000, 9_000),
        (&["simulation"], 1, 5_000, 15_000),
        (&[], 0, 1_000, 4_000),
    ],
    &[
        (&["gpu"], 1, 4_000, 12_000),
        (&["astronomy"], 0, 5_000, 15_000),
        (&["gpu", "astronomy"], 2, 3_000, 9_000),
    ],
];

/// Everything, ascending in time.
pub(super) fn plan(seed: u64, shards: &[ShardSpec]) -> Result<Vec<Planned>, DecodeError> {
    let mut maker = Maker { random: Random::new(seed), made: 0 };
    let mut steps = Vec::new();
    let mut at_ms = LOAD_FROM_MS;
    while at_ms < LOAD_UNTIL_MS {
        let region = maker.random.below(4) as usize;
        let (Some(shard), Some(profiles)) = (shards.get(region), PROFILES.get(region)) else { break };
        let pick = maker.random.below(profiles.len() as u64) as usize;
        if let Some(profile) = profiles.get(pick) {
            let job = maker.job(shard, region, profile)?;
            steps.push(Planned { at_ms, step: Step::Submit(region, vec![job]) });
        }
        at_ms += maker.random.between(150, 550);
    }
    for (region, shard) in shards.iter().enumerate() {
        let (profile, at_ms, count): (Profile, u64, u64) = match shard.name.as_str() {
            "mars" => ((&["gpu"], 0, 30_000, 60_000), LONG_WORK_MS, LONG_JOBS),
            "luna" => ((&[], 0, 500, 4_000), FLOOD_MS, FLOOD_JOBS),
            _ => continue,
        };
        let mut jobs = Vec::new();
        for _ in 0..count {
            // No deadline: what is moved on must end well, wherever.
            jobs.push(JobSpec { deadline_ms: 0, once: false, ..maker.job(shard, region, &profile)? });
        }
        for (late, jobs) in (0..).zip(jobs.chunks(60)) {
            let step = Step::Submit(region, jobs.to_vec());
            steps.push(Planned { at_ms: at_ms + late * 200, step });
        }
    }
    steps.extend(incidents(shards)?);
    steps.sort_by_key(|planned| planned.at_ms);
    Ok(steps)
}

fn incidents(shards: &[ShardSpec]) -> Result<Vec<Planned>, DecodeError> {
    let mars = || Ok::<_, DecodeError>(Scope::Shard { shard: Name::new("mars")? });
    let budget = |shard: &str, queue_budget: Option<u32>| {
        let found = shards.iter().find(|s| s.name.as_str() == shard).cloned();
        found.map(|spec| {
            let queue_budget = queue_budget.unwrap_or(spec.queue_budget);
            OwnerCommand::SetShard { shard: ShardSpec { queue_budget, ..spec } }
        })
    };
    let commands = [
        (
            PAUSE_MS,
            "pause_mars",
            "dust storm: Mars takes no new work",
            Some(OwnerCommand::Pause { scope: mars()? }),
        ),
        (RESUME_MS, "resume_mars", "the storm is over", Some(OwnerCommand::Resume { scope: mars()? })),
        (TIGHTEN_MS, "tighten_mars", "little may wait on Mars", budget("mars", Some(TIGHT_BUDGET))),
        (LOOSEN_MS, "loosen_mars", "the documents' budget again", budget("mars", None)),
        (LUNA_MS, "tighten_luna", "little may wait on Luna", budget("luna", Some(LUNA_BUDGET))),
        (LUNA_AGAIN_MS, "loosen_luna", "the documents' budget again", budget("luna", None)),
    ];
    let mut steps: Vec<Planned> = commands
        .into_iter()
        .filter_map(|(at_ms, name, why, command)| {
            command.map(|command| Planned { at_ms, step: Step::Owner { name, why, command } })
        })
        .collect();
    steps.push(Planned { at_ms: DEATH_MS, step: Step::Dies(Name::new(MORTAL)?) });
    steps.push(Planned { at_ms: RETURN_MS, step: Step::Returns(Name::new(MORTAL)?) });
    Ok(steps)
}

struct Maker {
    random: Random,
    made: u32,
}

impl Maker {
    fn job(&mut self, shard: &ShardSpec, region: usize, profile: &Profile) -> Result<JobSpec, DecodeError> {
        let (skills, gpus, shortest_ms, longest_ms) = *profile;
        let random = &mut self.random;
        self.made += 1;
        let once = random.chance(60_000);
        Ok(JobSpec {
            label: format!("{} {}", shard.name, self.made),
            tenant: Name::new(TENANTS.get(region).copied().unwrap_or_default())?,
            region: shard.name.clone(),
            deadline_ms: if random.chance(200_000) { random.between(15_000, 60_000) as u32 } else { 0 },
            skills: skills.iter().map(|skill| Name::new(skill)).collect::<Result<_, _>>()?,
            budget: MicroUnits(random.between(1_000, 5_000)),
            resources: Resources {
                cpu_milli: random.between(1, 4) as u32 * 250,
                memory_mib: random.between(1, 8) as u32 * 128,
                gpu: if gpus > 0 { GpuRequest::Whole { count: gpus } } else { GpuRequest::None },
            },
            workload: match random.below(3) {
                0 => WorkloadType::Streaming,
                1 if skills.contains(&"gpu") => WorkloadType::MlTraining,
                _ => WorkloadType::Batch,
            },
            priority: random.below(256) as u8,
            retries: if once { 0 } else { random.below(3) as u8 },
            once,
            work: Work::Synthetic { duration_ms: random.between(shortest_ms, longest_ms) as u32 },
        })
    }
}
