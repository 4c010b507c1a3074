//! Safe transactions and batches. Pure.

use crate::{
    abi::{AbiEncode, MultiSendCall},
    address::{Address, Wei},
};
use serde::{Deserialize, Serialize};

/// Most calls of one batch.
pub const BATCH_MAX: usize = 256;
/// Longest calldata of one transaction: a node's limit for a transaction.
pub const DATA_LEN_MAX: usize = 120_000;

/// How the Safe runs a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// It calls `to`.
    Call,
    /// It runs the code of `to` as its own: for MultiSend only.
    DelegateCall,
}

impl Operation {
    /// Its number on chain.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Call => 0,
            Self::DelegateCall => 1,
        }
    }
}

/// One call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Call {
    /// Whom.
    pub to: Address,
    /// How much it sends.
    pub value: Wei,
    /// Calldata.
    pub data: Vec<u8>,
}

/// A transaction of a Safe. Gas and refund fields, which would let somebody be
/// paid by the Safe, do not exist here: they are zero.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SafeTx {
    /// Whom it calls.
    pub to: Address,
    /// How much it sends.
    pub value: Wei,
    /// Calldata.
    pub data: Vec<u8>,
    /// How it is run.
    pub operation: Operation,
    /// The Safe's nonce at which it can be executed, once.
    pub nonce: u64,
}

/// Why no transaction can be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TxError {
    /// Nothing to do, or too much.
    #[error("a transaction has 1 to {BATCH_MAX} calls, not {0}")]
    Count(usize),
    /// Too long.
    #[error("the calldata has {0} bytes; at most {DATA_LEN_MAX} fit a transaction: make two")]
    Long(usize),
    /// The bytes of a batch are none.
    #[error("the batch breaks off in call {0}")]
    Batch(usize),
    /// A batch of MultiSendCallOnly has only calls.
    #[error("call {0} of the batch is a delegate call, which MultiSendCallOnly refuses")]
    Delegate(usize),
}

impl SafeTx {
    /// A transaction of one call, or of a batch through `multi_send`
    /// (MultiSendCallOnly 1.4.1), which all succeed or all fail.
    ///
    /// # Errors
    /// When there are no calls or too many, or they are too long.
    pub fn of_calls(calls: &[Call], multi_send: Address, nonce: u64) -> Result<Self, TxError> {
        let tx = match calls {
            [] => return Err(TxError::Count(0)),
            [call] => Self {
                to: call.to,
                value: call.value,
                data: call.data.clone(),
                operation: Operation::Call,
                nonce,
            },
            many if many.len() > BATCH_MAX => return Err(TxError::Count(many.len())),
            many => Self {
                to: multi_send,
                value: Wei(0),
                data: multi_send_data(many),
                operation: Operation::DelegateCall,
                nonce,
            },
        };
        if tx.data.len() > DATA_LEN_MAX { Err(TxError::Long(tx.data.len())) } else { Ok(tx) }
    }

    /// The transaction that uses up a nonce and does nothing, so that another
    /// one with that nonce can never be executed.
    #[must_use]
    pub const fn cancel(safe: Address, nonce: u64) -> Self {
        Self { to: safe, value: Wei(0), data: Vec::new(), operation: Operation::Call, nonce }
    }

    /// Whether it is that of [`Self::cancel`].
    #[must_use]
    pub fn is_cancel(&self, safe: Address) -> bool {
        *self == Self::cancel(safe, self.nonce)
    }

    /// The calls it makes: itself, or those of its batch. `None` when it is a
    /// delegate call of something else than a batch.
    ///
    /// # Errors
    /// When it looks like a batch and is none.
    pub fn calls(&self) -> Result<Option<Vec<Call>>, TxError> {
        match self.operation {
            Operation::Call => {
                Ok(Some(vec![Call { to: self.to, value: self.value, data: self.data.clone() }]))
            }
            Operation::DelegateCall => read_multi_send(&self.data),
        }
    }
}

/// Calldata of `multiSend` for these calls.
#[must_use]
pub fn multi_send_data(calls: &[Call]) -> Vec<u8> {
    let mut packed = Vec::new();
    for call in calls {
        packed.push(Operation::Call.code());
        packed.extend_from_slice(&call.to.0);
        packed.extend_from_slice(&[0; 16]);
        packed.extend_from_slice(&call.value.0.to_be_bytes());
        packed.extend_from_slice(&[0; 24]);
        packed.extend_from_slice(&(call.data.len() as u64).to_be_bytes());
        packed.extend_from_slice(&call.data);
    }
    MultiSendCall { transactions: packed.into() }.encode()
}

