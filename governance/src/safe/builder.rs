//! The JSON of Safe's transaction builder, read and written.
//!
//! Such a file has calls but no nonce and no signatures: it becomes a
//! transaction when a nonce is chosen. Its checksum is over the file with
//! sorted keys, without the checksum itself and with the name set to null.

use super::{
    file::TxFile,
    tx::{BATCH_MAX, Call, TxError},
};
use crate::{
    address::{Address, Wei},
    digest::keccak,
};
use ethers::core::abi::{
    ParamType, Token,
    param_type::Reader,
    token::{LenientTokenizer, Tokenizer},
};
use ethers::core::types::U256;
use phalanx_types::Hash;
use serde_json::{Map, Value, json};

/// Longest file in bytes.
pub const FILE_BYTES_MAX: usize = 4 << 20;
/// Most levels of lists and tuples in an argument.
const DEPTH_MAX: usize = 8;

/// Why a file is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuilderError {
    /// Too long.
    #[error("the file has {found} bytes; at most {FILE_BYTES_MAX} are read")]
    TooLong {
        /// Its length.
        found: usize,
    },
    /// Not of this format.
    #[error("this is no transaction-builder file of version 1.0: {reason}")]
    Malformed {
        /// What is wrong.
        reason: String,
    },
    /// A transaction in it is none.
    #[error("transaction {position} of the file: {reason}")]
    Transaction {
        /// Its place, from 0.
        position: usize,
        /// What is wrong.
        reason: String,
    },
    /// The checksum is another one.
    #[error("the checksum of the file is {said}, but it should be {computed}: somebody has changed it")]
    Checksum {
        /// What the file says.
        said: String,
        /// Computed here.
        computed: String,
    },
    /// It was made for another Safe.
    #[error("the file is for Safe {file_safe} on chain {file_chain}, not for {safe} on chain {chain}")]
    OtherSafe {
        /// The Safe in the file, if it names one.
        file_safe: String,
        /// The chain in the file.
        file_chain: u64,
        /// The Safe that is meant.
        safe: Address,
        /// Its chain.
        chain: u64,
    },
    /// A transaction that such a file cannot hold.
    #[error(
        "the transaction is a delegate call that is no batch: a transaction-builder file holds calls only"
    )]
    NoCalls,
    /// A broken batch.
    #[error(transparent)]
    Batch(#[from] TxError),
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuilderFile {
    /// The chain.
    pub chain_id: u64,
    /// The Safe that it was made for, when it says so.
    pub safe: Option<Address>,
    /// Its name, for people.
    pub name: String,
    /// Its description, for people.
    pub description: String,
    /// The calls.
    pub calls: Vec<Call>,
    /// Whether it had a checksum, which then was right.
    pub had_checksum: bool,
}

impl BuilderFile {
    /// Reads a file. Calls that are given by function and arguments are
    /// encoded; where calldata stands beside them, it must be the same.
    ///
    /// # Errors
    /// See [`BuilderError`].
    pub fn read(bytes: &[u8]) -> Result<Self, BuilderError> {
        if bytes.len() > FILE_BYTES_MAX {
            return Err(BuilderError::TooLong { found: bytes.len() });
        }
        let malformed = |reason: &str| BuilderError::Malformed { reason: reason.to_owned() };
        let file: Value =
            serde_json::from_slice(bytes).map_err(|e| BuilderError::Malformed { reason: e.to_string() })?;
        if file.get("version").and_then(Value::as_str) != Some("1.0") {
            return Err(malformed("its version is another one"));
        }
        let chain_id = match file.get("chainId") {
            Some(Value::String(text)) => text.parse().ok(),
            Some(Value::Number(number)) => number.as_u64(),
            _ => None,
        };
        let chain_id = chain_id.ok_or_else(|| malformed("chainId is no number"))?;
        let meta = file.get("meta").and_then(Value::as_object).ok_or_else(|| malformed("it has no meta"))?;
        let text = |name: &str| meta.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let had_checksum = match meta.get("checksum").and_then(Value::as_str) {
            None | Some("") => false,
            Some(said) => {
                let computed = checksum_text(&file);
                if said != computed {
                    return Err(BuilderError::Checksum { said: said.chars().take(80).collect(), computed });
                }
                true
            }
        };
        let safe = match text("createdFromSafeAddress").as_str() {
            "" => None,
            address => Some(address.parse().map_err(|_| malformed("createdFromSafeAddress is no address"))?),
        };
        let list = file
            .get("transactions")
            .and_then(Value::as_array)
            .ok_or_else(|| malformed("it has no transactions"))?;
        if list.is_empty() || list.len() > BATCH_MAX {
            return Err(BuilderError::Malformed {
                reason: format!("it has {} transactions; 1 to {BATCH_MAX} are taken", list.len()),
            });
        }
        let calls = list
            .iter()
            .enumerate()
            .map(|(position, tx)| call(tx).map_err(|reason| BuilderError::Transaction { position, reason }))
            .collect::<Result<_, _>>()?;
        Ok(Self { chain_id, safe, name: text("name"), description: text("description"), calls, had_checksum })
    }

    /// The calls of a transaction. Its nonce and its signatures have no place in
    /// such a file.
    ///
    /// # Errors
    /// When it is a delegate call of something else than a batch.
    pub fn of(file: &TxFile, name: &str) -> Result<Self, BuilderError> {
        Ok(Self {
            chain_id: file.chain_id,
            safe: Some(file.safe),
            name: name.to_owned(),
            description: String::new(),
            calls: file.tx.calls()?.ok_or(BuilderError::NoCalls)?,
            had_checksum: true,
        })
    }

    /// Checks that the file is for a Safe, or says of none that it is for it.
    ///
    /// # Errors
    /// [`BuilderError::OtherSafe`].
    pub fn check_for(&self, safe: Address, chain: u64) -> Result<(), BuilderError> {
        if self.chain_id == chain && self.safe.is_none_or(|found| found == safe) {
            return Ok(());
        }
        let file_safe = self.safe.map_or_else(|| "any".to_owned(), |s| s.to_string());
        Err(BuilderError::OtherSafe { file_safe, file_chain: self.chain_id, safe, chain })
    }

    /// The text of a file, with its checksum. `created_at_ms` is when it was
    /// made.
    #[must_use]
    pub fn write(&self, created_at_ms: u64) -> String {
        let transactions: Vec<Value> = self
            .calls
            .iter()
            .map(|call| {
                json!({
                    "to": call.to,
                    "value": call.value,
                    "data": format!("0x{}", hex::encode(&call.data)),
                    "contractMethod": null,
                    "contractInputsValues": null,
                })
            })
            .collect();
        let mut file = json!({
            "version": "1.0",
            "chainId": self.chain_id.to_string(),
            "createdAt": created_at_ms,
            "meta": {
                "name": self.name,
                "description": self.description,
                "txBuilderVersion": "1.18.2",
                "createdFromSafeAddress": self.safe.map(|s| s.to_string()).unwrap_or_default(),
                "createdFromOwnerAddress": "",
            },
            "transactions": transactions,
        });
        let checksum = checksum_text(&file);
        if let Some(meta) = file.get_mut("meta").and_then(Value::as_object_mut) {
            meta.insert("checksum".into(), Value::String(checksum));
        }
        let mut text = format!("{file:#}");
        text.push('\n');
        text
    }
}

fn checksum_text(file: &Value) -> String {
    format!("0x{}", checksum(file))
}

/// The checksum of a file, whatever checksum it says it has.
#[must_use]
pub fn checksum(file: &Value) -> Hash {
    let mut file = file.clone();
    if let Some(meta) = file.get_mut("meta").and_then(Value::as_object_mut) {
        meta.remove("checksum");
        meta.insert("name".into(), Value::Null);
    }
    let mut text = String::new();
    serialize(&file, &mut text);
    keccak(text.as_bytes())
}

/// An object is its sorted keys as a list and then its values, each followed by
/// a comma.
fn serialize(value: &Value, out: &mut String) {
    match value {
        Value::Array(list) => {
            out.push('[');
            for (i, item) in list.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                serialize(item, out);
            }
            out.push(']');
        }
        Value::Object(object) => {
            let mut keys: Vec<&String> = object.keys().collect();
            // By UTF-16 units, as JavaScript sorts.
            keys.sort_by(|a, b| a.encode_utf16().cmp(b.encode_utf16()));
            out.push('{');
            out.push_str(&json!(keys).to_string());
            for key in keys {
                serialize(object.get(key).unwrap_or(&Value::Null), out);
                out.push(',');
            }
            out.push('}');
        }
        other => out.push_str(&other.to_string()),
    }
}

