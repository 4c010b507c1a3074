//! HTTP, events: the door through which people and programs talk to a node.
//!
//! The router knows the node only through [`NodeView`]. Every answer is JSON;
//! an error is `{"code", "message", "remedy"}`, also where the request was not
//! understood. Every call needs the token of the node's home folder as
//! `Authorization: Bearer …`, but for `/v1/health`.
//!
//! Three kinds of calls have places of their own, so that none of them can keep
//! the others out: short ones ([`CALLS_MAX`]), which end within [`CALL_MS_MAX`];
//! those that wait for a decision ([`WAITS_MAX`]); and streams of events
//! ([`STREAMS_MAX`]), which keep their place until the reader is gone.

mod client;

pub use axum::http::StatusCode;
pub use client::{Client, ClientError};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, FromRequest, Path, Query, Request, State},
    http::{HeaderValue, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures::{StreamExt, future::BoxFuture, stream};
use phalanx_types::envelope::ENVELOPE_BYTES_MAX;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tokio::sync::{Semaphore, broadcast};

/// Short calls that are served at one time; more get 503.
pub const CALLS_MAX: usize = 64;
/// Calls that wait for a decision at one time; more get 503.
pub const WAITS_MAX: usize = 256;
/// Streams of events at one time; more get 503.
pub const STREAMS_MAX: usize = 32;
/// Longest time that a short call, or a request's way in, may take.
pub const CALL_MS_MAX: u64 = 10_000;
/// The one path that needs no token.
const HEALTH: &str = "/v1/health";
/// Bytes of a message of the parts below us that are passed on.
const MESSAGE_BYTES_MAX: usize = 4 << 10;
/// Longest time a call may wait for a decision.
pub const WAIT_MS_MAX: u64 = 120_000;

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiError {
    /// HTTP status.
    #[serde(skip, default)]
    pub status: u16,
    /// A stable word.
    pub code: String,
    /// What failed.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

impl ApiError {
    /// An error.
    #[must_use]
    pub fn new(
        status: StatusCode,
        code: &str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            status: status.as_u16(),
            code: code.to_owned(),
            message: message.into(),
            remedy: remedy.into(),
        }
    }

    /// There is no such thing.
    #[must_use]
    pub fn not_found(what: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("there is no {what}"), "look at the list first")
    }

    /// The caller asked for something malformed.
    #[must_use]
    pub fn bad_request(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message, remedy)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(self)).into_response()
    }
}

/// The answer to a call.
pub type Answer = Result<Value, ApiError>;

