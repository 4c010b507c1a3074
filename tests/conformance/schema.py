"""4 The types, in the notation of the text."""

import re
from functools import lru_cache

SECTION_4 = """
Header            { mesh: hash, height: u64, parent: hash, parent_certificate: hash, time: u64, inputs_root: hash,
                    receipts_root: hash, app_hash: hash, validator_set: hash, next_validator_set: hash,
                    policy_version: u64, proposer: key }
CommitCertificate { mesh: hash, height: u64, round: u32, beat: hash, signatures: list<(key, signature)> }
Beat              { header: Header, parent_certificate: option<CommitCertificate>,
                    envelopes: list<SignedEnvelope>, evidence: list<Evidence> }
Vote              { mesh: hash, height: u64, round: u32, kind: VoteKind, beat: option<hash>, validator: key }
VoteKind          enum { prevote, precommit }
ProposalClaim     { mesh: hash, height: u64, round: u32, lock_round: option<u32>, beat: hash, validator: key }
Signed<T>         { message: T, signature: signature }
Member            { key: key, weight: u64 }
ValidatorSet      { members: list<Member>, proposers: list<key> }
Evidence          enum { votes { first: Signed<Vote>, second: Signed<Vote> },
                         proposals { first: Signed<ProposalClaim>, second: Signed<ProposalClaim> } }
Accusation        { offender: key, fault: Fault, height: u64, round: u32, seen: hash }
Fault             enum { wrong_root, wrong_time, bad_input, flood, garbage, bad_sync, wrong_checkpoint }

Genesis       { mesh: hash, time: u64, chain: option<ChainBinding>, owner: key, validators: list<Validator>,
                mode: Mode, verification: Verification, shards: list<ShardSpec>, latencies: list<LatencyEntry>,
                tenants: list<Tenant>, workers: map<name, key>, params: Params }
ChainBinding  { chain_id: u64, contract: [20], code_hash: hash }
Validator     { vote_key: key, network_key: key, chain_address: [20], base_weight: u64, region: name, label: name }
Mode          enum { centralized { succession: list<key> }, federated { coordinators: map<name, list<key>> },
                     fully_distributed, geometric_mesh }
Verification  enum { none, sample { fraction_ppm: u32 }, full_audit }
ShardSpec     { name: name, queue_budget: u32, latency_budget_ms: u32, spillover: list<name>, specialties: set<name> }
LatencyEntry  { from: name, to: name, latency_ms: u32 }
Tenant        { name: name, keys: set<key>, quota: Quota }
Quota         { jobs_max: u32, agents_max: u32, cpu_milli_max: u64, memory_mib_max: u64, gpu_milli_max: u64 }
Params        { beat_interval_ms: u32, idle_beat_ms: u32, clock_bound_ms: u32, message_bound_ms: u32, gap_ms: u32,
                propose_timeout_ms: u32, vote_timeout_ms: u32, round_step_ms: u32, beat_bytes_max: u32,
                beat_operations_max: u32, checkpoint_beats: u32, expiry_max_ms: u32, heartbeat_misses_max: u32,
                lease_ms: u32, spillover_hops_max: u8, evidence_beats_max: u32, vote_decay_ppm: u32,
                curvature_ppm: u32, dimension: u16, optimisation: OptimisationWeights }
OptimisationWeights { performance_ppm: u32, cost_ppm: u32, reliability_ppm: u32, sustainability_ppm: u32 }
Scope         enum { mesh, shard { shard: name } }
OwnerCommand  enum { pause { scope: Scope }, resume { scope: Scope }, set_shard { shard: ShardSpec },
                     set_shard_budget { shard: name, queue_budget: u32, latency_budget_ms: u32 },
                     set_shard_weight { shard: name, weight_ppm: u32 }, set_spillover { shard: name, to: list<name> },
                     set_thermostat { limit_ppm: u32 },
                     set_optimisation { weights: OptimisationWeights }, set_verification { verification: Verification },
                     set_mode { mode: Mode }, set_tenant { tenant: Tenant }, set_validator { validator: Validator },
                     remove_validator { vote_key: key }, set_validators { validators: list<Validator> },
                     approve_worker { worker: name, key: key }, revoke_worker { worker: name },
                     admit_peer { network_key: key, label: name },
                     ban_peer { network_key: key, reason: string, until: u64 },
                     set_policy { name: name, document: bytes }, remove_policy { name: name },
                     reconcile { applied: u64, head: hash }, on_chain { kind: u8, payload: bytes },
                     payload { bytes: bytes } }
Observation   { sequence: u64, command_hash: hash, head: hash, block: u64, block_hash: hash, transaction: hash,
                command: option<OwnerCommand> }
RegisteredSet { epoch: u64, hash: hash, next: hash }

SignedEnvelope { envelope: Envelope, signature: signature }
Envelope       { mesh: hash, sender: key, sequence: u64, expiry: u64, trace_id: option<[16]>,
                 operations: list<Operation> }
Operation      enum { submit_job(JobSpec), cancel_job { job: hash }, spawn_agent(AgentSpec),
                      migrate_agent { agent: hash, worker: name }, terminate_agent { agent: hash },
                      use_agents { agents: list<hash> }, offer_worker(WorkerOffer), withdraw_worker { worker: name }, heartbeat { workers: list<name> },
                      report_outcome(OutcomeReport), measure_latency(LatencyEntry), accuse(Accusation),
                      command(OwnerCommand), observe(Observation) }
JobSpec        { label: string, tenant: name, region: name, deadline_ms: u32, skills: set<name>, budget: u64,
                 resources: Resources, workload: WorkloadType, priority: u8, retries: u8, once: bool, work: Work }
Resources      { cpu_milli: u32, memory_mib: u32, gpu: GpuRequest }
GpuRequest     enum { none, shared { milli: u16 }, whole { count: u16 } }
WorkloadType   enum { batch, streaming, interactive, ml_training }
Work           enum { synthetic { duration_ms: u32 },
                      command { program: name, args: list<string>, limits: CommandLimits } }
CommandLimits  { time_ms: u32, cpu_ms: u32, memory_mib: u32, output_bytes: u32 }
AgentSpec      { label: string, tenant: name, region: name, stack: hash, position: option<list<i64>>,
                 affinity: Affinity, resources: Resources, policy: name, wishes: list<Wish>, seed: [32] }
Affinity       { skills: set<name>, semantic: list<i64>, data: option<name> }
Wish           enum { near { region: name, weight: u16 }, beside { agent: hash, weight: u16 }, avoid { worker: name } }
WorkerOffer    { worker: name, region: name, capacity: u32, max_concurrency: u32, heartbeat_interval_ms: u32,
                 latency_window_ms: u32, capabilities: set<name>, resources: WorkerResources, price: u64 }
WorkerResources { cpu_milli: u32, memory_mib: u32, gpus: u16 }
OutcomeReport  { worker: name, attempt: AttemptId, outcome: Outcome, stdout_len: u32, stdout_sha3: hash,
                 stderr_len: u32, stderr_sha3: hash, cpu_ms: u32, wall_ms: u32 }
AttemptId      { job: hash, number: u32 }
Outcome        enum { exited { code: i32 }, signalled { signal: i32 }, limit_reached { limit: Limit }, lease_expired,
                      killed, not_started { reason: string }, lost, unknown }
Limit          enum { time, cpu, memory, output }

Checkpoint { version: u16, number: u64, parent: hash, mesh: hash, first_beat: u64, last_beat: u64, first_receipt: u64,
             receipt_count: u64, interval_root: hash, history_root: hash, history_size: u64, app_hash: hash,
             agents_root: hash, audit_root: hash, set_epoch: u64, set_hash: hash, next_set_hash: hash,
             verification_level: u8, verification_fraction_ppm: u32, time: u64 }
"""

