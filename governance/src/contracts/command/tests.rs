use super::*;
use crate::address::Address;
use crate::contracts::bindings::owner_commands::OWNERCOMMANDS_ABI;
use proptest::prelude::*;

fn name() -> impl Strategy<Value = Name> {
    "[a-z0-9][a-z0-9._-]{0,20}".prop_map(|text| Name::new(&text).unwrap())
}

fn key() -> impl Strategy<Value = PublicKey> {
    any::<[u8; 32]>().prop_map(PublicKey)
}

fn validator() -> impl Strategy<Value = ProposedValidator> {
    let entry = (key(), key(), any::<[u8; 20]>(), any::<u32>()).prop_map(
        |(network_key, vote_key, account, weight)| SetEntry {
            network_key,
            vote_key,
            account: Address(account),
            weight,
        },
    );
    let signatures = (any::<[[u8; 32]; 2]>(), any::<[[u8; 32]; 2]>(), any::<[[u8; 32]; 2]>());
    (entry, name(), name(), signatures).prop_map(|(entry, region, label, (a, n, v))| {
        let join = |pair: [[u8; 32]; 2]| -> [u8; 64] { pair.concat().try_into().unwrap() };
        let registration =
            Registration { account: join(a), network: Signature(join(n)), vote: Signature(join(v)) };
        ProposedValidator { entry, region, label, registration }
    })
}

fn mode() -> impl Strategy<Value = ChainMode> {
    let keys = || prop::collection::vec(key(), 0..3);
    prop_oneof![
        keys().prop_map(ChainMode::Centralized),
        prop::collection::vec((name(), keys()), 0..3).prop_map(ChainMode::Federated),
        Just(ChainMode::FullyDistributed),
        Just(ChainMode::GeometricMesh),
    ]
}

/// Any command.
pub(crate) fn command() -> impl Strategy<Value = ChainCommand> {
    use ChainCommand as C;
    let names = || prop::collection::vec(name(), 0..3);
    let bytes = || prop::collection::vec(any::<u8>(), 0..70);
    let hash = || any::<[u8; 32]>().prop_map(Hash);
    let limits = any::<(u32, u32, u64, u64, u64)>().prop_map(|(j, a, c, m, g)| TenantLimits {
        jobs_max: j,
        agents_max: a,
        cpu_milli_max: c,
        memory_mib_max: m,
        gpu_milli_max: g,
    });
    prop_oneof![
        Just(C::PauseMesh),
        Just(C::ResumeMesh),
        name().prop_map(|shard| C::PauseShard { shard }),
        name().prop_map(|shard| C::ResumeShard { shard }),
        (name(), any::<u32>(), any::<u32>(), names(), names()).prop_map(
            |(name, q, l, spillover, specialties)| {
                C::SetShard { name, queue_budget: q, latency_budget_ms: l, spillover, specialties }
            }
        ),
        (name(), any::<u32>(), any::<u32>()).prop_map(|(shard, q, l)| C::SetShardBudget {
            shard,
            queue_budget: q,
            latency_budget_ms: l
        }),
        (name(), any::<u32>()).prop_map(|(shard, weight_ppm)| C::SetShardWeight { shard, weight_ppm }),
        (name(), names()).prop_map(|(shard, spillover)| C::SetSpillover { shard, spillover }),
        any::<u32>().prop_map(|limit_ppm| C::SetThermostat { limit_ppm }),
        any::<[u32; 4]>().prop_map(|[p, c, r, s]| C::SetOptimisation {
            performance: p,
            cost: c,
            reliability: r,
            sustainability: s
        }),
        any::<(u8, u32)>().prop_map(|(level, fraction_ppm)| C::SetVerification { level, fraction_ppm }),
        mode().prop_map(|mode| C::SetMode { mode }),
        (name(), prop::collection::vec(key(), 0..3), limits).prop_map(|(name, keys, limits)| C::SetTenant {
            name,
            keys,
            limits
        }),
        prop::collection::vec(validator(), 0..3).prop_map(|validators| C::SetValidators { validators }),
        hash().prop_map(|set_hash| C::WithdrawValidators { set_hash }),
        hash().prop_map(|set_hash| C::RequestForce { set_hash }),
        hash().prop_map(|set_hash| C::CancelForce { set_hash }),
        hash().prop_map(|set_hash| C::ExecuteForce { set_hash }),
        (name(), key()).prop_map(|(worker, key)| C::ApproveWorker { worker, key }),
        name().prop_map(|worker| C::RevokeWorker { worker }),
        (key(), name()).prop_map(|(network_key, label)| C::AdmitPeer { network_key, label }),
        (key(), "\\PC{0,40}", any::<u64>()).prop_map(|(network_key, reason, until_ms)| C::BanPeer {
            network_key,
            reason,
            until_ms
        }),
        (name(), bytes()).prop_map(|(name, document)| C::SetPolicy { name, document }),
        name().prop_map(|name| C::RemovePolicy { name }),
        bytes().prop_map(|data| C::Payload { data }),
        any::<u32>().prop_map(|delay_s| C::SetDelay { delay_s }),
        (any::<u64>(), any::<[u8; 32]>())
            .prop_map(|(applied, head)| C::Reconcile { applied, head: Hash(head) }),
    ]
}

