//! `backbones`: what can be trained.

use super::output::{CliResult, Out};
use super::tables::Table;
use super::{download, progress};
use crate::backbones::{BackboneSpec, WeightSource, find, registry};
use crate::session::weights;
use serde_json::{Value, json};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print JSON.
    #[arg(long, conflicts_with = "download")]
    json: bool,
    /// Download the weights of one network from the Hugging Face Hub, and print where they are.
    #[arg(long, value_name = "NAME")]
    download: Option<String>,
}

pub(super) fn run(args: &Args, out: &mut Out<'_>) -> CliResult {
    if let Some(name) = &args.download {
        let file = download::weights(find(name)?, progress::Style::or_by_terminal(None))?;
        return out.line(file.display());
    }
    if args.json {
        return out.json(&registry().iter().map(as_json).collect::<Vec<_>>());
    }
    let mut table = Table::new(&["name", "parameters", "file", "input", "top-1", "licence", "weights here"]);
    for spec in registry() {
        let (first, here) = (spec.sources.first(), weights::known(spec.name));
        let of_source = |text: &dyn Fn(&WeightSource) -> String| first.map_or_else(|| "-".to_owned(), text);
        table.row([
            spec.name.to_owned(),
            format!("{:.1} M", spec.param_count as f64 / 1e6),
            of_source(&|_| format!("{:.0} MB", spec.file_bytes() as f64 / 1e6)),
            format!("{0}x{0}", spec.preprocess.crop_px),
            of_source(&|s| format!("{:.1} %", s.top1_frac * 100.0)),
            of_source(&|s| s.licence.to_owned()),
            if here.is_empty() { "-".to_owned() } else { "yes".to_owned() },
        ]);
    }
    table.print(out)?;
    out.line("")?;
    for spec in registry() {
        out.line(format!("{}: {}", spec.name, spec.advice))?;
        for source in spec.sources {
            let top1 = source.top1_frac * 100.0;
            out.line(format!("    weights: {} ({}, top-1 {top1:.1} %)", source.place, source.licence))?;
        }
        for file in weights::known(spec.name) {
            out.line(format!("    here: {}", file.display()))?;
        }
    }
    out.line("")?;
    out.line("Top-1 is the share of ImageNet's validation pictures named correctly, as published with the weights named first.")?;
    out.line("`backbones --download NAME` and `train --weights hub` download those of the Hugging Face Hub.")
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
            .map(|s| json!({
                "place": s.place,
                "url": s.url(),
                "licence": s.licence,
                "top1_frac": s.top1_frac,
                "downloadable": s.hub.is_some(),
                "sha256": s.hub.and_then(|h| h.sha256),
            }))
            .collect::<Vec<_>>(),
        "file_bytes": spec.hub_file().map(|_| spec.file_bytes()),
        "timm_name": spec.timm_name,
        "weights_here": weights::known(spec.name).iter().map(|p| p.to_string_lossy()).collect::<Vec<_>>(),
    })
}
