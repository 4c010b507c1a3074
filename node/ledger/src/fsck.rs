//! Checks everything in a store, from bytes to checkpoints, and names the first
//! thing that is wrong.
//!
//! There are two verdicts. *Integrity*: what is there is what was decided.
//! *Completeness*: nothing that was decided is missing. One may hold without
//! the other; where one finding hides what the other verdict needs, that one is
//! undecided and nothing is claimed. Values behind salted fields may be dropped;
//! they are counted and are no fault. A record of which a part was receipted in
//! samples is never called complete.

mod beats;
mod begin;
mod receipts;
mod trees;

use crate::{
    history::Edge,
    kv::{Cf, Kv, StoreError},
    ledger::{SCHEMA, Tip, get_value, meta_key, number_key},
    record,
    snapshot::Base,
};
use begin::Begin;
use phalanx_types::{Genesis, Height, RegisteredSet, params::Verification};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    ops::ControlFlow,
};

/// What is wrong with a store.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, thiserror::Error)]
#[error("{table} {key}: {what}")]
pub struct Finding {
    /// The table.
    pub table: &'static str,
    /// The record's key, in hex; empty when the table as a whole is wrong.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// Whether something is missing rather than wrong.
    pub is_gap: bool,
}

/// Whether what is there is what was decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Integrity {
    /// Every record is the one that was decided.
    Holds,
    /// Some record is not.
    Broken,
    /// Something is missing against which the rest would have been checked.
    #[default]
    Undecided,
}

/// Whether nothing that was decided is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Completeness {
    /// Every beat is there, and a receipt for everything that happened.
    Complete,
    /// Every beat is there, and every receipt that was to be made; but below
    /// `full_audit` not everything that happened was receipted.
    Sampled,
    /// Some record is missing.
    Gap,
    /// Something is wrong, so that nobody can tell what should be there.
    #[default]
    Undecided,
}

impl fmt::Display for Integrity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Holds => "holds",
            Self::Broken => "broken",
            Self::Undecided => "undecided",
        })
    }
}

impl fmt::Display for Completeness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Complete => "complete",
            Self::Sampled => "sampled",
            Self::Gap => "gap",
            Self::Undecided => "undecided",
        })
    }
}

/// The outcome of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    /// What is there is what was decided.
    pub integrity: Integrity,
    /// Nothing that was decided is missing.
    pub completeness: Completeness,
    /// The first thing that is wrong; when nothing is, the first that is missing.
    pub first: Option<Finding>,
    /// The first thing that is missing.
    pub first_gap: Option<Finding>,
    /// The beat of the snapshot that the ledger was restored from: what is older
    /// is not here, and its absence is no gap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub begins: Option<Height>,
    /// Beats checked.
    pub beats: u64,
    /// Of these, beats below `full_audit`: not everything was receipted.
    pub sampled_beats: u64,
    /// Receipts checked.
    pub receipts: u64,
    /// Checkpoints checked.
    pub checkpoints: u64,
    /// State entries checked.
    pub state_entries: u64,
    /// Signatures checked.
    pub signatures: u64,
    /// Receipts whose salted values are still kept.
    pub hidden_kept: u64,
    /// Receipts whose salted values were dropped, as is allowed.
    pub hidden_dropped: u64,
}

impl Report {
    /// Whether nothing is wrong and nothing is missing that was to be there.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        matches!(self.integrity, Integrity::Holds)
            && matches!(self.completeness, Completeness::Complete | Completeness::Sampled)
    }
}

/// What ends a part of the check.
enum Stop {
    /// Something is wrong.
    Wrong(Finding),
    /// Something is missing without which this part cannot go on. It is noted.
    Blind,
}

type Check<T> = Result<T, Stop>;

fn wrong(cf: Cf, key: &[u8], what: impl Into<String>) -> Stop {
    Stop::Wrong(Finding { table: cf.name(), key: hex::encode(key), what: what.into(), is_gap: false })
}

fn stored(error: &StoreError) -> Stop {
    Stop::Wrong(match error {
        StoreError::Damaged { cf, key, reason } => {
            Finding { table: cf.name(), key: key.clone(), what: reason.clone(), is_gap: false }
        }
        other => Finding { table: "store", key: String::new(), what: other.to_string(), is_gap: false },
    })
}

/// Checks a store.
#[must_use]
pub fn fsck(kv: &impl Kv) -> Report {
    let mut run = Run { kv, report: Report::default(), facts: Facts::default() };
    let stop = run.all().err();
    let Run { mut report, .. } = run;
    report.integrity = match &stop {
        None => Integrity::Holds,
        Some(Stop::Wrong(_)) => Integrity::Broken,
        Some(Stop::Blind) => Integrity::Undecided,
    };
    report.completeness = match (&stop, &report.first_gap) {
        (_, Some(_)) => Completeness::Gap,
        (Some(_), None) => Completeness::Undecided,
        (None, None) if report.sampled_beats > 0 => Completeness::Sampled,
        (None, None) => Completeness::Complete,
    };
    report.first = match stop {
        Some(Stop::Wrong(finding)) => Some(finding),
        _ => report.first_gap.clone(),
    };
    report
}

/// What one part of the check tells a later one.
#[derive(Default)]
struct Facts {
    /// Registered sets around and verification level after each beat.
    levels: BTreeMap<Height, (RegisteredSet, Verification)>,
    /// Keys of the index records that the receipts ask for.
    subjects: BTreeSet<Vec<u8>>,
    /// Heights whose receipts say that they closed an interval.
    closed: Vec<Height>,
    /// Whether something that is missing left something else unchecked.
    blind: bool,
    /// Whether a receipt is missing, so that the trees cannot be grown again.
    receipts_missing: bool,
}

