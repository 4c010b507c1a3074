//! Proof files of receipts: which genesis they are checked against, and what
//! they show in words.

use crate::{
    home::Home,
    output::{Code, Failure},
};
use anyhow::{Context, Result};
use phalanx_ledger::proof::{self, Shown, Trust, VerifyError};
use phalanx_types::{Checkpoint, Genesis, Hash};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// What is trusted, named on the command line.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct TrustArgs {
    /// Trust this genesis document instead of the one in the home folder.
    #[arg(long, value_name = "FILE", conflicts_with = "genesis_hash")]
    genesis: Option<PathBuf>,
    /// Trust the genesis with this hash.
    #[arg(long, value_name = "HASH")]
    genesis_hash: Option<Hash>,
}

/// Checks proof files against one genesis.
pub struct Verifier {
    document: Option<Genesis>,
    hash: Option<Hash>,
}

impl TrustArgs {
    /// The verifier: of the genesis that is named, or of that in the home
    /// folder. Without either, a proof shows the genesis that it is of.
    pub fn verifier(&self, home: &Home) -> Result<Verifier> {
        let document = match self.genesis_hash {
            Some(_) => None,
            None => genesis(home, self.genesis.as_deref())?,
        };
        Ok(Verifier { document, hash: self.genesis_hash })
    }
}

/// The genesis document that is trusted: the one that was named, or the home's.
pub fn genesis(home: &Home, given: Option<&Path>) -> Result<Option<Genesis>> {
    match given {
        Some(path) => {
            let text = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
            Ok(Some(Genesis::from_json(&text)?))
        }
        None if home.file("genesis.json").exists() => Ok(Some(home.genesis()?)),
        None => Ok(None),
    }
}

impl Verifier {
    /// The genesis document, when there is one.
    pub const fn document(&self) -> Option<&Genesis> {
        self.document.as_ref()
    }

    /// Checks a proof file.
    pub fn verify(&self, bytes: &[u8]) -> Result<Shown, VerifyError> {
        let trust = match (&self.document, self.hash) {
            (Some(document), _) => Trust::Genesis(document),
            (None, Some(hash)) => Trust::GenesisHash(hash),
            (None, None) => Trust::File,
        };
        proof::verify(bytes, &trust)
    }
}

/// What is wrong with a piece of evidence, or what it shows, in words.
pub struct Evidence {
    /// Its receipt's checkpoint.
    pub checkpoint: Checkpoint,
    /// In a line.
    pub words: String,
}

impl Verifier {
    /// Checks a proof file as evidence for owners: of a genesis document that is named, of
    /// the mesh that they command, and of a receipt that a checkpoint holds.
    ///
    /// # Errors
    /// When it shows nothing to them.
    pub fn evidence(&self, bytes: &[u8], mesh: Option<Hash>) -> Result<Evidence> {
        let Some(document) = &self.document else {
            return Err(Failure::because(
                Code::Unreadable,
                "evidence is checked against a genesis document, for anybody can make a ledger: name it by --genesis \
                 FILE or --home DIR",
            ));
        };
        if let Some(mesh) = mesh.filter(|mesh| *mesh != document.mesh) {
            return Err(Failure::because(
                Code::Wrong,
                format!("the genesis is of mesh {}, but these contracts are of mesh {mesh}", document.mesh),
            ));
        }
        let shown = self.verify(bytes)?;
        let file = proof::read(bytes)?;
        let Some(anchor) = file.anchor else {
            return Err(Failure::because(
                Code::Refused,
                format!(
                    "receipt {} is in no checkpoint yet: export it again when its interval is closed",
                    shown.index
                ),
            ));
        };
        let kind = serde_json::to_value(file.receipt.kind)?;
        let kind = kind.as_str().unwrap_or_default();
        let words = format!("{kind} of {}: {}", file.receipt.subject, self::words(&shown));
        Ok(Evidence { checkpoint: anchor.checkpoint, words })
    }
}

/// What a proof shows, in a line.
pub fn words(shown: &Shown) -> String {
    let checkpoint = shown.checkpoint.map_or_else(
        || "its interval is open".to_owned(),
        |(n, hash)| format!("checkpoint {n} {}", hash.short()),
    );
    format!(
        "receipt {} of beat {}, signed by {} validators with weight {}/{}; {checkpoint}; {}",
        shown.index.0, shown.beat.0, shown.signers, shown.weight[0], shown.weight[1], shown.trusted
    )
}
