//! Sparse linear combinations of variables.

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, Zero};

/// Terms `(factor, column)` by rising column, none of them zero. Column 0 is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Linear(pub Vec<(Fr, usize)>);

impl Linear {
    /// `factor` times the variable in `column`.
    #[must_use]
    pub fn term(factor: Fr, column: usize) -> Self {
        if factor == Fr::ZERO { Self::default() } else { Self(vec![(factor, column)]) }
    }

    /// `self + factor·other`
    pub fn add(&mut self, factor: Fr, other: &Self) {
        if factor == Fr::ZERO {
            return;
        }
        let first = other.0.first().map_or(usize::MAX, |term| term.1);
        if self.0.last().is_none_or(|term| term.1 < first) {
            self.0.extend(other.0.iter().map(|(f, column)| (*f * factor, *column)));
            return;
        }
        let mut merged = Vec::with_capacity(self.0.len() + other.0.len());
        let mut ours = std::mem::take(&mut self.0).into_iter().peekable();
        for (f, column) in &other.0 {
            while let Some(term) = ours.next_if(|term| term.1 < *column) {
                merged.push(term);
            }
            let own = ours.next_if(|term| term.1 == *column).map_or(Fr::ZERO, |term| term.0);
            let sum = own + *f * factor;
            if !sum.is_zero() {
                merged.push((sum, *column));
            }
        }
        merged.extend(ours);
        self.0 = merged;
    }

    /// Its value where variables have these.
    #[must_use]
    pub fn value(&self, variables: &[Fr]) -> Fr {
        self.0.iter().filter_map(|(f, column)| variables.get(*column).map(|x| *f * x)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn linear() -> impl Strategy<Value = Linear> {
        prop::collection::btree_map(0_usize..12, 1_u64..3, 0..8)
            .prop_map(|terms| Linear(terms.into_iter().map(|(c, f)| (Fr::from(f), c)).collect()))
    }

    proptest! {
        #[test]
        fn a_sum_has_the_sum_of_the_values_and_no_zero(a in linear(), b in linear(), minus: bool) {
            let factor = if minus { -Fr::from(1) } else { Fr::from(5) };
            let variables: Vec<Fr> = (0..12).map(|i| Fr::from(i * i + 1)).collect();
            let mut sum = a.clone();
            sum.add(factor, &b);
            prop_assert_eq!(sum.value(&variables), a.value(&variables) + factor * b.value(&variables));
            prop_assert!(sum.0.iter().all(|term| !term.0.is_zero()));
            prop_assert!(sum.0.is_sorted_by_key(|term| term.1));
        }
    }
}
