//! What a mesh is founded with, and what its genesis does not carry.

use crate::{
    Decimal, DecimalError, Geometry, Kappa, Label, MomConfig, OptimizationGoals, Orchestration, Receipts,
    Verification,
};
use phalanx_types::{
    Genesis, Name, PublicKey, Validator,
    owner::OptimisationWeights,
    params::{self, CURVATURE_PPM, DIMENSIONS, Mode, Params},
};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// Why settings and a mesh do not fit each other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FoundingError {
    /// A validator is named that is not there.
    #[error("`orchestration.{setting}` names {found}, which is no validator of this mesh; they are {known}")]
    Unknown {
        /// Where it is named.
        setting: &'static str,
        /// What is named.
        found: Name,
        /// The labels of all validators.
        known: String,
    },
    /// A region is named that is not there.
    #[error("`orchestration.coordinators` names {found}, which is no region of this mesh; they are {known}")]
    UnknownRegion {
        /// What is named.
        found: Name,
        /// All regions.
        known: String,
    },
    /// Several validators have the label that is named.
    #[error("`orchestration.{setting}` names {found}, as {count} validators are called: give its vote key")]
    Ambiguous {
        /// Where it is named.
        setting: &'static str,
        /// The label.
        found: Name,
        /// How many there are.
        count: usize,
    },
    /// A validator is named twice, by its label and by its key.
    #[error("`orchestration.{setting}` names the validator {found} twice")]
    Twice {
        /// Where it is named.
        setting: &'static str,
        /// Its label.
        found: Name,
    },
    /// A region has nobody to coordinate it.
    #[error("the region {region} has no coordinator: a federated mesh needs a validator in each region")]
    Nobody {
        /// The region.
        region: Name,
    },
    /// A centralized mesh without a controller.
    #[error("the genesis is centralized and names no controller")]
    NoController,
    /// A number of the genesis is none that settings can have.
    #[error("the genesis has a number that settings cannot have: {0}")]
    Number(#[from] DecimalError),
}

/// A setting that makes no mesh do anything else than it would without it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unheeded {
    /// Its path.
    pub path: &'static str,
    /// What the file says.
    pub found: String,
    /// What a mesh can be founded with instead; none where the mesh keeps it and decides
    /// nothing by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed: Option<String>,
}

impl fmt::Display for Unheeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, found, allowed } = self;
        match allowed {
            Some(allowed) => {
                write!(f, "`{path}` is {found}, and no mesh carries that out yet: {allowed} is allowed")
            }
            None => write!(f, "`{path}` is {found}: kept and shown, and nothing is decided by it yet"),
        }
    }
}

impl MomConfig {
    /// The settings that a genesis document founds its mesh with. What it does not
    /// carry is as it is in effect.
    ///
    /// # Errors
    /// When the document does not hang together.
    pub fn of_genesis(genesis: &Genesis) -> Result<Self, FoundingError> {
        let weights = &genesis.params.optimisation;
        Ok(Self {
            orchestration: Orchestration::of(&genesis.mode, &genesis.validators)?,
            optimization_goals: OptimizationGoals {
                performance: Decimal::from_ppm(weights.performance_ppm)?,
                cost: Decimal::from_ppm(weights.cost_ppm)?,
                reliability: Decimal::from_ppm(weights.reliability_ppm)?,
                sustainability: Decimal::from_ppm(weights.sustainability_ppm)?,
            },
            geometry: Geometry {
                curvature: Kappa::from_ppm(genesis.params.curvature_ppm)?,
                dimension: genesis.params.dimension,
                ..Geometry::default()
            },
            verification: Verification::of(genesis.verification)?,
            ..Self::default()
        })
    }

    /// The shared numbers of a mesh with these settings; those that the documents do not
    /// name are as by default.
    #[must_use]
    pub fn to_params(&self) -> Params {
        let goals = &self.optimization_goals;
        let optimisation = OptimisationWeights {
            performance_ppm: goals.performance.ppm(),
            cost_ppm: goals.cost.ppm(),
            reliability_ppm: goals.reliability.ppm(),
            sustainability_ppm: goals.sustainability.ppm(),
        };
        let Geometry { curvature, dimension, routing_algorithm: _ } = self.geometry;
        Params { optimisation, curvature_ppm: curvature.ppm(), dimension, ..Params::default() }
    }

