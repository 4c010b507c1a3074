//! `phalanx job`.

use crate::{
    founding::TENANT,
    home::Home,
    output::{Code, Failure, Format, table},
};
use anyhow::{Context, Result};
use phalanx_types::{
    GpuRequest, JobId, JobSpec, MicroUnits, Name, Operation, Resources, Work,
    envelope::OPERATIONS_MAX,
    job::{CommandLimits, WorkloadType},
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, io::Read, path::PathBuf};

/// Submits, lists and explains jobs.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Submits a job, or many from a file, and waits for the decision.
    Submit(Box<Submit>),
    /// Prints jobs.
    List {
        /// Only those that are queued, running, succeeded, failed, …
        #[arg(long)]
        state: Option<String>,
    },
    /// Prints a job and its receipts as JSON.
    Show {
        /// Its id, or the first digits of it.
        id: String,
    },
    /// Prints what was decided about a job, in order, with the reasons.
    Explain {
        /// Its id, or the first digits of it.
        id: String,
    },
    /// Prints why a waiting job is not running.
    WhyNot {
        /// Its id, or the first digits of it.
        id: String,
    },
    /// Gives a job up.
    Cancel {
        /// Its whole id.
        id: JobId,
        /// The tenant's key file [default: tenant.json beside the home folder].
        #[arg(long)]
        key: Option<PathBuf>,
    },
}

/// What to submit.
#[derive(clap::Args)]
pub struct Submit {
    /// A file with a JSON list of job specifications; `-` for standard input.
    #[arg(long, conflicts_with_all = ["region", "synthetic_ms", "command"])]
    file: Option<PathBuf>,
    /// The tenant's key file [default: tenant.json beside the home folder].
    #[arg(long)]
    key: Option<PathBuf>,
    /// The tenant.
    #[arg(long, default_value = TENANT)]
    tenant: Name,
    /// A word for people.
    #[arg(long, default_value = "")]
    label: String,
    /// The shard to run in.
    #[arg(long, required_unless_present = "file")]
    region: Option<Name>,
    /// A capability the worker must have; may be given again.
    #[arg(long = "skill")]
    skills: Vec<Name>,
    /// Thousandths of a core.
    #[arg(long, default_value_t = 100)]
    cpu_milli: u32,
    /// Memory in MiB.
    #[arg(long, default_value_t = 64)]
    memory_mib: u32,
    /// Whole GPUs.
    #[arg(long, conflicts_with = "gpu_milli")]
    gpus: Option<u16>,
    /// Thousandths of one GPU.
    #[arg(long)]
    gpu_milli: Option<u16>,
    /// 0 (lowest) to 255.
    #[arg(long, default_value_t = 100)]
    priority: u8,
    /// How often it is tried again.
    #[arg(long, default_value_t = 0)]
    retries: u8,
    /// Never start it twice, not even after a worker lost it.
    #[arg(long)]
    once: bool,
    /// Do not wait for the decision. The answer `queued` promises nothing.
    #[arg(long)]
    no_wait: bool,
    /// It must end within this time; 0: no deadline.
    #[arg(long, default_value_t = 0)]
    deadline_ms: u32,
    /// The most it may cost, in millionths.
    #[arg(long, default_value_t = 1_000_000)]
    budget: u64,
    /// Wall time limit of a command.
    #[arg(long, default_value_t = 60_000)]
    time_limit_ms: u32,
    /// Only take this time, in place of a command.
    #[arg(long, conflicts_with = "command")]
    synthetic_ms: Option<u32>,
    /// The command, by its name in the workers' allow list, and its arguments.
    #[arg(last = true, required_unless_present_any = ["file", "synthetic_ms"])]
    command: Vec<String>,
}

impl Submit {
    fn specs(&self) -> Result<Vec<JobSpec>> {
        if let Some(file) = &self.file {
            let mut text = String::new();
            if file.as_os_str() == "-" {
                std::io::stdin().lock().read_to_string(&mut text)?;
            } else {
                text = std::fs::read_to_string(file)
                    .with_context(|| format!("{} cannot be read", file.display()))?;
            }
            return serde_json::from_str(&text)
                .with_context(|| format!("{} is no JSON list of job specifications", file.display()));
        }
        let work = match (self.synthetic_ms, self.command.split_first()) {
            (Some(duration_ms), _) => Work::Synthetic { duration_ms },
            (None, Some((program, args))) => Work::Command {
                program: Name::new(program)
                    .context("give the command's name in the allow list of the workers, not a path")?,
                args: args.to_vec(),
                limits: CommandLimits { time_ms: self.time_limit_ms, ..CommandLimits::default() },
            },
            (None, None) => return Err(Failure::because(Code::Unreadable, "say what to run")),
        };
        let gpu = match (self.gpus, self.gpu_milli) {
            (Some(count), _) => GpuRequest::Whole { count },
            (None, Some(milli)) => GpuRequest::Shared { milli },
            (None, None) => GpuRequest::None,
        };
        Ok(vec![JobSpec {
            label: self.label.clone(),
            tenant: self.tenant.clone(),
            region: self.region.clone().context("say where with --region")?,
            deadline_ms: self.deadline_ms,
            skills: self.skills.iter().cloned().collect::<BTreeSet<_>>(),
            budget: MicroUnits(self.budget),
            resources: Resources { cpu_milli: self.cpu_milli, memory_mib: self.memory_mib, gpu },
            workload: WorkloadType::Batch,
            priority: self.priority,
            retries: self.retries,
            once: self.once,
            work,
        }])
    }
}

