//! Where tenants are: each has a home in each region, and those of two are apart.
//!
//! - **H1** A mesh of one tenant keeps no homes: it is at home at the regions' places.
//! - **H2** Of several tenants each has a home in each region: a point that is found once,
//!   when the owner lets the tenant or the region in, and never moves. It is at least
//!   [`HOMES_APART`] from all homes of all other tenants. The first tenant's homes are the
//!   regions' places as they are then; those of another one lie on shells about them, where
//!   no other region is nearer if there is such a point.
//! - **H3** Whom the mesh places without an order is within [`HOME_RADIUS`] of its tenant's
//!   home in its region, unless a policy wants it elsewhere. So what two tenants own is
//!   [`TENANTS_APART`] apart, whatever the regions' places do later; fixed point rounds that
//!   by less than 0.0005.
//! - **H4** Jobs and workers have places too. They follow from what is kept: a job's is off
//!   its tenant's home in its shard by the skills that it asks for, a worker's is off its
//!   region's place by its capabilities.
//!
//! All lengths here are those of curvature 1, also in a mesh of another: there regions are
//! further apart or nearer, and what lies about a home is as large as ever.

use crate::{Fabric, Phase, Refusal, admission::bad, places::unit_ball, state::Agent};
use phalanx_geometry::{
    Curvature, Error, Point, Reach,
    affinity::{self, CLUSTER_RADIUS, MARGIN},
    compare_distance, is_beyond,
};
use phalanx_types::{JobId, Name, agent::Position};
use std::{cmp::Ordering, iter};

/// How far wishes and data draw an agent from home, at most.
pub(crate) const WISHES: f64 = 0.5;
/// The furthest that an agent is placed from its tenant's home in its region (H3).
pub const HOME_RADIUS: f64 = CLUSTER_RADIUS + WISHES;
/// The least distance of what two tenants own (H3).
pub const TENANTS_APART: f64 = MARGIN;
/// The least distance of two tenants' homes (H2).
pub const HOMES_APART: f64 = TENANTS_APART + 2.0 * HOME_RADIUS;

/// Radius of the first shell of homes about a region's place, and how many shells there
/// are; the last has radius 11.8.
const SHELL: f64 = HOMES_APART + 0.1;
const SHELLS: u16 = 12;
/// How far from the origin a home on a shell may be: all about it is well inside of what a
/// position may be.
const OUTERMOST: f64 = 17.0 - HOME_RADIUS;

/// What stands between tenant and region in the key of a home. No name has it.
const OF: char = '/';

fn key(tenant: &Name, region: &Name) -> String {
    format!("{tenant}{OF}{region}")
}

/// Whether the key of a place is that of a home.
pub(crate) fn is_home(key: &str) -> bool {
    key.contains(OF)
}

/// The translation that takes `from` to `to`, of a position.
pub(crate) fn translated(x: &Position, from: &Position, to: &Position) -> Result<Position, Error> {
    if from == to {
        return Ok(x.clone());
    }
    Point::try_from(x)?.translated(&Point::try_from(from)?, &Point::try_from(to)?)?.to_position()
}

impl Fabric {
    /// Where a tenant is at home in a region: its own point, or the region's place.
    #[must_use]
    pub fn home_of(&self, tenant: &Name, region: &Name) -> Option<&Position> {
        self.places.get(&key(tenant, region)).or_else(|| self.place(region))
    }

    /// The translation by which regions see an agent that lives in one of them, as from and
    /// to: from its tenant's home there to the region's place. One that is not about that
    /// home is where it is.
    pub(crate) fn view_of(&self, agent: &Agent, region: &Name) -> Option<(&Position, &Position)> {
        let (home, place) = (self.home_of(&agent.spec.tenant, region)?, self.place(region)?);
        let length = unit_ball().distance(&agent.position, home).ok()?;
        (length.to_f64() <= HOME_RADIUS).then_some((home, place))
    }

    /// Where an agent is as regions see it.
    pub(crate) fn seen(&self, agent: &Agent) -> Position {
        let region = self.region_of(agent);
        let view = region.and_then(|region| self.view_of(agent, &region));
        let seen = view.and_then(|(home, place)| translated(&agent.position, home, place).ok());
        seen.unwrap_or_else(|| agent.position.clone())
    }

    /// Where a worker is (H4).
    #[must_use]
    pub fn worker_place(&self, worker: &Name) -> Option<Position> {
        let offer = &self.workers.get(worker)?.offer;
        affinity::position_of_skills(self.place(&offer.region)?, &offer.capabilities).ok()
    }

    /// Where a job is that waits or runs (H4).
    #[must_use]
    pub fn job_place(&self, job: &JobId) -> Option<Position> {
        let job = self.jobs.get(job).filter(|job| !matches!(job.phase, Phase::Ended { .. }))?;
        let home = self.home_of(&job.spec.tenant, &job.shard)?;
        affinity::position_of_skills(home, &job.spec.skills).ok()
    }

