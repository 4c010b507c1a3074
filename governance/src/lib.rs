//! The owner and the chain: contracts, Safe transactions by files, keys,
//! anchoring, owner commands as events.
//!
//! The owner of a mesh is a Safe 1.4.1 on an EVM chain. This crate talks to
//! that chain and to nothing else of Phalanx: it depends on the shared words
//! only, and no type of its chain library appears in its interface.
//!
//! | module | what |
//! |---|---|
//! | [`address`] | accounts and contracts, in EIP-55 text |
//! | [`digest`] | everything that is signed for the chain, computed here |
//! | [`rpc`] | JSON-RPC over HTTP; one endpoint, or two that must agree |
//! | [`keys`] | secp256k1 keys: keystores, external signers, development keys |
//! | [`contracts`] | our contracts: calls, reads, logs, deployment |
//! | [`cosign`] | checkpoints on their way from decided to cosigned |
//! | [`safe`] | Safe transactions as files: build, sign, merge, check, execute |
//! | [`words`] | what a call does, in words |
//! | [`submit`] | anchoring: transactions that get stuck, replaced, reorganised |
//! | [`translate`] | from an owner command on chain to one of the mesh |
//!
//! Rules that hold everywhere in it:
//!
//! - **G1** A hash that somebody signs is computed here, from what is shown in
//!   words, and never taken from an RPC or a file.
//! - **G2** A read that something rests on is pinned to a height, and asked of
//!   both endpoints where two are configured; two answers are an error that
//!   names both.
//! - **G3** A secret is never an argument of a program, never in an error, a
//!   log or a `Debug` text, and is wiped when dropped.
//! - **G4** Calldata that is not understood is shown as such, never hidden.
//! - **G5** What comes from a file, an RPC or a program has a bound on its size
//!   and on the time it may take.

//!
//! A command of the owner, from its words to what the owners sign:
//!
//! ```
//! use phalanx_governance::{
//!     Address,
//!     address::Wei,
//!     contracts::ChainCommand,
//!     safe::{Call, SafeTx, TxFile},
//!     words::{self, Known},
//! };
//! use phalanx_types::Name;
//!
//! let safe: Address = "0x5FbDB2315678afecb367f032d93F642f64180aa3".parse()?;
//! let commands: Address = "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512".parse()?;
//! let pause = ChainCommand::PauseShard { shard: Name::new("mars")? };
//! let call = Call { to: commands, value: Wei(0), data: pause.calldata() };
//! let file = TxFile::new(31_337, safe, SafeTx::of_calls(&[call], Address::ZERO, 0)?);
//!
//! let known = Known { safe, commands: Some(commands), ..Known::default() };
//! let text = words::file(&file, &known);
//! assert!(text.contains("pauses shard mars"));
//! assert!(text.contains(&file.safe_tx_hash().to_string()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod address;
pub mod contracts;
pub mod cosign;
pub mod digest;
pub mod keys;
pub mod rpc;
pub mod safe;
pub mod submit;
pub mod translate;
pub mod words;

mod abi;

pub use address::Address;
pub use keys::{EcdsaSignature, Signer};