/// What a transaction may say; anything else could mean something that is not done here.
const MEMBERS: [&str; 5] = ["to", "value", "data", "contractMethod", "contractInputsValues"];

fn call(tx: &Value) -> Result<Call, String> {
    let object = tx.as_object().ok_or("no object")?;
    if let Some(other) = object.keys().find(|key| !MEMBERS.contains(&key.as_str())) {
        return Err(format!("{other:?} is no member of a transaction; {} are", MEMBERS.join(", ")));
    }
    let text = |name: &str| object.get(name).and_then(Value::as_str);
    let to = text("to").ok_or("it has no recipient")?.parse::<Address>().map_err(|e| e.to_string())?;
    let value = text("value").ok_or("it has no value")?;
    let amount = value.parse().ok().filter(|_| value.bytes().all(|b| b.is_ascii_digit()));
    let value = amount.map(Wei).ok_or_else(|| format!("value {value:?} is no amount below 2^128"))?;
    let given = match object.get("data") {
        None | Some(Value::Null) => None,
        Some(Value::String(digits)) => {
            let digits = digits.strip_prefix("0x").ok_or("data does not begin with 0x")?;
            Some(hex::decode(digits).map_err(|e| format!("data is no hex: {e}"))?)
        }
        Some(_) => return Err("data is no text".into()),
    };
    let method = object.get("contractMethod").and_then(Value::as_object);
    let encoded = method.map(|m| encode(m, object.get("contractInputsValues"))).transpose()?.flatten();
    let data = match (given, encoded) {
        (Some(given), Some(encoded)) if given != encoded => {
            return Err("its calldata is not what its function and arguments give".into());
        }
        (Some(data), _) | (None, Some(data)) => data,
        (None, None) => Vec::new(),
    };
    Ok(Call { to, value, data })
}

