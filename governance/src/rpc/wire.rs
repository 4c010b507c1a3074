//! From JSON to types and back.

use super::{
    RpcError,
    types::{Block, Log, TxReceipt},
};
use crate::address::Address;
use phalanx_types::Hash;
use serde_json::Value;

/// Most events of one receipt, and longest data of one event: our contracts
/// stay far below both.
const RECEIPT_LOGS_MAX: usize = 4_096;

/// Whose answer to what is read.
#[derive(Clone, Copy)]
pub(super) struct Reading<'a> {
    pub endpoint: &'a str,
    pub method: &'static str,
}

impl Reading<'_> {
    pub fn malformed(self, reason: impl Into<String>) -> RpcError {
        RpcError::Malformed { endpoint: self.endpoint.to_owned(), method: self.method, reason: reason.into() }
    }

    pub fn text(self, value: &Value) -> Result<&str, RpcError> {
        value.as_str().ok_or_else(|| self.malformed(format!("{} where a text is expected", kind(value))))
    }

    pub fn amount(self, value: &Value) -> Result<u128, RpcError> {
        let text = self.text(value)?;
        text.strip_prefix("0x")
            .and_then(|digits| u128::from_str_radix(digits, 16).ok())
            .ok_or_else(|| self.malformed(format!("{:?} is no quantity below 2^128", cut(text))))
    }

    pub fn number(self, value: &Value) -> Result<u64, RpcError> {
        let amount = self.amount(value)?;
        u64::try_from(amount).map_err(|_| self.malformed(format!("{amount} is above 2^64")))
    }

    pub fn bytes(self, value: &Value) -> Result<Vec<u8>, RpcError> {
        let text = self.text(value)?;
        text.strip_prefix("0x")
            .and_then(|digits| hex::decode(digits).ok())
            .ok_or_else(|| self.malformed(format!("{:?} is no hex data", cut(text))))
    }

    pub fn hash(self, value: &Value) -> Result<Hash, RpcError> {
        let bytes = self.bytes(value)?;
        let found = bytes.len();
        bytes.try_into().map(Hash).map_err(|_| self.malformed(format!("a hash of {found} bytes")))
    }

    pub fn address(self, value: &Value) -> Result<Address, RpcError> {
        let bytes = self.bytes(value)?;
        let found = bytes.len();
        bytes.try_into().map(Address).map_err(|_| self.malformed(format!("an address of {found} bytes")))
    }

    fn member(self, value: &Value, name: &str) -> Result<Value, RpcError> {
        value.get(name).cloned().ok_or_else(|| self.malformed(format!("no member {name:?}")))
    }

    pub fn block(self, value: &Value) -> Result<Option<Block>, RpcError> {
        if value.is_null() {
            return Ok(None);
        }
        let base_fee = match value.get("baseFeePerGas") {
            None | Some(Value::Null) => 0,
            Some(fee) => self.amount(fee)?,
        };
        Ok(Some(Block {
            number: self.number(&self.member(value, "number")?)?,
            hash: self.hash(&self.member(value, "hash")?)?,
            parent: self.hash(&self.member(value, "parentHash")?)?,
            timestamp_s: self.number(&self.member(value, "timestamp")?)?,
            base_fee,
        }))
    }

    pub fn logs(self, value: &Value, max: usize) -> Result<Vec<Log>, RpcError> {
        let list = value.as_array().ok_or_else(|| self.malformed("no list of events"))?;
        if list.len() > max {
            return Err(RpcError::TooMuch { what: "events", max: max as u64 });
        }
        list.iter().map(|log| self.log(log)).collect()
    }

    fn log(self, value: &Value) -> Result<Log, RpcError> {
        if value.get("removed").and_then(Value::as_bool) == Some(true) {
            return Err(self.malformed("an event of a block that is not on the chain any more"));
        }
        let topics = self.member(value, "topics")?;
        let topics = topics.as_array().ok_or_else(|| self.malformed("topics are no list"))?;
        Ok(Log {
            address: self.address(&self.member(value, "address")?)?,
            topics: topics.iter().map(|topic| self.hash(topic)).collect::<Result<_, _>>()?,
            data: self.bytes(&self.member(value, "data")?)?,
            block_number: self.number(&self.member(value, "blockNumber")?)?,
            block_hash: self.hash(&self.member(value, "blockHash")?)?,
            tx_hash: self.hash(&self.member(value, "transactionHash")?)?,
            index: self.number(&self.member(value, "logIndex")?)?,
        })
    }

    pub fn receipt(self, value: &Value) -> Result<Option<TxReceipt>, RpcError> {
        if value.is_null() || value.get("blockHash").is_none_or(Value::is_null) {
            return Ok(None);
        }
        let created = match value.get("contractAddress") {
            None | Some(Value::Null) => None,
            Some(address) => Some(self.address(address)?),
        };
        let gas_price = match value.get("effectiveGasPrice") {
            None | Some(Value::Null) => 0,
            Some(price) => self.amount(price)?,
        };
        Ok(Some(TxReceipt {
            tx_hash: self.hash(&self.member(value, "transactionHash")?)?,
            block_number: self.number(&self.member(value, "blockNumber")?)?,
            block_hash: self.hash(&self.member(value, "blockHash")?)?,
            is_success: self.number(&self.member(value, "status")?)? == 1,
            gas_used: self.number(&self.member(value, "gasUsed")?)?,
            gas_price,
            created,
            logs: self.logs(&self.member(value, "logs")?, RECEIPT_LOGS_MAX)?,
        }))
    }

    /// The JSON-RPC envelope: the result, or the error with its revert data.
    pub fn envelope(self, body: &[u8], id: u64) -> Result<Value, RpcError> {
        let mut value: Value =
            serde_json::from_slice(body).map_err(|e| self.malformed(format!("no JSON: {e}")))?;
        if let Some(error) = value.get("error").filter(|e| !e.is_null()) {
            return Err(self.refusal(error));
        }
        if value.get("id").and_then(Value::as_u64) != Some(id) {
            return Err(self.malformed("an answer to another question"));
        }
        match value.get_mut("result") {
            Some(result) => Ok(result.take()),
            None => Err(self.malformed("neither result nor error")),
        }
    }

    fn refusal(self, error: &Value) -> RpcError {
        let message = error.get("message").and_then(Value::as_str).unwrap_or("no message");
        RpcError::Refused {
            endpoint: self.endpoint.to_owned(),
            method: self.method,
            code: error.get("code").and_then(Value::as_i64).unwrap_or_default(),
            message: message.chars().take(256).collect(),
            data: revert_data(error),
        }
    }
}

