//! Points side by side, and the box around them.

use crate::fixed::{Nearness, ONE_SQUARED};

/// A point as the index keeps it: fixed-point integers in floats, which hold them
/// exactly, and the gap rounded to a float.
pub(super) struct Raw {
    pub(super) x: Vec<f64>,
    pub(super) gap: f64,
}

/// Points in rows.
#[derive(Clone, Debug)]
pub(super) struct Bucket<K> {
    dimension: usize,
    ids: Vec<K>,
    gaps: Vec<f64>,
    x: Vec<f64>,
}

impl<K: Copy + PartialEq> Bucket<K> {
    pub(super) fn new(dimension: usize) -> Self {
        Self { dimension, ids: Vec::new(), gaps: Vec::new(), x: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(super) fn ids(&self) -> &[K] {
        &self.ids
    }

    /// Id, gap and coordinates of every point.
    pub(super) fn rows(&self) -> impl Iterator<Item = (K, f64, &[f64])> {
        let rows = self.x.chunks_exact(self.dimension);
        self.ids.iter().zip(&self.gaps).zip(rows).map(|((id, gap), x)| (*id, *gap, x))
    }

    fn push_row(&mut self, id: K, gap: f64, x: &[f64]) {
        self.ids.push(id);
        self.gaps.push(gap);
        self.x.extend_from_slice(x);
    }

    pub(super) fn push(&mut self, id: K, point: &Raw) {
        self.push_row(id, point.gap, &point.x);
    }

    pub(super) fn append(&mut self, mut other: Self) {
        self.ids.append(&mut other.ids);
        self.gaps.append(&mut other.gaps);
        self.x.append(&mut other.x);
    }

    pub(super) fn row(&self, id: &K) -> Option<(f64, &[f64])> {
        self.rows().find(|(other, ..)| other == id).map(|(_, gap, x)| (gap, x))
    }

    /// Overwrites a point, or adds it when it is not here.
    pub(super) fn replace(&mut self, id: &K, point: &Raw) {
        let rows = self.x.chunks_exact_mut(self.dimension);
        let row = self.ids.iter().zip(&mut self.gaps).zip(rows).find(|((other, _), _)| *other == id);
        if let Some(((_, gap), x)) = row {
            *gap = point.gap;
            x.copy_from_slice(&point.x);
        } else {
            self.push(*id, point);
        }
    }

    /// Takes a point out; the last one takes its place.
    pub(super) fn remove(&mut self, id: &K) {
        let Some(at) = self.ids.iter().position(|other| other == id) else { return };
        self.ids.swap_remove(at);
        self.gaps.swap_remove(at);
        let last = self.x.len() - self.dimension;
        if at * self.dimension < last {
            self.x.copy_within(last.., at * self.dimension);
        }
        self.x.truncate(last);
    }

    /// Those before the split, and those after it.
    pub(super) fn split(&self, split: Split) -> (Self, Self) {
        let (mut before, mut after) = (Self::new(self.dimension), Self::new(self.dimension));
        for (id, gap, x) in self.rows() {
            let side = if split.is_before(gap, x) { &mut before } else { &mut after };
            side.push_row(id, gap, x);
        }
        // Leaves stay as they are for long.
        for part in [&mut before, &mut after] {
            part.ids.shrink_to_fit();
            part.gaps.shrink_to_fit();
            part.x.shrink_to_fit();
        }
        (before, after)
    }

    pub(super) fn bounds(&self) -> Bounds {
        let mut bounds = Bounds::empty(self.dimension);
        for (_, gap, x) in self.rows() {
            bounds.include(gap, x);
        }
        bounds
    }

    /// Where to split, near the median; none when all points are at one place.
    pub(super) fn median(&self, bounds: &Bounds) -> Option<Split> {
        let axis = bounds.axis()?;
        let value = |gap: f64, x: &[f64]| axis.map_or(gap, |axis| x.get(axis).copied().unwrap_or(0.0));
        let mut values: Vec<f64> = self.rows().map(|(_, gap, x)| value(gap, x)).collect();
        let middle = values.len() / 2;
        let (below, median, above) = values.select_nth_unstable_by(middle, f64::total_cmp);
        let at = if below.iter().any(|v| *v < *median) {
            *median
        } else {
            // Nothing is below: split after those that are at the least value.
            above.iter().copied().filter(|v| *v > *median).fold(f64::INFINITY, f64::min)
        };
        at.is_finite().then_some(Split { axis, at })
    }
}

/// Where a box is cut: across a coordinate, or across the gap.
#[derive(Clone, Copy, Debug)]
pub(super) struct Split {
    axis: Option<usize>,
    at: f64,
}

impl Split {
    pub(super) fn is_before(self, gap: f64, x: &[f64]) -> bool {
        self.axis.map_or(gap, |axis| x.get(axis).copied().unwrap_or(0.0)) < self.at
    }
}

/// A box of coordinates and an interval of gaps.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bounds {
    /// Least and largest value of each coordinate.
    sides: Box<[[f64; 2]]>,
    gap_least: f64,
    gap_most: f64,
}

/// Gaps that differ by more than this factor are parted before coordinates are.
const GAP_FACTOR: f64 = 8.0;

impl Bounds {
    pub(super) fn empty(dimension: usize) -> Self {
        let nothing = [f64::INFINITY, f64::NEG_INFINITY];
        Self { sides: vec![nothing; dimension].into(), gap_least: f64::INFINITY, gap_most: 0.0 }
    }

    pub(super) fn include(&mut self, gap: f64, x: &[f64]) {
        for ([low, high], x) in self.sides.iter_mut().zip(x) {
            *low = if *x < *low { *x } else { *low };
            *high = if *x > *high { *x } else { *high };
        }
        self.gap_least = self.gap_least.min(gap);
        self.gap_most = self.gap_most.max(gap);
    }

