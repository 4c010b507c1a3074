//! `phalanx ledger`.

mod signatures;

use crate::{
    home::Home,
    output::{Code, Failure, Format},
};
use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use phalanx_ledger::{
    Ledger, OpenError, RocksKv, StoreError, Stored,
    fsck::{self, Completeness, Integrity, Report},
};
use phalanx_replica::replay::{self, Progress, ReplayError};
use phalanx_types::{Height, ReceiptIndex};
use serde_json::json;
use std::{
    io::{IsTerminal, Write},
    time::{Duration, Instant},
};

/// Without a terminal, progress is told in lines, this far apart.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// Checks the ledger of a stopped node.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Prints its sizes.
    Stats,
    /// Checks every stored byte. Exit code 1 when something is wrong.
    Fsck,
    /// Executes everything again from genesis and compares every root, receipt
    /// and record. Exit code 0 only when all is equal.
    Replay {
        /// Stop after this beat; what later beats overwrite is then not compared.
        #[arg(long, value_name = "HEIGHT")]
        to: Option<u64>,
    },
    /// Writes all receipts to standard output, one canonical JSON line each.
    Export,
}

/// Runs it.
pub fn run(home: &Home, format: Format, command: Command) -> Result<Code> {
    let (store, _lock) = super::stopped_store(home)?;
    if !Ledger::exists(&store)? {
        return Err(Failure::because(
            Code::Unavailable,
            format!(
                "there is no ledger in {}: this node has decided nothing yet",
                home.file("data").display()
            ),
        ));
    }
    match command {
        Command::Stats => {
            let stats = serde_json::to_value(open(store)?.stats()?)?;
            let text = || {
                let fields = stats.as_object().into_iter().flatten();
                fields.map(|(name, value)| format!("{name:<14} {value}")).collect::<Vec<_>>().join("\n")
            };
            format.print(text, stats.clone());
            Ok(Code::Done)
        }
        Command::Fsck => {
            // Any ledger that hangs together is clean, so it must be this mesh's.
            let trusted = home.genesis()?.hash();
            if let Ok(Some(genesis)) = Stored::new(&store).genesis()
                && genesis.hash() != trusted
            {
                let found = genesis.hash();
                return Err(Failure::because(
                    Code::Wrong,
                    ReplayError::OtherMesh { expected: trusted, found },
                ));
            }
            let report = fsck::fsck(&store);
            let mut value = serde_json::to_value(&report)?;
            let mut text = verdicts(home, &report);
            // Signatures can only be held against a record that is whole.
            let signed = if report.is_clean() { signatures::check(home, store)? } else { None };
            if let Some(signed) = &signed {
                text.push_str(&format!("\n{}", signed.words(home)));
            }
            if let Some(map) = value.as_object_mut() {
                map.insert("trusted_genesis".into(), json!(trusted));
                map.insert("signatures_for_the_chain".into(), json!(signed));
            }
            format.print(|| format!("{text}\ntrusted: the genesis document {trusted}"), value);
            let is_clean = report.is_clean() && signed.is_none_or(|signed| signed.wrong.is_none());
            Ok(if is_clean { Code::Done } else { Code::Refused })
        }
        Command::Replay { to } => replay(home, format, &store, to),
        Command::Export => {
            let ledger = open(store)?;
            let mut out = std::io::BufWriter::new(std::io::stdout().lock());
            let first = ledger.base()?.map_or(0, |base| base.edge.size());
            for index in first..ledger.tip().next_receipt.0 {
                let bytes = ledger.receipt_bytes(ReceiptIndex(index)).map_err(damaged)?.ok_or_else(|| {
                    Failure::because(
                        Code::Refused,
                        format!("the receipt {index} is missing; run `phalanx ledger fsck`"),
                    )
                })?;
                out.write_all(&bytes)?;
                out.write_all(b"\n")?;
            }
            out.flush()?;
            Ok(Code::Done)
        }
    }
}

fn open(store: RocksKv) -> Result<Ledger<RocksKv>> {
    Ledger::open(store).map_err(|error| match error {
        OpenError::Store(error) => damaged(error),
        OpenError::Contradiction(_) => Failure::because(Code::Refused, error),
        OpenError::Empty => Failure::because(Code::Unavailable, error),
        OpenError::Newer { .. } | OpenError::Genesis(_) => Failure::because(Code::Unreadable, error),
    })
}

/// A damaged record is a verdict, a store that cannot be read is none.
fn damaged(error: StoreError) -> anyhow::Error {
    let code = if matches!(error, StoreError::Damaged { .. }) { Code::Refused } else { Code::Unavailable };
    Failure::because(code, error)
}