    /// The settings that change nothing: those that no mesh carries out, and goals that are
    /// not those by default. Whoever founds a mesh tells them, and refuses the former
    /// (see [`MomConfig::problems_of_founding`]).
    #[must_use]
    pub fn unheeded(&self) -> Vec<Unheeded> {
        let (goals, usual) = (&self.optimization_goals, OptimizationGoals::default());
        let goals = [
            ("optimization_goals.performance", goals.performance, usual.performance),
            ("optimization_goals.cost", goals.cost, usual.cost),
            ("optimization_goals.reliability", goals.reliability, usual.reliability),
            ("optimization_goals.sustainability", goals.sustainability, usual.sustainability),
        ];
        let kept = goals.into_iter().filter(|(_, found, usual)| found != usual);
        let kept = kept.map(|(path, found, _)| Unheeded { path, found: found.to_string(), allowed: None });
        let mut refused = Vec::new();
        let mut refuse = |path, found: String, allowed: String| {
            refused.push(Unheeded { path, found, allowed: Some(allowed) });
        };
        // The routing algorithm is in the settings of each node.
        let Geometry { curvature, dimension, routing_algorithm: _ } = self.geometry;
        if !CURVATURE_PPM.contains(&curvature.ppm()) {
            let [least, most] = [CURVATURE_PPM.start(), CURVATURE_PPM.end()].map(|ppm| Kappa::clamped(*ppm));
            refuse("geometry.curvature", curvature.to_string(), format!("{least} to {most}"));
        }
        if !DIMENSIONS.contains(&dimension) {
            refuse("geometry.dimension", dimension.to_string(), DIMENSIONS.map(|n| n.to_string()).join(", "));
        }
        if let Verification::Sample { receipts, .. } = self.verification {
            let Receipts { placement, lifecycle, scaling } = receipts;
            let kinds = [
                ("verification.receipts.placement", placement),
                ("verification.receipts.lifecycle", lifecycle),
                ("verification.receipts.scaling", scaling),
            ];
            for (path, found) in kinds.into_iter().filter(|(_, is_made)| !is_made) {
                refuse(path, found.to_string(), true.to_string());
            }
        }
        kept.chain(refused).collect()
    }
}

impl Orchestration {
    /// The mode of a mesh that has these validators in these regions.
    ///
    /// # Errors
    /// When it names who is not there, or leaves a region without a coordinator.
    pub fn to_mode(&self, validators: &[Validator], regions: &[Name]) -> Result<Mode, FoundingError> {
        match self {
            Self::FullyDistributed {} => Ok(Mode::FullyDistributed),
            Self::GeometricMesh {} => Ok(Mode::GeometricMesh),
            Self::Centralized { controller, successors } => {
                let first = find(validators, "controller", controller)?;
                let mut order = vec![first];
                if successors.is_empty() {
                    order.extend(validators.iter().filter(|v| v.vote_key != first.vote_key));
                }
                for label in successors {
                    order.push(find(validators, "successors", label)?);
                }
                distinct("successors", &order)?;
                Ok(Mode::Centralized { succession: keys(&order) })
            }
            Self::Federated { coordinators } => {
                let mut named: BTreeMap<Name, Vec<&Validator>> = BTreeMap::new();
                if coordinators.is_empty() {
                    let of = |region: &Name| validators.iter().filter(|v| v.region == *region).collect();
                    named = regions.iter().map(|region| (region.clone(), of(region))).collect();
                }
                for (Label(region), labels) in coordinators {
                    if !regions.contains(region) {
                        let known = list(regions.iter());
                        return Err(FoundingError::UnknownRegion { found: region.clone(), known });
                    }
                    let found = labels.iter().map(|label| find(validators, "coordinators", label));
                    named.insert(region.clone(), found.collect::<Result<_, _>>()?);
                }
                distinct("coordinators", &named.values().flatten().copied().collect::<Vec<_>>())?;
                if let Some((region, _)) = named.iter().find(|(_, of)| of.is_empty()) {
                    return Err(FoundingError::Nobody { region: region.clone() });
                }
                let coordinators = named.into_iter().map(|(region, of)| (region, keys(&of))).collect();
                Ok(Mode::Federated { coordinators })
            }
        }
    }

