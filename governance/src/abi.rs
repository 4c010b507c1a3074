//! The chain library's encoders, behind our own types. Nothing of it leaves
//! this crate.

// What the macro writes is not ours to lint.
#![allow(missing_docs, clippy::all, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::address::{Address, Wei};
use ethers::contract::abigen;
use ethers::core::{
    abi::{Abi, AbiDecode, Error as AbiFault, ParamType, Token},
    types::{H160, U256},
};
use std::sync::LazyLock;

pub(crate) use ethers::core::abi::AbiEncode;

abigen!(
    Safe,
    r#"[
        function nonce() view returns (uint256)
        function getThreshold() view returns (uint256)
        function getOwners() view returns (address[])
        function VERSION() view returns (string)
        function domainSeparator() view returns (bytes32)
        function getTransactionHash(address to,uint256 value,bytes data,uint8 operation,uint256 safeTxGas,uint256 baseGas,uint256 gasPrice,address gasToken,address refundReceiver,uint256 nonce) view returns (bytes32)
        function approvedHashes(address owner,bytes32 hash) view returns (uint256)
        function approveHash(bytes32 hashToApprove)
        function execTransaction(address to,uint256 value,bytes data,uint8 operation,uint256 safeTxGas,uint256 baseGas,uint256 gasPrice,address gasToken,address refundReceiver,bytes signatures) payable returns (bool)
        function getModulesPaginated(address start,uint256 pageSize) view returns (address[] array,address next)
        function setup(address[] owners,uint256 threshold,address to,bytes data,address fallbackHandler,address paymentToken,uint256 payment,address paymentReceiver)
        function addOwnerWithThreshold(address owner,uint256 threshold)
        function removeOwner(address prevOwner,address owner,uint256 threshold)
        function swapOwner(address prevOwner,address oldOwner,address newOwner)
        function changeThreshold(uint256 threshold)
        function enableModule(address module)
        function disableModule(address prevModule,address module)
        function setGuard(address guard)
        function setFallbackHandler(address handler)
        function simulateAndRevert(address targetContract,bytes calldataPayload)
    ]"#
);

abigen!(
    MultiSend,
    r#"[
        function multiSend(bytes transactions) payable
    ]"#
);

abigen!(
    ProxyFactory,
    r#"[
        function createProxyWithNonce(address singleton,bytes initializer,uint256 saltNonce) returns (address)
        event ProxyCreation(address indexed proxy,address singleton)
    ]"#
);

abigen!(
    ContractOwner,
    r#"[
        function isValidSignature(bytes data,bytes signature) view returns (bytes4)
    ]"#
);

// Methods and no `From`: an implementation would show the library's type to
// everybody.
impl Address {
    pub(crate) fn h160(self) -> H160 {
        H160(self.0)
    }

    pub(crate) fn of(address: H160) -> Self {
        Self(address.0)
    }
}

/// An amount as the ABI has it.
pub(crate) fn amount(wei: Wei) -> U256 {
    U256::from(wei.0)
}

/// An integer, when it fits.
pub(crate) fn small(value: U256) -> Option<u64> {
    (value <= U256::from(u64::MAX)).then(|| value.low_u64())
}

/// Decodes a return value.
pub(crate) fn decode<T: AbiDecode>(bytes: &[u8]) -> Result<T, String> {
    T::decode(bytes).map_err(|e| e.to_string())
}

/// The text of `Error(string)`, or of `Panic(uint256)`.
pub(crate) fn revert_reason(data: &[u8]) -> Option<String> {
    let (selector, body) = data.split_at_checked(4)?;
    match selector {
        [0x08, 0xc3, 0x79, 0xa0] => {
            let tokens = ethers::core::abi::decode(&[ParamType::String], body).ok()?;
            tokens.into_iter().next()?.into_string().map(|text| text.chars().take(256).collect())
        }
        [0x4e, 0x48, 0x7b, 0x71] => {
            let tokens = ethers::core::abi::decode(&[ParamType::Uint(256)], body).ok()?;
            let code = tokens.into_iter().next()?.into_uint()?;
            Some(format!("panic 0x{code:x}"))
        }
        _ => None,
    }
}

/// Our contracts' ABIs, for errors and calls by name.
static KNOWN: LazyLock<Vec<(&'static str, Abi)>> = LazyLock::new(|| {
    crate::contracts::artifacts::ABIS
        .iter()
        .filter_map(|(name, json)| Some((*name, crate::contracts::artifacts::abi_of(json)?)))
        .collect()
});

/// An error of our contracts, with its name and arguments.
pub(crate) fn known_error(data: &[u8]) -> Option<String> {
    let (selector, body) = data.split_at_checked(4)?;
    for (_, abi) in KNOWN.iter() {
        for error in abi.errors() {
            if error.signature().as_bytes().get(..4) == Some(selector) {
                let kinds: Vec<ParamType> = error.inputs.iter().map(|p| p.kind.clone()).collect();
                let tokens = ethers::core::abi::decode(&kinds, body).ok()?;
                let arguments: Vec<String> = error
                    .inputs
                    .iter()
                    .zip(&tokens)
                    .map(|(param, token)| format!("{}: {}", param.name, show(token)))
                    .collect();
                return Some(format!("{}({})", error.name, arguments.join(", ")));
            }
        }
    }
    None
}

/// A call of a function that is in one of our ABIs.
pub(crate) struct KnownCall {
    pub contract: &'static str,
    pub function: String,
    pub arguments: Vec<(String, Token)>,
}

/// The call that calldata makes, when it is one of our contracts' and has its
/// exact encoding: two calldatas never look the same.
pub(crate) fn known_call(contract: &str, data: &[u8]) -> Option<KnownCall> {
    let (selector, body) = data.split_at_checked(4)?;
    let (name, abi) = KNOWN.iter().find(|(name, _)| *name == contract)?;
    let function = abi.functions().find(|f| f.short_signature() == *selector)?;
    let tokens = function.decode_input(body).ok()?;
    if function.encode_input(&tokens).ok()? != data {
        return None;
    }
    let arguments = function.inputs.iter().map(|p| p.name.clone()).zip(tokens).collect();
    Some(KnownCall { contract: name, function: function.name.clone(), arguments })
}

/// A value for people: bytes are hex, texts are quoted, nothing is left out.
pub(crate) fn show(token: &Token) -> String {
    match token {
        Token::Address(address) => Address::of(*address).to_string(),
        Token::Bytes(bytes) | Token::FixedBytes(bytes) => format!("0x{}", hex::encode(bytes)),
        Token::Int(value) | Token::Uint(value) => value.to_string(),
        Token::Bool(value) => value.to_string(),
        Token::String(text) => format!("{text:?}"),
        Token::Array(list) | Token::FixedArray(list) => {
            format!("[{}]", list.iter().map(show).collect::<Vec<_>>().join(", "))
        }
        Token::Tuple(list) => format!("({})", list.iter().map(show).collect::<Vec<_>>().join(", ")),
    }
}

/// Decodes and refuses what has another encoding of the same values.
pub(crate) fn decode_exact(kinds: &[ParamType], data: &[u8]) -> Result<Vec<Token>, AbiFault> {
    let tokens = ethers::core::abi::decode(kinds, data)?;
    if ethers::core::abi::encode(&tokens) == data { Ok(tokens) } else { Err(AbiFault::InvalidData) }
}
