//! JSON-RPC over HTTP(S).

use super::{RpcError, Transport, wire::Reading};
use bytes::Bytes;
use futures::future::BoxFuture;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{Request, Uri, header};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};
use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Bounds of one endpoint.
#[derive(Clone, Copy, Debug)]
pub struct HttpSettings {
    /// How long one answer may take.
    pub timeout_ms: u64,
    /// Longest answer.
    pub answer_bytes_max: usize,
    /// How often a connection is tried. What was sent is not sent again.
    pub attempts_max: u32,
    /// Pause before the second attempt; it doubles from there.
    pub backoff_ms: u64,
}

impl Default for HttpSettings {
    /// Ten seconds; 16 MiB, which is a queue of 256 checkpoints many times
    /// over; four attempts in less than two seconds.
    fn default() -> Self {
        Self { timeout_ms: 10_000, answer_bytes_max: 16 << 20, attempts_max: 4, backoff_ms: 200 }
    }
}

/// An endpoint at a URL.
pub struct HttpEndpoint {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    uri: Uri,
    name: String,
    settings: HttpSettings,
    next_id: AtomicU64,
}

impl HttpEndpoint {
    /// An endpoint at `url`. Nothing is asked yet.
    ///
    /// # Errors
    /// When the URL is no HTTP one, or the system has no certificate authority.
    pub fn new(url: &str, settings: HttpSettings) -> Result<Self, RpcError> {
        // What follows the host may hold a key of the provider.
        let shown = || {
            let host = url.split_once("://").map_or(url, |(_, rest)| rest);
            let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
            RpcError::Url {
                url: host.split(['/', '?']).next().unwrap_or_default().chars().take(80).collect(),
            }
        };
        let uri: Uri = url.parse().map_err(|_| shown())?;
        let authority = uri.authority().ok_or_else(shown)?;
        let scheme = match uri.scheme_str() {
            Some(scheme @ ("http" | "https")) => scheme,
            _ => return Err(shown()),
        };
        if authority.as_str().contains('@') {
            return Err(shown());
        }
        let name = format!("{scheme}://{authority}");
        let builder = HttpsConnectorBuilder::new();
        let connector = if scheme == "https" {
            builder
                .with_provider_and_native_roots(rustls_provider())
                .map_err(|e| RpcError::Roots { reason: e.to_string() })?
                .https_only()
                .enable_http1()
                .build()
        } else {
            // No secret is sent over it and no certificate looked at.
            builder.with_tls_config(no_roots()?).https_or_http().enable_http1().build()
        };
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { client, uri, name, settings, next_id: AtomicU64::new(1) })
    }

    async fn exchange(&self, method: &'static str, params: Value) -> Result<Value, RpcError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let params = if params.is_null() { json!([]) } else { params };
        let question = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string();
        let question = Bytes::from(question);
        let reading = Reading { endpoint: &self.name, method };

        let mut attempt = 1;
        let response = loop {
            let request = Request::post(self.uri.clone())
                .header(header::CONTENT_TYPE, "application/json")
                .body(Full::new(question.clone()))
                .map_err(|e| reading.malformed(e.to_string()))?;
            match self.client.request(request).await {
                Ok(response) => break response,
                Err(error) if error.is_connect() && attempt < self.settings.attempts_max => {
                    tracing::debug!(endpoint = self.name, attempt, "no connection; trying again");
                    let pause = self.settings.backoff_ms.saturating_mul(1 << (attempt - 1).min(10));
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                    attempt += 1;
                }
                Err(error) => {
                    return Err(RpcError::Connect {
                        endpoint: self.name.clone(),
                        attempts: attempt,
                        reason: chain_of(&error),
                    });
                }
            }
        };
        let status = response.status();
        let limited = Limited::new(response.into_body(), self.settings.answer_bytes_max);
        let body = match limited.collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                return Err(RpcError::TooLong {
                    endpoint: self.name.clone(),
                    method,
                    max: self.settings.answer_bytes_max,
                });
            }
            Err(error) => return Err(reading.malformed(format!("it breaks off: {error}"))),
        };
        match reading.envelope(&body, id) {
            // Some nodes send errors of JSON-RPC with a status of HTTP.
            Err(RpcError::Malformed { .. }) if !status.is_success() => {
                Err(RpcError::Status { endpoint: self.name.clone(), method, status: status.as_u16() })
            }
            answer => answer,
        }
    }
}

impl Transport for HttpEndpoint {
    fn name(&self) -> &str {
        &self.name
    }

    fn ask<'a>(&'a self, method: &'static str, params: Value) -> BoxFuture<'a, Result<Value, RpcError>> {
        Box::pin(async move {
            let limit = Duration::from_millis(self.settings.timeout_ms);
            tokio::time::timeout(limit, self.exchange(method, params)).await.unwrap_or_else(|_| {
                Err(RpcError::Timeout {
                    endpoint: self.name.clone(),
                    method,
                    after_ms: self.settings.timeout_ms,
                })
            })
        })
    }
}

impl fmt::Debug for HttpEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpEndpoint({})", self.name)
    }
}

fn rustls_provider() -> rustls::crypto::CryptoProvider {
    rustls::crypto::ring::default_provider()
}

fn no_roots() -> Result<rustls::ClientConfig, RpcError> {
    Ok(rustls::ClientConfig::builder_with_provider(rustls_provider().into())
        .with_safe_default_protocol_versions()
        .map_err(|e| RpcError::Roots { reason: e.to_string() })?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth())
}

/// An error with its causes, which hyper keeps apart.
fn chain_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
