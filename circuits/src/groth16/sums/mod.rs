//! Sums of many multiples of points, which are nearly all that a prover does.
//!
//! The bases are a key's and the same for each proof, so that they are laid out once. Scalars
//! are cut into signed digits of `c` bits (Pippenger, 1976): all points with one digit in one
//! window are summed, and those sums once more by the bits of their digits. Where the processor
//! can, sums go eight at a time ([`pairs`]); elsewhere they are arkworks'.

#[cfg(target_arch = "x86_64")]
mod coordinates;
mod digits;
#[cfg(target_arch = "x86_64")]
mod pairs;

pub(super) use digits::Scalars;

use ark_ec::{
    VariableBaseMSM,
    short_weierstrass::{Affine, Projective},
};

#[cfg(target_arch = "x86_64")]
pub(super) use coordinates::Curve;
/// A curve whose points are summed.
#[cfg(not(target_arch = "x86_64"))]
pub(super) trait Curve: ark_ec::short_weierstrass::SWCurveConfig<ScalarField = ark_bn254::Fr> {}
#[cfg(not(target_arch = "x86_64"))]
impl<C: ark_ec::short_weierstrass::SWCurveConfig<ScalarField = ark_bn254::Fr>> Curve for C {}

/// Points that are multiplied and summed.
pub(super) struct Bases<C: Curve> {
    points: Vec<Affine<C>>,
    #[cfg(target_arch = "x86_64")]
    laid: Option<pairs::Laid<C>>,
}

impl<C: Curve> Bases<C> {
    pub(super) fn new(points: Vec<Affine<C>>) -> Self {
        Self {
            #[cfg(target_arch = "x86_64")]
            laid: pairs::Laid::new(&points),
            points,
        }
    }

    /// The sum of each point times its scalar; of the shorter list's length.
    pub(super) fn sum(&self, scalars: &Scalars) -> Projective<C> {
        #[cfg(target_arch = "x86_64")]
        if let Some(laid) = &self.laid {
            return laid.sum(scalars);
        }
        Projective::msm_bigint(&self.points, scalars.numbers())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_bn254::{Fr, g1, g2};
    use ark_ec::{CurveGroup, PrimeGroup};
    use ark_ff::UniformRand;
    use ark_std::rand::{Rng, SeedableRng, rngs::StdRng};

    fn random_point<C: Curve>(random: &mut StdRng) -> Affine<C> {
        (Projective::<C>::generator() * Fr::rand(random)).into_affine()
    }

    /// Small, large, negative, none.
    fn random_scalar(random: &mut StdRng) -> Fr {
        match random.gen_range(0..8) {
            0 => Fr::from(0),
            1 => Fr::from(1),
            2 => -Fr::from(1),
            3 => Fr::from(random.gen_range(0_u64..1 << 20)),
            4 => -Fr::from(random.gen_range(0_u64..1 << 20)),
            _ => Fr::rand(random),
        }
    }

    fn agrees<C: Curve>(points: Vec<Affine<C>>, scalars: &[Fr]) {
        let each: Projective<C> = points.iter().zip(scalars).map(|(p, s)| *p * *s).sum();
        let mut bases = Bases::new(points);
        let scalars = Scalars::new(scalars);
        assert_eq!(bases.sum(&scalars).into_affine(), each.into_affine());
        // As where the processor cannot.
        #[cfg(target_arch = "x86_64")]
        bases.laid.take();
        assert_eq!(bases.sum(&scalars).into_affine(), each.into_affine());
    }

    fn random_sums<C: Curve>() {
        let mut random = StdRng::seed_from_u64(7);
        for count in [0, 1, 2, 7, 8, 9, 63, 300] {
            let points = (0..count).map(|_| random_point::<C>(&mut random)).collect();
            let scalars: Vec<Fr> = (0..count).map(|_| random_scalar(&mut random)).collect();
            agrees(points, &scalars);
        }
    }

    /// Where sums have no slope: a point and itself, a point and its opposite, no point at all, sums
    /// that are none.
    fn sums_without_slope<C: Curve>() {
        let mut random = StdRng::seed_from_u64(11);
        let one = random_point::<C>(&mut random);
        let none = Affine::<C>::identity();
        let many: Vec<Affine<C>> = (0..40)
            .map(|i| match i % 5 {
                0 | 1 => one,
                2 => -one,
                3 => none,
                _ => random_point(&mut random),
            })
            .collect();
        for scalar in [Fr::from(1), -Fr::from(1), Fr::from(5), Fr::rand(&mut random)] {
            agrees(vec![one; 37], &vec![scalar; 37]);
            agrees(vec![one, -one, one, -one], &[scalar; 4]);
            agrees(vec![none; 9], &[scalar; 9]);
            agrees(many.clone(), &vec![scalar; many.len()]);
            let mixed: Vec<Fr> = (0..many.len()).map(|i| if i % 2 == 0 { scalar } else { -scalar }).collect();
            agrees(many.clone(), &mixed);
        }
    }

    #[test]
    fn sums_are_those_of_each_point_times_its_scalar() {
        random_sums::<g1::Config>();
        random_sums::<g2::Config>();
    }

    #[test]
    fn points_whose_sum_has_no_slope_are_summed_too() {
        sums_without_slope::<g1::Config>();
        sums_without_slope::<g2::Config>();
    }

    /// Of more bases than scalars, and the other way round, what is over is left out.
    #[test]
    fn a_sum_is_as_long_as_the_shorter_list() {
        let mut random = StdRng::seed_from_u64(13);
        let points: Vec<Affine<g1::Config>> = (0..20).map(|_| random_point(&mut random)).collect();
        let scalars: Vec<Fr> = (0..20).map(|_| Fr::rand(&mut random)).collect();
        agrees(points.get(..9).unwrap().to_vec(), &scalars);
        agrees(points, scalars.get(..9).unwrap());
    }
}
