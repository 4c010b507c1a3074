//! `OwnerCommands`: the log that the mesh obeys, and the queue before it.

use super::{ContractError, bindings::owner_commands as b, command::ChainCommand, view};
use crate::{
    address::Address,
    digest::keccak,
    rpc::{Chain, Log, LogQuery, TxReceipt},
};
use ethers::contract::EthEvent;
use ethers::core::abi::{AbiEncode, RawLog};
use phalanx_types::Hash;

/// `OwnerCommands` of one mesh.
#[derive(Clone, Debug)]
pub struct Commands {
    chain: Chain,
    address: Address,
    mesh: Hash,
}

/// A command that was executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedCommand {
    /// Its number, from 1, without gaps.
    pub sequence: u64,
    /// Its kind.
    pub kind: u8,
    /// Its arguments, encoded.
    pub payload: Vec<u8>,
    /// Its hash, computed here.
    pub hash: Hash,
    /// Block, block hash and transaction.
    pub block_number: u64,
    /// The block's hash.
    pub block_hash: Hash,
    /// The transaction.
    pub tx_hash: Hash,
}

impl LoggedCommand {
    /// The command; an error when its payload is none of its kind's, which the
    /// contract does not write but a later version of it might.
    ///
    /// # Errors
    /// See [`ChainCommand::decode`].
    pub fn command(&self) -> Result<ChainCommand, super::command::CommandError> {
        ChainCommand::decode(self.kind, &self.payload)
    }
}

/// The log as far as it was read, and its hash chain. Pure: it is fed with
/// events and compares itself with the contract's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandLog {
    mesh: Hash,
    sequence: u64,
    chain: Hash,
}

impl CommandLog {
    /// Before the first command.
    #[must_use]
    pub const fn new(mesh: Hash) -> Self {
        Self { mesh, sequence: 0, chain: Hash::ZERO }
    }

    /// After a command that was read before.
    #[must_use]
    pub const fn after(mesh: Hash, sequence: u64, chain: Hash) -> Self {
        Self { mesh, sequence, chain }
    }

    /// Number of the last command.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The hash chain up to it.
    #[must_use]
    pub const fn chain(&self) -> Hash {
        self.chain
    }

    /// The hash of a command of this mesh.
    #[must_use]
    pub fn command_hash(&self, sequence: u64, kind: u8, payload: &[u8]) -> Hash {
        let words = [self.mesh.0, word(sequence), word(kind.into()), keccak(payload).0];
        keccak(&words.concat())
    }

    /// Takes the next command; `said` is the hash in its event.
    ///
    /// # Errors
    /// When it is not the next one, or `said` is not its hash.
    pub fn push(
        &mut self,
        sequence: u64,
        kind: u8,
        payload: &[u8],
        said: &Hash,
    ) -> Result<(), ContractError> {
        let expected = self.sequence.saturating_add(1);
        if sequence != expected {
            return Err(ContractError::Gap { expected, found: sequence });
        }
        let computed = self.command_hash(sequence, kind, payload);
        if computed != *said {
            return Err(ContractError::CommandHash { sequence, computed, said: *said });
        }
        self.chain = keccak(&[self.chain.0, computed.0].concat());
        self.sequence = sequence;
        Ok(())
    }

    /// Checks that the contract's head is where this log ends.
    ///
    /// # Errors
    /// When something was withheld or changed.
    pub fn check_head(&self, sequence: u64, chain: &Hash) -> Result<(), ContractError> {
        if sequence != self.sequence {
            return Err(ContractError::Withheld { expected: sequence, found: self.sequence });
        }
        if *chain != self.chain {
            return Err(ContractError::Chain { sequence, computed: self.chain, said: *chain });
        }
        Ok(())
    }
}

/// What became of a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TicketState {
    /// There is none yet.
    Unset,
    /// Its time has not come.
    Waiting,
    /// Anybody may execute it, after those before it.
    Ready,
    /// It is in the log.
    Done,
    /// The owner has taken it back.
    Cancelled,
}

/// A command that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Its number.
    pub ticket: u64,
    /// What it is now.
    pub state: TicketState,
    /// From when on it may be executed, in seconds.
    pub ready_at_s: u64,
    /// Its kind.
    pub kind: u8,
    /// Its arguments, encoded.
    pub payload: Vec<u8>,
}

impl Ticket {
    /// The command; an error when its payload is none of its kind's.
    ///
    /// # Errors
    /// See [`ChainCommand::decode`].
    pub fn command(&self) -> Result<ChainCommand, super::command::CommandError> {
        ChainCommand::decode(self.kind, &self.payload)
    }

    /// Calldata that executes it; anybody may send it.
    #[must_use]
    pub fn execute_calldata(&self) -> Vec<u8> {
        b::ExecuteCall { ticket: self.ticket, kind: self.kind, payload: self.payload.clone().into() }.encode()
    }
}

/// What a transaction did to the log and the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// A command is in the log.
    Logged(LoggedCommand),
    /// A command waits.
    Queued(Ticket),
    /// The ticket waits no longer.
    Cancelled(u64),
}

