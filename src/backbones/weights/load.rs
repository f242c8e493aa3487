//! Putting a state dict into a network: all of it fits, or nothing is changed.

use super::names::TimmNames;
use super::{LoadReport, StateDict};
use crate::backbones::block::ParamDesc;
use crate::backbones::{BackboneSpec, Network, registry};
use crate::error::{Error, Result};
use crate::nn::params::{ParamId, ParamKind, ParamStore};
use candle_core::{DType, Tensor};
use std::collections::{BTreeMap, BTreeSet};

/// How many names a message lists.
const NAMES_SHOWN: usize = 3;

/// Tensors of a file under torchvision's names, with the file's own.
type Renamed<'a> = BTreeMap<String, (&'a str, &'a Tensor)>;

/// Puts weights into a network. The head is loaded only where names and shapes fit.
///
/// # Errors
/// If the weights are of another architecture (backbone parameters missing or of other shapes): names the first few. The
/// network is then unchanged.
pub fn load_into(network: &mut Network, weights: &StateDict) -> Result<LoadReport> {
    let at = |e: Error| if weights.path.as_os_str().is_empty() { e } else { e.with_path(&weights.path) };
    let plan = plan(network, weights).map_err(at)?;
    for (id, tensor) in &plan.matches {
        check_finite(&network.store, *id, tensor).map_err(at)?;
    }
    for (id, tensor) in &plan.matches {
        let kind = network.store.get(*id).kind;
        network.store.set(*id, &ParamStore::from_disk_layout(kind, tensor)?)?;
    }
    Ok(LoadReport { path: weights.path.clone(), loaded: plan.matches.len(), ..plan.report })
}

/// What goes where, decided before anything is changed.
struct Plan {
    matches: Vec<(ParamId, Tensor)>,
    report: LoadReport,
}

fn plan(network: &Network, weights: &StateDict) -> Result<Plan> {
    let spec = network.spec;
    let names = TimmNames::of(spec);
    let file: Renamed<'_> =
        weights.tensors.iter().map(|(name, t)| (names.to_torchvision(name), (name.as_str(), t))).collect();
    let mut plan = Plan { matches: Vec::new(), report: LoadReport::default() };
    let (mut problems, mut wanting) = (Vec::new(), Vec::new());
    let mut head = Vec::new();
    for (id, param) in network.store.iter() {
        let wanted = param.kind.disk_shape(param.var.dims());
        let is_head = network.stage_of(id).is_none();
        match file.get(&param.name) {
            None if is_head => head.push((&param.name, None)),
            None => {
                problems.push(format!("{} is missing", param.name));
                wanting.push(param.name.as_str());
            }
            Some((name, tensor)) if tensor.dims() == wanted => {
                if param.name.ends_with("running_var") && *name != param.name {
                    let tensor = tensor.affine(1.0, -spec.timm_variance_offset())?;
                    plan.matches.push((id, tensor));
                } else if is_head {
                    head.push((&param.name, Some((id, (*tensor).clone()))));
                } else {
                    plan.matches.push((id, (*tensor).clone()));
                }
            }
            Some((_, tensor)) if is_head => {
                tracing::debug!(name = param.name, shape = ?tensor.dims(), "head of another shape");
                head.push((&param.name, None));
            }
            // timm keeps VGG's hidden layers as convolutions over the whole map, and the scales of ConvNeXt's branches as
            // vectors; the order of the values is the same.
            Some((name, tensor))
                if matches!(param.kind, ParamKind::LinearWeight | ParamKind::LayerScale)
                    && tensor.elem_count() == wanted.iter().product::<usize>() =>
            {
                plan.report.reshaped.push(format!("{name} from {:?} to {wanted:?}", tensor.dims()));
                plan.matches.push((id, tensor.reshape(wanted)?));
            }
            Some((_, tensor)) => {
                problems.push(format!("{} has shape {:?}, not {wanted:?}", param.name, tensor.dims()));
            }
        }
    }
    let head_fits = head.iter().all(|(_, found)| found.is_some());
    let mut used: BTreeSet<&str> = network.store.iter().map(|(_, p)| p.name.as_str()).collect();
    if !head_fits {
        for (name, _) in &head {
            used.remove(name.as_str());
        }
        if network.head_is_published() {
            plan.report.missing = head.iter().map(|(name, _)| (*name).clone()).collect();
        }
    } else {
        plan.matches.extend(head.into_iter().filter_map(|(_, found)| found));
    }
    sort_leftovers(spec, &file, &used, &mut plan.report);
    if !problems.is_empty() {
        return Err(wrong_architecture(spec, weights, &problems));
    }
    if !plan.report.unexpected.is_empty()
        && let Some(better) = best_guess(weights).filter(|guess| guess.name != spec.name)
    {
        let extra: Vec<_> = plan.report.unexpected.iter().map(|n| format!("{n} has no place")).collect();
        tracing::debug!(guess = better.name, "more tensors than the network has places");
        return Err(wrong_architecture(spec, weights, &extra));
    }
    Ok(plan)
}

