//! `phalanx proof`: keys, proofs and what they say, from files alone.

mod ceremony;
mod coverage;
mod export;
mod keys;
mod onchain;
mod policy;
mod prove;
mod report;
mod rule;
mod setup;
mod spend;
mod verify;
mod witness;

pub use coverage::FILE as COVERAGE;
pub use verify::checkpoint as read_checkpoint;

use crate::{
    home::Home,
    output::{Code, Failure, Format},
};
use anyhow::Result;
use phalanx_circuits::{catalog::AnyStatement, r1cs::Circuit};

/// Makes keys, proves, and verifies proofs.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Makes keys for development: whoever runs this could forge proofs under them.
    Setup(setup::Args),
    /// Writes a circuit's constraints to standard output as .r1cs, for a ceremony with
    /// snarkjs.
    R1cs(ceremony::R1csArgs),
    /// Takes the keys out of the .zkey that a ceremony ended with. Run `snarkjs zkey
    /// verify` on it before: what that checks is not checked here.
    ImportZkey(ceremony::ImportArgs),
    /// Fetches what a proof is made of, from the running node or the store of a stopped one.
    #[command(subcommand)]
    Witness(witness::Command),
    /// Proves a statement of what a witness file holds. Exit code 0: proven; 1: it does
    /// not hold; 2: unreadable; 3: a wrong key; 4: no key.
    #[command(subcommand)]
    Prove(prove::Command),
    /// Verifies proofs; each public input is recomputed, compared with a checkpoint, or
    /// called as stated. Exit code 0: all are valid; 1: a proof is not valid; 3: it is of
    /// another key or other inputs; 2: a file is unreadable; 4: a key is missing. Of
    /// several the worst counts, in this order.
    Verify(verify::Args),
    /// Proves every rule of a policy of every agent that it binds at a checkpoint. Exit code
    /// 0: of all of them; 1: of some it does not hold, which are named.
    Policy(policy::Args),
    /// Deploys the contract that verifies proofs on the mesh's chain: where `chain deploy` has
    /// not, or in place of another.
    Deploy(onchain::DeployArgs),
    /// Gives a proof to the contract, which takes its statement once. The proof must be made for
    /// this contract, and the root of its checkpoint be anchored.
    Spend(Box<spend::Args>),
    /// Writes a proof as other tools take it.
    Export(export::Args),
}

/// Runs it.
pub fn run(home: &Home, format: Format, command: Command) -> Result<Code> {
    match command {
        Command::Setup(args) => setup::run(home, format, args),
        Command::R1cs(args) => ceremony::r1cs(&args),
        Command::ImportZkey(args) => ceremony::import(home, format, &args),
        Command::Witness(command) => witness::run(home, format, command),
        Command::Prove(command) => prove::run(home, format, &command),
        Command::Policy(args) => policy::run(home, format, &args),
        Command::Verify(args) => verify::run(home, format, &args),
        Command::Deploy(args) => onchain::deploy(home, format, &args),
        Command::Spend(args) => spend::run(home, format, &args),
        Command::Export(args) => export::run(home, format, &args),
    }
}

/// Lays a circuit.
fn circuit(statement: AnyStatement) -> Result<Circuit<AnyStatement>> {
    Circuit::new(statement).map_err(|error| Failure::because(Code::Refused, error))
}

/// 32 random bytes.
fn entropy() -> Result<zeroize::Zeroizing<[u8; 32]>> {
    let mut bytes = zeroize::Zeroizing::new([0; 32]);
    getrandom::fill(&mut *bytes).map_err(|e| anyhow::anyhow!("no random numbers: {e}"))?;
    Ok(bytes)
}
