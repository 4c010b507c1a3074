//! `phalanx mesh`.

use crate::{
    home::Home,
    output::{Code, Format, table, text},
};
use anyhow::Result;
use phalanx_types::{Name, agent::COORDINATE_FRACTION_BITS};
use serde_json::{Value, json};

/// Shows where nodes are and how messages find them.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Prints each node's place, how wrong its distances are, the round trip to it as
    /// measured and as the places predict it, and which kind of places fits better: in the
    /// ball, or flat with a height.
    Places,
    /// Asks all nodes whom they are linked to, and prints places for them by that alone, in
    /// which a hop is one unit of length.
    Topology,
    /// Sends a message to a node and prints the way that the answer took, hop by hop.
    Trace {
        /// The node's label, or the beginning of its network key.
        node: String,
    },
    /// Asks for the nearest node that hosts a healthy worker with a capability.
    Find {
        /// The capability.
        #[arg(long, value_name = "NAME")]
        capability: Name,
    },
}

/// Runs it.
pub fn run(home: &Home, format: Format, command: Command) -> Result<Code> {
    match command {
        Command::Places => {
            let answer = super::get(home, "/v1/mesh/places")?;
            format.print(|| places(&answer), answer.clone());
        }
        Command::Topology => {
            let answer = super::get(home, "/v1/mesh/topology")?;
            format.print(|| topology(&answer), answer.clone());
        }
        Command::Trace { node } => {
            // Other characters are in no label and no key.
            let node: Name = node.parse()?;
            let answer = super::get(home, &format!("/v1/mesh/trace/{node}"))?;
            format.print(|| trace(&answer), answer.clone());
        }
        Command::Find { capability } => {
            let answer = super::get(home, &format!("/v1/mesh/find/{capability}"))?;
            format.print(|| found(&answer), answer.clone());
        }
    }
    Ok(Code::Done)
}

fn number(value: Option<&Value>) -> Option<f64> {
    value.and_then(Value::as_f64)
}

fn ms(value: Option<&Value>) -> String {
    number(value).map_or_else(String::new, |us| format!("{:.3}", us / 1e3))
}

/// A place's coordinates as fractions of 1.
fn coordinates(place: Option<&Value>) -> String {
    let one = (1_u64 << COORDINATE_FRACTION_BITS) as f64;
    let coordinates = place.and_then(Value::as_array).into_iter().flatten();
    let coordinates = coordinates.filter_map(|x| x.as_str()?.parse::<i64>().ok());
    coordinates.map(|x| format!("{:.3}", x as f64 / one)).collect::<Vec<_>>().join(" ")
}

fn places(answer: &Value) -> String {
    let rows = answer.get("places").and_then(Value::as_array).into_iter().flatten().map(|row| {
        json!({
            "node": row.get("label"), "key": row.get("key"), "known": row.get("source"),
            "error_percent":
                number(row.get("error_ppm")).map_or_else(String::new, |ppm| format!("{:.1}", ppm / 1e4)),
            "rtt_ms": ms(row.get("measured_us")), "ball_ms": ms(row.get("predicted_us")),
            "flat_ms": ms(row.get("flat_predicted_us")), "place": coordinates(row.get("place")),
        })
    });
    let fields = ["node", "key", "known", "error_percent", "rtt_ms", "ball_ms", "flat_ms", "place"];
    let verdict = answer.pointer("/comparison/verdict").and_then(Value::as_str);
    let verdict = verdict.unwrap_or("no round trip was measured yet");
    let asked = answer.get("asked").and_then(Value::as_object).into_iter().flatten();
    let asked = asked.map(|(word, asked)| {
        let count = |name| asked.get(name).map(text).unwrap_or_default();
        format!("{word} {} of {}", count("answered"), count("sent"))
    });
    let asked = Some(asked.collect::<Vec<_>>().join(", ")).filter(|asked| !asked.is_empty());
    let asked = asked.unwrap_or_else(|| "nothing yet".to_owned());
    format!(
        "{}\n{verdict}\nasked by directed messages, and answered: {asked}",
        table(&rows.collect(), &fields)
    )
}

fn topology(answer: &Value) -> String {
    let rows = answer.get("places").and_then(Value::as_array).into_iter().flatten().map(|row| {
        let distance = number(row.get("distance")).map_or_else(String::new, |length| format!("{length:.2}"));
        json!({
            "node": row.get("label"), "key": row.get("key"), "links": row.get("links"),
            "hops": row.get("hops"), "distance": distance, "place": coordinates(row.get("place")),
        })
    });
    let rows = table(&rows.collect(), &["node", "key", "links", "hops", "distance", "place"]);
    let silent = answer.get("silent").and_then(Value::as_array).into_iter().flatten();
    let silent = silent.filter_map(|node| Some(format!("\nno answer from {}", text(node.get("label")?))));
    format!(
        "{rows}\ndistances differ from hops by {:.1} % in the median{}",
        100.0 * number(answer.get("misfit")).unwrap_or(0.0),
        silent.collect::<String>()
    )
}

fn trace(answer: &Value) -> String {
    let hops = answer.get("hops").and_then(Value::as_array).into_iter().flatten();
    let rows = hops.enumerate().map(|(index, hop)| {
        json!({
            "hop": index + 1, "node": hop.get("label"), "key": hop.get("key"),
            "link_ms": ms(hop.get("link_us")), "held_ms": ms(hop.get("held_us")),
        })
    });
    let rows = table(&rows.collect(), &["hop", "node", "key", "link_ms", "held_ms"]);
    format!("{rows}\nthere and back in {} ms", ms(answer.get("took_us")))
}

fn found(answer: &Value) -> String {
    let workers = answer.get("workers").unwrap_or(&Value::Null);
    let label = answer.get("label").map(text).unwrap_or_default();
    let key = answer.get("node").map(text).unwrap_or_default();
    format!(
        "{}\nat {label} {key}, {} hops away, answered in {} ms",
        table(workers, &["worker", "region", "free", "price"]),
        answer.get("hops").map(text).unwrap_or_default(),
        ms(answer.get("took_us"))
    )
}
