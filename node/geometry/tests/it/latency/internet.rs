//! Two made-up internets: synthetic round-trip times, the same for the same seed.

use libm::{asin, cos, log, sin, sqrt};

/// Random numbers: a multiplicative congruential generator.
pub struct Draw(pub u64);

impl Draw {
    pub fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn between(&mut self, from: f64, to: f64) -> f64 {
        from + self.unit() * (to - from)
    }

    pub fn below(&mut self, n: usize) -> usize {
        ((self.unit() * n as f64) as usize).min(n - 1)
    }

    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * log(1.0 - self.unit())
    }
}

/// Round-trip times without jitter, in microseconds, and the region of each node.
pub struct Internet {
    pub round_trips_us: Vec<Vec<u32>>,
    pub regions: Vec<usize>,
}

impl Internet {
    pub fn len(&self) -> usize {
        self.regions.len()
    }

    pub fn measured(&self, a: usize, b: usize) -> Option<u32> {
        (a != b).then(|| self.round_trips_us[a][b])
    }

    pub fn median_us(&self) -> f64 {
        let mut all: Vec<u32> = (0..self.len())
            .flat_map(|a| (0..a).map(move |b| (a, b)))
            .map(|(a, b)| self.round_trips_us[a][b])
            .collect();
        all.sort_unstable();
        f64::from(all[all.len() / 2])
    }

    /// The median round trip between two regions, as a mesh agrees on it.
    pub fn between_us(&self, a: usize, b: usize) -> f64 {
        let members = |region: usize| (0..self.len()).filter(move |i| self.regions[*i] == region);
        let mut all: Vec<u32> = members(a)
            .flat_map(|x| members(b).filter(move |y| *y != x).map(move |y| self.round_trips_us[x][y]))
            .collect();
        all.sort_unstable();
        all.get(all.len() / 2).copied().map_or(self.median_us(), f64::from)
    }

    pub fn regions_len(&self) -> usize {
        self.regions.iter().max().map_or(0, |most| most + 1)
    }
}

/// What `way` says of each pair, both ways; zero from each to itself.
fn symmetric(n: usize, mut way: impl FnMut(usize, usize) -> f64) -> Vec<Vec<f64>> {
    let below: Vec<Vec<f64>> = (0..n).map(|a| (0..a).map(|b| way(a, b)).collect()).collect();
    let of = |a: usize, b: usize| if a == b { 0.0 } else { below[a.max(b)][a.min(b)] };
    (0..n).map(|a| (0..n).map(|b| of(a, b)).collect()).collect()
}

fn in_us(ways_ms: Vec<Vec<f64>>) -> Vec<Vec<u32>> {
    ways_ms.into_iter().map(|row| row.into_iter().map(|ms| (ms * 1e3) as u32).collect()).collect()
}

/// A tree-like internet: 6 transit domains of 3 routers on a plane, 4 stub networks at
/// each router, nodes in the stubs behind access links of 0.5 ms and more.
pub fn transit_stub(n: usize, seed: u64) -> Internet {
    const DOMAINS: usize = 6;
    const ROUTERS: usize = 3;
    const STUBS: usize = 4;
    let mut draw = Draw(seed);
    let routers: Vec<(f64, f64)> = (0..DOMAINS)
        .flat_map(|_| {
            let (x, y) = (draw.between(0.0, 200.0), draw.between(0.0, 100.0));
            [(); ROUTERS].map(|()| (x + draw.between(-10.0, 10.0), y + draw.between(-10.0, 10.0)))
        })
        .collect();
    let count = routers.len();
    let line = |a: usize, b: usize| {
        let (x, y) = (routers[a].0 - routers[b].0, routers[a].1 - routers[b].1);
        1.0 + sqrt(x * x + y * y)
    };
    // Domains form a ring with one chord: one link between routers of two domains.
    let is_link = |a: usize, b: usize| {
        let (from, to) = (a / ROUTERS, b / ROUTERS);
        (to == (from + 1) % DOMAINS && a.is_multiple_of(ROUTERS) && b % ROUTERS == 1)
            || (from == 0 && to == DOMAINS / 2 && a % ROUTERS == 2 && b % ROUTERS == 2)
    };
    let mut ways = symmetric(count, |a, b| {
        if a / ROUTERS == b / ROUTERS || is_link(a, b) || is_link(b, a) { line(a, b) } else { f64::INFINITY }
    });
    for via in 0..count {
        for a in 0..count {
            for b in 0..count {
                ways[a][b] = ways[a][b].min(ways[a][via] + ways[via][b]);
            }
        }
    }
    let stubs: Vec<f64> = (0..count * STUBS).map(|_| draw.between(2.0, 15.0)).collect();
    let nodes: Vec<(usize, f64)> =
        (0..n).map(|_| (draw.below(stubs.len()), 0.5 + draw.exponential(4.0))).collect();
    let round_trips_us = in_us(symmetric(n, |a, b| {
        let ((s, access_s), (t, access_t)) = (nodes[a], nodes[b]);
        let up = if s == t { 1.0 } else { stubs[s] + stubs[t] + ways[s / STUBS][t / STUBS] };
        access_s + up + access_t
    }));
    Internet { round_trips_us, regions: nodes.iter().map(|(stub, _)| stub / STUBS / ROUTERS).collect() }
}