struct Run<'a, K: Kv> {
    kv: &'a K,
    report: Report,
    facts: Facts,
}

impl<K: Kv> Run<'_, K> {
    fn all(&mut self) -> Check<()> {
        self.checksums()?;
        let genesis = self.meta()?;
        let tip: Tip = self.needed(Cf::Meta, meta_key::TIP)?;
        let base: Option<Base> =
            get_value(self.kv, Cf::Meta, meta_key::BASE).map_err(|error| stored(&error))?;
        let begin = Begin::new(&genesis, base)?;
        self.report.begins = begin.base.as_ref().map(|base| base.tip.height);
        self.beats(&genesis, &tip, &begin)?;
        self.receipts(&genesis, &tip, &begin)?;
        self.trees(&tip, &begin)?;
        self.checkpoints(&genesis, &tip, &begin)?;
        self.state(&tip)?;
        if self.facts.blind { Err(Stop::Blind) } else { Ok(()) }
    }

    /// Notes that a record is missing; the check goes on.
    fn gap(&mut self, cf: Cf, key: &[u8], what: impl Into<String>) {
        self.report.first_gap.get_or_insert_with(|| Finding {
            table: cf.name(),
            key: hex::encode(key),
            what: what.into(),
            is_gap: true,
        });
    }

    /// A record, if it is there; a gap is noted if not.
    fn value<T: borsh::BorshDeserialize>(&mut self, cf: Cf, key: &[u8]) -> Check<Option<T>> {
        let value = get_value(self.kv, cf, key).map_err(|error| stored(&error))?;
        if value.is_none() {
            self.gap(cf, key, "it is missing");
        }
        Ok(value)
    }

    /// A record without which the check cannot go on.
    fn needed<T: borsh::BorshDeserialize>(&mut self, cf: Cf, key: &[u8]) -> Check<T> {
        self.value(cf, key)?.ok_or(Stop::Blind)
    }

    /// Every record's checksum, and that no table has a key that it cannot have.
    fn checksums(&self) -> Check<()> {
        for cf in Cf::ALL {
            let mut bad = None;
            self.kv
                .scan(cf, &[], &mut |key, value| {
                    let shape = match cf {
                        Cf::Meta => meta_key::ALL.contains(&key),
                        Cf::Subjects => key.len() == 24,
                        Cf::Tiles => key.len() == 9,
                        Cf::Nodes => key.len() == 13,
                        Cf::Agents | Cf::Actions => key.len() == 40,
                        Cf::Bindings => key.len() == 32,
                        Cf::State => !key.is_empty(),
                        _ => key.len() == 8,
                    };
                    bad = if shape {
                        record::unwrap(cf, key, value).err().map(|error| stored(&error))
                    } else {
                        Some(wrong(cf, key, "no record has such a key"))
                    };
                    if bad.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                })
                .map_err(|error| stored(&error))?;
            if let Some(finding) = bad {
                return Err(finding);
            }
        }
        Ok(())
    }

    fn meta(&mut self) -> Check<Genesis> {
        let schema: Option<u32> = self.value(Cf::Meta, meta_key::SCHEMA)?;
        if let Some(schema) = schema
            && schema != SCHEMA
        {
            return Err(wrong(Cf::Meta, meta_key::SCHEMA, format!("the layout is {schema}, not {SCHEMA}")));
        }
        let genesis: Genesis = self.needed(Cf::Meta, meta_key::GENESIS)?;
        genesis.check().map_err(|error| wrong(Cf::Meta, meta_key::GENESIS, error.to_string()))?;
        Ok(genesis)
    }

    /// Checks that a table has no numbers but those from `first` to `last`, and
    /// notes the first that is missing. Gives the number after the highest that
    /// is there, so that a wrong count never makes the check run for ever.
    fn contiguous(&mut self, cf: Cf, first: u64, last: u64) -> Check<u64> {
        let (mut next, mut missing, mut stranger) = (first, None, None);
        self.kv
            .scan(cf, &[], &mut |key, _| {
                let number = <[u8; 8]>::try_from(key).map(u64::from_be_bytes);
                match number {
                    Ok(number) if number >= next && number <= last => {
                        if number > next {
                            missing.get_or_insert(next);
                        }
                        next = number.saturating_add(1);
                        ControlFlow::Continue(())
                    }
                    _ => {
                        stranger = Some(wrong(cf, key, "no such record belongs here"));
                        ControlFlow::Break(())
                    }
                }
            })
            .map_err(|error| stored(&error))?;
        if let Some(stranger) = stranger {
            return Err(stranger);
        }
        if next <= last {
            missing.get_or_insert(next);
        }
        if let Some(missing) = missing {
            self.gap(cf, &number_key(missing), "it is missing");
        }
        Ok(next)
    }

    /// The stored edge is the one that the receipts give.
    fn edge(&mut self, edge: &Edge) -> Check<()> {
        let kept: Option<Edge> = self.value(Cf::Meta, meta_key::EDGE)?;
        if kept.is_some_and(|kept| kept != *edge) {
            return Err(wrong(Cf::Meta, meta_key::EDGE, "it is not the edge of the stored receipts"));
        }
        Ok(())
    }
}
