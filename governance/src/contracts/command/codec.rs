//! Between commands and the ABI.

use super::{ChainCommand, ChainMode, ProposedValidator, Registration, TenantLimits};
use crate::{
    abi,
    address::Address,
    digest::{SetEntry, keccak},
};
use ethers::core::abi::{ParamType, Token};
use phalanx_types::{Hash, Name, PublicKey, Signature};

impl ChainCommand {
    /// Its arguments.
    pub(super) fn tokens(&self) -> Vec<Token> {
        let text = |name: &Name| Token::String(name.as_str().to_owned());
        let texts = |names: &[Name]| Token::Array(names.iter().map(text).collect());
        let word = |bytes: &[u8; 32]| Token::FixedBytes(bytes.to_vec());
        let keys = |keys: &[PublicKey]| Token::Array(keys.iter().map(|k| word(&k.0)).collect());
        let number = |n: u64| Token::Uint(n.into());
        let small = |n: u32| Token::Uint(n.into());
        match self {
            Self::PauseMesh | Self::ResumeMesh => Vec::new(),
            Self::PauseShard { shard } | Self::ResumeShard { shard } => vec![text(shard)],
            Self::SetShard { name, queue_budget, latency_budget_ms, spillover, specialties } => vec![
                text(name),
                small(*queue_budget),
                small(*latency_budget_ms),
                texts(spillover),
                texts(specialties),
            ],
            Self::SetShardBudget { shard, queue_budget, latency_budget_ms } => {
                vec![text(shard), small(*queue_budget), small(*latency_budget_ms)]
            }
            Self::SetShardWeight { shard, weight_ppm } => vec![text(shard), small(*weight_ppm)],
            Self::SetSpillover { shard, spillover } => vec![text(shard), texts(spillover)],
            Self::SetThermostat { limit_ppm } => vec![small(*limit_ppm)],
            Self::SetOptimisation { performance, cost, reliability, sustainability } => {
                vec![small(*performance), small(*cost), small(*reliability), small(*sustainability)]
            }
            Self::SetVerification { level, fraction_ppm } => {
                vec![small((*level).into()), small(*fraction_ppm)]
            }
            Self::SetMode { mode } => {
                let (code, succession, regions): (u32, &[PublicKey], &[(Name, Vec<PublicKey>)]) = match mode {
                    ChainMode::Centralized(succession) => (0, succession, &[]),
                    ChainMode::Federated(regions) => (1, &[], regions),
                    ChainMode::FullyDistributed => (2, &[], &[]),
                    ChainMode::GeometricMesh => (3, &[], &[]),
                };
                vec![
                    small(code),
                    keys(succession),
                    Token::Array(regions.iter().map(|(region, _)| text(region)).collect()),
                    Token::Array(regions.iter().map(|(_, list)| keys(list)).collect()),
                ]
            }
            Self::SetTenant { name, keys: list, limits } => vec![
                text(name),
                keys(list),
                small(limits.jobs_max),
                small(limits.agents_max),
                number(limits.cpu_milli_max),
                number(limits.memory_mib_max),
                number(limits.gpu_milli_max),
            ],
            Self::SetValidators { validators } => vec![
                Token::Array(validators.iter().map(|v| entry_token(&v.entry)).collect()),
                Token::Array(validators.iter().map(|v| text(&v.region)).collect()),
                Token::Array(validators.iter().map(|v| text(&v.label)).collect()),
                Token::Array(validators.iter().map(|v| registration_token(&v.registration)).collect()),
            ],
            Self::WithdrawValidators { set_hash }
            | Self::RequestForce { set_hash }
            | Self::CancelForce { set_hash }
            | Self::ExecuteForce { set_hash } => vec![word(&set_hash.0)],
            Self::ApproveWorker { worker, key } => vec![text(worker), word(&key.0)],
            Self::RevokeWorker { worker } => vec![text(worker)],
            Self::AdmitPeer { network_key, label } => vec![word(&network_key.0), text(label)],
            Self::BanPeer { network_key, reason, until_ms } => {
                vec![word(&network_key.0), Token::String(reason.clone()), number(*until_ms)]
            }
            Self::SetPolicy { name, document } => vec![text(name), Token::Bytes(document.clone())],
            Self::RemovePolicy { name } => vec![text(name)],
            Self::Payload { data } => vec![Token::Bytes(data.clone())],
            Self::SetDelay { delay_s } => vec![small(*delay_s)],
            Self::Reconcile { applied, head } => vec![number(*applied), word(&head.0)],
        }
    }
}