/// Both verdicts of a check, in words.
fn verdicts(home: &Home, report: &Report) -> String {
    let mut lines = vec![match (&report.first, report.is_clean()) {
        (Some(finding), false) => format!("not clean: {finding}"),
        _ => "clean".to_owned(),
    }];
    lines.push(format!(
        "integrity {}: {}",
        report.integrity,
        match report.integrity {
            Integrity::Holds => "what is stored is what was decided",
            Integrity::Broken => "something stored is not what was decided",
            Integrity::Undecided => "what is missing leaves something that cannot be checked",
        }
    ));
    lines.push(format!(
        "completeness {}: {}",
        report.completeness,
        match report.completeness {
            Completeness::Complete => "nothing that was decided is missing".to_owned(),
            Completeness::Sampled => format!(
                "nothing stored is missing, but {} of {} beats were below full_audit: their record is a sample",
                report.sampled_beats, report.beats
            ),
            Completeness::Gap => {
                report.first_gap.as_ref().map_or_else(|| "something is missing".to_owned(), ToString::to_string)
            }
            Completeness::Undecided => "nobody can tell before the store is whole".to_owned(),
        }
    ));
    lines.push(format!(
        "checked {} beats, {} receipts, {} checkpoints, {} state entries, {} signatures",
        report.beats, report.receipts, report.checkpoints, report.state_entries, report.signatures
    ));
    if let Some(height) = report.begins {
        lines.push(format!("restored from a snapshot after beat {height}: what is older is not here"));
    }
    if report.hidden_kept + report.hidden_dropped > 0 {
        lines.push(format!(
            "values behind salted fields: kept for {} receipts, dropped for {}",
            report.hidden_kept, report.hidden_dropped
        ));
    }
    if !report.is_clean() {
        lines.push(remedy(home));
    }
    lines.join("\n")
}

fn remedy(home: &Home) -> String {
    format!(
        "replace this node's data: stop it, move {} away and start it again; it catches up from its peers",
        home.file("data").display()
    )
}

fn replay(home: &Home, format: Format, store: &RocksKv, to: Option<u64>) -> Result<Code> {
    let genesis = home.genesis()?;
    let mut told = Telling::new();
    let replayed = replay::replay(store, Some(&genesis), to.map(Height), |progress| told.tell(progress));
    told.end();
    match replayed {
        Ok(replayed) => {
            let text = || {
                let rest = if replayed.is_whole {
                    "every stored record is the one that execution gives"
                } else {
                    "later beats were not executed, and what they overwrite was not compared"
                };
                format!(
                    "equal: beats 1 to {}, {} receipts, {} checkpoints, {} records; {rest}\n\
                     app hash {}\ntrusted: the genesis document {}",
                    replayed.height,
                    replayed.receipts,
                    replayed.checkpoints,
                    replayed.records,
                    replayed.app_hash,
                    replayed.genesis
                )
            };
            format.print(text, json!({"is_equal": true, "replayed": replayed}));
            Ok(Code::Done)
        }
        Err(ReplayError::Differs(difference)) => {
            format.print(
                || format!("not equal: {difference}\n{}", remedy(home)),
                json!({"is_equal": false, "difference": difference}),
            );
            Ok(Code::Refused)
        }
        Err(error) => Err(match error {
            ReplayError::Store(error) => damaged(error),
            ReplayError::OtherMesh { .. } => Failure::because(Code::Wrong, error),
            ReplayError::Restored(_) => Failure::because(Code::Unavailable, error),
            ReplayError::BeyondTip { .. } => Failure::because(Code::Unreadable, error),
            error => Failure::because(Code::Refused, error),
        }),
    }
}

/// Tells on standard error how far a replay is.
enum Telling {
    Bar(ProgressBar),
    Lines(Instant),
}

impl Telling {
    fn new() -> Self {
        if !std::io::stderr().is_terminal() {
            return Self::Lines(Instant::now());
        }
        let bar = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template("{bar:40} beat {pos}/{len} {per_sec} {eta} left") {
            bar.set_style(style);
        }
        Self::Bar(bar)
    }

    fn tell(&mut self, progress: Progress) {
        match self {
            Self::Bar(bar) => {
                bar.set_length(progress.of.0);
                bar.set_position(progress.done.0);
            }
            Self::Lines(last) if last.elapsed() >= TELL_EVERY => {
                eprintln!("replayed beat {} of {}", progress.done, progress.of);
                *last = Instant::now();
            }
            Self::Lines(_) => {}
        }
    }

    fn end(self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}