fn encode(method: &Map<String, Value>, values: Option<&Value>) -> Result<Option<Vec<u8>>, String> {
    let name = method.get("name").and_then(Value::as_str).unwrap_or_default();
    if matches!(name, "" | "fallback" | "receive") {
        return Ok(None);
    }
    let inputs = method.get("inputs").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut kinds = Vec::with_capacity(inputs.len());
    let mut tokens = Vec::with_capacity(inputs.len());
    for (place, input) in inputs.iter().enumerate() {
        let kind = kind_of(input, 0)?;
        let label = input.get("name").and_then(Value::as_str).unwrap_or_default();
        let key = if label.is_empty() { place.to_string() } else { label.to_owned() };
        let value = values
            .and_then(|v| v.get(label).or_else(|| v.get(&key)))
            .ok_or_else(|| format!("argument {key:?} of {name} has no value"))?;
        tokens.push(token(&kind, value, 0).map_err(|e| format!("argument {key:?} of {name}: {e}"))?);
        kinds.push(kind.to_string());
    }
    let selector = keccak(format!("{name}({})", kinds.join(",")).as_bytes());
    let mut data = selector.0.get(..4).unwrap_or_default().to_vec();
    data.extend(ethers::core::abi::encode(&tokens));
    Ok(Some(data))
}