/// Sorts the tensors that were not used into the head's, those behind the cut, and strangers.
fn sort_leftovers(spec: &BackboneSpec, file: &Renamed<'_>, used: &BTreeSet<&str>, report: &mut LoadReport) {
    let backbone: BTreeSet<String> = spec.backbone_params().into_iter().map(|p| p.name).collect();
    for (name, (own_name, _)) in file {
        if used.contains(name.as_str()) {
            continue;
        }
        let place = if backbone.contains(name) {
            &mut report.beyond_cut
        } else if belongs_to_head(spec, name) {
            &mut report.dropped_head
        } else {
            &mut report.unexpected
        };
        place.push((*own_name).to_owned());
    }
}

fn belongs_to_head(spec: &BackboneSpec, name: &str) -> bool {
    let layer = name.rsplit_once('.').map_or(name, |(layer, _)| layer);
    layer == spec.head_name() || layer.starts_with("head.")
}

fn check_finite(store: &ParamStore, id: ParamId, tensor: &Tensor) -> Result<()> {
    let name = &store.get(id).name;
    if tensor.dtype() != DType::F32 {
        return Err(Error::internal(format!("the tensor {name} is {:?}, not f32", tensor.dtype())));
    }
    let values = tensor.flatten_all()?.to_vec1::<f32>()?;
    match values.iter().find(|v| !v.is_finite()) {
        Some(bad) => Err(Error::input(format!("the tensor {name} holds the value {bad}")).with_hint(
            "The training that made these weights diverged, or the file is damaged: use another one",
        )),
        None => Ok(()),
    }
}

fn wrong_architecture(spec: &BackboneSpec, weights: &StateDict, problems: &[String]) -> Error {
    let first = problems.iter().take(NAMES_SHOWN).cloned().collect::<Vec<_>>().join(", ");
    let more = problems.len().saturating_sub(NAMES_SHOWN);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    let error = Error::input(format!("these weights are not of {}: {first}{rest}", spec.name));
    match best_guess(weights) {
        Some(guess) if guess.name != spec.name => {
            error.with_hint(format!("They look like weights of {}: choose that backbone", guess.name))
        }
        _ => error.with_hint("Choose the backbone that the weights were made for, or another file"),
    }
}

/// The registered backbone whose names and shapes agree best with the file's, if any agrees by half.
fn best_guess(weights: &StateDict) -> Option<&'static BackboneSpec> {
    let mut best: Option<(f64, &BackboneSpec)> = None;
    for spec in registry() {
        let share = agreement(spec, weights);
        if share >= 0.5 && best.is_none_or(|(most, _)| share > most) {
            best = Some((share, spec));
        }
    }
    best.map(|(_, spec)| spec)
}

/// Tensors that fit, as a share of all that the network and the file have between them, in `[0, 1]`.
fn agreement(spec: &BackboneSpec, weights: &StateDict) -> f64 {
    let wanted: BTreeMap<String, ParamDesc> =
        spec.backbone_params().into_iter().map(|p| (p.name.clone(), p)).collect();
    let names = TimmNames::of(spec);
    let mut fitting = 0;
    let mut others = 0;
    for (name, tensor) in &weights.tensors {
        let name = names.to_torchvision(name);
        match wanted.get(&name) {
            Some(p) if p.disk_shape.iter().product::<usize>() == tensor.elem_count() => fitting += 1,
            None if belongs_to_head(spec, &name) => {}
            _ => others += 1,
        }
    }
    f64::from(fitting) / (wanted.len() as f64 + f64::from(others))
}
