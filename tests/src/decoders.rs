//! Every decoder that reads bytes from a peer, a file or a user.
//!
//! What is not here is read by a decoder of another project (TOML, JSON values
//! without a shape of ours, libp2p's own protocols), or is tested in the binary's
//! crate, which nothing can depend on (its settings, the head of its log).

use crate::{
    cubic::{self, Cubic},
    solo,
};
use borsh::{BorshDeserialize, BorshSerialize};
use phalanx_circuits::{
    groth16::{ProvingKey, VerifyingKey},
    iden3::read_zkey,
    proof_file::ProofFile,
    r1cs::Circuit,
    snarkjs,
    witness::Witness,
};
use phalanx_config::{Format, MomConfig};
use phalanx_consensus::wal::check_record;
use phalanx_consensus::wire::{Lane, Message, SyncRequest, SyncResponse};
use phalanx_devnet::trace::Trace;
use phalanx_governance::{
    EcdsaSignature,
    contracts::ChainCommand,
    safe::{TxFile, builder::BuilderFile},
};
use phalanx_ledger::{
    Batch, Cf, Durability, Kv, MemoryKv, Tip, audit,
    history::{Edge, History, tile_key},
    proof::{self, Trust},
    record,
    snapshot::{Manifest, Part},
};
use phalanx_p2p::{codec::first_frame, pacer, records::AddressBook};
use phalanx_providers::{journal, shim};
use phalanx_replica::{checkpoint_file, snapshot};
use phalanx_routing::wire::{Answer, Directed, Hosted, Told};
use phalanx_types::{
    Beat, Checkpoint, CommitCertificate, Evidence, Genesis, Hash, JobSpec, Name, OwnerCommand, Receipt,
    ReceiptIndex, SignedEnvelope, ValidatorSet,
    cosign::{self, CosignQuery, Cosigned},
    decode_exact, encode, frames, key_file,
    policy::Policy,
    receipt::HiddenField,
    state::Column,
    units::CheckpointNumber,
};
use std::sync::LazyLock;

