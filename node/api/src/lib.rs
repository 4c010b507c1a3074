//! HTTP, events: the door through which people and programs talk to a node.
//!
//! The router knows the node only through [`NodeView`]. Every answer is JSON;
//! an error is `{"code", "message", "remedy"}`. Every call needs the token of
//! the node's home folder as `Authorization: Bearer …`, but for `/v1/health`.

mod client;

pub use axum::http::StatusCode;
pub use client::{Client, ClientError};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Path, Query, Request, State},
    http::header,
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures::{StreamExt, future::BoxFuture, stream};
use phalanx_types::envelope::ENVELOPE_BYTES_MAX;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::{Semaphore, broadcast};

/// Calls that are served at one time; more get 503.
pub const CALLS_MAX: usize = 64;
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
    /// A list: `jobs`, `workers`, `shards`, `agents`, `tenants`, `validators`,
    /// `checkpoints`.
    fn list(&self, what: String) -> BoxFuture<'_, Answer>;
    /// A job, by an unambiguous beginning of its id.
    fn job(&self, id: String) -> BoxFuture<'_, Answer>;
    /// A receipt with its level.
    fn receipt(&self, index: u64) -> BoxFuture<'_, Answer>;
    /// The indexes of a subject's receipts.
    fn receipts_of(&self, subject: String) -> BoxFuture<'_, Answer>;
    /// A receipt's proof file, as it is to be stored.
    fn proof(&self, index: u64) -> BoxFuture<'_, Result<Vec<u8>, ApiError>>;
    /// What the mesh knows of a sender of envelopes: `next_sequence`.
    fn sender(&self, key: String) -> BoxFuture<'_, Answer>;
    /// The header of a decided beat, with its id.
    fn beat(&self, height: u64) -> BoxFuture<'_, Answer>;
    /// The peers.
    fn peers(&self) -> BoxFuture<'_, Answer>;
    /// Cuts a peer off, here.
    fn ban(&self, key: String, reason: String, lasts_ms: u64) -> BoxFuture<'_, Answer>;
    /// Events from now on: a beat's JSON lines at once.
    fn events(&self) -> broadcast::Receiver<Arc<str>>;
}

struct Shared<V> {
    view: V,
    token: String,
    calls: Semaphore,
}

type Node<V> = State<Arc<Shared<V>>>;

/// The routes, for `axum::serve`.
pub fn router<V: NodeView>(view: V, token: String) -> Router {
    let shared = Arc::new(Shared { view, token, calls: Semaphore::new(CALLS_MAX) });
    let guarded = Router::new()
        .route("/v1/status", get(|State(n): Node<V>| async move { reply(n.view.status().await) }))
        .route("/v1/envelopes", post(submit::<V>))
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
        .route(
            "/v1/senders/{key}",
            get(|State(n): Node<V>, Path(key)| async move { reply(n.view.sender(key).await) }),
        )
        .route(
            "/v1/beats/{height}",
            get(|State(n): Node<V>, Path(h)| async move { reply(n.view.beat(h).await) }),
        )
        .route("/v1/peers", get(|State(n): Node<V>| async move { reply(n.view.peers().await) }))
        .route("/v1/peers/ban", post(ban::<V>))
        .route("/v1/events", get(events::<V>))
        .layer(DefaultBodyLimit::max(ENVELOPE_BYTES_MAX))
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), guard::<V>))
        .with_state(shared);
    Router::new()
        .route("/v1/health", get(|| async { Json(serde_json::json!({"alive": true})) }))
        .merge(guarded)
}

fn reply(answer: Answer) -> Response {
    match answer {
        Ok(value) => Json(value).into_response(),
        Err(error) => error.into_response(),
    }
}

/// Token and number of calls.
async fn guard<V: NodeView>(State(node): Node<V>, request: Request, next: Next) -> Response {
    let given = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .unwrap_or_default();
    if !same(given.as_bytes(), node.token.as_bytes()) {
        let remedy = "send `Authorization: Bearer TOKEN` with the token in the file api-token of the node's home folder";
        return ApiError::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "the token is missing or wrong",
            remedy,
        )
        .into_response();
    }
    match node.calls.try_acquire() {
        Ok(_call) => next.run(request).await,
        Err(_) => ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            format!("{CALLS_MAX} calls are being served"),
            "try again in a moment",
        )
        .into_response(),
    }
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

async fn submit<V: NodeView>(State(node): Node<V>, Query(wait): Query<Wait>, body: Bytes) -> Response {
    reply(node.view.submit(body.to_vec(), wait.wait_ms.min(WAIT_MS_MAX)).await)
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
    match node.view.proof(index).await {
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
    let lines = stream::unfold(Some(node.view.events()), |receiver| async move {
        let mut receiver = receiver?;
        match receiver.recv().await {
            Ok(line) => Some((format!("{line}\n"), Some(receiver))),
            Err(broadcast::error::RecvError::Lagged(missed)) => {
                Some((format!("{{\"event\":\"too_slow\",\"missed\":{missed}}}\n"), None))
            }
            Err(broadcast::error::RecvError::Closed) => None,
        }
    });
    let body = Body::from_stream(lines.map(Ok::<_, std::convert::Infallible>));
    ([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response()
}
