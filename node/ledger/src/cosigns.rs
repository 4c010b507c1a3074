//! Signatures under checkpoints, and the sets whose members give them: a store of
//! its own beside the ledger.
//!
//! Nothing in it is agreed, and nothing in it needs to be trusted: a set is found
//! by its hash, and a signature tells by whom it is. So it may be lost and filled
//! again, but for one thing: which checkpoint of a number this node has signed. That
//! is written once, synced, before the signature is made, and never changed
//! ([`CosignStore::sign_only`]), so that it never signs two of one number. Each record has
//! a checksum, as those of the ledger have ([`crate::record`]).

use crate::{
    kv::{Durability, StoreError},
    record,
    rocks::store_error,
};
use phalanx_types::{
    Hash,
    codec::decode_exact,
    cosign::{Cosigned, RegisteredValidator, set_hash},
    encode,
    units::CheckpointNumber,
};
use rocksdb::{DB, DBRecoveryMode, Direction, IteratorMode, Options, WriteOptions};
use std::{ops::ControlFlow, path::Path};

/// Bytes of the memory buffer.
const BUFFER_BYTES: usize = 1 << 20;
/// Longest record: a set of 128 members, or their signatures.
const RECORD_BYTES_MAX: usize = 64 << 10;
/// The name of the table, in checksums.
const TABLE: &str = "cosigns";
/// First byte of the keys of signatures, by checkpoint number.
const SIGNATURES: u8 = b'c';
/// First byte of the keys of what this node has signed, by checkpoint number.
const OWN: u8 = b'o';
/// First byte of the keys of sets, by hash.
const SETS: u8 = b's';
/// Key of the last checkpoint that is anchored for good.
const FINAL: &[u8] = b"final";

/// A store of signatures under checkpoints.
pub struct CosignStore {
    db: DB,
}

impl std::fmt::Debug for CosignStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CosignStore({})", self.db.path().display())
    }
}

fn number_key(first: u8, number: CheckpointNumber) -> [u8; 9] {
    let mut key = [first; 9];
    key.iter_mut().skip(1).zip(number.0.to_be_bytes()).for_each(|(to, from)| *to = from);
    key
}

fn set_key(hash: &Hash) -> [u8; 33] {
    let mut key = [SETS; 33];
    key.iter_mut().skip(1).zip(hash.0).for_each(|(to, from)| *to = from);
    key
}

fn damaged(key: &[u8], reason: impl std::fmt::Display) -> StoreError {
    StoreError::Io {
        reason: format!(
            "cosigns {}: {reason}; stop the node and move the folder cosigns away: the peers fill it again, but not with which checkpoints this node has signed: first make sure that its \
             ledger is the mesh's (phalanx ledger fsck)",
            hex::encode(key)
        ),
    }
}

fn payload<'a>(key: &[u8], stored: &'a [u8]) -> Result<&'a [u8], StoreError> {
    record::unseal(TABLE, key, stored).ok_or_else(|| damaged(key, "its checksum does not hold"))
}

