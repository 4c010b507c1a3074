//! JSON-RPC: one endpoint, or two that must agree.
//!
//! [`Transport`] is one endpoint; [`HttpEndpoint`] is the real one. [`Chain`]
//! asks one or two of them and gives typed answers. A read that something
//! rests on is pinned to a height by its caller, so that two endpoints of
//! which one is a block behind do not seem to disagree.

mod chain;
mod http;
mod types;
mod wire;

pub use chain::{Chain, LOGS_MAX, LOGS_RANGE_MAX};
pub use http::{HttpEndpoint, HttpSettings};
pub use types::{Block, Fees, Log, LogQuery, Reverted, Tip, TxReceipt, TxState};

use crate::address::Address;
use futures::future::BoxFuture;
use phalanx_types::Hash;
use serde_json::Value;
use std::sync::Arc;

/// One endpoint. Tests put liars and laggards in its place.
pub trait Transport: Send + Sync {
    /// What people know it by: scheme, host and port. Paths hold keys and are
    /// left out.
    fn name(&self) -> &str;

    /// Asks `method` with `params` (an array) and gives the `result`.
    fn ask<'a>(&'a self, method: &'static str, params: Value) -> BoxFuture<'a, Result<Value, RpcError>>;
}

impl<T: Transport + ?Sized> Transport for Arc<T> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn ask<'a>(&'a self, method: &'static str, params: Value) -> BoxFuture<'a, Result<Value, RpcError>> {
        (**self).ask(method, params)
    }
}

/// Why the chain gives no answer, or none that may be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RpcError {
    /// The URL is none that can be asked.
    #[error("{url:?} is no endpoint: http://host:port/path or https://… is expected")]
    Url {
        /// What was given, without its path.
        url: String,
    },
    /// TLS cannot be set up.
    #[error(
        "no certificate authority of this system can be loaded: {reason}; install ca-certificates, or set SSL_CERT_FILE"
    )]
    Roots {
        /// Why.
        reason: String,
    },
    /// There is no connection.
    #[error("{endpoint} cannot be reached ({attempts} attempts): {reason}")]
    Connect {
        /// Who.
        endpoint: String,
        /// How often it was tried.
        attempts: u32,
        /// Why not.
        reason: String,
    },
    /// There is no answer in time.
    #[error("{endpoint} has not answered {method} within {after_ms} ms")]
    Timeout {
        /// Who.
        endpoint: String,
        /// What was asked.
        method: &'static str,
        /// How long it was waited.
        after_ms: u64,
    },
    /// HTTP says no.
    #[error("{endpoint} answers {method} with HTTP status {status}")]
    Status {
        /// Who.
        endpoint: String,
        /// What was asked.
        method: &'static str,
        /// The status.
        status: u16,
    },
    /// The answer is too long.
    #[error("{endpoint} answers {method} with more than {max} bytes: ask for less")]
    TooLong {
        /// Who.
        endpoint: String,
        /// What was asked.
        method: &'static str,
        /// The limit.
        max: usize,
    },
    /// The answer is none.
    #[error("{endpoint} gives no proper answer to {method}: {reason}")]
    Malformed {
        /// Who.
        endpoint: String,
        /// What was asked.
        method: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The endpoint answers with an error.
    #[error("{endpoint} refuses {method}: {message} (code {code})")]
    Refused {
        /// Who.
        endpoint: String,
        /// What was asked.
        method: &'static str,
        /// JSON-RPC's code.
        code: i64,
        /// Its words, cut to 256 characters.
        message: String,
        /// Revert data, when a contract has refused.
        data: Option<Vec<u8>>,
    },
    /// Two endpoints give two answers: one is wrong, and it is not known which.
    #[error(
        "two endpoints do not agree on {what}: {first} says {first_answer}, {second} says {second_answer}"
    )]
    Disagreement {
        /// What was asked.
        what: String,
        /// The first one.
        first: String,
        /// Its answer.
        first_answer: String,
        /// The second one.
        second: String,
        /// Its answer.
        second_answer: String,
    },
    /// Another chain.
    #[error("{endpoint} is on chain {found}, but {expected} is meant: give another --rpc")]
    OtherChain {
        /// Who.
        endpoint: String,
        /// The chain that is meant.
        expected: u64,
        /// The chain it is on.
        found: u64,
    },
    /// No contract where there should be one.
    #[error("there is no contract at {address} on chain {chain_id}")]
    NoCode {
        /// Where.
        address: Address,
        /// On which chain.
        chain_id: u64,
    },
    /// Another contract than there should be.
    #[error(
        "the contract at {address} has code {found}, but {expected} is meant: it is another one, or another version"
    )]
    OtherCode {
        /// Where.
        address: Address,
        /// Hash of the code that is meant.
        expected: Hash,
        /// Hash of the code that is there.
        found: Hash,
    },
    /// A call is refused by the contract, as all endpoints say.
    #[error("the call of {to} is refused: {reverted}")]
    Reverted {
        /// Who refused.
        to: Address,
        /// With what.
        reverted: Reverted,
    },
    /// More was asked than may be at once.
    #[error("{what}: at most {max} at once")]
    TooMuch {
        /// What.
        what: &'static str,
        /// The limit.
        max: u64,
    },
    /// A block that both should have is missing.
    #[error("block {number} is not there yet, or not any more")]
    NoBlock {
        /// Its number.
        number: u64,
    },
}

impl RpcError {
    /// Whether asking again later may help without anybody changing anything.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Timeout { .. } | Self::NoBlock { .. } => true,
            Self::Status { status, .. } => *status == 429 || *status >= 500,
            _ => false,
        }
    }
}
