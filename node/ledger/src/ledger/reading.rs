//! What a ledger holds, read record by record.

use super::{
    Ledger, Stats, checkpoint, checkpoint_of, get_value, number_key, receipt, state_entries, subject_key,
};
use crate::{
    history::History,
    kv::{Batch, Cf, Durability, Kv, StoreError},
    record,
};
use phalanx_types::{
    Beat, Checkpoint, CommitCertificate, Header, Height, Receipt, ReceiptIndex, ValidatorSet,
    receipt::HiddenField, state::Column, units::CheckpointNumber,
};
use std::ops::ControlFlow;

impl<K: Kv> Ledger<K> {
    /// A beat.
    ///
    /// # Errors
    /// When the record is damaged or the store cannot be read.
    pub fn beat(&self, height: Height) -> Result<Option<Beat>, StoreError> {
        get_value(&self.kv, Cf::Beats, &number_key(height.0))
    }

    /// A beat's encoding, as it is sent to those who catch up.
    ///
    /// # Errors
    /// When the record is damaged or the store cannot be read.
    pub fn beat_bytes(&self, height: Height) -> Result<Option<Vec<u8>>, StoreError> {
        self.payload(Cf::Beats, &number_key(height.0))
    }

    fn payload(&self, cf: Cf, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.kv.get(cf, key)?.map(|stored| record::unwrap(cf, key, &stored).map(<[u8]>::to_vec)).transpose()
    }

    /// A beat's certificate.
    ///
    /// # Errors
    /// When the record is damaged or the store cannot be read.
    pub fn certificate(&self, height: Height) -> Result<Option<CommitCertificate>, StoreError> {
        get_value(&self.kv, Cf::Certificates, &number_key(height.0))
    }

    /// The weighted set that decides a height. Its proposers are those of the
    /// height at which it came in.
    ///
    /// # Errors
    /// When the record is damaged or the store cannot be read.
    pub fn validator_set(&self, height: Height) -> Result<Option<ValidatorSet>, StoreError> {
        match self.kv.last_at_most(Cf::Sets, &number_key(height.0))? {
            None => Ok(None),
            Some((key, stored)) => record::unwrap_value(Cf::Sets, &key, &stored).map(Some),
        }
    }

    /// Header and certificate of the beat before the set of `height` came in, if
    /// one came in there.
    ///
    /// # Errors
    /// When the record is damaged or the store cannot be read.
    pub fn handover(&self, height: Height) -> Result<Option<(Header, CommitCertificate)>, StoreError> {
        get_value(&self.kv, Cf::Handovers, &number_key(height.0))
    }

    /// The heights from 2 to `height` at which another set came in, ascending.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn set_changes_up_to(&self, height: Height) -> Result<Vec<Height>, StoreError> {
        let mut heights = Vec::new();
        self.kv.scan(Cf::Sets, &number_key(2), &mut |key, _| {
            let found = key.try_into().map(u64::from_be_bytes);
            match found {
                Ok(found) if found <= height.0 => heights.push(Height(found)),
                _ => return ControlFlow::Break(()),
            }
            ControlFlow::Continue(())
        })?;
        Ok(heights)
    }

    /// A receipt's canonical bytes.
    ///
    /// # Errors
    /// When the record is damaged or the store cannot be read.
    pub fn receipt_bytes(&self, index: ReceiptIndex) -> Result<Option<Vec<u8>>, StoreError> {
        self.payload(Cf::Receipts, &number_key(index.0))
    }

    /// A receipt.
    ///
    /// # Errors
    /// When the record is damaged or the store cannot be read.
    pub fn receipt(&self, index: ReceiptIndex) -> Result<Option<Receipt>, StoreError> {
        receipt(&self.kv, index)
    }

    /// The values behind a receipt's salted fields, unless they were dropped.
    ///
    /// # Errors
    /// When the record is damaged or the store cannot be read.
    pub fn hidden(&self, index: ReceiptIndex) -> Result<Vec<HiddenField>, StoreError> {
        let key = number_key(index.0);
        match self.payload(Cf::Hidden, &key)? {
            None => Ok(Vec::new()),
            Some(bytes) => serde_json::from_slice(&bytes)
                .map_err(|e| StoreError::damaged(Cf::Hidden, &key, e.to_string())),
        }
    }

    /// Drops the values behind a receipt's salted fields. Its proofs still hold.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn drop_hidden(&self, index: ReceiptIndex) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        batch.delete(Cf::Hidden, number_key(index.0));
        self.kv.write(batch, Durability::Synced)
    }

    /// The indexes of a subject's receipts, ascending, at most `max`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn receipts_of(&self, subject: &str, max: usize) -> Result<Vec<ReceiptIndex>, StoreError> {
        let from = subject_key(subject, ReceiptIndex::ZERO);
        let mut found = Vec::new();
        self.kv.scan(Cf::Subjects, &from, &mut |key, _| {
            let (Some(head), Some(tail)) = (key.get(..16), key.get(16..)) else {
                return ControlFlow::Break(());
            };
            if Some(head) != from.get(..16) || found.len() >= max {
                return ControlFlow::Break(());
            }
            if let Ok(index) = tail.try_into() {
                found.push(ReceiptIndex(u64::from_be_bytes(index)));
            }
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    /// First index and number of a beat's receipts.
    ///
    /// # Errors
    /// When the record is damaged or the store cannot be read.
    pub fn range(&self, height: Height) -> Result<Option<(ReceiptIndex, u64)>, StoreError> {
        get_value(&self.kv, Cf::Ranges, &number_key(height.0))
    }

    /// A checkpoint.
    ///
    /// # Errors
    /// When the record is damaged or the store cannot be read.
    pub fn checkpoint(&self, number: CheckpointNumber) -> Result<Option<Checkpoint>, StoreError> {
        checkpoint(&self.kv, number)
    }

    /// The first checkpoint whose interval holds the receipt.
    ///
    /// # Errors
    /// When the record is damaged or the store cannot be read.
    pub fn checkpoint_of(&self, index: ReceiptIndex) -> Result<Option<Checkpoint>, StoreError> {
        checkpoint_of(&self.kv, self.tip.checkpoint, index)
    }

    /// The history tree's proofs.
    #[must_use]
    pub const fn history(&self) -> History<'_, K> {
        History::new(&self.kv)
    }

    /// All state entries, ascending.
    ///
    /// # Errors
    /// When a record is damaged or the store cannot be read.
    pub fn state_entries(&self) -> Result<Vec<(Column, Vec<u8>, Vec<u8>)>, StoreError> {
        state_entries(&self.kv)
    }

    /// Sizes.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn stats(&self) -> Result<Stats, StoreError> {
        let entries = self.state_entries()?;
        Ok(Stats {
            beats: self.tip.height.0,
            receipts: self.tip.next_receipt.0,
            checkpoints: self.tip.checkpoint.0,
            state_entries: entries.len() as u64,
            state_bytes: entries.iter().map(|(_, key, value)| (1 + key.len() + value.len()) as u64).sum(),
        })
    }
}
