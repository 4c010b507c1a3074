//! Places of agents and jobs from what they have to do with each other.
//!
//! Each tenant has a centre ([`tenant_center`]), and its agents and jobs lie around it
//! ([`position`]): those that share skills, mean alike or need the same data are near each
//! other. A translation of the ball carries what lies around the origin to the centre, so
//! distances within a tenant do not depend on where the tenant is.
//!
//! - **A1** Nobody is further than [`CLUSTER_RADIUS`] from the tenant's centre.
//! - **A2** Centres are at least [`CENTERS_APART`] from each other and from the origin,
//!   around which lies what has no tenant. So what two tenants own is at least [`MARGIN`]
//!   apart, always: when no such centre is found, that is an error.
//!   Fixed point rounds these lengths by less than 0.0005 in 512 dimensions.
//! - **A3** Same input, same place, on every machine: directions are hashes, sums are
//!   whole numbers, and all the rest is invariant G1.
//!
//! Skills and meanings go into few dimensions by signed random projection (Achlioptas
//! 2003; Weinberger and others 2009): the cosine of two of them is right on average, and
//! off by about one over the root of the dimension.

use crate::{Curvature, Error, Point, Reach, fixed, hashed, is_beyond, point::norm_squared};
use phalanx_types::{Hash, Name, agent::Position, job::SKILLS_MAX, tags};
use std::collections::BTreeSet;

/// The furthest that an agent or job lies from its tenant's centre (A1).
pub const CLUSTER_RADIUS: f64 = SKILLS + SEMANTIC + LOCALITY;
/// The least distance of what two tenants own (A2).
pub const MARGIN: f64 = 1.0;
/// The least distance of two tenants' centres, and of one from the origin.
pub const CENTERS_APART: f64 = MARGIN + 2.0 * CLUSTER_RADIUS;
/// Most components of a semantic vector.
pub const SEMANTIC_LEN_MAX: usize = 4_096;

/// How far skills move an agent or job, at most.
const SKILLS: f64 = 0.4;
/// How far its meaning does.
const SEMANTIC: f64 = 0.4;
/// How far the place of its data does.
const LOCALITY: f64 = 0.2;

/// Radius of the first shell of centres, what lies between shells, and how many there
/// are: the last is at 15, so a cluster is well inside of what a position may be.
const SHELL: f64 = CENTERS_APART + 0.1;
/// How much further out each shell of centres is than the one before.
pub const SHELL_STEP: f64 = 0.7;
const SHELLS: u16 = 18;
/// Directions that are tried in each shell.
const CANDIDATES: u16 = 32;

const _: () = assert!(SHELL + SHELL_STEP * (SHELLS as f64 - 1.0) + CLUSTER_RADIUS < 17.0);

/// What an agent or job has to do with others.
#[derive(Clone, Copy, Debug)]
pub struct Work<'a> {
    /// What it can do, or what it asks for.
    pub skills: &'a BTreeSet<Name>,
    /// What it means, as a model says it: in fixed point of any scale, for only the
    /// direction counts. All of one mesh come from the same model.
    pub semantic: Option<&'a [i64]>,
    /// Where its data lie: the place of their region, in the same dimension. It is carried
    /// to the tenant's centre like all else: work of one tenant is near what needs the same
    /// data, and only what has no tenant is drawn to the region's place itself.
    pub locality: Option<&'a Position>,
}

/// The place of an agent or job of the tenant whose centre is `center`; the origin is the
/// centre of what has no tenant.
///
/// # Errors
/// When a position is not valid or the dimensions differ, there are more than
/// [`SKILLS_MAX`] skills, or a semantic vector has no component or more than
/// [`SEMANTIC_LEN_MAX`].
pub fn position(center: &Position, work: &Work<'_>) -> Result<Position, Error> {
    let found = work.skills.len();
    if found > SKILLS_MAX {
        return Err(Error::PartCount { what: "a set of skills", found, max: SKILLS_MAX });
    }
    let center = Point::try_from(center)?;
    let dimension = center.dimension();
    let mut offset = vec![0.0; dimension];
    add(&mut offset, &unit(&skills(work.skills, dimension)), SKILLS);
    if let Some(semantic) = work.semantic {
        add(&mut offset, &unit(&projected(semantic, dimension)?), SEMANTIC);
    }
    if let Some(locality) = work.locality {
        let place = Point::try_from(locality)?;
        fixed::same_dimension(dimension, place.dimension())?;
        add(&mut offset, place.coordinates(), LOCALITY);
    }
    let length = norm_squared(&offset).sqrt();
    center.moebius_add(&Point::at(&offset, length)?)?.to_position()
}