/// Token of a set's entry.
pub(crate) fn entry_token(entry: &SetEntry) -> Token {
    Token::Tuple(vec![
        Token::FixedBytes(entry.network_key.0.to_vec()),
        Token::FixedBytes(entry.vote_key.0.to_vec()),
        Token::Address(entry.account.h160()),
        Token::Uint(entry.weight.into()),
    ])
}

/// Token of a registration.
pub(crate) fn registration_token(registration: &Registration) -> Token {
    let pair = |bytes: &[u8; 64]| {
        let (first, second) = bytes.split_at(32);
        Token::Tuple(vec![Token::FixedBytes(first.to_vec()), Token::FixedBytes(second.to_vec())])
    };
    Token::Tuple(vec![pair(&registration.account), pair(&registration.network.0), pair(&registration.vote.0)])
}

pub(super) const FUNCTIONS: [(u8, &str); 27] = [
    (1, "pauseMesh"),
    (2, "resumeMesh"),
    (3, "pauseShard"),
    (4, "resumeShard"),
    (5, "setShard"),
    (6, "setShardBudget"),
    (7, "setShardWeight"),
    (8, "setSpillover"),
    (9, "setThermostat"),
    (10, "setOptimisation"),
    (11, "setVerification"),
    (12, "setMode"),
    (13, "setTenant"),
    (14, "setValidators"),
    (15, "withdrawValidators"),
    (16, "requestForce"),
    (17, "cancelForce"),
    (18, "executeForce"),
    (19, "approveWorker"),
    (20, "revokeWorker"),
    (21, "admitPeer"),
    (22, "banPeer"),
    (23, "setPolicy"),
    (24, "removePolicy"),
    (25, "payload"),
    (26, "setDelay"),
    (27, "reconcile"),
];

pub(super) fn parameters(kind: u8) -> Option<Vec<ParamType>> {
    use ParamType::{Address as A, Bytes, FixedBytes, String as S, Tuple};
    let u = ParamType::Uint;
    let list = |of: ParamType| ParamType::Array(Box::new(of));
    let word = || FixedBytes(32);
    let pair = || Tuple(vec![word(), word()]);
    Some(match kind {
        1 | 2 => vec![],
        3 | 4 | 20 | 24 => vec![S],
        5 => vec![S, u(32), u(32), list(S), list(S)],
        6 => vec![S, u(32), u(32)],
        7 => vec![S, u(32)],
        8 => vec![S, list(S)],
        9 | 26 => vec![u(32)],
        10 => vec![u(32), u(32), u(32), u(32)],
        11 => vec![u(8), u(32)],
        12 => vec![u(8), list(word()), list(S), list(list(word()))],
        13 => vec![S, list(word()), u(32), u(32), u(64), u(64), u(64)],
        14 => vec![
            list(Tuple(vec![word(), word(), A, u(32)])),
            list(S),
            list(S),
            list(Tuple(vec![pair(), pair(), pair()])),
        ],
        15..=18 => vec![word()],
        19 => vec![S, word()],
        21 => vec![word(), S],
        // The reason is read as bytes, so that one that is no UTF-8 is read too.
        22 => vec![word(), Bytes, u(64)],
        23 => vec![S, Bytes],
        25 => vec![Bytes],
        27 => vec![u(64), word()],
        _ => return None,
    })
}

pub(super) fn selector(kind: u8, function: &str) -> [u8; 4] {
    let mut kinds: Vec<String> =
        parameters(kind).unwrap_or_default().iter().map(ToString::to_string).collect();
    if kind == 22
        && let Some(reason) = kinds.get_mut(1)
    {
        "string".clone_into(reason);
    }
    let signature = format!("{function}({})", kinds.join(","));
    let hash = keccak(signature.as_bytes()).0;
    hash.first_chunk::<4>().copied().unwrap_or_default()
}

