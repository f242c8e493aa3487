//! What this machine has to compute with, and why not more.

use super::companion;
use super::device::{card_memory, device, is_built_in};
use super::memory::{self, CardMemory};
use crate::config::DeviceChoice;
use crate::nn::ops::simd;
use candle_core::{Device, utils};
use serde::Serialize;
use std::num::NonZero;

/// Something that work could be done on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeviceInfo {
    /// What `train.device` calls it: `cpu`, `cuda` or `metal`.
    pub device: DeviceChoice,
    /// Its name, as its maker gave it; that of its kind where it is not there.
    pub name: String,
    /// Memory in MiB, where the system tells it.
    pub memory_mib: Option<u64>,
    /// What of it is free now.
    pub free_mib: Option<u64>,
    /// Threads that it runs at a time, and the widest instruction set that is used; of the processor alone.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub processor: Option<Processor>,
    /// Why it cannot be used; `None` where it can.
    pub missing: Option<Missing>,
}

/// What is told of a processor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Processor {
    /// Threads that run at a time.
    pub threads: usize,
    /// The widest instruction set that is used.
    pub instruction_set: &'static str,
}

/// Why a device cannot be used, and what would change that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// What is not there.
    pub why: String,
    /// What would change that.
    pub advice: &'static str,
}

/// The processor, then the graphics cards: those that are there, and why the others are not.
pub fn devices() -> Vec<DeviceInfo> {
    vec![processor(), cuda(), metal()]
}

/// What this build lacks for a device; `None` where it could use one. Nothing is opened for it.
pub fn not_built(device: DeviceChoice) -> Option<NotBuilt> {
    match device {
        DeviceChoice::Cuda if !is_built_in(device) => Some(NotBuilt {
            in_short: companion::found().in_short().unwrap_or("not in this build"),
            missing: without_cuda(),
        }),
        DeviceChoice::Metal if !is_built_in(device) => {
            Some(NotBuilt { in_short: "not in this build", missing: without_metal() })
        }
        _ => None,
    }
}

/// What a build lacks for a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotBuilt {
    /// In a few words.
    pub in_short: &'static str,
    /// All of it.
    pub missing: Missing,
}

fn processor() -> DeviceInfo {
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    DeviceInfo {
        device: DeviceChoice::Cpu,
        name: processor_name(),
        memory_mib: memory_mib(),
        free_mib: memory::free().map(mib),
        processor: Some(Processor { threads, instruction_set: simd::instruction_set() }),
        missing: None,
    }
}

fn cuda() -> DeviceInfo {
    let without = |missing| DeviceInfo {
        device: DeviceChoice::Cuda,
        name: "NVIDIA card".to_owned(),
        memory_mib: None,
        free_mib: None,
        processor: None,
        missing: Some(missing),
    };
    let absent = |why: &str, advice| without(Missing { why: why.to_owned(), advice });
    if !utils::cuda_is_available() {
        return without(without_cuda());
    }
    match device(DeviceChoice::Cuda) {
        Ok(found) => {
            let memory = card_memory(&found);
            DeviceInfo {
                device: DeviceChoice::Cuda,
                name: cuda_name(&found).unwrap_or_else(|| "NVIDIA card".to_owned()),
                memory_mib: memory.map(|m| mib(m.total)),
                free_mib: memory.map(|m| mib(m.free())),
                processor: None,
                missing: None,
            }
        }
        Err(e) if companion::has_driver() => absent(
            &format!("NVIDIA's driver is there, but no card started ({})", e.what()),
            "Look whether `nvidia-smi` lists the card",
        ),
        Err(_) => absent(
            "no NVIDIA driver was found",
            "Install NVIDIA's driver, and see that `nvidia-smi` lists the card",
        ),
    }
}

/// What becomes of NVIDIA cards in a build without them.
fn without_cuda() -> Missing {
    if let Some((why, advice)) = companion::found().why_not() {
        return Missing { why, advice };
    }
    let why = match companion::has_driver() {
        true => "this build has no CUDA; this machine has NVIDIA's driver",
        false => "this build has no CUDA, and no NVIDIA driver was found",
    };
    Missing {
        why: why.to_owned(),
        advice: "Take the download that has a folder `cuda`, or build with `cargo build --release --features cuda` (README: Training on \
                 a graphics card)",
    }
}