    /// Finds the homes that are missing (H2), in this order of tenants; whether there was
    /// room for all.
    #[must_use]
    pub(crate) fn find_homes<'n>(&mut self, tenants: impl IntoIterator<Item = &'n Name>) -> bool {
        if self.tenants.len() < 2 {
            return true;
        }
        let regions: Vec<Name> = self.shards.iter().map(|(name, _)| name.clone()).collect();
        let mut is_room_for_all = true;
        for tenant in tenants {
            for region in &regions {
                let key = key(tenant, region);
                if self.places.contains(&key) {
                    continue;
                }
                match self.find_home(tenant, region) {
                    Ok(Some(home)) => drop(self.places.insert(key, home)),
                    Ok(None) | Err(_) => is_room_for_all = false,
                }
            }
        }
        is_room_for_all
    }

    /// Finds all homes that are missing: by the tenants' names, `newcomer` last.
    #[must_use]
    pub(crate) fn find_all_homes(&mut self, newcomer: Option<&Name>) -> bool {
        let mut order: Vec<Name> = self.tenants.iter().map(|(name, _)| name.clone()).collect();
        order.sort_by_key(|name| Some(name) == newcomer);
        self.find_homes(&order)
    }

    /// Whether after a change there is room for all homes.
    pub(crate) fn check_homes(
        &self,
        field: &'static str,
        newcomer: Option<&Name>,
        change: impl FnOnce(&mut Self),
    ) -> Result<(), Refusal> {
        let mut after = self.clone();
        change(&mut after);
        if after.find_all_homes(newcomer) {
            return Ok(());
        }
        bad(field, format!("no room for a home that is {HOMES_APART} from those of all other tenants"))
    }

    /// A new home of a tenant in a region; none when there is no room.
    fn find_home(&self, tenant: &Name, region: &Name) -> Result<Option<Position>, Error> {
        let Some(place) = self.place(region) else { return Ok(None) };
        let apart = Reach::for_beyond(Curvature::ONE, (HOMES_APART * 1e6) as u64)?;
        let own = format!("{tenant}{OF}");
        let is_other = |key: &str| is_home(key) && !key.starts_with(&own);
        let others: Vec<&Position> =
            self.places.iter().filter(|(key, _)| is_other(key)).map(|(_, home)| home).collect();
        let about = Point::try_from(place)?;
        let origin = Point::origin(about.dimension())?;
        let shells = affinity::candidates(&about, tenant, SHELL, SHELLS).filter(|found| {
            let length = found
                .as_ref()
                .map(|found| Point::try_from(found).and_then(|x| unit_ball().length(&origin, &x)));
            !matches!(length, Ok(Ok(length)) if length > OUTERMOST)
        });
        let mut second = None;
        for candidate in iter::once(Ok(place.clone())).chain(shells) {
            let candidate = candidate?;
            let mut is_free = true;
            for other in &others {
                is_free = is_free && is_beyond(&candidate, other, apart)?;
            }
            if !is_free {
                continue;
            }
            let mut is_nearest = true;
            for (_, other) in self.placed_regions() {
                is_nearest = is_nearest && compare_distance(&candidate, place, other)? != Ordering::Greater;
            }
            if is_nearest {
                return Ok(Some(candidate));
            }
            second = second.or(Some(candidate));
        }
        Ok(second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{World, key, name, refusal};
    use phalanx_types::{
        OwnerCommand,
        tenant::{Quota, Tenant},
    };

    #[test]
    fn a_tenant_for_whom_there_is_no_room_is_not_let_in() {
        let mut world = World::bare(|_| ());
        let admit = |world: &mut World, tenant: &str| {
            let tenant = Tenant { name: name(tenant), keys: [key("k")].into(), quota: Quota::UNLIMITED };
            world.command(OwnerCommand::SetTenant { tenant })
        };
        let earth = Point::try_from(world.fabric.place(&name("earth")).unwrap()).unwrap();
        let late = name("late");
        let candidates: Vec<Position> =
            affinity::candidates(&earth, &late, SHELL, SHELLS).collect::<Result<_, _>>().unwrap();
        for (n, taken) in candidates.into_iter().enumerate() {
            world.fabric.places.insert(key_of(n), taken);
        }
        let _ = world.fabric.drain();
        let before = world.fabric.tenants.len();
        let applied = admit(&mut world, "late");
        assert_eq!((refusal(&applied).as_str(), world.fabric.tenants.len()), ("bad_value", before));
        assert_eq!(world.fabric.home_of(&late, &name("earth")), world.fabric.place(&name("earth")));
        // Another one goes other ways.
        admit(&mut world, "other");
        assert_eq!(world.fabric.tenants.len(), before + 1);
    }

    fn key_of(n: usize) -> String {
        super::key(&name(&format!("x{n}")), &name("earth"))
    }
}
