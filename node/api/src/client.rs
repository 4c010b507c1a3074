//! A client of the interface.

use crate::{ApiError, WitnessQuery};
use phalanx_types::{Envelope, Hash, Operation, PublicKey, SigningKey, TimeMs, encode};
use serde_json::Value;
use std::{net::SocketAddr, time::Duration};

/// Time for an answer, beyond what the caller waits for a decision.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often an envelope whose number was taken meanwhile is signed again.
const NUMBER_TRIES: usize = 8;

/// Why a call gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The node cannot be reached.
    #[error("no node answers on {address} ({reason}): start it with `phalanx node run`")]
    Unreachable {
        /// Where it should be.
        address: SocketAddr,
        /// What happened.
        reason: String,
    },
    /// The node refused.
    #[error("{}; {}", .0.message, .0.remedy)]
    Refused(ApiError),
}

/// Talks to one node.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    address: SocketAddr,
    token: String,
}

impl Client {
    /// A client of the node that listens on `address`.
    #[must_use]
    pub fn new(address: SocketAddr, token: String) -> Self {
        Self { http: reqwest::Client::new(), address, token }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn unreachable(&self, error: &reqwest::Error) -> ClientError {
        let mut reason: &dyn std::error::Error = error;
        while let Some(source) = reason.source() {
            reason = source;
        }
        ClientError::Unreachable { address: self.address, reason: reason.to_string() }
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<reqwest::Response, ClientError> {
        let answer =
            request.bearer_auth(&self.token).send().await.map_err(|error| self.unreachable(&error))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let text = answer.text().await.unwrap_or_default();
        let error = serde_json::from_str(&text).unwrap_or_else(|_| ApiError {
            status: 0,
            code: "http".to_owned(),
            message: format!("the node answered {status}: {text}"),
            remedy: "is this program of the node's version?".to_owned(),
        });
        Err(ClientError::Refused(ApiError { status: status.as_u16(), ..error }))
    }

    async fn json(&self, request: reqwest::RequestBuilder) -> Result<Value, ClientError> {
        let answer = self.send(request).await?;
        answer.json().await.map_err(|error| self.unreachable(&error))
    }

    /// Reads a path such as `/v1/status`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn get(&self, path: &str) -> Result<Value, ClientError> {
        self.json(self.http.get(self.url(path)).timeout(PATIENCE)).await
    }

    /// Reads the bytes behind a path.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn bytes(&self, path: &str) -> Result<Vec<u8>, ClientError> {
        let answer = self.send(self.http.get(self.url(path)).timeout(PATIENCE)).await?;
        answer.bytes().await.map(|bytes| bytes.to_vec()).map_err(|error| self.unreachable(&error))
    }

    /// Asks for a witness file; it holds secrets.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn witness(&self, statement: &str, of: &WitnessQuery) -> Result<Vec<u8>, ClientError> {
        let WitnessQuery { agent, checkpoint, nonce, from, to } = of;
        let numbers = [("checkpoint", checkpoint), ("nonce", nonce), ("from", from), ("to", to)];
        let numbers = numbers.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", (*value)?)));
        let agent = agent.iter().map(|agent| format!("agent={agent}"));
        let query: Vec<String> = agent.chain(numbers).collect();
        self.bytes(&format!("/v1/witnesses/{statement}?{}", query.join("&"))).await
    }

    /// Sends a JSON document to a path.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, ClientError> {
        self.json(self.http.post(self.url(path)).timeout(PATIENCE).json(body)).await
    }

    /// Sends an encoded envelope and waits at most `wait_ms` for its decision.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn submit(&self, envelope: Vec<u8>, wait_ms: u64) -> Result<Value, ClientError> {
        let url = self.url(&format!("/v1/envelopes?wait_ms={wait_ms}"));
        let patience = PATIENCE + Duration::from_millis(wait_ms);
        self.json(self.http.post(url).timeout(patience).body(envelope)).await
    }

    /// Signs operations with the sender's next free number, sends them and
    /// waits at most `wait_ms` for their decision.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn send_operations(
        &self,
        mesh: Hash,
        key: &SigningKey,
        expiry: TimeMs,
        operations: Vec<Operation>,
        wait_ms: u64,
    ) -> Result<Value, ClientError> {
        let mut tries = NUMBER_TRIES;
        loop {
            let sequence = self.next_sequence(&key.public()).await?;
            let envelope = Envelope {
                mesh,
                sender: key.public(),
                sequence,
                expiry,
                trace_id: None,
                operations: operations.clone(),
            };
            tries -= 1;
            match self.submit(encode(&envelope.sign(key)), wait_ms).await {
                Err(ClientError::Refused(error)) if error.code == "number_taken" && tries > 0 => {}
                answer => return answer,
            }
        }
    }

    /// A number that no envelope of `key` has that the node knows of.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn next_sequence(&self, key: &PublicKey) -> Result<u64, ClientError> {
        let sender = self.get(&format!("/v1/senders/{key}")).await?;
        Ok(sender.get("next_sequence").and_then(Value::as_str).and_then(|s| s.parse().ok()).unwrap_or(0))
    }

    /// The stream of events: JSON lines, in chunks that may end anywhere.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn events(&self) -> Result<reqwest::Response, ClientError> {
        self.send(self.http.get(self.url("/v1/events"))).await
    }
}
