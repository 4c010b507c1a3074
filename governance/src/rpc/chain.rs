//! A chain behind one endpoint, or behind two that must agree.

use super::{
    RpcError, Transport,
    types::{Block, Fees, Log, LogQuery, Reverted, Tip, TxReceipt, TxState},
    wire::{Reading, data, quantity},
};
use crate::{
    address::{Address, Wei},
    digest::keccak,
};
use phalanx_types::Hash;
use serde_json::{Value, json};
use std::{fmt::Debug, sync::Arc};

/// Most blocks of one query for events; longer ranges are asked in pieces.
pub const LOGS_RANGE_MAX: u64 = 2_000;
/// Most events of one query.
pub const LOGS_MAX: usize = 10_000;

/// A chain, known to be the right one.
#[derive(Clone)]
pub struct Chain {
    endpoints: Vec<Arc<dyn Transport>>,
    id: u64,
}

impl Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Chain({} by {})", self.id, self.trusted().join(" and "))
    }
}

impl Chain {
    /// A chain behind `first`, and `second` when there is one. All of them must
    /// be on `expected`, when it is given, and on one chain in any case.
    ///
    /// # Errors
    /// When one cannot be asked, or is on another chain.
    pub async fn connect(
        first: Arc<dyn Transport>,
        second: Option<Arc<dyn Transport>>,
        expected: Option<u64>,
    ) -> Result<Self, RpcError> {
        let mut endpoints = vec![first];
        endpoints.extend(second);
        let mut chain = Self { endpoints, id: 0 };
        chain.id = chain
            .agreed("the chain id".into(), "eth_chainId", json!([]), |reading, value| reading.number(value))
            .await?;
        if let Some(expected) = expected
            && expected != chain.id
        {
            let endpoint = chain.trusted().join(" and ");
            return Err(RpcError::OtherChain { endpoint, expected, found: chain.id });
        }
        Ok(chain)
    }

    /// The chain's id.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// Whom every answer rests on: for verdicts.
    #[must_use]
    pub fn trusted(&self) -> Vec<String> {
        self.endpoints.iter().map(|e| e.name().to_owned()).collect()
    }

    /// Asks again whether the endpoints are on this chain: an endpoint may be
    /// another one after a restart.
    ///
    /// # Errors
    /// When one is not.
    pub async fn check_id(&self) -> Result<(), RpcError> {
        for endpoint in &self.endpoints {
            let found =
                one(endpoint, "eth_chainId", json!([]), |reading, value| reading.number(value)).await?;
            if found != self.id {
                let endpoint = endpoint.name().to_owned();
                return Err(RpcError::OtherChain { endpoint, expected: self.id, found });
            }
        }
        Ok(())
    }

    /// The height that all endpoints have.
    ///
    /// # Errors
    /// When one cannot be asked.
    pub async fn tip(&self) -> Result<Tip, RpcError> {
        let mut heights = Vec::with_capacity(2);
        for endpoint in &self.endpoints {
            heights.push(one(endpoint, "eth_blockNumber", json!([]), |r, v| r.number(v)).await?);
        }
        let low = heights.iter().min().copied().unwrap_or_default();
        let high = heights.iter().max().copied().unwrap_or_default();
        Ok(Tip { number: low, apart: high - low })
    }

    /// The block at a height.
    ///
    /// # Errors
    /// [`RpcError::NoBlock`] when nobody has it, [`RpcError::Disagreement`]
    /// when there are two.
    pub async fn block(&self, number: u64) -> Result<Block, RpcError> {
        let params = json!([quantity(number.into()), false]);
        let block = self
            .agreed(format!("block {number}"), "eth_getBlockByNumber", params, move |reading, value| {
                match reading.block(value)? {
                    Some(block) if block.number != number => {
                        Err(reading.malformed(format!("block {} instead of {number}", block.number)))
                    }
                    block => Ok(block),
                }
            })
            .await?;
        block.ok_or(RpcError::NoBlock { number })
    }

    /// Calls a contract as it is at height `at`.
    ///
    /// # Errors
    /// [`RpcError::Reverted`] when it refuses, as all endpoints say.
    pub async fn call(&self, to: Address, input: &[u8], at: u64) -> Result<Vec<u8>, RpcError> {
        self.call_from(Address::ZERO, to, Wei(0), input, at).await
    }