/// Calldata that cancels a ticket; the owner sends it.
#[must_use]
pub fn cancel_calldata(ticket: u64) -> Vec<u8> {
    b::CancelCall { ticket }.encode()
}

impl Commands {
    /// The contract at an address, without asking anything.
    #[must_use]
    pub const fn new(chain: Chain, address: Address, mesh: Hash) -> Self {
        Self { chain, address, mesh }
    }

    /// Where it is.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.address
    }

    /// Number of the last command and the hash chain, at a height.
    ///
    /// # Errors
    /// When the chain cannot be asked.
    pub async fn head(&self, at: u64) -> Result<(u64, Hash), ContractError> {
        let (sequence, chain): (u64, [u8; 32]) =
            view(&self.chain, self.address, "head", b::HeadCall, at).await?;
        Ok((sequence, Hash(chain)))
    }

    /// Who commands.
    ///
    /// # Errors
    /// When the chain cannot be asked.
    pub async fn owner(&self, at: u64) -> Result<Address, ContractError> {
        let owner: ethers::core::types::H160 =
            view(&self.chain, self.address, "owner", b::OwnerCall, at).await?;
        Ok(Address::of(owner))
    }

    /// Where validator sets go.
    ///
    /// # Errors
    /// When the chain cannot be asked.
    pub async fn registry(&self, at: u64) -> Result<Address, ContractError> {
        let found: ethers::core::types::H160 =
            view(&self.chain, self.address, "registry", b::RegistryCall, at).await?;
        Ok(Address::of(found))
    }

    /// Seconds that a command waits.
    ///
    /// # Errors
    /// When the chain cannot be asked.
    pub async fn delay_s(&self, at: u64) -> Result<u32, ContractError> {
        view(&self.chain, self.address, "delay", b::DelayCall, at).await
    }

    /// The commands of blocks `from` to `to` behind those that `log` has, which
    /// is moved on only when all is as the contract says at `to`. A block that
    /// was withheld, and an event that was changed, are errors.
    ///
    /// # Errors
    /// See [`ContractError`].
    pub async fn read(
        &self,
        log: &mut CommandLog,
        from: u64,
        to: u64,
    ) -> Result<Vec<LoggedCommand>, ContractError> {
        let query = LogQuery {
            address: self.address,
            kinds: vec![Hash(b::CommandedFilter::signature().0)],
            from,
            to,
        };
        let events = self.chain.logs(&query).await?;
        let mut next = *log;
        let mut found = Vec::with_capacity(events.len());
        for event in events {
            let command = logged(&event)?;
            // Those of the first block that were read before; the head shows whether
            // they are still there.
            if command.sequence <= log.sequence {
                continue;
            }
            next.push(command.sequence, command.kind, &command.payload, &command.hash)?;
            found.push(command);
        }
        let (sequence, chain) = self.head(to).await?;
        next.check_head(sequence, &chain)?;
        *log = next;
        Ok(found)
    }

    /// What a mined transaction did here, in order.
    ///
    /// # Errors
    /// When an event is of another form.
    pub fn effects(&self, receipt: &TxReceipt) -> Result<Vec<Effect>, ContractError> {
        let mut effects = Vec::new();
        for log in receipt.logs.iter().filter(|log| log.address == self.address) {
            let kind = log.topics.first().map(|topic| topic.0);
            if kind == Some(b::CommandedFilter::signature().0) {
                effects.push(Effect::Logged(logged(log)?));
            } else if kind == Some(b::QueuedFilter::signature().0) {
                let event: b::QueuedFilter = decode(log, "Queued")?;
                effects.push(Effect::Queued(Ticket {
                    ticket: event.ticket,
                    state: TicketState::Waiting,
                    ready_at_s: event.ready_at,
                    kind: event.kind,
                    payload: event.payload.to_vec(),
                }));
            } else if kind == Some(b::CancelledFilter::signature().0) {
                let event: b::CancelledFilter = decode(log, "Cancelled")?;
                effects.push(Effect::Cancelled(event.ticket));
            }
        }
        Ok(effects)
    }

    /// The tickets that are neither done nor cancelled, in order; their events
    /// are looked for in blocks `from` to `at`.
    ///
    /// # Errors
    /// See [`ContractError`].
    pub async fn waiting(&self, from: u64, at: u64) -> Result<Vec<Ticket>, ContractError> {
        let (next, last): (u64, u64) = view(&self.chain, self.address, "queue", b::QueueCall, at).await?;
        if next > last {
            return Ok(Vec::new());
        }
        let kinds = vec![Hash(b::QueuedFilter::signature().0)];
        let events = self.chain.logs(&LogQuery { address: self.address, kinds, from, to: at }).await?;
        let mut tickets = Vec::new();
        for log in events {
            let event: b::QueuedFilter = decode(&log, "Queued")?;
            if event.ticket < next || event.ticket > last {
                continue;
            }
            let (state, ready_at_s, digest): (u8, u64, [u8; 32]) =
                view(&self.chain, self.address, "ticketOf", b::TicketOfCall { ticket: event.ticket }, at)
                    .await?;
            let payload = event.payload.to_vec();
            let computed = keccak(&[word(event.kind.into()), keccak(&payload).0].concat());
            if computed != Hash(digest) {
                return Err(ContractError::CommandHash {
                    sequence: event.ticket,
                    computed,
                    said: Hash(digest),
                });
            }
            let state = match state {
                0 => TicketState::Unset,
                1 => TicketState::Waiting,
                2 => TicketState::Ready,
                3 => TicketState::Done,
                _ => TicketState::Cancelled,
            };
            if matches!(state, TicketState::Waiting | TicketState::Ready) {
                tickets.push(Ticket { ticket: event.ticket, state, ready_at_s, kind: event.kind, payload });
            }
        }
        Ok(tickets)
    }

    /// Checks that the contract is of the mesh.
    ///
    /// # Errors
    /// [`ContractError::OtherMesh`].
    pub async fn check_mesh(&self, at: u64) -> Result<(), ContractError> {
        let found: [u8; 32] = view(&self.chain, self.address, "meshId", b::MeshIdCall, at).await?;
        if Hash(found) == self.mesh {
            Ok(())
        } else {
            Err(ContractError::OtherMesh { address: self.address, expected: self.mesh, found: Hash(found) })
        }
    }
}

