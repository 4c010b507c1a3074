//! Records read one by one, without the trust that an opened ledger needs.

use crate::{
    kv::{Cf, Kv, StoreError},
    ledger::{Tip, get_value, meta_key, number_key},
    snapshot::Base,
};
use phalanx_types::{Beat, CommitCertificate, Genesis, Height};

/// The records of a store that may contradict each other. An auditor reads
/// through it; a node opens a [`crate::Ledger`].
#[derive(Debug)]
pub struct Stored<'a, K: Kv>(&'a K);

impl<'a, K: Kv> Stored<'a, K> {
    /// Over a store.
    pub const fn new(kv: &'a K) -> Self {
        Self(kv)
    }

    /// The genesis document.
    ///
    /// # Errors
    /// When the record is damaged or the store cannot be read.
    pub fn genesis(&self) -> Result<Option<Genesis>, StoreError> {
        get_value(self.0, Cf::Meta, meta_key::GENESIS)
    }

    /// Where a restored ledger begins; none when it began at genesis.
    ///
    /// # Errors
    /// When the record is damaged or the store cannot be read.
    pub fn base(&self) -> Result<Option<Base>, StoreError> {
        get_value(self.0, Cf::Meta, meta_key::BASE)
    }

    /// Where the ledger ends.
    ///
    /// # Errors
    /// When the record is damaged or the store cannot be read.
    pub fn tip(&self) -> Result<Option<Tip>, StoreError> {
        get_value(self.0, Cf::Meta, meta_key::TIP)
    }

    /// A beat.
    ///
    /// # Errors
    /// When the record is damaged or the store cannot be read.
    pub fn beat(&self, height: Height) -> Result<Option<Beat>, StoreError> {
        get_value(self.0, Cf::Beats, &number_key(height.0))
    }

    /// A beat's certificate.
    ///
    /// # Errors
    /// When the record is damaged or the store cannot be read.
    pub fn certificate(&self, height: Height) -> Result<Option<CommitCertificate>, StoreError> {
        get_value(self.0, Cf::Certificates, &number_key(height.0))
    }
}