/// Latitude, longitude and region of forty cities.
const CITIES: [(f64, f64, usize); 40] = [
    (40.7, -74.0, 0),
    (34.1, -118.2, 2),
    (41.9, -87.6, 1),
    (29.8, -95.4, 1),
    (43.7, -79.4, 0),
    (25.8, -80.2, 0),
    (47.6, -122.3, 2),
    (39.0, -77.5, 0),
    (19.4, -99.1, 1),
    (33.7, -84.4, 0),
    (-23.6, -46.6, 3),
    (-34.6, -58.4, 3),
    (-33.4, -70.7, 3),
    (4.7, -74.1, 3),
    (-12.0, -77.0, 3),
    (51.5, -0.1, 4),
    (48.9, 2.4, 4),
    (50.1, 8.7, 4),
    (52.4, 4.9, 4),
    (40.4, -3.7, 4),
    (41.9, 12.5, 5),
    (59.3, 18.1, 5),
    (52.2, 21.0, 5),
    (55.8, 37.6, 5),
    (41.0, 29.0, 5),
    (6.5, 3.4, 6),
    (-1.3, 36.8, 6),
    (-26.2, 28.0, 6),
    (30.0, 31.2, 7),
    (25.2, 55.3, 7),
    (19.1, 72.9, 8),
    (28.6, 77.2, 8),
    (13.1, 80.3, 8),
    (1.4, 103.8, 9),
    (22.3, 114.2, 9),
    (35.7, 139.7, 10),
    (37.6, 127.0, 10),
    (31.2, 121.5, 10),
    (-33.9, 151.2, 11),
    (-37.8, 145.0, 11),
];

/// A geographic internet: forty cities, great circles at two thirds of the speed of
/// light, a detour of 1.2 to 2 for each pair of cities, an access link for each node.
pub fn geographic(n: usize, seed: u64) -> Internet {
    // Kilometres of the earth's radius; of fibre, there and back, in a millisecond.
    const RADIUS: f64 = 6_371.0;
    const SPEED: f64 = 99.93;
    let mut draw = Draw(seed);
    let great_circle = |a: usize, b: usize| {
        let radians = |degrees: f64| degrees * core::f64::consts::PI / 180.0;
        let ((x, l, _), (y, m, _)) = (CITIES[a], CITIES[b]);
        let (north, east) = (sin(radians(y - x) / 2.0), sin(radians(m - l) / 2.0));
        let half = north * north + cos(radians(x)) * cos(radians(y)) * east * east;
        2.0 * RADIUS * asin(sqrt(half.min(1.0)))
    };
    let ways = symmetric(CITIES.len(), |a, b| 0.5 + great_circle(a, b) / SPEED * draw.between(1.2, 2.0));
    let nodes: Vec<(usize, f64)> =
        (0..n).map(|_| (draw.below(CITIES.len()), 0.5 + draw.exponential(3.0))).collect();
    let round_trips_us = in_us(symmetric(n, |a, b| nodes[a].1 + ways[nodes[a].0][nodes[b].0] + nodes[b].1));
    Internet { round_trips_us, regions: nodes.iter().map(|(city, _)| CITIES[*city].2).collect() }
}