    pub(super) fn join(&mut self, other: &Self) {
        for ([low, high], [other_low, other_high]) in self.sides.iter_mut().zip(&other.sides) {
            *low = if *other_low < *low { *other_low } else { *low };
            *high = if *other_high > *high { *other_high } else { *high };
        }
        self.gap_least = self.gap_least.min(other.gap_least);
        self.gap_most = self.gap_most.max(other.gap_most);
    }

    /// Whether a point lies on the surface, so that without it the box may shrink.
    pub(super) fn touches(&self, gap: f64, x: &[f64]) -> bool {
        gap <= self.gap_least
            || gap >= self.gap_most
            || self.sides.iter().zip(x).any(|([low, high], x)| x <= low || x >= high)
    }

    /// The axis to split: none when there is nothing to split, else a coordinate,
    /// or the gap (`Some(None)`).
    #[allow(clippy::option_option)]
    fn axis(&self) -> Option<Option<usize>> {
        if self.gap_most > self.gap_least * GAP_FACTOR {
            return Some(None);
        }
        let mut best = (None, 0.0);
        for (axis, [low, high]) in self.sides.iter().enumerate() {
            if high - low > best.1 {
                best = (Some(axis), high - low);
            }
        }
        best.0.map(Some)
    }

    /// No point in here is nearer to the target than this.
    pub(super) fn nearness_least(&self, target: &Target) -> f64 {
        let mut lanes = [0.0f64; 4];
        let mut sides = self.sides.chunks_exact(4);
        let mut centers = target.x.chunks_exact(4);
        let part = |[low, high]: &[f64; 2], c: &f64| {
            let (below, above) = (low - c, c - high);
            let outside = if below > above { below } else { above };
            let outside = if outside > 0.0 { outside } else { 0.0 };
            outside * outside
        };
        for (sides, centers) in sides.by_ref().zip(centers.by_ref()) {
            for ((lane, side), c) in lanes.iter_mut().zip(sides).zip(centers) {
                *lane += part(side, c);
            }
        }
        let rest: f64 = sides.remainder().iter().zip(centers.remainder()).map(|(s, c)| part(s, c)).sum();
        let boxed = (lanes.iter().sum::<f64>() + rest) / self.gap_most;
        // Along a ray from the origin the distance is that of the radii. Gaps are
        // rounded, which is taken off before they are compared.
        let gap = target.gap.min(self.gap_most).max(self.gap_least);
        let apart = (target.gap - gap).abs() - (target.gap + gap) * f64::EPSILON;
        let apart = if apart > 0.0 { apart / (radius_most(gap) + target.radius_most) } else { 0.0 };
        let radial = apart * apart / gap;
        if radial > boxed { radial } else { boxed }
    }

    /// No point in here is further from the target than this.
    pub(super) fn nearness_most(&self, target: &Target) -> f64 {
        let far = self.sides.iter().zip(&target.x).map(|([low, high], c)| {
            let (a, b) = ((c - low).abs(), (high - c).abs());
            let far = if a > b { a } else { b };
            far * far
        });
        far.sum::<f64>() / self.gap_least
    }
}

/// No less than `‖x‖` of a point with this rounded gap, in units of a coordinate.
fn radius_most(gap: f64) -> f64 {
    let inside = ONE_SQUARED as f64 * (1.0 + f64::EPSILON) - gap;
    if inside > 0.0 { inside.sqrt() } else { 0.0 }
}

/// What a search looks for.
pub(super) struct Target {
    pub(super) x: Vec<f64>,
    pub(super) gap: f64,
    radius_most: f64,
}

/// More than any float here is off, relative: 1,024 additions and a few operations
/// round to below 2^-42.
pub(super) const MARGIN: f64 = 1.0 / (1u64 << 40) as f64;

impl Target {
    pub(super) fn new(point: &Raw) -> Self {
        Self { x: point.x.clone(), gap: point.gap, radius_most: radius_most(point.gap) }
    }

    /// How near a point is, unless it is further than `limit`: then something above
    /// the limit.
    pub(super) fn nearness(&self, gap: f64, x: &[f64], limit: f64) -> f64 {
        let most = limit * gap;
        let mut lanes = [0.0f64; 4];
        let (mut rows, mut centers) = (x.chunks_exact(16), self.x.chunks_exact(16));
        for (row, center) in rows.by_ref().zip(centers.by_ref()) {
            for (x, c) in row.chunks_exact(4).zip(center.chunks_exact(4)) {
                for ((lane, x), c) in lanes.iter_mut().zip(x).zip(c) {
                    *lane += (x - c) * (x - c);
                }
            }
            let [a, b, c, d] = lanes;
            if (a + b) + (c + d) > most {
                return f64::INFINITY;
            }
        }
        let [a, b, c, d] = lanes;
        let rest =
            rows.remainder().iter().zip(centers.remainder()).fold(0.0, |s, (x, c)| s + (x - c) * (x - c));
        (((a + b) + (c + d)) + rest) / gap
    }

    /// The same, exactly.
    pub(super) fn exact(&self, x: &[f64]) -> Nearness {
        let square = |x: f64| {
            let magnitude = u128::from((x as i64).unsigned_abs());
            magnitude * magnitude
        };
        let separation = x.iter().zip(&self.x).map(|(x, c)| square(x - c)).sum();
        Nearness { separation, gap: ONE_SQUARED - x.iter().map(|x| square(*x)).sum::<u128>() }
    }

    /// The exact gap of the target.
    pub(super) fn exact_gap(&self) -> u128 {
        self.exact(&self.x).gap
    }
}