/// Nodes put revert data in `data`, in `data.data`, or behind words in it.
fn revert_data(error: &Value) -> Option<Vec<u8>> {
    let data = error.get("data")?;
    let text = data.as_str().or_else(|| data.get("data").and_then(Value::as_str))?;
    let start = text.find("0x")?;
    let digits: String = text.get(start + 2..)?.chars().take_while(char::is_ascii_hexdigit).collect();
    hex::decode(digits).ok()
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}

pub(super) fn quantity(value: u128) -> Value {
    Value::String(format!("0x{value:x}"))
}

pub(super) fn data(bytes: &[u8]) -> Value {
    Value::String(format!("0x{}", hex::encode(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const READING: Reading<'static> = Reading { endpoint: "test", method: "test" };

    #[test]
    fn revert_data_is_kept_wherever_a_node_puts_it() {
        for data in [json!("0x08c379a0"), json!({"data": "0x08c379a0"}), json!("Reverted 0x08c379a0")] {
            let body = json!({"id": 1, "error": {"code": 3, "message": "execution reverted", "data": data}});
            let error = READING.envelope(body.to_string().as_bytes(), 1).unwrap_err();
            let RpcError::Refused { data, code: 3, .. } = error else { panic!("{error}") };
            assert_eq!(data, Some(vec![0x08, 0xc3, 0x79, 0xa0]));
        }
    }

    #[test]
    fn an_answer_to_another_question_is_none() {
        let body = json!({"id": 2, "result": "0x1"}).to_string();
        assert!(matches!(READING.envelope(body.as_bytes(), 1), Err(RpcError::Malformed { .. })));
        assert_eq!(READING.envelope(body.as_bytes(), 2).unwrap(), json!("0x1"));
    }

    proptest! {
        #[test]
        fn any_answer_is_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = READING.envelope(&body, 1);
        }

        #[test]
        fn quantities_are_read_back(value: u128) {
            prop_assert_eq!(READING.amount(&quantity(value)).unwrap(), value);
        }
    }
}