fn without_metal() -> Missing {
    Missing {
        why: "this build has no Metal".to_owned(),
        advice: "Build with `cargo build --release --features metal`",
    }
}

fn metal() -> DeviceInfo {
    let info = |memory: Option<CardMemory>, missing| DeviceInfo {
        device: DeviceChoice::Metal,
        name: "Apple graphics".to_owned(),
        memory_mib: memory.map(|m| mib(m.total)),
        free_mib: memory.map(|m| mib(m.free())),
        processor: None,
        missing,
    };
    let absent = |why: String, advice| info(None, Some(Missing { why, advice }));
    if !cfg!(target_os = "macos") {
        return absent(
            "Metal is there on Apple's computers alone".to_owned(),
            "Use a Mac with Apple silicon",
        );
    }
    if !utils::metal_is_available() {
        return info(None, Some(without_metal()));
    }
    match device(DeviceChoice::Metal) {
        Ok(found) => info(card_memory(&found), None),
        Err(e) => absent(e.what().to_owned(), "Use a Mac with Apple silicon"),
    }
}

/// A card's name, as NVIDIA gave it.
#[cfg(feature = "cuda")]
fn cuda_name(device: &Device) -> Option<String> {
    let Device::Cuda(card) = device else { return None };
    card.cuda_stream().context().name().ok()
}

#[cfg(not(feature = "cuda"))]
fn cuda_name(_: &Device) -> Option<String> {
    None
}

fn mib(bytes: u64) -> u64 {
    bytes >> 20
}

/// The processor's name where the system tells it, else that of its architecture.
fn processor_name() -> String {
    let told = std::fs::read_to_string("/proc/cpuinfo").ok();
    let name = told.as_deref().and_then(|text| field(text, "model name"));
    let name = name.map(str::to_owned).or_else(|| std::env::var("PROCESSOR_IDENTIFIER").ok());
    name.unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

/// The machine's memory. Known on Linux (`MemTotal` in `/proc/meminfo`).
fn memory_mib() -> Option<u64> {
    let told = std::fs::read_to_string("/proc/meminfo").ok()?;
    let kib: u64 = field(&told, "MemTotal")?.trim_end_matches("kB").trim().parse().ok()?;
    Some(kib / 1024)
}

/// The value of the first line `key: value`.
fn field<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let mut pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs.find(|(name, _)| name.trim() == key).map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_named_once_and_what_is_missing_says_why() {
        let all = devices();
        let kinds: Vec<DeviceChoice> = all.iter().map(|d| d.device).collect();
        assert_eq!(kinds, [DeviceChoice::Cpu, DeviceChoice::Cuda, DeviceChoice::Metal]);
        let processor = &all[0];
        assert!(processor.missing.is_none() && !processor.name.is_empty());
        assert!(processor.free_mib <= processor.memory_mib);
        assert!(processor.processor.as_ref().is_some_and(|p| p.threads > 0));
        for info in &all[1..] {
            // What is listed as there can be opened, and the other way round.
            assert_eq!(info.missing.is_none(), device(info.device).is_ok(), "{info:?}");
            let told = info.missing.as_ref().is_none_or(|m| !m.why.is_empty() && !m.advice.is_empty());
            assert!(told && !info.name.is_empty(), "{info:?}");
            assert!(not_built(info.device).is_none() || info.missing.is_some(), "{info:?}");
        }
    }

    #[test]
    fn fields_are_read_by_their_whole_name() {
        let text = "MemTotalOther: 1 kB\nMemTotal:       2048 kB\nmodel name\t: A: B\n";
        assert_eq!(field(text, "MemTotal"), Some("2048 kB"));
        assert_eq!(field(text, "model name"), Some("A: B"));
        assert_eq!(field(text, "MemFree"), None);
    }
}