    fn of(mode: &Mode, validators: &[Validator]) -> Result<Self, FoundingError> {
        Ok(match mode {
            Mode::FullyDistributed => Self::FullyDistributed {},
            Mode::GeometricMesh => Self::GeometricMesh {},
            Mode::Centralized { succession } => {
                let mut order = labels(validators, succession).into_iter();
                let controller = order.next().ok_or(FoundingError::NoController)?;
                Self::Centralized { controller, successors: order.collect() }
            }
            Mode::Federated { coordinators } => {
                let of = |(region, keys): (&Name, &Vec<PublicKey>)| {
                    (Label(region.clone()), labels(validators, keys))
                };
                Self::Federated { coordinators: coordinators.iter().map(of).collect() }
            }
        })
    }
}

impl Verification {
    /// The documents' name of the level.
    #[must_use]
    pub const fn level(&self) -> &'static str {
        self.to_level().name()
    }

    /// The level that a genesis document carries.
    #[must_use]
    pub const fn to_level(&self) -> params::Verification {
        match self {
            Self::None {} => params::Verification::None,
            Self::Sample { fraction, .. } => params::Verification::Sample { fraction_ppm: fraction.ppm() },
            Self::FullAudit {} => params::Verification::FullAudit,
        }
    }

    fn of(level: params::Verification) -> Result<Self, DecimalError> {
        Ok(match level {
            // A sample of nothing is what is always receipted.
            params::Verification::None | params::Verification::Sample { fraction_ppm: 0 } => Self::None {},
            params::Verification::Sample { fraction_ppm } => {
                let fraction = Decimal::from_ppm(fraction_ppm)?;
                Self::Sample { fraction, receipts: Receipts::default() }
            }
            params::Verification::FullAudit => Self::FullAudit {},
        })
    }
}

/// The validator of a label or key.
fn find<'v>(
    validators: &'v [Validator],
    setting: &'static str,
    Label(name): &Label,
) -> Result<&'v Validator, FoundingError> {
    if let Some(validator) = validators.iter().find(|v| v.vote_key.to_string() == name.as_str()) {
        return Ok(validator);
    }
    let mut labelled = validators.iter().filter(|v| v.label == *name);
    match (labelled.next(), labelled.count()) {
        (Some(validator), 0) => Ok(validator),
        (Some(_), others) => {
            Err(FoundingError::Ambiguous { setting, found: name.clone(), count: others + 1 })
        }
        (None, _) => {
            let known = list(validators.iter().map(|v| &v.label));
            Err(FoundingError::Unknown { setting, found: name.clone(), known })
        }
    }
}

/// The labels of keys; the key itself where its label is also another's.
fn labels(validators: &[Validator], keys: &[PublicKey]) -> Vec<Label> {
    let label = |key: &PublicKey| {
        let own = validators.iter().find(|v| v.vote_key == *key).map(|v| &v.label);
        let own = own.filter(|own| validators.iter().filter(|v| v.label == **own).count() == 1);
        own.cloned().or_else(|| Name::new(&key.to_string()).ok()).map(Label)
    };
    keys.iter().filter_map(label).collect()
}

fn keys(validators: &[&Validator]) -> Vec<PublicKey> {
    validators.iter().map(|v| v.vote_key).collect()
}

fn list<'n>(names: impl Iterator<Item = &'n Name>) -> String {
    names.map(Name::as_str).collect::<Vec<_>>().join(", ")
}

fn distinct(setting: &'static str, named: &[&Validator]) -> Result<(), FoundingError> {
    let mut seen = BTreeSet::new();
    match named.iter().find(|v| !seen.insert(v.vote_key)) {
        Some(twice) => Err(FoundingError::Twice { setting, found: twice.label.clone() }),
        None => Ok(()),
    }
}