# 10.1, 13.6, 15.6, 17.2, 18.4, 18.5, 20.1 and 20.6: the other types that the text names. `data` is that of a receipt
# (10.3). The last four stand for the objects in 21.1, which have no names there.
OTHER_SECTIONS = """
Receipt   { actor: string, beat: u64, causes: list<u64>, data: data, index: u64, inputs: hash, kind: ReceiptKind,
            policy_version: u64, previous_hash: hash, subject: string, tenant: option<name>, time_ms: u64,
            trace_id: option<string> }
ReceiptKind enum { genesis, owner_command, owner_command_refused, refused, worker_offered, worker_withdrawn,
                   worker_unhealthy, worker_recovered, job_accepted, job_assigned, job_spilled, job_requeued,
                   attempt_ended, job_ended, agent_spawned, agent_migrated, agent_moved, agent_held,
                   agent_terminated, latency_agreed, evidence, quarantine, validators_changed, time_shifted, validators_registered, chain_diverged,
                   checkpoint_closed }
Settings   { mesh: hash, owner: key, chain: option<ChainCursor>, params: Params, mode: Mode,
             verification: Verification, policy_version: u64, registered: RegisteredSet, is_paused: bool,
             thermostat_ppm: u32, height: u64, time: u64, shift_ms: u64, ledger: LedgerMark, arrivals: u64,
             patrol: hash, actions: u64, next_set: ValidatorSet, last_set: ValidatorSet }
LedgerMark { checkpoint: u64, checkpoint_hash: hash, checkpoint_digest: hash, next_receipt: u64, previous_hash: hash }
ChainCursor { applied: u64, head: hash, block: u64, has_diverged: bool }
ProofFile { anchor: option<Anchor>, beat: Inclusion, certificate: CommitCertificate, digest: hash, genesis: hash,
            genesis_set: ValidatorSet, header: Header, receipt: Receipt, receipt_hash: hash,
            set_changes: list<SetChange>, version: u32 }
Inclusion { count: u64, index: u64, path: list<hash> }
SetChange { certificate: CommitCertificate, header: Header, next_set: ValidatorSet }
Anchor    { checkpoint: Checkpoint, cosigned: option<Cosignatures>, history: Inclusion, interval: Inclusion }
Cosignatures { set: list<RegisteredValidator>, signatures: list<signature> }
RegisteredValidator { account: [20], network_key: key, vote_key: key, weight: u32 }
Tip       { height: u64, header: option<Header>, header_id: hash, certificate: option<CommitCertificate>, time: u64,
            next_receipt: u64, previous_hash: hash, app_hash: hash, checkpoint: u64, checkpoint_hash: hash,
            checkpoint_digest: hash, interval_beat: u64, interval_receipt: u64 }
StoredAgent { slot: u32, id: hash, tenant: hash, position: list<i64>, resources: Resources, policy: hash,
            nonce: u64, seed: [32] }
StoredAudit { first_beat: u64, beats: list<u32>, leaves: list<hash> }
Edge      { size: u64, tiles: list<list<hash>> }
Base      { tip: Tip, edge: Edge, checkpoint: option<Checkpoint>, registered: RegisteredSet,
            verification: Verification }
Manifest  { version: u16, genesis: hash, header: Header, certificate: CommitCertificate, handovers: list<Handover>,
            checkpoint: option<Checkpoint>, edge: Edge, receipts: u64, chunk_bits: u8 }
Handover  { header: Header, certificate: CommitCertificate, next_set: ValidatorSet }
Part      enum { state { number: u32, path: list<hash>, entries: list<(u8, bytes, bytes)> },
                 receipts { first: u64, receipts: list<bytes> } }
Query     enum { manifest, part { height: u64, part: PartId } }
PartId    enum { state(u32), receipts(u64) }
ShownShard  { name: name, waiting: u32, is_paused: bool, queue_budget: u32, spillover: list<name> }
ShownWorker { name: name, region: name, is_healthy: bool, is_open: bool, running: u32, last_seen_ms: u64 }
ShownJob    { id: hash, label: string, tenant: name, shard: name, state: ShownJobState, attempt: u32, priority: u8 }
ShownJobState enum { queued, running }
"""
INTEGERS = {"u8": (1, False), "u16": (2, False), "u32": (4, False), "u64": (8, False), "i32": (4, True),
            "i64": (8, True)}