/// A decoder under a name; it says whether it took the bytes. It must return on
/// any input, without a panic, and within memory that is linear in the input. A
/// value that is taken must encode to the bytes it came from, where it has one
/// encoding.
pub type Decoder = (&'static str, fn(&[u8]) -> bool);

const MAX: usize = 1 << 20;

/// Decodes and holds the value against its one encoding.
fn borsh<T: BorshSerialize + BorshDeserialize>(bytes: &[u8]) -> bool {
    let Ok(value) = decode_exact::<T>(bytes, MAX, "value") else { return false };
    assert!(encode(&value) == bytes, "one value has two encodings");
    true
}

/// The payload of a record, read back as it would be stored under a key.
fn stored<T: BorshSerialize + BorshDeserialize>(cf: Cf, key: &[u8], payload: &[u8]) -> Option<T> {
    let record = record::wrap(cf, key, payload.to_vec());
    let value = record::unwrap_value::<T>(cf, key, &record).ok()?;
    assert!(record::wrap_value(cf, key, &value) == record, "one record has two forms");
    Some(value)
}

fn message(lane: Lane, bytes: &[u8]) -> bool {
    let Ok(message) = Message::decode(lane, bytes) else { return false };
    assert!(message.encode() == bytes, "one message has two encodings");
    true
}

/// The key under which the decoders of numbered records look.
pub const NUMBER_KEY: [u8; 8] = 7_u64.to_be_bytes();
/// The size of the tree whose root the tile decoder asks for.
pub const TILE_SIZE: u64 = 5;

/// The other file of a trace of which one is read.
pub const TRACE_MACHINES: &[u8] = b"sn,cpu_milli,memory_mib,gpu,model\nm,32000,262144,8,V100M16\n";
/// The same.
pub const TRACE_JOBS: &[u8] =
    b"name,cpu_milli,memory_mib,num_gpu,gpu_milli,creation_time,deletion_time\nj,12000,16384,1,460,5,90\n";

/// The circuit whose keys are read.
static CUBIC: LazyLock<Circuit<Cubic>> = LazyLock::new(cubic::circuit);

/// All of them.
pub const DECODERS: &[Decoder] = &[
    // From submitters and peers.
    ("envelope", |bytes| {
        let Ok(signed) = SignedEnvelope::decode(bytes) else { return false };
        assert!(encode(&signed) == bytes, "one value has two encodings");
        let _ = signed.verify_signature(&signed.envelope.id());
        true
    }),
    ("beat", |bytes| {
        let Ok(beat) = Beat::decode(bytes) else { return false };
        assert!(encode(&beat) == bytes, "one value has two encodings");
        true
    }),
    ("certificate", borsh::<CommitCertificate>),
    ("evidence", |bytes| {
        let Ok(evidence) = decode_exact::<Evidence>(bytes, MAX, "evidence") else { return false };
        let _ = evidence.convicts(&Hash::ZERO);
        borsh::<Evidence>(bytes)
    }),
    ("validator_set", |bytes| {
        let Ok(set) = decode_exact::<ValidatorSet>(bytes, MAX, "validator set") else { return false };
        let _ = set.check();
        borsh::<ValidatorSet>(bytes)
    }),
    ("vote_lane", |bytes| message(Lane::Votes, bytes)),
    ("proposal_lane", |bytes| message(Lane::Proposals, bytes)),
    ("sync_request", |bytes| {
        let Ok(request) = SyncRequest::decode(bytes) else { return false };
        assert!(encode(&request) == bytes, "one question has two encodings");
        true
    }),
    ("sync_response", |bytes| {
        let Ok(response) = SyncResponse::decode(bytes) else { return false };
        assert!(encode(&response) == bytes, "one answer has two encodings");
        true
    }),
    ("snapshot_query", |bytes| {
        let Ok(query) = snapshot::decode_query(bytes) else { return false };
        assert!(snapshot::encode_query(&query) == bytes, "one question has two encodings");
        true
    }),
    ("snapshot_manifest", borsh::<Manifest>),
    ("snapshot_part", borsh::<Part>),
    ("address_records", |bytes| {
        let Some(records) = AddressBook::decode(bytes) else { return false };
        let mut book = AddressBook::new([1; 32]);
        for record in records {
            let _ = book.insert(record, |_| true);
        }
        true
    }),
    ("gossip_payloads", |bytes| pacer::unpack(bytes).is_some()),
    ("routed_message", |bytes| {
        let Ok(message) = phalanx_geometry::routing::Message::<u32>::decode(bytes) else { return false };
        assert!(message.encode() == bytes, "one message has two encodings");
        true
    }),
    ("told_places", |bytes| {
        let Ok(told) = Told::decode(bytes) else { return false };
        assert!(told.encode() == bytes, "one list has two encodings");
        true
    }),
    ("directed_message", |bytes| {
        let Ok(directed) = Directed::decode(bytes) else { return false };
        assert!(directed.encode() == bytes, "one message has two encodings");
        true
    }),
    ("directed_answer", |bytes| {
        let Ok(answer) = Answer::decode(bytes) else { return false };
        assert!(answer.encode() == bytes, "one answer has two encodings");
        true
    }),
    ("hosted_workers", |bytes| {
        let Ok(list) = Hosted::decode_list(bytes) else { return false };
        assert!(Hosted::encode_list(&list) == bytes, "one list has two encodings");
        true
    }),
    ("cosign_signatures", |bytes| {
        let Ok(batch) = cosign::decode_batch(bytes) else { return false };
        assert!(encode(&batch) == bytes, "one list has two encodings");
        true
    }),
    ("cosign_query", borsh::<CosignQuery>),
    ("cosign_answer", borsh::<Vec<(CheckpointNumber, Cosigned)>>),
    ("request_frame", |bytes| first_frame(bytes, 4_096).is_some()),
    // From files of this node.
    ("log_frames", |bytes| {
        let Ok(read) = frames::read(bytes, 1 << 20) else { return false };
        let whole: Vec<u8> = read.records.iter().flat_map(|r| frames::frame(r)).collect();
        assert!(bytes.get(..read.whole_len) == Some(whole.as_slice()), "frames have two forms");
        read.whole_len > 0
    }),
    ("log_record", |bytes| check_record(bytes).is_ok()),
    ("journal", |bytes| {
        let Ok((records, whole_len)) = journal::parse(bytes) else { return false };
        let whole: Vec<u8> = records.iter().flat_map(journal::frame).collect();
        assert!(bytes.get(..whole_len) == Some(whole.as_slice()), "frames have two forms");
        whole_len > 0
    }),
    ("snapshot_file", |bytes| taken(snapshot::read_file, bytes)),
    ("checkpoint_file", |bytes| taken(checkpoint_file::read, bytes)),
    ("shim_task", |bytes| serde_json::from_slice::<shim::Task>(bytes).is_ok()),
    ("shim_exit", |bytes| serde_json::from_slice::<shim::Exit>(bytes).is_ok()),
    ("key_file", |bytes| key_file::read(bytes).is_ok()),
    // From a chain, and for one.
    ("chain_command", |bytes| {
        let Some((kind, payload)) = bytes.split_first() else { return false };
        let Ok(command) = ChainCommand::decode(*kind, payload) else { return false };
        // A reason that is no UTF-8 is read as far as it goes: the chain has taken it.
        let is_lossy = matches!(command, ChainCommand::BanPeer { .. });
        assert!(is_lossy || command.payload() == payload, "one command has two payloads");
        let _ = command.check();
        true
    }),
    ("owner_tx", |bytes| {
        let Ok(file) = TxFile::read(bytes) else { return false };
        let read = |text: String| TxFile::read(text.as_bytes()).is_ok_and(|again| again == file);
        assert!(file.write().is_ok_and(read), "what was read is written otherwise");
        true
    }),
    ("builder_file", |bytes| BuilderFile::read(bytes).is_ok()),
    ("eip_signature", |bytes| EcdsaSignature::from_bytes_strict(bytes).is_ok()),
    // From the store: a record, and the payloads of records.
    ("stored_record", |bytes| record::unwrap(Cf::Receipts, &NUMBER_KEY, bytes).is_ok()),
    ("stored_tip", |bytes| stored::<Tip>(Cf::Meta, b"tip", bytes).is_some()),
    ("stored_edge", |bytes| {
        stored::<Edge>(Cf::Meta, b"edge", bytes).map(|edge| (edge.root(), edge.size())).is_some()
    }),
    ("stored_genesis", |bytes| {
        stored::<Genesis>(Cf::Meta, b"genesis", bytes).is_some_and(|genesis| genesis.check().is_ok())
    }),
    ("stored_beat", |bytes| stored::<Beat>(Cf::Beats, &NUMBER_KEY, bytes).is_some()),
    ("stored_certificate", |bytes| {
        stored::<CommitCertificate>(Cf::Certificates, &NUMBER_KEY, bytes).is_some()
    }),
    ("stored_set", |bytes| stored::<ValidatorSet>(Cf::Sets, &NUMBER_KEY, bytes).is_some()),
    ("stored_range", |bytes| stored::<(ReceiptIndex, u64)>(Cf::Ranges, &NUMBER_KEY, bytes).is_some()),
    ("stored_checkpoint", |bytes| {
        stored::<Checkpoint>(Cf::Checkpoints, &NUMBER_KEY, bytes).map(|c| c.hash()).is_some()
    }),
    ("stored_hidden", |bytes| serde_json::from_slice::<Vec<HiddenField>>(bytes).is_ok()),
    ("stored_tile", |bytes| {
        let (store, key, mut batch) = (MemoryKv::default(), tile_key(0, 0), Batch::default());
        batch.put(Cf::Tiles, key.clone(), record::wrap(Cf::Tiles, &key, bytes.to_vec()));
        store.write(batch, Durability::Buffered).is_ok() && History::new(&store).root(TILE_SIZE).is_ok()
    }),
    ("state_entry", |bytes| {
        // Column, length of the key, key, value.
        let Some(([column, len], rest)) = bytes.split_first_chunk::<2>() else { return false };
        let Some((key, value)) = rest.split_at_checked(usize::from(*len)) else { return false };
        let entry = (Column(*column), key.to_vec(), value.to_vec());
        // Without settings no state is whole: what is taken is told by the error.
        matches!(phalanx_fabric::Fabric::load([entry]), Ok(_) | Err(phalanx_fabric::LoadError::Settings))
    }),
    // From files and arguments of people.
    ("receipt", |bytes| {
        let Ok(receipt) = Receipt::from_canonical_bytes(bytes) else { return false };
        assert!(receipt.canonical_bytes() == bytes, "one receipt has two forms");
        true
    }),
    ("proof_file", |bytes| proof::verify(bytes, &Trust::File).is_ok()),
    ("audit_path", |bytes| {
        let Ok(file) = audit::read(bytes) else { return false };
        assert!(file.to_json().is_ok_and(|again| again == bytes), "one audit path has two forms");
        audit::verify(bytes).is_ok()
    }),
    ("policy", |bytes| Policy::parse(bytes).is_ok()),
    ("mom_config_toml", |bytes| text(bytes, |text| MomConfig::parse(text, Format::Toml, "m").is_ok())),
    ("mom_config_json", |bytes| text(bytes, |text| MomConfig::parse(text, Format::Json, "m").is_ok())),
    ("trace_machines", |bytes| Trace::parse(bytes, TRACE_JOBS).is_ok()),
    ("trace_jobs", |bytes| {
        let Ok(trace) = Trace::parse(TRACE_MACHINES, bytes) else { return false };
        let (tenant, shards) = (Name::new("t"), Name::new("earth").map(|name| vec![name]));
        let (Ok(tenant), Ok(shards)) = (tenant, shards) else { return false };
        trace.jobs(&tenant, &shards, Some(0.5)).is_ok()
    }),
    ("genesis_json", |bytes| Genesis::from_json(bytes).is_ok()),
    ("job_list", |bytes| serde_json::from_slice::<Vec<JobSpec>>(bytes).is_ok()),
    ("owner_command", |bytes| serde_json::from_slice::<OwnerCommand>(bytes).is_ok()),
    ("witness", |bytes| {
        let Ok(witness) = Witness::from_json(bytes) else { return false };
        assert!(witness.to_json().is_ok(), "a witness that was read cannot be written");
        true
    }),
    ("statement_proof", |bytes| ProofFile::from_json(bytes).is_ok_and(|file| file.proof().is_ok())),
    ("snarkjs_proof", |bytes| snarkjs::proof_from_json(bytes).is_ok()),
    ("snarkjs_public", |bytes| snarkjs::public_from_json(bytes, 1).is_ok()),
    ("snarkjs_key", |bytes| snarkjs::key_from_json(bytes, 1).is_ok()),
    ("calldata", |bytes| text(bytes, |text| snarkjs::Calldata::from_hex(text, 1).is_ok())),
    ("zkey", |bytes| read_zkey(bytes, &CUBIC).is_ok()),
    ("proving_key", |bytes| ProvingKey::decode(bytes, &CUBIC).is_ok_and(|key| key.encode()[..] == *bytes)),
    ("verifying_key", |bytes| {
        VerifyingKey::decode(bytes, &CUBIC).is_ok_and(|key| key.encode()[..] == *bytes)
    }),
    ("hash", |bytes| text(bytes, |text| text.parse::<Hash>().is_ok_and(|hash| hash.to_string() == text))),
    ("name", |bytes| text(bytes, |text| Name::new(text).is_ok_and(|name| name.as_str() == text))),
];

/// The mesh whose snapshots the decoders of whole snapshots take.
fn taken<T, E>(read: fn(&[u8], &Genesis) -> Result<T, E>, bytes: &[u8]) -> bool {
    solo::genesis(&solo::keys()).is_ok_and(|genesis| read(bytes, &genesis).is_ok())
}

fn text(bytes: &[u8], read: impl Fn(&str) -> bool) -> bool {
    std::str::from_utf8(bytes).is_ok_and(read)
}
