//! `devices`: what the work can be done on.

use super::output::{CliResult, Out};
use crate::engine::devices::{DeviceInfo, devices};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, out: &mut Out<'_>) -> CliResult {
    let all = devices();
    if args.json {
        return out.json(&all);
    }
    for info in &all {
        out.line(describe(info))?;
        if let Some(missing) = &info.missing {
            out.line(format!("       {}", missing.advice))?;
        }
    }
    out.line("")?;
    out.line("`train --set train.device=cpu|cuda|metal` chooses; without it the first graphics card that is there is taken.")
}

fn describe(info: &DeviceInfo) -> String {
    let device = serde_json::to_value(info.device).ok();
    let device = device.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default();
    if let Some(missing) = &info.missing {
        return format!("{device:<5}  not here: {}", missing.why);
    }
    let mut parts = vec![info.name.clone()];
    if let Some(p) = &info.processor {
        parts.push(format!("{} threads, {}", p.threads, p.instruction_set));
    }
    if let Some(mib) = info.memory_mib {
        let gib = |mib: u64| mib as f64 / 1024.0;
        let free = info.free_mib.map_or_else(String::new, |free| format!(", {:.1} free", gib(free)));
        parts.push(format!("{:.1} GiB of memory{free}", gib(mib)));
    }
    format!("{device:<5}  {}", parts.join(" · "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DeviceChoice;
    use crate::engine::devices::{Missing, Processor};

    #[test]
    fn a_device_is_a_line_and_so_is_a_missing_one() {
        let mut info = DeviceInfo {
            device: DeviceChoice::Cpu,
            name: "A processor".to_owned(),
            memory_mib: Some(2560),
            free_mib: None,
            processor: Some(Processor { threads: 8, instruction_set: "AVX2" }),
            missing: None,
        };
        assert_eq!(describe(&info), "cpu    A processor · 8 threads, AVX2 · 2.5 GiB of memory");
        info.free_mib = Some(1536);
        assert!(describe(&info).ends_with("2.5 GiB of memory, 1.5 free"));
        info.device = DeviceChoice::Cuda;
        info.missing = Some(Missing { why: "no card".to_owned(), advice: "buy one" });
        assert_eq!(describe(&info), "cuda   not here: no card");
    }
}