/// Runs it.
pub fn run(home: &Home, format: Format, command: Command) -> Result<Code> {
    match command {
        Command::Submit(submit) => {
            let specs = submit.specs()?;
            let key = super::key(home, submit.key.clone(), "tenant.json")?;
            let wait_ms = if submit.no_wait { 0 } else { super::WAIT_MS };
            if specs.is_empty() {
                return Err(Failure::because(Code::Unreadable, "there is no job in the file"));
            }
            let mut worst = Code::Done;
            for specs in specs.chunks(OPERATIONS_MAX) {
                let operations = specs.iter().map(|s| Operation::SubmitJob(Box::new(s.clone()))).collect();
                let answer = super::send_and_wait(home, &key, operations, wait_ms)?;
                let (text, code) = super::outcome(&answer);
                let jobs = answer.get("jobs").and_then(Value::as_array).cloned().unwrap_or_default();
                let lines = || {
                    let ids = jobs.iter().filter_map(Value::as_str).map(|id| format!("{id}\n"));
                    format!("{}{text}", ids.collect::<String>())
                };
                format.print(lines, answer);
                if code != Code::Done {
                    worst = code;
                }
            }
            Ok(worst)
        }
        Command::List { state } => {
            let mut rows = super::get(home, "/v1/list/jobs")?;
            if let (Some(state), Value::Array(rows)) = (&state, &mut rows) {
                rows.retain(|row| row.get("state").and_then(Value::as_str) == Some(state));
            }
            let fields = ["id", "label", "tenant", "shard", "state", "worker", "attempt", "priority"];
            format.print(|| table(&rows, &fields), rows.clone());
            Ok(Code::Done)
        }
        Command::Show { id } => {
            let job = super::get(home, &format!("/v1/jobs/{id}"))?;
            format.print(|| serde_json::to_string_pretty(&job).unwrap_or_default(), job.clone());
            Ok(Code::Done)
        }
        Command::Explain { id } => {
            let job = super::get(home, &format!("/v1/jobs/{id}"))?;
            let receipts = job.get("receipts").cloned().unwrap_or_default();
            format.print(|| explain(&receipts), receipts.clone());
            Ok(Code::Done)
        }
        Command::WhyNot { id } => {
            let job = super::get(home, &format!("/v1/jobs/{id}"))?;
            let state = job.get("state").and_then(Value::as_str).unwrap_or_default().to_owned();
            let table = job.get("candidates").cloned().unwrap_or_default();
            format.print(|| why_not(&state, &table), json!({"state": state, "candidates": table}));
            Ok(Code::Done)
        }
        Command::Cancel { id, key } => {
            let key = super::key(home, key, "tenant.json")?;
            let answer = super::send(home, &key, vec![Operation::CancelJob { job: id }])?;
            let (text, code) = super::outcome(&answer);
            format.print(|| text, answer);
            Ok(code)
        }
    }
}

fn explain(receipts: &Value) -> String {
    let line = |entry: &Value| {
        let receipt = entry.get("receipt")?;
        let text = |name: &str| receipt.get(name).and_then(Value::as_str).unwrap_or_default();
        let data = receipt.get("data").map(ToString::to_string).unwrap_or_default();
        Some(format!("receipt {:<8} beat {:<8} {:<14} {data}", text("index"), text("beat"), text("kind")))
    };
    receipts.as_array().into_iter().flatten().filter_map(line).collect::<Vec<_>>().join("\n")
}

fn why_not(state: &str, table: &Value) -> String {
    if state != "queued" {
        return format!("it is not waiting: it is {state}");
    }
    let removed = table.get("removed").and_then(Value::as_object);
    let reasons: Vec<String> = removed
        .into_iter()
        .flatten()
        .map(|(reason, workers)| format!("{workers} workers: {reason}"))
        .collect();
    match table.get("candidates").and_then(Value::as_array).map(Vec::len) {
        Some(n) if n > 0 => format!("{n} workers could take it: it is placed with the next beat"),
        _ if reasons.is_empty() => "its shard has no workers".to_owned(),
        _ => format!("no worker of its shard can take it now\n  {}", reasons.join("\n  ")),
    }
}