proptest! {
    #[test]
    fn a_command_is_read_back_from_json(commands in prop::collection::vec(command(), 1..3)) {
        let list = serde_json::to_vec(&commands).unwrap();
        prop_assert_eq!(ChainCommand::read_list(&list).unwrap(), commands.clone());
        let one = serde_json::to_vec(&commands[0]).unwrap();
        prop_assert_eq!(ChainCommand::read_list(&one).unwrap(), vec![commands[0].clone()]);
    }

    /// What is put in order and passes the checks has a meaning to the mesh, unless it
    /// is a set whose registrations nobody has signed.
    #[test]
    fn a_command_that_passes_the_checks_has_a_meaning(command in command()) {
        let command = command.ordered();
        if command.check().is_ok() && command.kind() != 14 {
            let registrar = crate::translate::Registrar { chain_id: 1, mesh: Hash([7; 32]) };
            prop_assert!(crate::translate::translate(command, &registrar).is_ok());
        }
    }

    #[test]
    fn a_command_is_read_back_from_payload_and_calldata(command in command()) {
        let payload = command.payload();
        prop_assert_eq!(ChainCommand::decode(command.kind(), &payload).unwrap(), command.clone());
        prop_assert_eq!(ChainCommand::from_calldata(&command.calldata()).unwrap(), Some(command.clone()));
    }

    #[test]
    fn a_payload_with_a_byte_more_is_refused(command in command()) {
        let mut payload = command.payload();
        payload.push(0);
        prop_assert!(ChainCommand::decode(command.kind(), &payload).is_err());
    }

    #[test]
    fn any_payload_is_read_or_refused(kind: u8, payload in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(command) = ChainCommand::decode(kind, &payload) {
            prop_assert_eq!(command.kind(), kind);
        }
    }
}

#[test]
fn json_with_anything_else_is_no_command() {
    for text in [
        "",
        "{}",
        "null",
        "\"pause\"",
        "{\"pause_shard\": {}}",
        "{\"pause_shard\": {\"shard\": \"mars\", \"why\": 1}}",
        "{\"pause_shard\": {\"shard\": \"Mars\"}}",
        "[\"pause_mesh\", 7]",
    ] {
        assert!(ChainCommand::read_list(text.as_bytes()).is_err(), "{text}");
    }
    assert_eq!(ChainCommand::read_list(b"\"pause_mesh\"").unwrap(), vec![ChainCommand::PauseMesh]);
}

#[test]
fn every_kind_is_a_function_of_the_contract() {
    for (kind, function) in FUNCTIONS {
        let found = OWNERCOMMANDS_ABI.function(function).unwrap();
        assert_eq!(found.short_signature(), selector(kind, function), "{function}");
    }
    let others = ["execute", "cancel"];
    for function in OWNERCOMMANDS_ABI.functions() {
        let is_view = !matches!(
            function.state_mutability,
            ethers::core::abi::StateMutability::NonPayable | ethers::core::abi::StateMutability::Payable
        );
        let known = FUNCTIONS.iter().any(|(_, name)| *name == function.name);
        assert!(is_view || known || others.contains(&function.name.as_str()), "{}", function.name);
    }
}

#[test]
fn a_payload_whose_lists_mean_more_than_its_bytes_is_not_read() {
    let (kind, _) = FUNCTIONS.iter().copied().find(|(_, name)| *name == "setMode").unwrap();
    // A head, then an outer list whose every place leads to the same inner list.
    let word = |value: usize| {
        let mut word = [0_u8; 32];
        word[24..].copy_from_slice(&(value as u64).to_be_bytes());
        word
    };
    let count = 2_000;
    let head = parameters(kind).unwrap().len();
    let mut words: Vec<[u8; 32]> = vec![word(head * 32); head];
    words.push(word(count));
    words.extend(vec![word(count * 32); count]);
    words.push(word(count));
    words.extend(vec![[7; 32]; count]);
    let payload = words.concat();
    assert!(payload.len() > NESTED_BYTES_MAX && payload.len() <= PAYLOAD_BYTES_MAX);
    let error = ChainCommand::decode(kind, &payload).unwrap_err().to_string();
    assert!(error.contains("are read"), "{error}");
    let long = vec![0; PAYLOAD_BYTES_MAX + 1];
    for (kind, _) in FUNCTIONS {
        assert!(ChainCommand::decode(kind, &long).is_err());
    }
}
