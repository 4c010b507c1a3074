//! What the running node asks and answers by directed messages.

use super::core::Core;
use phalanx_api::{Answer, ApiError, StatusCode};
use phalanx_fabric::{Fabric, Worker};
use phalanx_geometry::{
    Curvature, Point,
    latency::{Comparison, Fit},
};
use phalanx_routing::{
    Members, Router, SendError, TRIP_MS_MAX,
    wire::{HOSTED_MAX, Hosted, Question},
};
use phalanx_types::{
    Hash, Name, PublicKey, SigningKey, WorkerOffer,
    agent::{DIMENSION_DEFAULT, Position},
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

/// Nodes that are asked for a capability, the nearest first.
const ASKED_MAX: usize = 16;
/// The part of the time that one of them may take.
const ASKED_MS_MAX: u64 = 2_000;

/// Who belongs to the mesh, each at its region's agreed place.
pub fn members(fabric: &Fabric) -> Members {
    let regions: BTreeMap<PublicKey, &Name> =
        fabric.validators().map(|(_, v)| (v.entry.network_key, &v.entry.region)).collect();
    let home = |key: &PublicKey| {
        let place = regions.get(key).and_then(|region| place_of(fabric, region));
        place.unwrap_or_else(|| Position::origin(DIMENSION_DEFAULT))
    };
    let admitted = fabric.admitted(super::now());
    Members { homes: admitted.keys().map(|key| (*key, home(key))).collect() }
}

/// The place of a region in the router's ball, which has curvature 1 and the usual dimension: as
/// long a way from the origin as in the mesh's.
fn place_of(fabric: &Fabric, region: &Name) -> Option<Position> {
    let place = fabric.place(region)?.clone().narrowed(DIMENSION_DEFAULT);
    let curvature = fabric.params().curvature_ppm;
    if curvature == Curvature::ONE.ppm() {
        return Some(place);
    }
    let factor = 1.0 / (f64::from(curvature) / 1e6).sqrt();
    Point::try_from(&place).ok()?.scaled(factor).ok()?.to_position().ok()
}

/// The workers of this node, with the key that signs for them.
#[derive(Clone)]
pub struct Hosting {
    /// The mesh.
    pub mesh: Hash,
    /// This node's network key.
    pub node: PublicKey,
    /// The key that signs for the workers.
    pub key: SigningKey,
    /// The workers.
    pub offers: Vec<WorkerOffer>,
}

fn has(worker: &Worker, capability: &Name) -> bool {
    worker.is_healthy && worker.is_open && worker.offer.capabilities.contains(capability)
}

impl Hosting {
    /// Those of this node's workers that have a capability and are healthy.
    pub fn with(&self, fabric: &Fabric, capability: &Name) -> Vec<Hosted> {
        let own = self.offers.iter().filter_map(|offer| fabric.worker(&offer.worker));
        let own = own.filter(|worker| worker.host == self.key.public() && has(worker, capability));
        let hosted = own.map(|worker| {
            let free = worker.offer.max_concurrency.saturating_sub(worker.running);
            Hosted::sign(&self.key, &self.mesh, &self.node, worker.offer.worker.clone(), free)
        });
        hosted.take(HOSTED_MAX).collect()
    }
}

/// What the commands of `phalanx mesh` see of routing.
pub struct RoutingView {
    /// The router.
    pub router: Router,
    /// This node's workers.
    pub hosting: Hosting,
    /// The decided state.
    pub core: Core,
}

pub fn coordinates(place: &Position) -> Vec<String> {
    place.0.iter().map(ToString::to_string).collect()
}

fn fit(fit: Fit) -> Value {
    json!({"median": fit.median, "p90": fit.p90})
}

fn comparison(comparison: &Comparison) -> Value {
    json!({
        "ball": fit(comparison.ball), "flat": fit(comparison.flat), "advantage": comparison.advantage(),
        "verdict": comparison.to_string(),
    })
}

pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn not_arrived(error: &SendError) -> ApiError {
    let remedy = "`phalanx mesh places` shows which nodes are known, and how";
    match error {
        SendError::Own | SendError::TooLong { .. } => ApiError::bad_request(error.to_string(), remedy),
        SendError::Stranger(_) => ApiError::not_found("such node in this mesh"),
        SendError::Failed(_) | SendError::Direct(_) => {
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "not_arrived", error.to_string(), remedy)
        }
    }
}

/// The members of the mesh, by network key.
pub fn labels_of(fabric: &Fabric) -> BTreeMap<PublicKey, Name> {
    fabric.admitted(super::now())
}

impl RoutingView {
    fn labels(&self) -> BTreeMap<PublicKey, Name> {
        labels_of(&self.core.fabric())
    }

    /// Where all nodes are, as this one knows them.
    pub fn places(&self) -> Value {
        let labels = self.labels();
        let rows: Vec<Value> = self
            .router
            .table()
            .iter()
            .map(|row| {
                json!({
                    "key": row.key, "label": labels.get(&row.key), "source": row.source.word(),
                    "place": coordinates(&row.place), "error_ppm": row.error_ppm,
                    "measured_us": row.measured_us, "predicted_us": row.predicted_us,
                    "flat_predicted_us": row.flat_predicted_us,
                })
            })
            .collect();
        let asked = self.router.asked();
        let asked: BTreeMap<&str, Value> = asked
            .into_iter()
            .map(|(word, asked)| (word, json!({"sent": asked.sent, "answered": asked.answered})))
            .collect();
        json!({
            "places": rows, "comparison": self.router.comparison().as_ref().map(comparison),
            "asked": asked,
        })
    }

