//! The planetary fabric of the documents: four shards and six workers.

use phalanx_types::{
    DecodeError, MicroUnits, Name, WorkerOffer,
    resources::WorkerResources,
    shard::{LatencyEntry, ShardSpec},
};

/// The default shards, workers and latencies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planetary {
    /// Earth, Luna, Mars, Helios with the documents' budgets and spillover.
    pub shards: Vec<ShardSpec>,
    /// The six marketplace nodes.
    pub workers: Vec<WorkerOffer>,
    /// One-way latencies between regions.
    pub latencies: Vec<LatencyEntry>,
}

/// Name, queue budget, latency budget in ms, spillover, specialties.
type ShardRow = (&'static str, u32, u32, &'static [&'static str], &'static [&'static str]);

/// The shard specification of the architecture dossier.
const SHARDS: [ShardRow; 4] = [
    ("earth", 6_000, 120, &["luna", "mars"], &["Finance", "compliance", "high-trust orchestration"]),
    ("luna", 2_400, 180, &["earth"], &["Navigation", "orbital logistics"]),
    ("mars", 4_000, 420, &["earth", "helios"], &["Manufacturing", "terraforming"]),
    ("helios", 2_200, 850, &["mars"], &["GPU-intensive analytics", "solar observation"]),
];

/// What the dossier calls a shard's specialty, and the capability by which its workers and
/// jobs say so.
const SPECIALTIES: [(&str, &str); 9] = [
    ("Finance", "finance"),
    ("compliance", "compliance"),
    ("high-trust orchestration", "general"),
    ("Navigation", "navigation"),
    ("orbital logistics", "logistics"),
    ("Manufacturing", "manufacturing"),
    ("terraforming", "terraforming"),
    ("GPU-intensive analytics", "gpu"),
    ("solar observation", "astronomy"),
];

/// The capabilities that stand for specialties.
fn capabilities(specialties: &[&str]) -> Result<std::collections::BTreeSet<Name>, DecodeError> {
    let known = SPECIALTIES.iter().filter(|(word, _)| specialties.contains(word));
    known.map(|(_, capability)| Name::new(capability)).collect()
}

/// Name, region, capacity, max concurrency, heartbeat in s, capabilities.
type WorkerRow = (&'static str, &'static str, u32, u32, u32, &'static [&'static str]);

/// The node marketplace of the architecture dossier.
const WORKERS: [WorkerRow; 6] = [
    ("earth.core-alpha", "earth", 24, 24, 12, &["general", "finance", "compliance"]),
    ("earth.edge-europa", "earth", 16, 12, 18, &["logistics", "iot", "edge"]),
    ("luna.nav-station", "luna", 12, 10, 18, &["navigation", "observation"]),
    ("mars.regolith-cradle", "mars", 18, 14, 20, &["manufacturing", "terraforming"]),
    ("mars.gpu-helion", "mars", 32, 20, 10, &["gpu", "vision", "simulation"]),
    ("helios.solaris-array", "helios", 28, 18, 9, &["gpu", "astronomy"]),
];

/// GPUs of a worker that declares the capability `gpu`; the dossier gives none.
const GPUS: u16 = 8;

/// One-way latencies in ms. The dossier has none: these lie inside its latency
/// budgets, in the order of the distances, until validators have measured.
const LATENCIES: [(&str, &str, u32); 6] = [
    ("earth", "luna", 60),
    ("earth", "mars", 180),
    ("earth", "helios", 360),
    ("luna", "mars", 190),
    ("luna", "helios", 370),
    ("mars", "helios", 240),
];
/// Latency window of the six workers in ms; the dossier names none.
const LATENCY_WINDOW_MS: u32 = 20;
/// One-way latency inside a region in ms.
const LOCAL_MS: u32 = 5;

/// The documents' planetary fabric.
///
/// # Errors
/// Never: the names above are valid, which a test shows.
pub fn planetary() -> Result<Planetary, DecodeError> {
    let names = |list: &[&str]| list.iter().map(|n| Name::new(n)).collect::<Result<Vec<_>, _>>();
    let mut shards = Vec::new();
    let mut latencies = Vec::new();
    for (name, queue_budget, latency_budget_ms, spillover, specialties) in SHARDS {
        shards.push(ShardSpec {
            name: Name::new(name)?,
            queue_budget,
            latency_budget_ms,
            spillover: names(spillover)?,
            specialties: capabilities(specialties)?,
        });
        latencies.push(LatencyEntry { from: Name::new(name)?, to: Name::new(name)?, latency_ms: LOCAL_MS });
    }
    for (a, b, latency_ms) in LATENCIES {
        for (from, to) in [(a, b), (b, a)] {
            latencies.push(LatencyEntry { from: Name::new(from)?, to: Name::new(to)?, latency_ms });
        }
    }
    let mut workers = Vec::new();
    for (name, region, capacity, max_concurrency, heartbeat_s, capabilities) in WORKERS {
        let gpus = if capabilities.contains(&"gpu") { GPUS } else { 0 };
        workers.push(WorkerOffer {
            worker: Name::new(name)?,
            region: Name::new(region)?,
            capacity,
            max_concurrency,
            heartbeat_interval_ms: heartbeat_s.saturating_mul(1_000),
            latency_window_ms: LATENCY_WINDOW_MS,
            capabilities: names(capabilities)?.into_iter().collect(),
            // A core and two GiB for each unit of capacity.
            resources: WorkerResources {
                cpu_milli: capacity.saturating_mul(1_000),
                memory_mib: capacity.saturating_mul(2_048),
                gpus,
            },
            price: MicroUnits(1_000),
        });
    }
    Ok(Planetary { shards, workers, latencies })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_planetary_fabric_is_the_dossiers() {
        let planetary = planetary().unwrap();
        let list =
            |names: &mut dyn Iterator<Item = &Name>| names.map(Name::as_str).collect::<Vec<_>>().join(" ");
        let shards: Vec<String> = planetary
            .shards
            .iter()
            .map(|s| {
                let (to, of) = (list(&mut s.spillover.iter()), list(&mut s.specialties.iter()));
                format!("{} {} {} ms, to {to}, {of}", s.name, s.queue_budget, s.latency_budget_ms)
            })
            .collect();
        assert_eq!(
            shards,
            [
                "earth 6000 120 ms, to luna mars, compliance finance general",
                "luna 2400 180 ms, to earth, logistics navigation",
                "mars 4000 420 ms, to earth helios, manufacturing terraforming",
                "helios 2200 850 ms, to mars, astronomy gpu",
            ]
        );
        let workers: Vec<String> = planetary
            .workers
            .iter()
            .map(|w| {
                let (seconds, can) = (w.heartbeat_interval_ms / 1_000, list(&mut w.capabilities.iter()));
                format!("{} {} {} {} {seconds} s, {can}", w.worker, w.region, w.capacity, w.max_concurrency)
            })
            .collect();
        assert_eq!(
            workers,
            [
                "earth.core-alpha earth 24 24 12 s, compliance finance general",
                "earth.edge-europa earth 16 12 18 s, edge iot logistics",
                "luna.nav-station luna 12 10 18 s, navigation observation",
                "mars.regolith-cradle mars 18 14 20 s, manufacturing terraforming",
                "mars.gpu-helion mars 32 20 10 s, gpu simulation vision",
                "helios.solaris-array helios 28 18 9 s, astronomy gpu",
            ]
        );
    }

    #[test]
    fn every_specialty_stands_for_a_capability_that_some_worker_has() {
        let planetary = planetary().unwrap();
        for (.., specialties) in SHARDS {
            assert_eq!(capabilities(specialties).unwrap().len(), specialties.len());
        }
        for (specialty, capability) in SPECIALTIES {
            let can = |w: &WorkerOffer| w.capabilities.iter().any(|c| c.as_str() == capability);
            assert!(planetary.workers.iter().any(can), "nobody can do {specialty}");
        }
    }
}
