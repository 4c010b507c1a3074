//! `tx.json`: a Safe transaction on its way between owners.

use super::{
    signatures::{CONTRACT_SIGNATURE_LEN_MAX, Offline, OwnerSignature, OwnerSignatureError},
    tx::{DATA_LEN_MAX, Operation, SafeTx},
};
use crate::{
    address::{Address, Wei},
    digest,
    keys::{KeyError, Signer},
};
use phalanx_types::Hash;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The name of the format.
pub const FORMAT: &str = "phalanx-safe-tx";
/// Version of the format.
pub const VERSION: u32 = 1;
/// Longest file in bytes: the longest calldata, a hundred signatures and 256
/// receipts as evidence.
pub const FILE_BYTES_MAX: usize = 4 << 20;
/// Most signatures in a file.
pub const SIGNATURES_MAX: usize = 128;
/// Most claims of one owner that only the chain can check.
pub const CLAIMS_MAX: usize = 4;
/// Most pieces of evidence.
pub const EVIDENCE_MAX: usize = 256;

/// Why a file is not taken.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Too long.
    #[error("the file has {found} bytes; at most {FILE_BYTES_MAX} are read")]
    TooLong {
        /// Its length.
        found: usize,
    },
    /// Not of this format.
    #[error("this is no {FORMAT} file of version {VERSION}: {reason}")]
    Malformed {
        /// What is wrong.
        reason: String,
    },
    /// The hash in the file is not that of its transaction.
    #[error(
        "the file says that its hash is {said}, but its transaction has {computed}: somebody has changed it"
    )]
    OtherHash {
        /// What the file says.
        said: Hash,
        /// What was computed here.
        computed: Hash,
    },
    /// Two files of two transactions.
    #[error("these are files of two transactions, {first} and {second}: {difference} differs")]
    OtherTransaction {
        /// Hash of the first.
        first: Hash,
        /// Hash of the second.
        second: Hash,
        /// What differs first.
        difference: &'static str,
    },
    /// A signature in it is not what it says.
    #[error(transparent)]
    Signature(#[from] OwnerSignatureError),
    /// The key does not sign.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// A transaction with the consent it has so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxFile {
    /// The chain of the Safe.
    pub chain_id: u64,
    /// The Safe.
    pub safe: Address,
    /// The transaction.
    pub tx: SafeTx,
    /// Who has consented, ascending: of each owner one signature that was checked here, or
    /// what is claimed.
    signatures: Vec<OwnerSignature>,
    /// What the proposal rests on (receipts, checkpoints), as JSON of other
    /// crates. It is not signed: who checks it checks it against the chain.
    pub evidence: Vec<Value>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    format: String,
    version: u32,
    #[serde(with = "phalanx_types::units::decimal")]
    chain_id: u64,
    safe: Address,
    #[serde(with = "phalanx_types::units::decimal")]
    nonce: u64,
    to: Address,
    value: Wei,
    #[serde(with = "hex::serde")]
    data: Vec<u8>,
    operation: Operation,
    safe_tx_hash: Hash,
    signatures: Vec<OwnerSignature>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    evidence: Vec<Value>,
}

impl TxFile {
    /// A transaction without signatures.
    #[must_use]
    pub const fn new(chain_id: u64, safe: Address, tx: SafeTx) -> Self {
        Self { chain_id, safe, tx, signatures: Vec::new(), evidence: Vec::new() }
    }

    /// The Safe's domain, computed here.
    #[must_use]
    pub fn domain_hash(&self) -> Hash {
        digest::safe_domain(self.chain_id, self.safe)
    }

    /// What hardware wallets call "message hash", computed here.
    #[must_use]
    pub fn message_hash(&self) -> Hash {
        digest::safe_message(&self.tx)
    }

    /// What owners sign, computed here.
    #[must_use]
    pub fn safe_tx_hash(&self) -> Hash {
        digest::safe_tx(self.chain_id, self.safe, &self.tx)
    }

    /// The signatures, ascending by owner; of an owner whose consent only the chain can
    /// check there may be several, of which at most one is right.
    #[must_use]
    pub fn signatures(&self) -> &[OwnerSignature] {
        &self.signatures
    }