/// The place of what only has skills, and may have many: as [`position`] of work without
/// meaning and data.
///
/// # Errors
/// When the position is not valid.
pub fn position_of_skills(center: &Position, of: &BTreeSet<Name>) -> Result<Position, Error> {
    let center = Point::try_from(center)?;
    let mut offset = vec![0.0; center.dimension()];
    add(&mut offset, &unit(&skills(of, center.dimension())), SKILLS);
    let length = norm_squared(&offset).sqrt();
    center.moebius_add(&Point::at(&offset, length)?)?.to_position()
}

/// The centre for one more tenant: the first of the directions hashed from its name, on
/// the innermost shell, that is far enough from the `others`, which are the centres of
/// the tenants so far. It depends on them: it is found once, when the tenant is admitted,
/// and kept.
///
/// Shells of radius `r` have room for about `e^(r·(dimension − 1))` tenants: in 2
/// dimensions more than 10,000, in 8 more than there can be.
///
/// # Errors
/// When a position is not valid, the dimensions differ or are not 2 to 1,024, or no
/// direction of any shell is free.
pub fn tenant_center(dimension: usize, tenant: &Name, others: &[Position]) -> Result<Position, Error> {
    let apart = Reach::for_beyond(Curvature::ONE, (CENTERS_APART * 1e6) as u64)?;
    for center in candidates(&Point::origin(dimension)?, tenant, SHELL, SHELLS) {
        let center = center?;
        let mut is_free = true;
        for other in others {
            is_free = is_free && is_beyond(&center, other, apart)?;
        }
        if is_free {
            return Ok(center);
        }
    }
    Err(Error::Crowded { tenants: others.len(), dimension })
}

/// Where a tenant may have its centre: on so many shells about a point, of which the
/// first has this radius and each next one is larger by [`SHELL_STEP`], in directions
/// that are hashed from the tenant's name. An error for what lies too far from `about`.
pub fn candidates<'a>(
    about: &'a Point,
    tenant: &'a Name,
    first_radius: f64,
    shells: u16,
) -> impl Iterator<Item = Result<Position, Error>> + 'a {
    let each = (0..shells).flat_map(|shell| (0..CANDIDATES).map(move |candidate| (shell, candidate)));
    each.filter_map(move |(shell, candidate)| {
        let id = [b"tenant ", tenant.as_str().as_bytes(), &shell.to_le_bytes(), &candidate.to_le_bytes()];
        let hashed = hashed::direction(&id.concat(), about.dimension());
        let direction: Vec<f64> = hashed.iter().map(|x| f64::from(*x)).collect();
        let is_none = direction.iter().all(|x| x.abs() < 0.5);
        let radius = first_radius + SHELL_STEP * f64::from(shell);
        let found = || about.moebius_add(&Point::at(&direction, radius)?)?.to_position();
        (!is_none).then(found)
    })
}

/// The sum of the skills' directions.
fn skills(skills: &BTreeSet<Name>, dimension: usize) -> Vec<i128> {
    let mut sum = vec![0; dimension];
    for skill in skills {
        let direction = hashed::direction(&[b"skill ", skill.as_str().as_bytes()].concat(), dimension);
        for (sum, x) in sum.iter_mut().zip(direction) {
            *sum += i128::from(x);
        }
    }
    sum
}

/// A semantic vector in few dimensions: each component is added to all or taken from
/// them, as hashed bits say.
fn projected(semantic: &[i64], dimension: usize) -> Result<Vec<i128>, Error> {
    const WHAT: &str = "a semantic vector";
    if !(1..=SEMANTIC_LEN_MAX).contains(&semantic.len()) {
        return Err(Error::PartCount { what: WHAT, found: semantic.len(), max: SEMANTIC_LEN_MAX });
    }
    // At most 2^12 parts of at most 2^63 each.
    let total: i128 = semantic.iter().map(|x| i128::from(*x)).sum();
    let mut sums = Vec::with_capacity(dimension);
    for row in 0..dimension as u64 {
        let mut taken: i128 = 0;
        for (block, part) in (0u64..).zip(semantic.chunks(256)) {
            let key = [b"semantic".as_slice(), &row.to_le_bytes(), &block.to_le_bytes()];
            let signs = Hash::of_parts(tags::AFFINITY, &key);
            for (byte, eight) in signs.0.iter().zip(part.chunks(8)) {
                for (bit, x) in eight.iter().enumerate() {
                    // All ones or none: no branch that nobody can foresee.
                    taken += i128::from(x & -i64::from(byte >> bit & 1));
                }
            }
        }
        sums.push(total - 2 * taken);
    }
    Ok(sums)
}

/// The same direction, of length 1; zero stays.
fn unit(vector: &[i128]) -> Vec<f64> {
    let floats: Vec<f64> = vector.iter().map(|x| *x as f64).collect();
    let norm = norm_squared(&floats).sqrt();
    floats.iter().map(|x| if norm > 0.0 { x / norm } else { 0.0 }).collect()
}

fn add(sum: &mut [f64], vector: &[f64], factor: f64) {
    for (sum, x) in sum.iter_mut().zip(vector) {
        *sum += factor * x;
    }
}
