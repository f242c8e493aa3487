//! `backbones`: what can be trained.

use super::output::{CliResult, Out};
use super::tables::Table;
use crate::backbones::{BackboneSpec, registry};
use crate::session::weights;
use serde_json::{Value, json};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, out: &mut Out<'_>) -> CliResult {
    if args.json {
        return out.json(&registry().iter().map(as_json).collect::<Vec<_>>());
    }
    let mut table = Table::new(&["name", "parameters", "input", "top-1", "stages", "weights here"]);
    for spec in registry() {
        let best = spec
            .sources
            .iter()
            .map(|s| s.top1_frac)
            .fold(None, |a: Option<f64>, b| Some(a.map_or(b, |a| a.max(b))));
        let here = weights::known(spec.name);
        table.row([
            spec.name.to_owned(),
            format!("{:.1} M", spec.param_count as f64 / 1e6),
            format!("{0}x{0}", spec.preprocess.crop_px),
            best.map_or("-".to_owned(), |b| format!("{:.1} %", b * 100.0)),
            spec.stages.len().to_string(),
            if here.is_empty() { "-".to_owned() } else { "yes".to_owned() },
        ]);
    }
    table.print(out)?;
    out.line("")?;
    for spec in registry() {
        out.line(format!("{}: {}", spec.name, spec.advice))?;
        for source in spec.sources {
            out.line(format!("    weights: {} ({})", source.place, source.licence))?;
        }
    }
    Ok(())
}

fn as_json(spec: &BackboneSpec) -> Value {
    json!({
        "name": spec.name,
        "title": spec.title,
        "advice": spec.advice,
        "param_count": spec.param_count,
        "feature_width": spec.feature_width,
        "pooling": spec.pooling,
        "stages": spec.stages,
        "preprocess": spec.preprocess,
        "sources": spec.sources.iter()
            .map(|s| json!({"place": s.place, "licence": s.licence, "top1_frac": s.top1_frac}))
            .collect::<Vec<_>>(),
        "timm_name": spec.timm_name,
        "weights_here": weights::known(spec.name).iter().map(|p| p.to_string_lossy()).collect::<Vec<_>>(),
    })
}