    /// Who has signed, as was checked here.
    pub fn signers(&self) -> impl Iterator<Item = Address> + '_ {
        self.signatures.iter().filter(|s| !s.is_claim()).map(OwnerSignature::owner)
    }

    /// Whose consent is claimed, which only the chain can check; each once.
    #[must_use]
    pub fn claimed(&self) -> Vec<Address> {
        let claims = self.signatures.iter().filter(|s| s.is_claim());
        let mut owners: Vec<Address> = claims.map(OwnerSignature::owner).collect();
        owners.dedup();
        owners
    }

    /// Reads a file and checks what can be checked without the chain.
    ///
    /// # Errors
    /// When it is too long, of another format, or holds a hash or a signature
    /// that is not what it says.
    pub fn read(bytes: &[u8]) -> Result<Self, FileError> {
        if bytes.len() > FILE_BYTES_MAX {
            return Err(FileError::TooLong { found: bytes.len() });
        }
        let malformed = |reason: String| FileError::Malformed { reason };
        let raw: Raw = serde_json::from_slice(bytes).map_err(|e| malformed(e.to_string()))?;
        if raw.format != FORMAT || raw.version != VERSION {
            return Err(malformed(format!("it is {:?} of version {}", raw.format, raw.version)));
        }
        if raw.data.len() > DATA_LEN_MAX {
            return Err(malformed(format!("calldata of {} bytes", raw.data.len())));
        }
        if raw.signatures.len() > SIGNATURES_MAX || raw.evidence.len() > EVIDENCE_MAX {
            return Err(malformed(format!(
                "{} signatures and {} pieces of evidence; {SIGNATURES_MAX} and {EVIDENCE_MAX} are taken",
                raw.signatures.len(),
                raw.evidence.len()
            )));
        }
        let tx = SafeTx {
            to: raw.to,
            value: raw.value,
            data: raw.data,
            operation: raw.operation,
            nonce: raw.nonce,
        };
        let mut file = Self::new(raw.chain_id, raw.safe, tx);
        file.evidence = raw.evidence;
        let computed = file.safe_tx_hash();
        if computed != raw.safe_tx_hash {
            return Err(FileError::OtherHash { said: raw.safe_tx_hash, computed });
        }
        for signature in raw.signatures {
            file.add(signature)?;
        }
        Ok(file)
    }

    /// The text of the file.
    ///
    /// # Errors
    /// When it would be too long to be read again.
    pub fn write(&self) -> Result<String, FileError> {
        let raw = Raw {
            format: FORMAT.to_owned(),
            version: VERSION,
            chain_id: self.chain_id,
            safe: self.safe,
            nonce: self.tx.nonce,
            to: self.tx.to,
            value: self.tx.value,
            data: self.tx.data.clone(),
            operation: self.tx.operation,
            safe_tx_hash: self.safe_tx_hash(),
            signatures: self.signatures.clone(),
            evidence: self.evidence.clone(),
        };
        let mut text =
            serde_json::to_string_pretty(&raw).map_err(|e| FileError::Malformed { reason: e.to_string() })?;
        text.push('\n');
        if text.len() > FILE_BYTES_MAX { Err(FileError::TooLong { found: text.len() }) } else { Ok(text) }
    }

    /// Adds a signature. One that was checked here takes the place of all else of its
    /// owner, and what only the chain can check takes no place: nobody can push a
    /// signature out by a claim, and no claim another.
    ///
    /// # Errors
    /// When it is not by whom it says, or there are too many.
    pub fn add(&mut self, signature: OwnerSignature) -> Result<Offline, FileError> {
        let checked = signature.check_offline(&self.safe_tx_hash())?;
        if let OwnerSignature::Contract { signature, .. } = &signature
            && signature.len() > CONTRACT_SIGNATURE_LEN_MAX
        {
            return Err(FileError::Malformed { reason: format!("a signature of {} bytes", signature.len()) });
        }
        let owner = signature.owner();
        let of_owner: Vec<&OwnerSignature> = self.signatures.iter().filter(|s| s.owner() == owner).collect();
        let best = of_owner.iter().filter(|s| !s.is_claim()).map(|s| s.rank()).min();
        if signature.is_claim() {
            if best.is_some() || of_owner.contains(&&signature) {
                return Ok(checked);
            }
            if of_owner.len() >= CLAIMS_MAX {
                let reason =
                    format!("more than {CLAIMS_MAX} claims in the name of {owner}: all but one are wrong");
                return Err(FileError::Malformed { reason });
            }
        } else {
            if best.is_some_and(|best| best < signature.rank()) {
                return Ok(checked);
            }
            self.signatures.retain(|s| s.owner() != owner);
        }
        if self.signatures.len() >= SIGNATURES_MAX {
            return Err(FileError::Malformed { reason: format!("more than {SIGNATURES_MAX} signatures") });
        }
        self.signatures.push(signature);
        self.signatures.sort_by(|a, b| a.place().cmp(&b.place()));
        Ok(checked)
    }

    /// A key's signature of it.
    ///
    /// # Errors
    /// When the key does not sign.
    pub fn signature_of(&self, signer: &Signer) -> Result<OwnerSignature, FileError> {
        let signature = signer.sign(&self.safe_tx_hash())?;
        Ok(OwnerSignature::Ecdsa { owner: signer.address(), signature })
    }

    /// Signs it.
    ///
    /// # Errors
    /// When the key does not sign.
    pub fn sign(&mut self, signer: &Signer) -> Result<(), FileError> {
        self.add(self.signature_of(signer)?).map(|_| ())
    }

    /// What owners sign, for wallets: EIP-712 typed data as `eth_signTypedData_v4` takes
    /// it. Its hash is [`Self::safe_tx_hash`].
    #[must_use]
    pub fn typed_data(&self) -> Value {
        let member = |(name, kind): &(&str, &str)| json!({"name": name, "type": kind});
        let members = |list: &[(&str, &str)]| list.iter().map(member).collect::<Value>();
        let zero = Address::ZERO;
        json!({
            "types": {
                "EIP712Domain": members(&[("chainId", "uint256"), ("verifyingContract", "address")]),
                "SafeTx": members(&[
                    ("to", "address"), ("value", "uint256"), ("data", "bytes"), ("operation", "uint8"),
                    ("safeTxGas", "uint256"), ("baseGas", "uint256"), ("gasPrice", "uint256"),
                    ("gasToken", "address"), ("refundReceiver", "address"), ("nonce", "uint256"),
                ]),
            },
            "primaryType": "SafeTx",
            "domain": {"chainId": self.chain_id, "verifyingContract": self.safe},
            "message": {
                "to": self.tx.to, "value": self.tx.value.0.to_string(),
                "data": format!("0x{}", hex::encode(&self.tx.data)), "operation": self.tx.operation.code(),
                "safeTxGas": "0", "baseGas": "0", "gasPrice": "0", "gasToken": zero, "refundReceiver": zero,
                "nonce": self.tx.nonce.to_string(),
            },
        })
    }

    /// Takes the signatures and the evidence of another file of the same
    /// transaction.
    ///
    /// # Errors
    /// When it is of another one.
    pub fn merge(&mut self, other: &Self) -> Result<(), FileError> {
        let difference = if self.chain_id != other.chain_id {
            Some("the chain")
        } else if self.safe != other.safe {
            Some("the Safe")
        } else if self.tx.nonce != other.tx.nonce {
            Some("the nonce")
        } else if self.tx != other.tx {
            Some("what is called")
        } else {
            None
        };
        if let Some(difference) = difference {
            return Err(FileError::OtherTransaction {
                first: self.safe_tx_hash(),
                second: other.safe_tx_hash(),
                difference,
            });
        }
        for signature in &other.signatures {
            let mut own = self.signatures.iter().filter(|s| s.owner() == signature.owner());
            if own.all(|own| own.is_claim() || signature.rank() < own.rank()) {
                self.add(signature.clone())?;
            }
        }
        for piece in &other.evidence {
            if !self.evidence.contains(piece) {
                self.evidence.push(piece.clone());
            }
        }
        if self.evidence.len() > EVIDENCE_MAX {
            return Err(FileError::Malformed {
                reason: format!("more than {EVIDENCE_MAX} pieces of evidence"),
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{keys::LocalKey, safe::tx::tests::call};
    use proptest::prelude::*;
    use zeroize::Zeroizing;

    fn signer(byte: u8) -> Signer {
        Signer::Local(LocalKey::from_bytes(&Zeroizing::new([byte; 32]), "test").unwrap())
    }

    fn sample() -> TxFile {
        let tx = SafeTx {
            to: Address([2; 20]),
            value: Wei(3),
            data: vec![1, 2, 3],
            operation: Operation::Call,
            nonce: 7,
        };
        TxFile::new(31_337, Address([1; 20]), tx)
    }

    proptest! {
        #[test]
        fn a_file_is_read_back(call in call(), nonce: u64, chain_id: u64, signers in prop::collection::btree_set(1_u8..9, 0..4)) {
            let tx = SafeTx::of_calls(&[call], Address::ZERO, nonce).unwrap();
            let mut file = TxFile::new(chain_id, Address([1; 20]), tx);
            for byte in signers {
                file.sign(&signer(byte)).unwrap();
            }
            file.evidence.push(serde_json::json!({"receipt": "x"}));
            prop_assert_eq!(TxFile::read(file.write().unwrap().as_bytes()).unwrap(), file);
        }

        #[test]
        fn a_file_with_one_byte_changed_is_refused_or_says_the_same(at: prop::sample::Index, to: u8) {
            let mut file = sample();
            file.sign(&signer(1)).unwrap();
            let mut bytes = file.write().unwrap().into_bytes();
            let at = at.index(bytes.len());
            bytes[at] = to;
            if let Ok(read) = TxFile::read(&bytes) {
                prop_assert_eq!(read, file);
            }
        }
    }

    proptest! {
        #[test]
        fn the_typed_data_has_the_hash_that_owners_sign(call in call(), nonce: u64, chain_id: u64) {
            use ethers::core::types::transaction::eip712::{Eip712, TypedData};
            let tx = SafeTx::of_calls(&[call], Address::ZERO, nonce).unwrap();
            let file = TxFile::new(chain_id, Address([1; 20]), tx);
            let data: TypedData = serde_json::from_value(file.typed_data()).unwrap();
            prop_assert_eq!(data.encode_eip712().unwrap(), file.safe_tx_hash().0);
        }
    }

    #[test]
    fn merging_takes_the_union_in_any_order() {
        let (mut a, mut b) = (sample(), sample());
        a.sign(&signer(1)).unwrap();
        b.sign(&signer(2)).unwrap();
        b.sign(&signer(1)).unwrap();
        b.evidence.push(serde_json::json!(1));
        let mut ab = a.clone();
        ab.merge(&b).unwrap();
        let mut ba = b.clone();
        ba.merge(&a).unwrap();
        assert_eq!(ab, ba);
        assert_eq!(ab.signatures().len(), 2);
        let once = ab.clone();
        ab.merge(&once).unwrap();
        assert_eq!(ab, once);
    }

    #[test]
    fn a_claim_does_not_push_a_signature_out() {
        let mut signed = sample();
        signed.sign(&signer(1)).unwrap();
        let owner = signer(1).address();
        let mut claimed = sample();
        claimed.add(OwnerSignature::ApprovedHash { owner }).unwrap();
        for (first, second) in [(&signed, &claimed), (&claimed, &signed)] {
            let mut merged = first.clone();
            merged.merge(second).unwrap();
            assert_eq!(merged, signed);
        }
        let mut both = signed.clone();
        both.add(OwnerSignature::ApprovedHash { owner }).unwrap();
        assert_eq!(both, signed);
    }

    #[test]
    fn a_claim_does_not_push_another_out_and_there_is_no_end_of_them() {
        let owner = Address([5; 20]);
        let contract = |byte| OwnerSignature::Contract { owner, signature: vec![byte] };
        let (mut right, mut wrong) = (sample(), sample());
        right.add(contract(7)).unwrap();
        wrong.add(OwnerSignature::ApprovedHash { owner }).unwrap();
        wrong.add(contract(1)).unwrap();
        wrong.add(contract(1)).unwrap();
        let (mut a, mut b) = (right.clone(), wrong.clone());
        a.merge(&wrong).unwrap();
        b.merge(&right).unwrap();
        assert_eq!(a, b);
        assert!(a.signatures().contains(&contract(7)));
        assert_eq!((a.signatures().len(), a.claimed(), a.signers().count()), (3, vec![owner], 0));
        assert_eq!(TxFile::read(a.write().unwrap().as_bytes()).unwrap(), a);
        a.add(contract(2)).unwrap();
        let before = a.clone();
        assert!(matches!(a.add(contract(3)), Err(FileError::Malformed { .. })));
        assert_eq!(a, before);
    }

    #[test]
    fn files_of_two_transactions_are_not_merged() {
        type Change = (&'static str, fn(&mut TxFile));
        let changes: [Change; 6] = [
            ("the chain", |f| f.chain_id = 1),
            ("the Safe", |f| f.safe = Address([9; 20])),
            ("the nonce", |f| f.tx.nonce = 8),
            ("what is called", |f| f.tx.to = Address([9; 20])),
            ("what is called", |f| f.tx.data.push(0)),
            ("what is called", |f| f.tx.operation = Operation::DelegateCall),
        ];
        for (expected, change) in changes {
            let mut other = sample();
            change(&mut other);
            let mut file = sample();
            let error = file.merge(&other).unwrap_err();
            let FileError::OtherTransaction { difference, first, second } = error else { panic!("{error}") };
            assert_eq!(difference, expected);
            assert_ne!(first, second);
        }
    }

    #[test]
    fn a_signature_of_another_transaction_is_refused() {
        let mut other = sample();
        other.tx.nonce = 8;
        other.sign(&signer(1)).unwrap();
        let mut file = sample();
        let refused = file.add(other.signatures()[0].clone());
        assert!(matches!(refused, Err(FileError::Signature(OwnerSignatureError::Other { .. }))));
        assert!(file.signatures().is_empty());
    }

    #[test]
    fn unknown_members_and_a_changed_hash_are_refused() {
        let text = sample().write().unwrap();
        let extra = text.replacen('{', "{\"extra\": 1,", 1);
        assert!(matches!(TxFile::read(extra.as_bytes()), Err(FileError::Malformed { .. })));
        let nonce = text.replacen("\"nonce\": \"7\"", "\"nonce\": \"8\"", 1);
        assert!(matches!(TxFile::read(nonce.as_bytes()), Err(FileError::OtherHash { .. })));
        assert!(matches!(TxFile::read(&vec![b' '; FILE_BYTES_MAX + 1]), Err(FileError::TooLong { .. })));
    }
}
