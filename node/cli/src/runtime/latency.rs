//! What this node measures of the latency between its region and others.

use phalanx_fabric::Fabric;
use phalanx_p2p::PeerReport;
use phalanx_types::{Name, PublicKey, shard::LatencyEntry};
use std::collections::BTreeMap;

/// A measurement that differs less from the agreed latency, in milliseconds and
/// in percent of it, is not worth a decision.
const DIFFERENCE_MS: u32 = 2;
const DIFFERENCE_PERCENT: u32 = 20;

/// One-way latencies between the region of the validator `me` and those of its
/// connected peers, half the median round trip, where they differ from what is
/// agreed.
pub fn measured(fabric: &Fabric, me: &PublicKey, peers: &[PeerReport]) -> Vec<LatencyEntry> {
    let regions: BTreeMap<[u8; 32], (&PublicKey, &Name)> = fabric
        .validators()
        .map(|(key, state)| (state.entry.network_key.0, (key, &state.entry.region)))
        .collect();
    let Some(own) = regions.values().find(|(key, _)| *key == me).map(|(_, region)| *region) else {
        return Vec::new();
    };
    let mut trips: BTreeMap<&Name, Vec<u32>> = BTreeMap::new();
    for peer in peers.iter().filter(|peer| peer.is_connected) {
        if let (Some((_, region)), Some(rtt_ms)) = (regions.get(&peer.key.0), peer.rtt_ms) {
            trips.entry(region).or_default().push(rtt_ms);
        }
    }
    let mut entries = Vec::new();
    for (to, mut trips) in trips {
        trips.sort_unstable();
        let Some(latency_ms) = trips.get(trips.len() / 2).map(|ms| ms.div_ceil(2)) else { continue };
        // Half a round trip says the same of both directions.
        let both = if to == own { vec![(own, own)] } else { vec![(own, to), (to, own)] };
        for (from, to) in both {
            let agreed = fabric.latency(from, to);
            let difference = latency_ms.abs_diff(agreed);
            if difference > DIFFERENCE_MS
                && difference.saturating_mul(100) > agreed.saturating_mul(DIFFERENCE_PERCENT)
            {
                entries.push(LatencyEntry { from: from.clone(), to: to.clone(), latency_ms });
            }
        }
    }
    entries
}