impl CosignStore {
    /// Opens the store in a folder, which is made when it is not there.
    ///
    /// # Errors
    /// When it is in use, damaged, or cannot be made.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let is_new = crate::rocks::is_new(path)?;
        crate::rocks::check_logs(path)?;
        let mut options = Options::default();
        options.create_if_missing(is_new);
        options.set_paranoid_checks(true);
        options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
        options.set_write_buffer_size(BUFFER_BYTES);
        options.set_max_open_files(16);
        options.set_keep_log_file_num(2);
        DB::open(&options, path).map(|db| Self { db }).map_err(store_error)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let stored = self.db.get(key).map_err(store_error)?;
        stored.map(|stored| payload(key, &stored).map(<[u8]>::to_vec)).transpose()
    }

    fn put(&self, key: &[u8], value: &[u8], durability: Durability) -> Result<(), StoreError> {
        let mut options = WriteOptions::default();
        options.set_sync(durability == Durability::Synced);
        let stored = record::seal(TABLE, key, value.to_vec());
        self.db.put_opt(key, stored, &options).map_err(store_error)
    }

    /// What is known of a checkpoint's signatures.
    ///
    /// # Errors
    /// When the store is damaged or cannot be read.
    pub fn signatures(&self, number: CheckpointNumber) -> Result<Option<Cosigned>, StoreError> {
        let key = number_key(SIGNATURES, number);
        self.get(&key)?
            .map(|value| {
                decode_exact(&value, RECORD_BYTES_MAX, "record of signatures")
                    .map_err(|error| damaged(&key, error))
            })
            .transpose()
    }

    /// Keeps what is known of a checkpoint's signatures, in place of what was.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put_signatures(
        &self,
        number: CheckpointNumber,
        known: &Cosigned,
        durability: Durability,
    ) -> Result<(), StoreError> {
        self.put(&number_key(SIGNATURES, number), &encode(known), durability)
    }

    /// The checkpoint of a number that this node has signed, or is about to.
    ///
    /// # Errors
    /// When the store is damaged or cannot be read.
    pub fn own(&self, number: CheckpointNumber) -> Result<Option<Hash>, StoreError> {
        let key = number_key(OWN, number);
        self.get(&key)?
            .map(|value| <[u8; 32]>::try_from(value).map(Hash).map_err(|_| damaged(&key, "no hash")))
            .transpose()
    }

    /// Notes, synced, that this node signs one checkpoint of a number and no other. False
    /// when it has signed another one: then nothing is changed.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn sign_only(&self, number: CheckpointNumber, checkpoint: &Hash) -> Result<bool, StoreError> {
        match self.own(number)? {
            Some(own) => Ok(own == *checkpoint),
            None => {
                self.put(&number_key(OWN, number), &checkpoint.0, Durability::Synced)?;
                Ok(true)
            }
        }
    }

    /// The last checkpoint that was seen to be anchored for good, and the block at which it
    /// was.
    ///
    /// # Errors
    /// When the store is damaged or cannot be read.
    pub fn last_final(&self) -> Result<Option<(CheckpointNumber, u64)>, StoreError> {
        let value = self.get(FINAL)?;
        let read = |value: Vec<u8>| decode_exact(&value, RECORD_BYTES_MAX, "last final checkpoint");
        value.map(read).transpose().map_err(|error| damaged(FINAL, error))
    }

    /// Keeps it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put_final(&self, number: CheckpointNumber, block: u64) -> Result<(), StoreError> {
        self.put(FINAL, &encode(&(number, block)), Durability::Buffered)
    }

    /// The set with a hash.
    ///
    /// # Errors
    /// When the store is damaged or cannot be read.
    pub fn set(&self, hash: &Hash) -> Result<Option<Vec<RegisteredValidator>>, StoreError> {
        let key = set_key(hash);
        let Some(value) = self.get(&key)? else { return Ok(None) };
        let set: Vec<RegisteredValidator> = decode_exact(&value, RECORD_BYTES_MAX, "record of signatures")
            .map_err(|error| damaged(&key, error))?;
        if set_hash(&set) == *hash { Ok(Some(set)) } else { Err(damaged(&key, "it has another hash")) }
    }

    /// Keeps a set, whose entries ascend by account, under its hash.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put_set(&self, set: &[RegisteredValidator]) -> Result<(), StoreError> {
        self.put(&set_key(&set_hash(set)), &encode(&set), Durability::Synced)
    }

    /// All checkpoints with signatures, ascending.
    ///
    /// # Errors
    /// When the store is damaged or cannot be read.
    pub fn each(
        &self,
        visit: &mut dyn FnMut(CheckpointNumber, Cosigned) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        for record in self.db.iterator(IteratorMode::From(&[SIGNATURES], Direction::Forward)) {
            let (key, value) = record.map_err(store_error)?;
            let Some((&SIGNATURES, number)) = key.split_first() else { break };
            let number = <[u8; 8]>::try_from(number).map_err(|_| damaged(&key, "no such key"))?;
            let known = decode_exact(payload(&key, &value)?, RECORD_BYTES_MAX, "record of signatures")
                .map_err(|error| damaged(&key, error))?;
            if visit(CheckpointNumber(u64::from_be_bytes(number)), known).is_break() {
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use phalanx_types::{PublicKey, cosign::AccountSignature};

    fn known(byte: u8) -> Cosigned {
        Cosigned { checkpoint: Hash([byte; 32]), signatures: vec![AccountSignature([byte; 64])] }
    }

    #[test]
    fn signatures_and_sets_outlive_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let set = vec![RegisteredValidator {
            account: [1; 20],
            network_key: PublicKey([2; 32]),
            vote_key: PublicKey([3; 32]),
            weight: 4,
        }];
        {
            let store = CosignStore::open(folder.path()).unwrap();
            for number in [300, 2, 1] {
                let durability = Durability::Synced;
                store.put_signatures(CheckpointNumber(number), &known(number as u8), durability).unwrap();
            }
            store.put_set(&set).unwrap();
            assert_eq!(store.last_final().unwrap(), None);
            store.put_final(CheckpointNumber(2), 40).unwrap();
        }
        let store = CosignStore::open(folder.path()).unwrap();
        assert_eq!(store.signatures(CheckpointNumber(2)).unwrap(), Some(known(2)));
        assert_eq!(store.signatures(CheckpointNumber(3)).unwrap(), None);
        assert_eq!(store.set(&set_hash(&set)).unwrap(), Some(set));
        assert_eq!(store.set(&Hash([9; 32])).unwrap(), None);
        assert_eq!(store.last_final().unwrap(), Some((CheckpointNumber(2), 40)));
        let mut numbers = Vec::new();
        store
            .each(&mut |number, _| {
                numbers.push(number.0);
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(numbers, [1, 2, 300]);
    }

    #[test]
    fn one_checkpoint_of_a_number_is_signed_and_no_other_ever() {
        let folder = tempfile::tempdir().unwrap();
        let number = CheckpointNumber(7);
        {
            let store = CosignStore::open(folder.path()).unwrap();
            assert!(store.sign_only(number, &Hash([1; 32])).unwrap());
            // What others sign replaces what is known of signatures, and not this.
            store.put_signatures(number, &known(2), Durability::Synced).unwrap();
        }
        let store = CosignStore::open(folder.path()).unwrap();
        assert_eq!(store.own(number).unwrap(), Some(Hash([1; 32])));
        assert!(!store.sign_only(number, &Hash([2; 32])).unwrap());
        assert!(store.sign_only(number, &Hash([1; 32])).unwrap());
        assert_eq!(store.own(CheckpointNumber(8)).unwrap(), None);
    }

    #[test]
    fn a_store_without_its_newest_state_is_not_taken_for_a_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let store = CosignStore::open(folder.path()).unwrap();
        store.sign_only(CheckpointNumber(7), &Hash([1; 32])).unwrap();
        drop(store);
        std::fs::remove_file(folder.path().join("CURRENT")).unwrap();
        assert!(CosignStore::open(folder.path()).unwrap_err().to_string().contains("CURRENT"));
    }

    #[test]
    fn what_is_damaged_is_named_with_its_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let store = CosignStore::open(folder.path()).unwrap();
        store.put(&number_key(SIGNATURES, CheckpointNumber(1)), b"no", Durability::Buffered).unwrap();
        store
            .put(&set_key(&Hash([9; 32])), &encode(&Vec::<RegisteredValidator>::new()), Durability::Buffered)
            .unwrap();
        let error = store.signatures(CheckpointNumber(1)).unwrap_err().to_string();
        assert!(error.contains("cosigns") && error.contains("move the folder"), "{error}");
        assert!(store.set(&Hash([9; 32])).is_err());
        assert!(store.each(&mut |_, _| ControlFlow::Continue(())).is_err());
    }
    #[test]
    fn any_flipped_bit_of_a_record_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let store = CosignStore::open(folder.path()).unwrap();
        let number = CheckpointNumber(7);
        store.sign_only(number, &Hash([1; 32])).unwrap();
        store.put_final(number, 40).unwrap();
        store.put_signatures(number, &known(5), Durability::Buffered).unwrap();
        let reads: [(&[u8], &dyn Fn() -> bool); 3] = [
            (&number_key(OWN, number), &|| store.own(number).is_err()),
            (FINAL, &|| store.last_final().is_err()),
            (&number_key(SIGNATURES, number), &|| store.signatures(number).is_err()),
        ];
        for (key, is_refused) in reads {
            let whole = store.db.get(key).unwrap().unwrap();
            for bit in 0..8 * whole.len() {
                let mut flipped = whole.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                store.db.put(key, flipped).unwrap();
                assert!(is_refused(), "bit {bit} of {}", hex::encode(key));
            }
            store.db.put(key, whole).unwrap();
            assert!(!is_refused());
        }
    }
}