    /// Calls a contract as if `from` did, sending `value`.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn call_from(
        &self,
        from: Address,
        to: Address,
        value: Wei,
        input: &[u8],
        at: u64,
    ) -> Result<Vec<u8>, RpcError> {
        let mut call = json!({"from": from, "to": to, "data": data(input)});
        if value.0 > 0
            && let Some(call) = call.as_object_mut()
        {
            call.insert("value".into(), quantity(value.0));
        }
        let params = json!([call, quantity(at.into())]);
        let mut answers = Vec::with_capacity(2);
        for endpoint in &self.endpoints {
            let answer = one(endpoint, "eth_call", params.clone(), |r, v| r.bytes(v)).await;
            answers.push((endpoint.name(), reverted(answer)?));
        }
        let what = format!("a call of {to} at block {at}");
        match agree(what, answers, |answer| match answer {
            Ok(bytes) => format!("0x{}", hex::encode(bytes)),
            Err(reverted) => format!("refused: {reverted}"),
        })? {
            Ok(bytes) => Ok(bytes),
            Err(reverted) => Err(RpcError::Reverted { to, reverted }),
        }
    }

    /// The code at an address at a height; empty where there is none.
    ///
    /// # Errors
    /// When the endpoints cannot be asked, or do not agree.
    pub async fn code(&self, address: Address, at: u64) -> Result<Vec<u8>, RpcError> {
        let params = json!([address, quantity(at.into())]);
        self.agreed(format!("the code of {address}"), "eth_getCode", params, |r, v| r.bytes(v)).await
    }

    /// Its hash; `None` where there is none.
    ///
    /// # Errors
    /// When the endpoints cannot be asked, or do not agree.
    pub async fn code_hash(&self, address: Address, at: u64) -> Result<Option<Hash>, RpcError> {
        let code = self.code(address, at).await?;
        Ok((!code.is_empty()).then(|| keccak(&code)))
    }

    /// Checks that the contract at an address is the one that is meant.
    ///
    /// # Errors
    /// [`RpcError::NoCode`], [`RpcError::OtherCode`].
    pub async fn check_code(&self, address: Address, expected: &Hash, at: u64) -> Result<(), RpcError> {
        match self.code_hash(address, at).await? {
            None => Err(RpcError::NoCode { address, chain_id: self.id }),
            Some(found) if found != *expected => {
                Err(RpcError::OtherCode { address, expected: *expected, found })
            }
            Some(_) => Ok(()),
        }
    }

    /// A word of a contract's storage.
    ///
    /// # Errors
    /// When the endpoints cannot be asked, or do not agree.
    pub async fn storage(&self, address: Address, slot: &Hash, at: u64) -> Result<Hash, RpcError> {
        let params = json!([address, data(&slot.0), quantity(at.into())]);
        self.agreed(format!("slot {slot} of {address}"), "eth_getStorageAt", params, |r, v| r.hash(v)).await
    }

    /// The events of a contract in a range of blocks, in order. The caller
    /// checks block hashes, and that none is missing, by what the events say. A range
    /// that an endpoint refuses is asked in smaller pieces: many allow few blocks.
    ///
    /// # Errors
    /// When there are more than [`LOGS_MAX`], the endpoints do not agree, or they refuse
    /// even one block.
    pub async fn logs(&self, query: &LogQuery) -> Result<Vec<Log>, RpcError> {
        let mut found = Vec::new();
        let mut from = query.from;
        let mut range = LOGS_RANGE_MAX;
        while from <= query.to {
            let to = query.to.min(from.saturating_add(range - 1));
            match self.logs_of_range(query, from, to).await {
                Ok(logs) => found.extend(logs),
                Err(RpcError::Refused { .. }) if to > from => {
                    range = (to - from).div_ceil(2);
                    continue;
                }
                Err(error) => return Err(error),
            }
            if found.len() > LOGS_MAX {
                return Err(RpcError::TooMuch { what: "events", max: LOGS_MAX as u64 });
            }
            let Some(next) = to.checked_add(1) else { break };
            from = next;
        }
        Ok(found)
    }

    async fn logs_of_range(&self, query: &LogQuery, from: u64, to: u64) -> Result<Vec<Log>, RpcError> {
        let mut filter = json!({
            "address": query.address, "fromBlock": quantity(from.into()), "toBlock": quantity(to.into()),
        });
        if !query.kinds.is_empty()
            && let Some(filter) = filter.as_object_mut()
        {
            let kinds: Vec<Value> = query.kinds.iter().map(|kind| data(&kind.0)).collect();
            filter.insert("topics".into(), json!([kinds]));
        }
        let (address, kinds) = (query.address, query.kinds.clone());
        self.agreed(
            format!("the events of {address} in blocks {from} to {to}"),
            "eth_getLogs",
            json!([filter]),
            move |reading, value| {
                let logs = reading.logs(value, LOGS_MAX)?;
                let fits = |log: &Log| {
                    log.address == address
                        && (from..=to).contains(&log.block_number)
                        && (kinds.is_empty() || log.topics.first().is_some_and(|t| kinds.contains(t)))
                };
                let place = |log: &Log| (log.block_number, log.index);
                if !logs.iter().all(fits) {
                    return Err(reading.malformed("events that were not asked for"));
                }
                if !logs.is_sorted_by(|a, b| place(a) < place(b)) {
                    return Err(reading.malformed("events out of order"));
                }
                Ok(logs)
            },
        )
        .await
    }

    /// What became of a transaction. It is mined when all endpoints say so in
    /// the same words; while one lags behind it waits.
    ///
    /// # Errors
    /// When the endpoints cannot be asked, or give it two blocks.
    pub async fn transaction(&self, hash: &Hash) -> Result<TxState, RpcError> {
        let mut receipts: Vec<(&str, TxReceipt)> = Vec::with_capacity(2);
        for endpoint in &self.endpoints {
            let params = json!([data(&hash.0)]);
            let receipt = one(endpoint, "eth_getTransactionReceipt", params, |r, v| r.receipt(v)).await?;
            match receipt {
                Some(receipt) if receipt.tx_hash == *hash => receipts.push((endpoint.name(), receipt)),
                Some(receipt) => {
                    let reading = Reading { endpoint: endpoint.name(), method: "eth_getTransactionReceipt" };
                    return Err(reading.malformed(format!("the receipt of {}", receipt.tx_hash)));
                }
                None => {}
            }
        }
        if receipts.len() == self.endpoints.len() {
            let receipt = agree(format!("transaction {hash}"), receipts, |r| {
                format!("block {} ({}), success {}", r.block_number, r.block_hash.short(), r.is_success)
            })?;
            return Ok(TxState::Mined(receipt));
        }
        if !receipts.is_empty() {
            return Ok(TxState::Waiting);
        }
        for endpoint in &self.endpoints {
            let params = json!([data(&hash.0)]);
            let known = one(endpoint, "eth_getTransactionByHash", params, |_, v| Ok(!v.is_null())).await?;
            if known {
                return Ok(TxState::Waiting);
            }
        }
        Ok(TxState::Unknown)
    }

    /// How many transactions of an account are mined.
    ///
    /// # Errors
    /// When no endpoint can be asked.
    pub async fn nonce(&self, account: Address) -> Result<u64, RpcError> {
        self.first_that_answers("eth_getTransactionCount", json!([account, "latest"]), |r, v| r.number(v))
            .await
    }

    /// How many transactions of an account are mined at a height.
    ///
    /// # Errors
    /// When the endpoints cannot be asked, or do not agree.
    pub async fn nonce_at(&self, account: Address, at: u64) -> Result<u64, RpcError> {
        let params = json!([account, quantity(at.into())]);
        self.agreed(format!("the nonce of {account}"), "eth_getTransactionCount", params, |r, v| r.number(v))
            .await
    }

    /// What an account has.
    ///
    /// # Errors
    /// When no endpoint can be asked.
    pub async fn balance(&self, account: Address) -> Result<Wei, RpcError> {
        self.first_that_answers("eth_getBalance", json!([account, "latest"]), |r, v| r.amount(v))
            .await
            .map(Wei)
    }

    /// What gas costs now. A lie costs at most the caller's ceiling.
    ///
    /// # Errors
    /// When no endpoint can be asked.
    pub async fn fees(&self) -> Result<Fees, RpcError> {
        let block = self
            .first_that_answers("eth_getBlockByNumber", json!(["latest", false]), |r, v| r.block(v))
            .await?;
        let base = block.map_or(0, |b| b.base_fee);
        let tip = self.first_that_answers("eth_maxPriorityFeePerGas", json!([]), |r, v| r.amount(v)).await;
        let tip = match tip {
            Ok(tip) => tip,
            Err(RpcError::Refused { .. }) => 1_000_000_000,
            Err(error) => return Err(error),
        };
        Ok(Fees { base, tip })
    }

    /// How much gas a call would take.
    ///
    /// # Errors
    /// [`RpcError::Reverted`] when the contract would refuse.
    pub async fn estimate_gas(
        &self,
        from: Address,
        to: Option<Address>,
        value: Wei,
        input: &[u8],
    ) -> Result<u64, RpcError> {
        let mut call = json!({"from": from, "data": data(input), "value": quantity(value.0)});
        if let Some(to) = to
            && let Some(call) = call.as_object_mut()
        {
            call.insert("to".into(), json!(to));
        }
        let answer = self.first_that_answers("eth_estimateGas", json!([call]), |r, v| r.number(v)).await;
        let to = to.unwrap_or_default();
        reverted(answer)?.map_err(|reverted| RpcError::Reverted { to, reverted })
    }

    /// Sends a signed transaction to all endpoints. One that takes it is
    /// enough; one that knows it already has taken it.
    ///
    /// # Errors
    /// When all of them refuse: the first one's reason.
    pub async fn send_raw(&self, raw: &[u8]) -> Result<Hash, RpcError> {
        let hash = keccak(raw);
        let mut refusal = None;
        let mut is_taken = false;
        for endpoint in &self.endpoints {
            match one(endpoint, "eth_sendRawTransaction", json!([data(raw)]), |r, v| r.hash(v)).await {
                // The hash is computed here; what they call it does not matter.
                Ok(_) => is_taken = true,
                Err(RpcError::Refused { message, .. }) if says_known(&message) => is_taken = true,
                Err(error) => {
                    refusal.get_or_insert(error);
                }
            }
        }
        match refusal {
            Some(error) if !is_taken => Err(error),
            _ => Ok(hash),
        }
    }

    /// Asks one method of all endpoints, for what this interface does not name.
    ///
    /// # Errors
    /// When they cannot be asked, or do not agree.
    pub async fn ask(&self, method: &'static str, params: Value) -> Result<Value, RpcError> {
        self.agreed(method.to_owned(), method, params, |_, value| Ok(value.clone())).await
    }

    async fn agreed<T: Debug + PartialEq>(
        &self,
        what: String,
        method: &'static str,
        params: Value,
        read: impl Fn(Reading<'_>, &Value) -> Result<T, RpcError>,
    ) -> Result<T, RpcError> {
        let mut answers = Vec::with_capacity(2);
        for endpoint in &self.endpoints {
            answers.push((endpoint.name(), one(endpoint, method, params.clone(), &read).await?));
        }
        agree(what, answers, |answer| format!("{answer:?}"))
    }

    async fn first_that_answers<T>(
        &self,
        method: &'static str,
        params: Value,
        read: impl Fn(Reading<'_>, &Value) -> Result<T, RpcError>,
    ) -> Result<T, RpcError> {
        let mut error = None;
        for endpoint in &self.endpoints {
            match one(endpoint, method, params.clone(), &read).await {
                Ok(answer) => return Ok(answer),
                Err(found) if found.is_temporary() => {
                    error.get_or_insert(found);
                }
                Err(found) => return Err(found),
            }
        }
        Err(error.unwrap_or(RpcError::TooMuch { what: "endpoints", max: 2 }))
    }
}

async fn one<T>(
    endpoint: &Arc<dyn Transport>,
    method: &'static str,
    params: Value,
    read: impl Fn(Reading<'_>, &Value) -> Result<T, RpcError>,
) -> Result<T, RpcError> {
    let value = endpoint.ask(method, params).await?;
    read(Reading { endpoint: endpoint.name(), method }, &value)
}

/// One answer of one or two equal ones.
fn agree<T: PartialEq>(
    what: String,
    answers: Vec<(&str, T)>,
    show: impl Fn(&T) -> String,
) -> Result<T, RpcError> {
    let cut = |text: String| text.chars().take(400).collect::<String>();
    let mut answers = answers.into_iter();
    let Some((first, answer)) = answers.next() else {
        return Err(RpcError::TooMuch { what: "endpoints", max: 2 });
    };
    for (second, other) in answers {
        if other != answer {
            return Err(RpcError::Disagreement {
                what,
                first: first.to_owned(),
                first_answer: cut(show(&answer)),
                second: second.to_owned(),
                second_answer: cut(show(&other)),
            });
        }
    }
    Ok(answer)
}

/// Tells a contract's refusal from other errors.
fn reverted<T>(answer: Result<T, RpcError>) -> Result<Result<T, Reverted>, RpcError> {
    match answer {
        Ok(value) => Ok(Ok(value)),
        Err(RpcError::Refused { data: Some(data), .. }) => Ok(Err(Reverted { data })),
        Err(RpcError::Refused { message, .. }) if message.contains("revert") => {
            Ok(Err(Reverted { data: Vec::new() }))
        }
        Err(error) => Err(error),
    }
}

fn says_known(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    message.contains("already known") || message.contains("already imported")
}
