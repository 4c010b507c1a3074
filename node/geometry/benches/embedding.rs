//! x
#![allow(missing_docs, dead_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#[path = "../tests/it/latency/internet.rs"]
mod internet;
#[path = "../tests/it/latency/mesh.rs"]
mod mesh;
use mesh::*;
use phalanx_geometry::latency::*;
use std::time::Instant;

fn main() {
    for (name, make) in [("transit", internet::transit_stub as fn(usize, u64) -> internet::Internet), ("geo", internet::geographic)] {
        let net = make(200, 1);
        println!("{name} median {}", net.median_us());
        for dim in [3, 8] {
            let f = Flat::new(dim, 200_000).unwrap();
            let t = Instant::now();
            let p = run(f, &net, &flat_homes(&f, &net), &Plan { neighbours: 32, rounds: 20, liars: None });
            println!("flat {dim} {:?} {:?}", Fit::of(&f, &p, |a, b| net.measured(a, b)).unwrap(), t.elapsed());
            for unit in [200_000, 100_000, 50_000, 30_000] {
                let f = Hyperbolic::new(dim, unit).unwrap();
                let t = Instant::now();
                let p = run(f, &net, &homes(&f, &net), &Plan { neighbours: 32, rounds: 20, liars: None });
                println!("hyp {dim} {unit} {:?} {:?}", Fit::of(&f, &p, |a, b| net.measured(a, b)).unwrap(), t.elapsed());
            }
        }
        let net = make(20, 1);
        for from_round in [0, 15] {
        for lie in Lie::ALL {
            let f = Flat::new(8, 200_000).unwrap();
            let mut line = format!("{name} {lie:?} from {from_round}: ");
            let liars = Liars { one_of: 20, first: 3, lie, from_round };
            let h = flat_homes(&f, &net);
            let a = run(f, &net, &h, &Plan { neighbours: 32, rounds: 40, liars: None });
            let b = run(f, &net, &h, &Plan { neighbours: 32, rounds: 40, liars: Some(liars) });
            let most = moved(&f, &net, liars, &a, &b).into_iter().fold(0.0, f64::max);
            line += &format!("flat {:.3} ", most);
            for dim in [3, 8] {
                for unit in [200_000, 100_000, 40_000] {
                let f = Hyperbolic::new(dim, unit).unwrap();
                let h = homes(&f, &net);
                let a = run(f, &net, &h, &Plan { neighbours: 32, rounds: 40, liars: None });
                let b = run(f, &net, &h, &Plan { neighbours: 32, rounds: 40, liars: Some(liars) });
                let most = moved(&f, &net, liars, &a, &b).into_iter().fold(0.0, f64::max);
                line += &format!("hyp{dim}/{unit} {:.3} ", most);
                }
            }
            println!("{line}");
        }
        }
    }
}