fn kind_of(input: &Value, depth: usize) -> Result<ParamType, String> {
    if depth > DEPTH_MAX {
        return Err("its types are nested too deeply".into());
    }
    let text = input.get("type").and_then(Value::as_str).ok_or("an input without a type")?;
    let Some(lists) = text.strip_prefix("tuple") else {
        return Reader::read(text).map_err(|e| format!("type {text:?}: {e}"));
    };
    let members = input.get("components").and_then(Value::as_array).ok_or("a tuple without components")?;
    let members = members.iter().map(|m| kind_of(m, depth + 1)).collect::<Result<Vec<_>, _>>()?;
    let mut kind = ParamType::Tuple(members);
    for part in lists.split_inclusive(']') {
        let size = part.strip_prefix('[').and_then(|p| p.strip_suffix(']')).ok_or("a malformed type")?;
        kind = if size.is_empty() {
            ParamType::Array(Box::new(kind))
        } else {
            ParamType::FixedArray(Box::new(kind), size.parse().map_err(|_| "a malformed type")?)
        };
    }
    Ok(kind)
}

/// A value of a type. Lists and tuples are JSON, as text or as they are.
fn token(kind: &ParamType, value: &Value, depth: usize) -> Result<Token, String> {
    if depth > DEPTH_MAX {
        return Err("it is nested too deeply".into());
    }
    let items = |value: &Value| -> Result<Vec<Value>, String> {
        let parsed: Value = match value {
            Value::String(text) => serde_json::from_str(text).map_err(|e| format!("no list: {e}"))?,
            other => other.clone(),
        };
        match parsed {
            Value::Array(list) => Ok(list),
            _ => Err("no list".into()),
        }
    };
    match kind {
        ParamType::Array(of) => {
            items(value)?.iter().map(|v| token(of, v, depth + 1)).collect::<Result<_, _>>().map(Token::Array)
        }
        ParamType::FixedArray(of, size) => {
            let list = items(value)?;
            if list.len() != *size {
                return Err(format!("{} values; {size} are expected", list.len()));
            }
            list.iter().map(|v| token(of, v, depth + 1)).collect::<Result<_, _>>().map(Token::FixedArray)
        }
        ParamType::Tuple(kinds) => {
            let list = items(value)?;
            if list.len() != kinds.len() {
                return Err(format!("{} values; {} are expected", list.len(), kinds.len()));
            }
            kinds
                .iter()
                .zip(&list)
                .map(|(k, v)| token(k, v, depth + 1))
                .collect::<Result<_, _>>()
                .map(Token::Tuple)
        }
        ParamType::String => {
            value.as_str().map(|t| Token::String(t.to_owned())).ok_or_else(|| "no text".into())
        }
        leaf => {
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Number(_) | Value::Bool(_) => value.to_string(),
                _ => return Err("no value".into()),
            };
            if let ParamType::Uint(bits) | ParamType::Int(bits) = leaf {
                let is_signed = matches!(leaf, ParamType::Int(_));
                let found =
                    integer(&text, *bits, is_signed).ok_or_else(|| format!("{text:?} is no {leaf}"))?;
                return Ok(if is_signed { Token::Int(found) } else { Token::Uint(found) });
            }
            let text = match leaf {
                ParamType::Address | ParamType::Bytes | ParamType::FixedBytes(_) => {
                    text.strip_prefix("0x").unwrap_or(&text).to_owned()
                }
                _ => text,
            };
            LenientTokenizer::tokenize(leaf, &text).map_err(|e| format!("{text:?} is no {leaf}: {e}"))
        }
    }
}

/// An integer of so many bits: decimal, or hex behind 0x.
fn integer(text: &str, bits: usize, is_signed: bool) -> Option<U256> {
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) if is_signed => (true, digits),
        _ => (false, text),
    };
    let size = match digits.strip_prefix("0x") {
        Some(hex) if !hex.is_empty() && hex.bytes().all(|b| b.is_ascii_hexdigit()) => {
            U256::from_str_radix(hex, 16).ok()?
        }
        None if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
            U256::from_dec_str(digits).ok()?
        }
        _ => return None,
    };
    // Of signed ones one bit less, and one more below zero.
    let values = bits.checked_sub(usize::from(is_signed))?;
    let beyond = if values >= 256 { None } else { Some(U256::one() << values) };
    let is_in = match beyond {
        None => true,
        Some(beyond) if is_negative => size <= beyond,
        Some(beyond) => size < beyond,
    };
    is_in.then(|| if is_negative { (!size).overflowing_add(U256::one()).0 } else { size })
}

#[cfg(test)]
#[path = "builder_tests.rs"]
mod tests;