/// The calls in calldata of `multiSend`; `None` when it is no such calldata.
///
/// # Errors
/// When it is, and its batch breaks off or has a delegate call.
pub fn read_multi_send(data: &[u8]) -> Result<Option<Vec<Call>>, TxError> {
    use ethers::core::abi::AbiDecode;
    let Ok(call) = MultiSendCall::decode(data) else { return Ok(None) };
    if call.clone().encode() != data {
        return Ok(None);
    }
    let mut rest: &[u8] = &call.transactions;
    let mut calls = Vec::new();
    while !rest.is_empty() {
        let position = calls.len();
        if position == BATCH_MAX {
            return Err(TxError::Count(position + 1));
        }
        let broken = TxError::Batch(position);
        let (operation, after) = rest.split_first().ok_or_else(|| broken.clone())?;
        let (to, after) = after.split_first_chunk::<20>().ok_or_else(|| broken.clone())?;
        let (value, after) = after.split_first_chunk::<32>().ok_or_else(|| broken.clone())?;
        let (length, after) = after.split_first_chunk::<32>().ok_or_else(|| broken.clone())?;
        let value = low_128(value).ok_or_else(|| broken.clone())?;
        let length = low_128(length).and_then(|l| usize::try_from(l).ok()).ok_or_else(|| broken.clone())?;
        let (data, after) = after.split_at_checked(length).ok_or(broken)?;
        if *operation != Operation::Call.code() {
            return Err(TxError::Delegate(position));
        }
        calls.push(Call { to: Address(*to), value: Wei(value), data: data.to_vec() });
        rest = after;
    }
    Ok(Some(calls))
}

fn low_128(word: &[u8; 32]) -> Option<u128> {
    let (high, low) = word.split_at(16);
    if high.iter().any(|b| *b != 0) {
        return None;
    }
    low.try_into().ok().map(u128::from_be_bytes)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub fn call() -> impl Strategy<Value = Call> {
        (any::<[u8; 20]>(), any::<u128>(), prop::collection::vec(any::<u8>(), 0..100))
            .prop_map(|(to, value, data)| Call { to: Address(to), value: Wei(value), data })
    }

    proptest! {
        #[test]
        fn a_batch_is_read_back(calls in prop::collection::vec(call(), 1..6), nonce: u64) {
            let tx = SafeTx::of_calls(&calls, Address([9; 20]), nonce).unwrap();
            prop_assert_eq!(tx.operation == Operation::DelegateCall, calls.len() > 1);
            prop_assert_eq!(tx.calls().unwrap().unwrap(), calls);
        }

        #[test]
        fn a_batch_that_is_cut_is_none(calls in prop::collection::vec(call(), 2..4), cut in 1_usize..84) {
            let mut packed: Vec<u8> = multi_send_data(&calls);
            let call = <MultiSendCall as ethers::core::abi::AbiDecode>::decode(&packed).unwrap();
            let kept = call.transactions.len() - cut;
            packed = MultiSendCall { transactions: call.transactions[..kept].to_vec().into() }.encode();
            let read = read_multi_send(&packed);
            // Cutting exactly the last call off leaves a batch, of fewer calls.
            prop_assert!(read.is_err() || read.unwrap().unwrap().len() < calls.len());
        }

        #[test]
        fn any_bytes_are_a_batch_or_none(data in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read_multi_send(&data);
        }
    }

    #[test]
    fn a_delegate_call_in_a_batch_is_refused() {
        let mut packed = vec![1];
        packed.extend_from_slice(&[0; 84]);
        let data = MultiSendCall { transactions: packed.into() }.encode();
        assert_eq!(read_multi_send(&data), Err(TxError::Delegate(0)));
    }

    #[test]
    fn nothing_and_too_much_are_refused() {
        let call = Call { to: Address::ZERO, value: Wei(0), data: Vec::new() };
        assert_eq!(SafeTx::of_calls(&[], Address::ZERO, 0), Err(TxError::Count(0)));
        let many = vec![call.clone(); BATCH_MAX + 1];
        assert_eq!(SafeTx::of_calls(&many, Address::ZERO, 0), Err(TxError::Count(BATCH_MAX + 1)));
        let long = Call { data: vec![0; DATA_LEN_MAX + 1], ..call };
        assert!(matches!(SafeTx::of_calls(&[long], Address::ZERO, 0), Err(TxError::Long(_))));
    }
}