/// What a node shows. Answers are JSON values.
pub trait NodeView: Send + Sync + 'static {
    /// Where the node is.
    fn status(&self) -> BoxFuture<'_, Answer>;
    /// Takes in an encoded envelope; waits for its decision for at most
    /// `wait_ms`, or not at all when that is zero.
    fn submit(&self, envelope: Vec<u8>, wait_ms: u64) -> BoxFuture<'_, Answer>;
    /// A list: `jobs`, `workers`, `shards`, `agents`, `positions`, `policies`, `tenants`,
    /// `validators`, `places`, `checkpoints`.
    fn list(&self, what: String) -> BoxFuture<'_, Answer>;
    /// A job, by an unambiguous beginning of its id.
    fn job(&self, id: String) -> BoxFuture<'_, Answer>;
    /// A receipt with its level.
    fn receipt(&self, index: u64) -> BoxFuture<'_, Answer>;
    /// The indexes of a subject's receipts.
    fn receipts_of(&self, subject: String) -> BoxFuture<'_, Answer>;
    /// A receipt's proof file, as it is to be stored.
    fn proof(&self, index: u64) -> BoxFuture<'_, Result<Vec<u8>, ApiError>>;
    /// A receipt's audit path, as it is to be stored.
    fn audit_path(&self, index: u64) -> BoxFuture<'_, Result<Vec<u8>, ApiError>>;
    /// A witness file for a proof of `position`, `action` or `integrity`. It holds secrets.
    fn witness(&self, statement: String, of: WitnessQuery) -> BoxFuture<'_, Result<Vec<u8>, ApiError>>;
    /// The agents that a policy binds at a checkpoint, the last one when none is named.
    fn bound_agents(&self, policy: String, checkpoint: Option<u64>) -> BoxFuture<'_, Answer>;
    /// What the mesh knows of a sender of envelopes: `next_sequence`.
    fn sender(&self, key: String) -> BoxFuture<'_, Answer>;
    /// The header of a decided beat, with its id.
    fn beat(&self, height: u64) -> BoxFuture<'_, Answer>;
    /// A checkpoint, with its level and the signatures under it.
    fn checkpoint(&self, number: u64) -> BoxFuture<'_, Answer>;
    /// The peers.
    fn peers(&self) -> BoxFuture<'_, Answer>;
    /// Where the nodes of the mesh are, as this one knows them, and how well that fits.
    fn mesh_places(&self) -> BoxFuture<'_, Answer>;
    /// Where they are by whom they are linked to.
    fn mesh_topology(&self) -> BoxFuture<'_, Answer>;
    /// The way of a message to a node, by its label or the beginning of its network key.
    fn mesh_trace(&self, node: String) -> BoxFuture<'_, Answer>;
    /// The nearest node that hosts a healthy worker with a capability.
    fn mesh_find(&self, capability: String) -> BoxFuture<'_, Answer>;
    /// Cuts a peer off, here.
    fn ban(&self, key: String, reason: String, lasts_ms: u64) -> BoxFuture<'_, Answer>;
    /// Events from now on: a beat's JSON lines at once.
    fn events(&self) -> broadcast::Receiver<Arc<str>>;
}

struct Shared<V> {
    view: V,
    token: String,
    calls: Arc<Semaphore>,
    waits: Arc<Semaphore>,
    streams: Arc<Semaphore>,
}

type Node<V> = State<Arc<Shared<V>>>;

/// The routes, for `axum::serve`.
pub fn router<V: NodeView>(view: V, token: String) -> Router {
    let places = |count| Arc::new(Semaphore::new(count));
    let shared = Arc::new(Shared {
        view,
        token,
        calls: places(CALLS_MAX),
        waits: places(WAITS_MAX),
        streams: places(STREAMS_MAX),
    });
    let short = Router::new()
        .route("/v1/status", get(|State(n): Node<V>| async move { reply(n.view.status().await) }))
        .route(
            "/v1/list/{what}",
            get(|State(n): Node<V>, Path(what)| async move { reply(n.view.list(what).await) }),
        )
        .route("/v1/jobs/{id}", get(|State(n): Node<V>, Path(id)| async move { reply(n.view.job(id).await) }))
        .route("/v1/receipts", get(receipts_of::<V>))
        .route(
            "/v1/receipts/{index}",
            get(|State(n): Node<V>, Path(i)| async move { reply(n.view.receipt(i).await) }),
        )
        .route("/v1/receipts/{index}/proof", get(proof::<V>))
        .route("/v1/receipts/{index}/path", get(audit_path::<V>))
        .route("/v1/witnesses/{statement}", get(witness::<V>))
        .route("/v1/policies/{policy}/agents", get(bound_agents::<V>))
        .route(
            "/v1/senders/{key}",
            get(|State(n): Node<V>, Path(key)| async move { reply(n.view.sender(key).await) }),
        )
        .route(
            "/v1/beats/{height}",
            get(|State(n): Node<V>, Path(h)| async move { reply(n.view.beat(h).await) }),
        )
        .route(
            "/v1/checkpoints/{number}",
            get(|State(n): Node<V>, Path(c)| async move { reply(n.view.checkpoint(c).await) }),
        )
        .route("/v1/peers", get(|State(n): Node<V>| async move { reply(n.view.peers().await) }))
        .route("/v1/mesh/places", get(|State(n): Node<V>| async move { reply(n.view.mesh_places().await) }))
        .route(
            "/v1/mesh/topology",
            get(|State(n): Node<V>| async move { reply(n.view.mesh_topology().await) }),
        )
        .route(
            "/v1/mesh/trace/{node}",
            get(|State(n): Node<V>, Path(node)| async move { reply(n.view.mesh_trace(node).await) }),
        )
        .route(
            "/v1/mesh/find/{capability}",
            get(|State(n): Node<V>, Path(name)| async move { reply(n.view.mesh_find(name).await) }),
        )
        .route("/v1/peers/ban", post(ban::<V>))
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), in_short::<V>));
    let guarded = Router::new()
        .route("/v1/envelopes", post(submit::<V>))
        .route("/v1/events", get(events::<V>))
        .merge(short)
        .layer(DefaultBodyLimit::max(ENVELOPE_BYTES_MAX))
        .with_state(Arc::clone(&shared));
    Router::new()
        .route(HEALTH, get(|| async { Json(serde_json::json!({"alive": true})) }))
        .merge(guarded)
        .fallback(
            |request: Request| async move { ApiError::not_found(format!("path {}", request.uri().path())) },
        )
        .method_not_allowed_fallback(|request: Request| async move {
            ApiError::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                format!("{} does not take {}", request.uri().path(), request.method()),
                "read with GET; POST is for envelopes and bans",
            )
        })
        .layer(middleware::from_fn_with_state(shared, guard::<V>))
        .layer(middleware::map_response(in_our_words))
}