FIXED = {"hash": 32, "key": 32, "id": 32, "signature": 64, "[16]": 16, "[20]": 20, "[32]": 32}


class TypeReader:
    """Reads the notation of section 4. A type is a tuple: its name, then its arguments."""

    def __init__(self, text):
        self.tokens = re.findall(r"\w+|\[\d+\]|[{}()<>:,]", text)

    def peek(self):
        return self.tokens[0] if self.tokens else ""

    def take(self, wanted=None):
        token = self.tokens.pop(0)
        if wanted and token != wanted:
            raise SyntaxError(f"{wanted} expected, {token} found")
        return token

    def several(self, opening, closing, read):
        self.take(opening)
        found = []
        while self.peek() != closing:
            found.append(read())
            if self.peek() != closing:
                self.take(",")
        self.take(closing)
        return found

    def type(self):
        if self.peek() == "(":
            return ("tuple", *self.several("(", ")", self.type))
        name = self.take()
        return (name, *self.several("<", ">", self.type)) if self.peek() == "<" else (name,)

    def field(self):
        name = self.take()
        self.take(":")
        return name, self.type()

    def fields(self):
        return self.several("{", "}", self.field)

    def variant(self):
        name = self.take()
        if self.peek() == "{":
            return name, "fields", self.fields()
        if self.peek() == "(":
            return name, "value", self.several("(", ")", self.type)[0]
        return name, "none", None

    def definitions(self):
        found = {}
        while self.tokens:
            name, *_ = self.type()
            if self.peek() == "enum":
                self.take()
                found[name] = "enum", self.several("{", "}", self.variant)
            else:
                found[name] = "struct", self.fields()
        return found


TYPES = TypeReader(SECTION_4 + OTHER_SECTIONS).definitions()


@lru_cache(maxsize=None)
def type_of(text):
    return TypeReader(text).type()


def definition(t):
    """The definition of a struct or an enum, with the argument of Signed<T> in place."""
    kind, parts = TYPES[t[0]]
    if t[0] == "Signed":
        parts = [(name, t[1] if field == ("T",) else field) for name, field in parts]
    return kind, parts


def order_of(value):
    """2.5 Names, strings, keys and hashes ascend by their bytes."""
    return value.encode() if isinstance(value, str) else value
