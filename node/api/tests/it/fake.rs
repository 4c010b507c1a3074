//! A node that answers what the test says, and its door on a loopback port.

use futures::{FutureExt, future::BoxFuture};
use phalanx_api::{Answer, ApiError, Client, NodeView, StatusCode, WitnessQuery, router};
use serde_json::{Value, json};
use std::{net::SocketAddr, sync::Arc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{Semaphore, broadcast, watch},
};

pub const TOKEN: &str = "the token of this home";
/// Lines that wait for a reader.
pub const LINES_MAX: usize = 4;

/// Shared by the door and the test.
#[derive(Clone)]
pub struct Fake {
    pub events: broadcast::Sender<Arc<str>>,
    /// Calls of `status`, and submissions that wait, end when there is a permit.
    pub gate: Arc<Semaphore>,
    /// Number of calls that have come to the gate.
    pub waiting: watch::Sender<usize>,
    is_gated: bool,
}

impl Fake {
    pub fn open() -> Self {
        Self {
            events: broadcast::channel(LINES_MAX).0,
            gate: Arc::new(Semaphore::new(0)),
            waiting: watch::channel(0).0,
            is_gated: false,
        }
    }

    /// One whose calls take until the gate lets them go.
    pub fn gated() -> Self {
        Self { is_gated: true, ..Self::open() }
    }

    async fn pass(&self) {
        if self.is_gated {
            self.waiting.send_modify(|count| *count += 1);
            self.gate.acquire().await.unwrap().forget();
        }
    }

    /// Waits until so many calls are at the gate.
    pub async fn at_gate(&self, count: usize) {
        self.waiting.subscribe().wait_for(|n| *n >= count).await.unwrap();
    }

    /// Opens the door.
    pub async fn serve(&self) -> Door {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = router(self.clone(), TOKEN.to_owned());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Door { address }
    }
}

fn told(what: &str) -> BoxFuture<'static, Answer> {
    let answer = Ok(json!({"told": what}));
    async { answer }.boxed()
}

impl NodeView for Fake {
    fn status(&self) -> BoxFuture<'_, Answer> {
        async {
            self.pass().await;
            Ok(json!({"told": "status"}))
        }
        .boxed()
    }
    fn submit(&self, envelope: Vec<u8>, wait_ms: u64) -> BoxFuture<'_, Answer> {
        async move {
            if wait_ms > 0 {
                self.pass().await;
            }
            Ok(json!({"bytes": envelope.len(), "wait_ms": wait_ms}))
        }
        .boxed()
    }
    fn list(&self, what: String) -> BoxFuture<'_, Answer> {
        async move {
            match what.as_str() {
                "jobs" => Ok(json!([])),
                _ => Err(ApiError::bad_request(format!("no list {what}"), "ask for jobs")),
            }
        }
        .boxed()
    }
    fn job(&self, id: String) -> BoxFuture<'_, Answer> {
        async move { Err(ApiError::not_found(format!("job {id}"))) }.boxed()
    }
    fn receipt(&self, index: u64) -> BoxFuture<'_, Answer> {
        told(&index.to_string())
    }
    fn receipts_of(&self, subject: String) -> BoxFuture<'_, Answer> {
        told(&subject)
    }
    fn proof(&self, index: u64) -> BoxFuture<'_, Result<Vec<u8>, ApiError>> {
        async move { Ok(format!("{{\"proof\":{index}}}").into_bytes()) }.boxed()
    }
    fn audit_path(&self, index: u64) -> BoxFuture<'_, Result<Vec<u8>, ApiError>> {
        async move { Ok(format!("{{\"path\":{index}}}").into_bytes()) }.boxed()
    }
    fn witness(&self, statement: String, of: WitnessQuery) -> BoxFuture<'_, Result<Vec<u8>, ApiError>> {
        async move { Ok(json!({"statement": statement, "of": of}).to_string().into_bytes()) }.boxed()
    }
    fn bound_agents(&self, policy: String, _: Option<u64>) -> BoxFuture<'_, Answer> {
        told(&policy)
    }
    fn sender(&self, key: String) -> BoxFuture<'_, Answer> {
        told(&key)
    }
    fn beat(&self, height: u64) -> BoxFuture<'_, Answer> {
        told(&height.to_string())
    }
    fn mesh_places(&self) -> BoxFuture<'_, Answer> {
        told("places")
    }
    fn mesh_topology(&self) -> BoxFuture<'_, Answer> {
        told("topology")
    }
    fn mesh_trace(&self, node: String) -> BoxFuture<'_, Answer> {
        told(&node)
    }
    fn mesh_find(&self, capability: String) -> BoxFuture<'_, Answer> {
        told(&capability)
    }
    fn checkpoint(&self, number: u64) -> BoxFuture<'_, Answer> {
        told(&number.to_string())
    }
    fn peers(&self) -> BoxFuture<'_, Answer> {
        told("peers")
    }
    fn ban(&self, key: String, _reason: String, _lasts_ms: u64) -> BoxFuture<'_, Answer> {
        let error = ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "own_word", key, "the node's own remedy");
        async { Err(error) }.boxed()
    }
    fn events(&self) -> broadcast::Receiver<Arc<str>> {
        self.events.subscribe()
    }
}

/// Where the door is, and ways to knock.
#[derive(Clone, Copy)]
pub struct Door {
    pub address: SocketAddr,
}

/// What came back: status, content type, body.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub content_type: String,
    pub body: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The answer is an error in our form, with this status and code; gives its
    /// message and remedy.
    pub fn error(&self, status: u16, code: &str) -> (String, String) {
        assert_eq!(self.status, status, "{self:?}");
        assert!(self.content_type.starts_with("application/json"), "{self:?}");
        let Value::Object(mut fields) = self.json() else { panic!("{self:?}") };
        let mut take = |name: &str| match fields.remove(name) {
            Some(Value::String(text)) if !text.is_empty() => text,
            other => panic!("{name} is {other:?} in {self:?}"),
        };
        assert_eq!(take("code"), code, "{self:?}");
        let told = (take("message"), take("remedy"));
        assert!(fields.is_empty(), "{self:?}");
        told
    }
}

impl Door {
    pub fn client(&self) -> Client {
        Client::new(self.address, TOKEN.to_owned())
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Sends a request; none for a call without a token.
    pub async fn send(&self, request: reqwest::RequestBuilder, token: Option<&str>) -> Reply {
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let response = request.send().await.unwrap();
        let content_type = response.headers().get("content-type").map(|v| v.to_str().unwrap().to_owned());
        Reply {
            status: response.status().as_u16(),
            content_type: content_type.unwrap_or_default(),
            body: response.text().await.unwrap(),
        }
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send(reqwest::Client::new().get(self.url(path)), Some(TOKEN)).await
    }

    pub async fn post(&self, path: &str, body: Vec<u8>) -> Reply {
        let request = reqwest::Client::new().post(self.url(path)).body(body);
        self.send(request, Some(TOKEN)).await
    }

    /// Sends bytes as they are and reads all that comes back.
    pub async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut said = Vec::new();
        stream.read_to_end(&mut said).await.unwrap();
        String::from_utf8_lossy(&said).into_owned()
    }
}