fn reply(answer: Answer) -> Response {
    match answer {
        Ok(value) => Json(value).into_response(),
        Err(error) => error.into_response(),
    }
}

/// The token, on every path but [`HEALTH`], also on those that are not there.
async fn guard<V: NodeView>(State(node): Node<V>, request: Request, next: Next) -> Response {
    let given = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .unwrap_or_default();
    let is_open = request.uri().path() == HEALTH;
    if !is_open && !same(given.as_bytes(), node.token.as_bytes()) {
        let remedy = "send `Authorization: Bearer TOKEN` with the token in the file api-token of the node's home folder";
        return ApiError::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "the token is missing or wrong",
            remedy,
        )
        .into_response();
    }
    next.run(request).await
}

fn busy(what: &str, places: usize) -> ApiError {
    ApiError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "busy",
        format!("all {places} places for {what} are taken"),
        "try again in a moment",
    )
}

fn too_slow() -> ApiError {
    ApiError::new(
        StatusCode::REQUEST_TIMEOUT,
        "too_slow",
        format!("the call was not done after {CALL_MS_MAX} ms"),
        "send the request at once, or try again when the node has less to do",
    )
}

/// A place for a short call, and an end to it.
async fn in_short<V: NodeView>(State(node): Node<V>, request: Request, next: Next) -> Response {
    let Ok(_place) = node.calls.try_acquire() else {
        return busy("short calls", CALLS_MAX).into_response();
    };
    let patience = Duration::from_millis(CALL_MS_MAX);
    match tokio::time::timeout(patience, next.run(request)).await {
        Ok(response) => response,
        Err(_) => too_slow().into_response(),
    }
}

/// What the parts below us say in plain text, in the form of an error.
async fn in_our_words(response: Response) -> Response {
    let status = response.status();
    let is_json = |value: &HeaderValue| value.as_bytes().starts_with(b"application/json");
    let is_ours = response.headers().get(header::CONTENT_TYPE).is_some_and(is_json);
    if is_ours || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let said = axum::body::to_bytes(response.into_body(), MESSAGE_BYTES_MAX).await.unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let reason = status.canonical_reason().unwrap_or("error");
    let message = if said.trim().is_empty() { reason } else { said.trim() };
    let (code, remedy) = match status {
        StatusCode::PAYLOAD_TOO_LARGE => (
            "too_large",
            format!("send at most {ENVELOPE_BYTES_MAX} bytes: put fewer operations into one envelope"),
        ),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            ("media_type", "send `Content-Type: application/json`".to_owned())
        }
        status if status.is_server_error() => ("internal", "report this as a defect".to_owned()),
        _ => ("bad_request", "correct the request; `phalanx --help` names what can be asked".to_owned()),
    };
    ApiError::new(status, code, message, remedy).into_response()
}

