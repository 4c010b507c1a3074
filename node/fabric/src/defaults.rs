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

/// The shard specification of the architecture dossier. The specialties stand
/// in the words that workers use for their capabilities.
const SHARDS: [ShardRow; 4] = [
    ("earth", 6_000, 120, &["luna", "mars"], &["finance", "compliance", "general"]),
    ("luna", 2_400, 180, &["earth"], &["navigation", "logistics"]),
    ("mars", 4_000, 420, &["earth", "helios"], &["manufacturing", "terraforming"]),
    ("helios", 2_200, 850, &["mars"], &["gpu", "astronomy"]),
];

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
            specialties: names(specialties)?.into_iter().collect(),
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
        assert_eq!(planetary.shards.len(), 4);
        assert_eq!(planetary.workers.len(), 6);
        let mars = planetary.shards.iter().find(|s| s.name.as_str() == "mars").unwrap();
        assert_eq!((mars.queue_budget, mars.latency_budget_ms), (4_000, 420));
        let helios = planetary.workers.iter().find(|w| w.worker.as_str() == "helios.solaris-array").unwrap();
        assert_eq!((helios.capacity, helios.max_concurrency, helios.heartbeat_interval_ms), (28, 18, 9_000));
    }
}