/// Takes arguments one by one.
pub(super) struct Arguments(std::vec::IntoIter<Token>);

pub(super) type Read<T> = Result<T, String>;

impl Arguments {
    pub(super) fn new(tokens: Vec<Token>) -> Self {
        Self(tokens.into_iter())
    }

    fn next(&mut self) -> Read<Token> {
        self.0.next().ok_or_else(|| "an argument is missing".into())
    }

    fn name(&mut self) -> Read<Name> {
        to_name(self.next()?)
    }

    fn names(&mut self) -> Read<Vec<Name>> {
        self.list()?.into_iter().map(to_name).collect()
    }

    fn list(&mut self) -> Read<Vec<Token>> {
        self.next()?.into_array().ok_or_else(|| "no list".into())
    }

    fn number<T: TryFrom<u64>>(&mut self) -> Read<T> {
        to_number(self.next()?)
    }

    fn word(&mut self) -> Read<[u8; 32]> {
        to_word(self.next()?)
    }

    fn bytes(&mut self) -> Read<Vec<u8>> {
        self.next()?.into_bytes().ok_or_else(|| "no bytes".into())
    }

    pub(super) fn command(&mut self, kind: u8) -> Read<ChainCommand> {
        Ok(match kind {
            1 => ChainCommand::PauseMesh,
            2 => ChainCommand::ResumeMesh,
            3 => ChainCommand::PauseShard { shard: self.name()? },
            4 => ChainCommand::ResumeShard { shard: self.name()? },
            5 => ChainCommand::SetShard {
                name: self.name()?,
                queue_budget: self.number()?,
                latency_budget_ms: self.number()?,
                spillover: self.names()?,
                specialties: self.names()?,
            },
            6 => ChainCommand::SetShardBudget {
                shard: self.name()?,
                queue_budget: self.number()?,
                latency_budget_ms: self.number()?,
            },
            7 => ChainCommand::SetShardWeight { shard: self.name()?, weight_ppm: self.number()? },
            8 => ChainCommand::SetSpillover { shard: self.name()?, spillover: self.names()? },
            9 => ChainCommand::SetThermostat { limit_ppm: self.number()? },
            10 => ChainCommand::SetOptimisation {
                performance: self.number()?,
                cost: self.number()?,
                reliability: self.number()?,
                sustainability: self.number()?,
            },
            11 => ChainCommand::SetVerification { level: self.number()?, fraction_ppm: self.number()? },
            12 => ChainCommand::SetMode { mode: self.mode()? },
            13 => ChainCommand::SetTenant {
                name: self.name()?,
                keys: to_keys(self.list()?)?,
                limits: TenantLimits {
                    jobs_max: self.number()?,
                    agents_max: self.number()?,
                    cpu_milli_max: self.number()?,
                    memory_mib_max: self.number()?,
                    gpu_milli_max: self.number()?,
                },
            },
            14 => ChainCommand::SetValidators { validators: self.validators()? },
            15 => ChainCommand::WithdrawValidators { set_hash: Hash(self.word()?) },
            16 => ChainCommand::RequestForce { set_hash: Hash(self.word()?) },
            17 => ChainCommand::CancelForce { set_hash: Hash(self.word()?) },
            18 => ChainCommand::ExecuteForce { set_hash: Hash(self.word()?) },
            19 => ChainCommand::ApproveWorker { worker: self.name()?, key: PublicKey(self.word()?) },
            20 => ChainCommand::RevokeWorker { worker: self.name()? },
            21 => ChainCommand::AdmitPeer { network_key: PublicKey(self.word()?), label: self.name()? },
            22 => ChainCommand::BanPeer {
                network_key: PublicKey(self.word()?),
                reason: String::from_utf8_lossy(&self.bytes()?).into_owned(),
                until_ms: self.number()?,
            },
            23 => ChainCommand::SetPolicy { name: self.name()?, document: self.bytes()? },
            24 => ChainCommand::RemovePolicy { name: self.name()? },
            25 => ChainCommand::Payload { data: self.bytes()? },
            26 => ChainCommand::SetDelay { delay_s: self.number()? },
            27 => ChainCommand::Reconcile { applied: self.number()?, head: Hash(self.word()?) },
            other => return Err(format!("kind {other}")),
        })
    }