/// Compares in a time that depends on the lengths only.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0_u8, |difference, (x, y)| difference | (x ^ y)) == 0
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wait {
    #[serde(default)]
    wait_ms: u64,
}

/// Takes in an envelope. Its way in is a short call; the wait for its decision
/// is not.
async fn submit<V: NodeView>(State(node): Node<V>, Query(wait): Query<Wait>, request: Request) -> Response {
    let Ok(place) = node.calls.try_acquire() else {
        return busy("short calls", CALLS_MAX).into_response();
    };
    let body = Bytes::from_request(request, &());
    let body = match tokio::time::timeout(Duration::from_millis(CALL_MS_MAX), body).await {
        Ok(Ok(body)) => body,
        Ok(Err(rejection)) => return rejection.into_response(),
        Err(_) => return too_slow().into_response(),
    };
    let wait_ms = wait.wait_ms.min(WAIT_MS_MAX);
    if wait_ms == 0 {
        return reply(node.view.submit(body.to_vec(), 0).await);
    }
    drop(place);
    let Ok(_place) = node.waits.try_acquire() else {
        return busy("calls that wait for a decision", WAITS_MAX).into_response();
    };
    reply(node.view.submit(body.to_vec(), wait_ms).await)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Subject {
    subject: String,
}

async fn receipts_of<V: NodeView>(State(node): Node<V>, Query(query): Query<Subject>) -> Response {
    reply(node.view.receipts_of(query.subject).await)
}

async fn proof<V: NodeView>(State(node): Node<V>, Path(index): Path<u64>) -> Response {
    file(node.view.proof(index).await)
}

async fn audit_path<V: NodeView>(State(node): Node<V>, Path(index): Path<u64>) -> Response {
    file(node.view.audit_path(index).await)
}

/// What a witness is asked of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessQuery {
    /// The agent's id, of a position or an action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The checkpoint of a position; the last one when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<u64>,
    /// The agent's nonce after an action; its last one when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<u64>,
    /// The earlier receipt between which and `to` the record is unbroken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// The later one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
}

async fn witness<V: NodeView>(
    State(node): Node<V>,
    Path(statement): Path<String>,
    Query(of): Query<WitnessQuery>,
) -> Response {
    file(node.view.witness(statement, of).await)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct At {
    checkpoint: Option<u64>,
}

async fn bound_agents<V: NodeView>(
    State(node): Node<V>,
    Path(policy): Path<String>,
    Query(at): Query<At>,
) -> Response {
    reply(node.view.bound_agents(policy, at.checkpoint).await)
}

/// A file of JSON, as it is to be stored.
fn file(bytes: Result<Vec<u8>, ApiError>) -> Response {
    match bytes {
        Ok(bytes) => ([(header::CONTENT_TYPE, "application/json")], bytes).into_response(),
        Err(error) => error.into_response(),
    }
}

/// A peer to cut off.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ban {
    /// Its network key in hex.
    pub key: String,
    /// Why.
    pub reason: String,
    /// For how long, in milliseconds.
    pub lasts_ms: u64,
}

async fn ban<V: NodeView>(State(node): Node<V>, Json(ban): Json<Ban>) -> Response {
    reply(node.view.ban(ban.key, ban.reason, ban.lasts_ms).await)
}

/// Events as lines of JSON. A reader that falls too far behind gets a last line
/// that says so.
async fn events<V: NodeView>(State(node): Node<V>) -> Response {
    let Ok(place) = Arc::clone(&node.streams).try_acquire_owned() else {
        return busy("streams of events", STREAMS_MAX).into_response();
    };
    let lines = stream::unfold(Some((node.view.events(), place)), |open| async move {
        let (mut receiver, place) = open?;
        match receiver.recv().await {
            Ok(line) => Some((format!("{line}\n"), Some((receiver, place)))),
            Err(broadcast::error::RecvError::Lagged(missed)) => {
                Some((format!("{{\"event\":\"too_slow\",\"missed\":{missed}}}\n"), None))
            }
            Err(broadcast::error::RecvError::Closed) => None,
        }
    });
    let body = Body::from_stream(lines.map(Ok::<_, std::convert::Infallible>));
    ([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response()
}
