//! The store that a ledger is written to.

use std::ops::ControlFlow;

/// One table of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cf {
    /// Schema, genesis, tip.
    Meta,
    /// Beats by height.
    Beats,
    /// Commit certificates by height.
    Certificates,
    /// Weighted validator sets by the first height they decide.
    Sets,
    /// Header and certificate of the beat before a set comes in, by the first
    /// height that the set decides.
    Handovers,
    /// Receipts by index.
    Receipts,
    /// Values behind salted fields, by receipt index. May be dropped.
    Hidden,
    /// First receipt and count of each beat, by height.
    Ranges,
    /// Receipts by subject.
    Subjects,
    /// Tiles of the history tree.
    Tiles,
    /// Checkpoints by number.
    Checkpoints,
    /// State entries by column and key.
    State,
    /// Nodes of the agents tree by level, index and the checkpoint they are of.
    Nodes,
    /// What agents' leaves open to, by agent and checkpoint.
    Agents,
    /// What leaves of actions open to, by agent and nonce.
    Actions,
    /// Policies by root.
    Bindings,
    /// Leaves of audit trees, by checkpoint.
    Audit,
}

impl Cf {
    /// All tables.
    pub const ALL: [Self; 17] = [
        Self::Meta,
        Self::Beats,
        Self::Certificates,
        Self::Sets,
        Self::Handovers,
        Self::Receipts,
        Self::Hidden,
        Self::Ranges,
        Self::Subjects,
        Self::Tiles,
        Self::Checkpoints,
        Self::State,
        Self::Nodes,
        Self::Agents,
        Self::Actions,
        Self::Bindings,
        Self::Audit,
    ];

    /// Its name in the store.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Beats => "beats",
            Self::Certificates => "certificates",
            Self::Sets => "sets",
            Self::Handovers => "handovers",
            Self::Receipts => "receipts",
            Self::Hidden => "hidden",
            Self::Ranges => "ranges",
            Self::Subjects => "subjects",
            Self::Tiles => "tiles",
            Self::Checkpoints => "checkpoints",
            Self::State => "state",
            Self::Nodes => "nodes",
            Self::Agents => "agents",
            Self::Actions => "actions",
            Self::Bindings => "bindings",
            Self::Audit => "audit",
        }
    }
}

impl std::fmt::Display for Cf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Writes that happen together or not at all, in order.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Table, key, and the new value or none for a removal.
    pub writes: Vec<(Cf, Vec<u8>, Option<Vec<u8>>)>,
}

impl Batch {
    /// Sets a value.
    pub fn put(&mut self, cf: Cf, key: impl Into<Vec<u8>>, value: Vec<u8>) {
        self.writes.push((cf, key.into(), Some(value)));
    }

    /// Removes a value.
    pub fn delete(&mut self, cf: Cf, key: impl Into<Vec<u8>>) {
        self.writes.push((cf, key.into(), None));
    }
}

/// What a successful write promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It outlives a crash of the machine.
    Synced,
    /// It may be lost in a crash, but only together with all later writes.
    Buffered,
}

/// The store failed or does not hold what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// No space is left.
    #[error("the disk is full ({reason}): free space, then start again; nothing that was decided is lost")]
    DiskFull {
        /// The store's words.
        reason: String,
    },
    /// The store cannot read or write.
    #[error("the store failed: {reason}")]
    Io {
        /// The store's words.
        reason: String,
    },
    /// The store is used by another process.
    #[error("the store {path} is in use by another process: stop that node first")]
    Locked {
        /// Its path.
        path: String,
    },
    /// A record is damaged or missing.
    #[error("the record {key} of the table {cf} is damaged: {reason}; run `phalanx ledger fsck`")]
    Damaged {
        /// The table.
        cf: Cf,
        /// The key, in hex.
        key: String,
        /// What is wrong.
        reason: String,
    },
}

impl StoreError {
    /// A damaged record.
    #[must_use]
    pub fn damaged(cf: Cf, key: &[u8], reason: impl Into<String>) -> Self {
        Self::Damaged { cf, key: hex::encode(key), reason: reason.into() }
    }
}

/// An ordered key-value store with tables and atomic batches.
pub trait Kv: Send + Sync {
    /// The value under a key.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn get(&self, cf: Cf, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Writes a batch.
    ///
    /// # Errors
    /// When it cannot be written; then nothing of it is.
    fn write(&self, batch: Batch, durability: Durability) -> Result<(), StoreError>;

    /// Visits the records of a table from the key `from` on, ascending, until
    /// `visit` breaks. `visit` must not use this store: it may be locked.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn scan(
        &self,
        cf: Cf,
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), StoreError>;

    /// The last record of a table whose key is at most `key`.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn last_at_most(&self, cf: Cf, key: &[u8]) -> Result<Option<(Vec<u8>, Vec<u8>)>, StoreError>;

    /// Makes everything written so far durable.
    ///
    /// # Errors
    /// When it cannot be written.
    fn flush(&self) -> Result<(), StoreError>;
}
