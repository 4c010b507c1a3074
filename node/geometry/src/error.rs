//! What can be wrong with the numbers that geometry is given.

/// Why a geometric question has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A position has too few or too many coordinates.
    #[error("a position has {found} dimensions; 2 to {max} are allowed", max = crate::DIMENSION_MAX)]
    Dimension {
        /// How many there are.
        found: usize,
    },
    /// Two things of different dimension were put together.
    #[error("{found} dimensions where {expected} are expected: take both from the same space")]
    DimensionMismatch {
        /// Dimensions of the first.
        expected: usize,
        /// Dimensions of the second.
        found: usize,
    },
    /// A position lies outside of `‖x‖² ≤ 1 − 2^-24`.
    #[error("a position lies outside of the ball (its squared norm is above 1 - 2^-24)")]
    OutsideBall,
    /// A curvature of zero: that space is flat.
    #[error("a curvature of 0 millionths is flat space; give 1 or more")]
    Flat,
    /// A length so long that every point of the ball is that near.
    #[error(
        "a reach of {length_micro} millionths at curvature {curvature_ppm} millionths spans more than the \
         whole ball: its inequality does not fit 80 bits"
    )]
    ReachTooLong {
        /// The length in millionths.
        length_micro: u64,
        /// The curvature in millionths.
        curvature_ppm: u32,
    },
    /// A raw reach of 2^80 or more.
    #[error("a reach must be below 2^80")]
    ReachTooLarge,
    /// A number that is infinite, not a number, or too far away to be a point.
    #[error("a vector or length that is not finite, or leads more than {max} away", max = crate::LENGTH_MAX)]
    TooFar,
    /// The sum of weights of a mean would pass its maximum.
    #[error("the weights of a mean add up to more than 2^40")]
    TooHeavy,
    /// Something was taken out of a mean that was never put in.
    #[error("more weight is taken out of a mean than was put in")]
    NotInMean,
    /// A Euclidean ball that reaches the edge of the unit ball has no twin.
    #[error("a Euclidean ball that reaches the edge of the unit ball is no hyperbolic ball")]
    NoTwin,
    /// A round-trip time, or the unit that it is counted in, of zero.
    #[error("a round trip or unit of 0 µs: measure with a finer clock, or leave the sample out")]
    NoTime,
    /// Something of an agent or job has more parts than is allowed, or none.
    #[error("{what} with {found} parts; 1 to {max} are allowed")]
    PartCount {
        /// What it is.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many may be.
        max: usize,
    },
    /// No place is left for one more tenant.
    #[error("no place is left for a tenant among {tenants} in {dimension} dimensions: use more dimensions")]
    Crowded {
        /// How many have a place.
        tenants: usize,
        /// Dimensions of the ball.
        dimension: usize,
    },
    /// A graph that is not connected has no distances between its parts.
    #[error("{reached} of {nodes} nodes can be reached from the first: embed each connected part by itself")]
    Scattered {
        /// Nodes that are reached.
        reached: usize,
        /// Nodes that there are.
        nodes: usize,
    },
}
