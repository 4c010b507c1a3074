//! Places of the nodes from their links alone.

use super::routing::{RoutingView, coordinates, labels_of, micros};
use phalanx_api::{Answer, ApiError, StatusCode};
use phalanx_geometry::{
    Ball, Curvature, Error, Point,
    graph::Graph,
    topology::{Plan, embed},
};
use phalanx_routing::{
    Router,
    wire::{Question, Told},
};
use phalanx_types::{
    PublicKey,
    agent::{DIMENSION_DEFAULT, Position},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

/// How long a node may take to say whom it is linked to.
const PATIENCE: Duration = Duration::from_secs(5);

/// Nodes that hang together, and places for them.
struct Placed {
    nodes: Vec<PublicKey>,
    graph: Graph,
    /// From the first of `nodes` that was asked for.
    hops: Vec<Option<u32>>,
    places: Vec<Position>,
    /// The same, in units of length.
    distances: Vec<f64>,
    /// By how much the distance of two nodes differs from their hops, in parts of these: of
    /// all pairs the median.
    misfit: f64,
}

impl Placed {
    /// Those of `members` that hang together with most others. A link counts when both of its ends
    /// tell of it, or the other one tells of none.
    fn of(own: &PublicKey, members: &[PublicKey], links: &BTreeMap<PublicKey, Told>) -> Result<Self, Error> {
        let number = |key: &PublicKey| members.binary_search(key).ok().map(|at| at as u32);
        let tells_of = |from: &PublicKey, to: &PublicKey| {
            links.get(from).is_none_or(|told| told.neighbours.iter().any(|neighbour| neighbour.key == *to))
        };
        let told =
            links.iter().flat_map(|(from, told)| told.neighbours.iter().map(move |to| (from, &to.key)));
        let pairs = told
            .filter(|(from, to)| tells_of(to, from))
            .filter_map(|(from, to)| Some((number(from)?, number(to)?)));
        let (graph, numbers) = Graph::new(members.len(), pairs).largest_component();
        let nodes: Vec<PublicKey> =
            numbers.iter().filter_map(|at| members.get(*at as usize).copied()).collect();
        let places = embed(&graph, Plan { dimension: DIMENSION_DEFAULT, ..Plan::default() })?;
        let points: Vec<Point> = places.iter().map(Point::try_from).collect::<Result<_, _>>()?;
        let ball = Ball::new(Curvature::ONE);
        let mut misfits = Vec::new();
        let (mut hops, mut distances) = (vec![None; nodes.len()], vec![0.0; nodes.len()]);
        for (from, (node, point)) in (0..).zip(nodes.iter().zip(&points)) {
            let reached = graph.hops_from(from);
            let lengths: Vec<f64> =
                points.iter().map(|other| ball.length(point, other)).collect::<Result<_, _>>()?;
            let wrong = reached.iter().zip(&lengths).filter_map(|(hops, length)| {
                let hops = f64::from(hops.filter(|hops| *hops > 0)?);
                Some((length / hops - 1.0).abs())
            });
            misfits.extend(wrong);
            if node == own {
                (hops, distances) = (reached, lengths);
            }
        }
        misfits.sort_by(f64::total_cmp);
        let misfit = misfits.get(misfits.len() / 2).copied().unwrap_or(0.0);
        Ok(Self { nodes, graph, hops, places, distances, misfit })
    }
}

/// What all members say of their links; none of those that did not.
async fn asked(router: &Router, members: &[PublicKey]) -> BTreeMap<PublicKey, Told> {
    let own = router.own();
    let mut answers = JoinSet::new();
    for key in members.iter().copied().filter(|key| *key != own) {
        let router = router.clone();
        answers.spawn(async move {
            let trip = router.send(key, Question::Links, PATIENCE).await.ok()?;
            Some((key, Told::decode(&trip.body).ok()?))
        });
    }
    let mut told: BTreeMap<PublicKey, Told> = router.told().map(|told| (own, told)).into_iter().collect();
    while let Some(answer) = answers.join_next().await {
        told.extend(answer.ok().flatten());
    }
    told
}

impl RoutingView {
    /// Places of all nodes by whom they are linked to, as they say.
    pub async fn topology(&self) -> Answer {
        let began = Instant::now();
        let labels = labels_of(&self.core.fabric());
        let members: Vec<PublicKey> = labels.keys().copied().collect();
        let own = self.router.own();
        let told = asked(&self.router, &members).await;
        let silent: Vec<Value> = members
            .iter()
            .filter(|key| !told.contains_key(key))
            .map(|key| json!({"key": key, "label": labels.get(key)}))
            .collect();
        // With many nodes this takes a while.
        let placed = tokio::task::spawn_blocking(move || Placed::of(&own, &members, &told)).await;
        let no_places = |reason: String| {
            let remedy = "try again in a moment; `phalanx peers list` shows who is connected";
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "no_places", reason, remedy)
        };
        let placed = placed.map_err(|error| no_places(error.to_string()))?;
        let placed = placed.map_err(|error| no_places(error.to_string()))?;
        let each =
            (0..).zip(&placed.nodes).zip(&placed.places).zip(placed.hops.iter().zip(&placed.distances));
        let rows: Vec<Value> = each
            .map(|(((at, key), place), (hops, distance))| {
                json!({
                    "key": key, "label": labels.get(key), "links": placed.graph.neighbours(at).len(),
                    "hops": hops, "distance": hops.map(|_| distance), "place": coordinates(place),
                })
            })
            .collect();
        Ok(json!({
            "places": rows, "misfit": placed.misfit, "silent": silent, "took_us": micros(began.elapsed()),
        }))
    }
}