fn logged(log: &Log) -> Result<LoggedCommand, ContractError> {
    let event: b::CommandedFilter = decode(log, "Commanded")?;
    Ok(LoggedCommand {
        sequence: event.sequence,
        kind: event.kind,
        payload: event.payload.to_vec(),
        hash: Hash(event.command_hash),
        block_number: log.block_number,
        block_hash: log.block_hash,
        tx_hash: log.tx_hash,
    })
}

/// Decodes an event.
pub(crate) fn decode<E: EthEvent>(log: &Log, event: &'static str) -> Result<E, ContractError> {
    let topics = log.topics.iter().map(|t| ethers::core::types::H256(t.0)).collect();
    E::decode_log(&RawLog { topics, data: log.data.clone() }).map_err(|e| ContractError::Event {
        event,
        block: log.block_number,
        index: log.index,
        reason: e.to_string(),
    })
}

fn word(value: u64) -> [u8; 32] {
    let mut word = [0; 32];
    word.iter_mut().skip(24).zip(value.to_be_bytes()).for_each(|(slot, byte)| *slot = byte);
    word
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Entry = (u8, Vec<u8>);

    fn filled(entries: &[Entry]) -> CommandLog {
        let mut log = CommandLog::new(Hash([1; 32]));
        for (i, (kind, payload)) in entries.iter().enumerate() {
            let sequence = i as u64 + 1;
            let hash = log.command_hash(sequence, *kind, payload);
            log.push(sequence, *kind, payload, &hash).unwrap();
        }
        log
    }

    fn entries() -> impl Strategy<Value = Vec<Entry>> {
        prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..40)), 1..8)
    }

    proptest! {
        #[test]
        fn a_withheld_entry_is_noticed(entries in entries(), at: prop::sample::Index) {
            let whole = filled(&entries);
            let at = at.index(entries.len());
            let mut log = CommandLog::new(Hash([1; 32]));
            let mut result = Ok(());
            for (i, (kind, payload)) in entries.iter().enumerate().filter(|(i, _)| *i != at) {
                let sequence = i as u64 + 1;
                let hash = log.command_hash(sequence, *kind, payload);
                result = result.and_then(|()| log.push(sequence, *kind, payload, &hash));
            }
            let result = result.and_then(|()| log.check_head(whole.sequence(), &whole.chain()));
            let is_noticed = matches!(result, Err(ContractError::Gap { .. } | ContractError::Withheld { .. }));
            prop_assert!(is_noticed);
        }

        #[test]
        fn a_changed_entry_is_noticed(entries in entries(), at: prop::sample::Index) {
            let whole = filled(&entries);
            let mut changed = entries.clone();
            let at = at.index(entries.len());
            changed[at].1.push(7);
            // A liar who changes the hash in the event as well is found by the chain.
            let is_noticed = matches!(
                filled(&changed).check_head(whole.sequence(), &whole.chain()),
                Err(ContractError::Chain { .. })
            );
            prop_assert!(is_noticed);
        }
    }

    #[test]
    fn an_entry_with_another_hash_or_number_is_refused() {
        let mut log = CommandLog::new(Hash([1; 32]));
        let hash = log.command_hash(1, 1, b"");
        assert!(matches!(log.push(1, 2, b"", &hash), Err(ContractError::CommandHash { .. })));
        assert!(matches!(log.push(2, 1, b"", &hash), Err(ContractError::Gap { expected: 1, found: 2 })));
        assert_eq!(log, CommandLog::new(Hash([1; 32])));
        log.push(1, 1, b"", &hash).unwrap();
        assert!(matches!(log.push(1, 1, b"", &hash), Err(ContractError::Gap { expected: 2, found: 1 })));
    }
}