    fn mode(&mut self) -> Read<ChainMode> {
        let code: u8 = self.number()?;
        let succession = to_keys(self.list()?)?;
        let regions = self.names()?;
        let coordinators = self.list()?;
        if regions.len() != coordinators.len() {
            return Err(format!(
                "{} regions and {} lists of coordinators",
                regions.len(),
                coordinators.len()
            ));
        }
        match code {
            0 if regions.is_empty() => Ok(ChainMode::Centralized(succession)),
            1 if succession.is_empty() => {
                let lists = coordinators
                    .into_iter()
                    .map(|list| to_keys(list.into_array().ok_or_else(|| "no list".to_owned())?));
                regions
                    .into_iter()
                    .zip(lists)
                    .map(|(r, l)| Ok((r, l?)))
                    .collect::<Read<_>>()
                    .map(ChainMode::Federated)
            }
            2 if succession.is_empty() && regions.is_empty() => Ok(ChainMode::FullyDistributed),
            3 if succession.is_empty() && regions.is_empty() => Ok(ChainMode::GeometricMesh),
            other => Err(format!("mode {other} with these lists")),
        }
    }

    fn validators(&mut self) -> Read<Vec<ProposedValidator>> {
        let entries = self.list()?;
        let (regions, labels, registrations) = (self.names()?, self.names()?, self.list()?);
        let count = entries.len();
        if regions.len() != count || labels.len() != count || registrations.len() != count {
            return Err("the four lists have different lengths".into());
        }
        entries
            .into_iter()
            .zip(registrations)
            .zip(regions.into_iter().zip(labels))
            .map(|((entry, registration), (region, label))| {
                Ok(ProposedValidator {
                    entry: to_entry(entry)?,
                    region,
                    label,
                    registration: to_registration(registration)?,
                })
            })
            .collect()
    }
}

fn to_name(token: Token) -> Read<Name> {
    let text = token.into_string().ok_or("no text")?;
    Name::new(&text).map_err(|e| e.to_string())
}

fn to_number<T: TryFrom<u64>>(token: Token) -> Read<T> {
    let value = token.into_uint().ok_or("no number")?;
    abi::small(value).and_then(|n| T::try_from(n).ok()).ok_or_else(|| format!("{value} is too large"))
}

fn to_word(token: Token) -> Read<[u8; 32]> {
    let bytes = token.into_fixed_bytes().ok_or("no word")?;
    bytes.try_into().map_err(|_| "a word has 32 bytes".to_owned())
}

fn to_keys(list: Vec<Token>) -> Read<Vec<PublicKey>> {
    list.into_iter().map(|token| to_word(token).map(PublicKey)).collect()
}

fn to_tuple<const N: usize>(token: Token) -> Read<[Token; N]> {
    let list = token.into_tuple().ok_or("no tuple")?;
    list.try_into().map_err(|_| "a tuple of another length".to_owned())
}

fn to_entry(token: Token) -> Read<SetEntry> {
    let [network, vote, account, weight] = to_tuple(token)?;
    Ok(SetEntry {
        network_key: PublicKey(to_word(network)?),
        vote_key: PublicKey(to_word(vote)?),
        account: Address::of(account.into_address().ok_or("no address")?),
        weight: to_number(weight)?,
    })
}

fn to_registration(token: Token) -> Read<Registration> {
    let [account, network, vote] = to_tuple(token)?;
    Ok(Registration {
        account: to_pair(account)?,
        network: Signature(to_pair(network)?),
        vote: Signature(to_pair(vote)?),
    })
}

fn to_pair(token: Token) -> Read<[u8; 64]> {
    let [first, second] = to_tuple(token)?;
    let mut bytes = [0; 64];
    let both = to_word(first)?.into_iter().chain(to_word(second)?);
    bytes.iter_mut().zip(both).for_each(|(slot, byte)| *slot = byte);
    Ok(bytes)
}
