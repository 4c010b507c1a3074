//! Samples for tests and benches; a file of both.

#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use phalanx_circuits::{
    native::{AgentState, Fr, Policy, Rule, Selector, Tree, position_hash},
    position,
};
use phalanx_geometry::{Curvature, Point, Reach};
use phalanx_types::{
    AgentId, GpuRequest, Resources,
    agent::{AgentSeed, Position},
};

/// A multiplicative congruential generator.
pub struct Draw(pub u64);

impl Draw {
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 ^ self.0 >> 29
    }

    pub fn unit(&mut self) -> f64 {
        (self.word() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.word() >> 33) as usize % n
    }

    pub fn bytes(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.word().to_le_bytes());
        }
        bytes
    }

    pub fn field(&mut self) -> Fr {
        phalanx_circuits::native::field_of(&self.bytes())
    }

    /// A place up to `radius` away from the origin.
    pub fn place(&mut self, dimension: usize, radius: f64) -> Position {
        let direction: Vec<f64> = (0..dimension).map(|_| self.unit() + self.unit() - 1.0).collect();
        let length = self.unit() * radius;
        Point::at(&direction, length).unwrap().to_position().unwrap()
    }

    pub fn agent(&mut self, position: Position, policy: &Policy) -> AgentState {
        AgentState {
            id: AgentId(self.bytes()),
            tenant: self.field(),
            position,
            resources: Resources {
                cpu_milli: self.below(4000) as u32,
                memory_mib: self.below(9000) as u32,
                gpu: GpuRequest::Whole { count: 1 },
            },
            policy_root: policy.root(),
            nonce: self.word() >> 1,
            seed: AgentSeed(self.bytes()),
        }
    }
}

/// Reaches from nothing to everything.
pub fn reach(draw: &mut Draw) -> Reach {
    Reach::for_within(Curvature::ONE, draw.below(12_000_000) as u64).unwrap()
}

/// An agent among seventeen, a region, and a policy whose third rule is
/// (region, reach, selector).
pub fn position_secret(
    draw: &mut Draw,
    (x, c): (Position, Position),
    reach: Reach,
    selector: Selector,
) -> position::Secret {
    let other = |m| Rule { region: Fr::from(m), reach: Reach::MAX, selector: Selector::Within };
    let rule = Rule { region: position_hash(&c).unwrap_or_default(), reach, selector };
    let policy = Policy::new(Reach::from_raw(77).unwrap(), vec![other(1), other(2), rule]).unwrap();
    let agent = draw.agent(x, &policy);
    let mut leaves: Vec<Fr> = (0..17).map(|_| draw.field()).collect();
    let at = draw.below(17);
    leaves[at] = agent.leaf().unwrap_or_default();
    let path = Tree::new(leaves).unwrap().path(at).unwrap();
    position::Secret { agent, path, region: c, policy }
}