    /// A member by its label, or the beginning of its network key.
    fn find_node(&self, text: &str) -> Result<PublicKey, ApiError> {
        let labels = self.labels();
        let of_label = labels.iter().filter(|(_, label)| label.as_str() == text).map(|(key, _)| *key);
        let of_key = labels.keys().filter(|key| key.to_string().starts_with(text)).copied();
        let found: BTreeSet<PublicKey> = of_label.chain(of_key).collect();
        match (found.first(), found.len()) {
            (Some(key), 1) => Ok(*key),
            (None, _) => Err(ApiError::not_found(format!("node {text}"))),
            (Some(_), count) => Err(ApiError::bad_request(
                format!("{count} nodes are called {text}"),
                "give more digits of its network key; `phalanx peers list --output json` shows all of them",
            )),
        }
    }

    /// The way of a directed message to a node and back.
    pub async fn trace(&self, node: &str) -> Answer {
        let target = self.find_node(node)?;
        let longest = Duration::from_millis(TRIP_MS_MAX.into());
        let trip = self.router.send(target, Question::Trace, longest).await;
        let trip = trip.map_err(|error| not_arrived(&error))?;
        let labels = self.labels();
        let mut before = micros(trip.took);
        let mut hops = Vec::with_capacity(trip.way.len());
        for held in &trip.way {
            let held_us = u64::from(held.us);
            hops.push(json!({
                "key": held.node, "label": labels.get(&held.node), "held_us": held_us,
                "link_us": before.saturating_sub(held_us),
            }));
            before = held_us;
        }
        Ok(json!({
            "target": target, "label": labels.get(&target), "took_us": micros(trip.took), "hops": hops,
            "path": trip.path,
        }))
    }

    /// Whom to ask for a capability: first validators of the regions that have it, then all
    /// others; of each the nearest first.
    fn candidates(&self, fabric: &Fabric, capability: &Name) -> Vec<PublicKey> {
        let matching = fabric.workers().filter(|(_, worker)| has(worker, capability));
        let regions: BTreeSet<&Name> = matching.map(|(_, worker)| &worker.offer.region).collect();
        let there: BTreeSet<PublicKey> = fabric
            .validators()
            .filter(|(_, v)| regions.contains(&v.entry.region))
            .map(|(_, v)| v.entry.network_key)
            .collect();
        let own = self.router.own();
        let mut all: Vec<(bool, u64, PublicKey)> = fabric
            .admitted(super::now())
            .into_keys()
            .filter(|key| *key != own)
            .map(|key| (!there.contains(&key), self.router.predicted_us(&key).unwrap_or(u64::MAX), key))
            .collect();
        all.sort_unstable();
        all.into_iter().map(|(_, _, key)| key).take(ASKED_MAX).collect()
    }

    /// What of a node's answer the agreed state bears out: workers that it hosts, by the
    /// word of their host key, and that are healthy.
    fn borne_out(&self, fabric: &Fabric, node: &PublicKey, capability: &Name, list: &[Hosted]) -> Vec<Value> {
        let mesh = &self.hosting.mesh;
        let of = |hosted: &Hosted| {
            let worker = fabric.worker(&hosted.worker).filter(|worker| has(worker, capability))?;
            hosted.is_at(node, &worker.host, mesh).then(|| {
                json!({
                    "worker": hosted.worker, "region": worker.offer.region, "free": hosted.free,
                    "price": worker.offer.price,
                })
            })
        };
        list.iter().filter_map(of).collect()
    }

    /// The nearest node that has a healthy worker with a capability, by its own answer.
    pub async fn find(&self, capability: &str) -> Answer {
        let capability = Name::new(capability)
            .map_err(|error| ApiError::bad_request(error.to_string(), "give the capability's name"))?;
        let fabric = self.core.fabric();
        let labels = self.labels();
        let own = self.hosting.with(&fabric, &capability);
        if !own.is_empty() {
            let node = self.hosting.node;
            let workers = self.borne_out(&fabric, &node, &capability, &own);
            return Ok(json!({
                "capability": capability, "node": node, "label": labels.get(&node), "workers": workers,
                "took_us": 0, "hops": 0, "asked": [],
            }));
        }
        if !fabric.workers().any(|(_, worker)| has(worker, &capability)) {
            return Err(ApiError::new(
                StatusCode::NOT_FOUND,
                "not_found",
                format!("there is no healthy worker with the capability {capability}"),
                "`phalanx list workers` shows what workers can do",
            ));
        }
        let deadline = Instant::now() + Duration::from_millis(TRIP_MS_MAX.into());
        let mut asked = Vec::new();
        for node in self.candidates(&fabric, &capability) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let patience = left.min(Duration::from_millis(ASKED_MS_MAX));
            let reason = match self.router.send(node, Question::Find(capability.clone()), patience).await {
                Err(error) => error.to_string(),
                Ok(trip) => match Hosted::decode_list(&trip.body) {
                    Err(error) => error.to_string(),
                    Ok(list) => {
                        let workers = self.borne_out(&fabric, &node, &capability, &list);
                        if !workers.is_empty() {
                            return Ok(json!({
                                "capability": capability, "node": node, "label": labels.get(&node),
                                "workers": workers, "took_us": micros(trip.took), "hops": trip.way.len(),
                                "asked": asked,
                            }));
                        }
                        "it hosts no such worker".to_owned()
                    }
                },
            };
            asked.push(json!({"node": node, "label": labels.get(&node), "reason": reason}));
        }
        Err(ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "not_found_in_time",
            format!("none of {} nodes that were asked hosts a healthy worker with {capability}", asked.len()),
            "try again in a moment; `phalanx list workers` shows what the mesh has agreed on",
        ))
    }
}
