//! Compiles the kernels for NVIDIA cards (`src/nn/ops/card/kernels`): with the feature `cuda` by nvcc to PTX, with the feature
//! `emulated-card` by the host's C++ compiler. Without either there is nothing to do.
#![allow(clippy::print_stdout, reason = "how cargo is told")]

use std::path::{Path, PathBuf};

const KERNELS: &str = "src/nn/ops/card/kernels";

/// Kernels with mistakes, by which tests try the emulation.
#[cfg(feature = "emulated-card")]
const FAULTY: &str = "src/nn/ops/card/tests";

/// The types of values, as the modules are called and as in C++.
const VALUES: [(&str, &str); 2] = [("f32", "float"), ("bf16", "__nv_bfloat16")];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={KERNELS}");
    for (feature, build) in
        [("CARGO_FEATURE_CUDA", for_cards as fn() -> _), ("CARGO_FEATURE_EMULATED_CARD", for_the_processor)]
    {
        if std::env::var_os(feature).is_some()
            && let Err(error) = build()
        {
            println!("cargo::error={error}");
        }
    }
}

fn out_dir() -> Result<PathBuf, String> {
    std::env::var_os("OUT_DIR").map(PathBuf::from).ok_or_else(|| "cargo gave no OUT_DIR".to_owned())
}

/// The files of a folder with this extension, in order, and their names without it.
fn files(folder: &str, extension: &str) -> Result<Vec<(PathBuf, String)>, String> {
    let listed = std::fs::read_dir(folder).map_err(|e| format!("{folder}: {e}"))?;
    let mut files = Vec::new();
    for entry in listed {
        let path = entry.map_err(|e| format!("{folder}: {e}"))?.path();
        if path.extension().is_some_and(|e| e == extension)
            && let Some(name) = path.file_stem().and_then(|name| name.to_str())
        {
            files.push((path.clone(), name.to_owned()));
        }
    }
    files.sort();
    Ok(files)
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
}

/// PTX of every file for every type of values, and a list of them for `card/cuda.rs`.
fn for_cards() -> Result<(), String> {
    for variable in ["NVCC", "CUDA_COMPUTE_CAP"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    let nvcc = std::env::var("NVCC").unwrap_or_else(|_| "nvcc".to_owned());
    // Ampere, the first generation with bfloat16; newer cards run what is made for it.
    let generation = std::env::var("CUDA_COMPUTE_CAP").unwrap_or_else(|_| "80".to_owned()).replace('.', "");
    println!("cargo::rustc-env=HEADSTART_CARD_GENERATION={generation}");
    let mut list = String::new();
    for (source, name) in files(KERNELS, "cu")? {
        for (suffix, value) in VALUES {
            let ptx = out_dir()?.join(format!("{name}_{suffix}.ptx"));
            let mut command = std::process::Command::new(&nvcc);
            command.args(["--ptx", "-std=c++17", "-O3", &format!("-DVALUE={value}")]);
            command.arg(format!("-arch=compute_{generation}")).arg("-o").arg(&ptx).arg(&source);
            let made = command.output().map_err(|e| {
                format!(
                    "the feature `cuda` needs the CUDA toolkit: {nvcc} does not start ({e}); set NVCC, or see packaging/cuda/toolkit.sh"
                )
            })?;
            if !made.status.success() {
                let why = String::from_utf8_lossy(&made.stderr).replace('\n', " | ");
                return Err(format!("{nvcc} failed on {}: {why}", source.display()));
            }
            list.push_str(&format!(
                "    (\"{name}_{suffix}\", include_str!({:?})),\n",
                ptx.display().to_string()
            ));
        }
    }
    let list = format!("pub(super) const MODULES: &[(&str, &str)] = &[\n{list}];\n");
    write(&out_dir()?.join("card_modules.rs"), &list)
}

#[cfg(not(feature = "emulated-card"))]
fn for_the_processor() -> Result<(), String> {
    Ok(())
}

/// A library of all kernels in one file, each module in a namespace, in which its headers are included anew.
#[cfg(feature = "emulated-card")]
fn for_the_processor() -> Result<(), String> {
    println!("cargo::rerun-if-changed={FAULTY}");
    let headers = files(KERNELS, "cuh")?;
    let mut all = "#include \"emulated.h\"\n".to_owned();
    for (_, name) in files(KERNELS, "cu")?.into_iter().chain(files(FAULTY, "cu")?) {
        for (suffix, value) in VALUES {
            for (_, header) in &headers {
                all.push_str(&format!("#undef {}_CUH\n", header.to_uppercase()));
            }
            let module = format!("{name}_{suffix}");
            all.push_str(&format!(
                "#undef VALUE\n#define VALUE {value}\nnamespace {module} {{\n\
                 constexpr const char *emulated_module = \"{module}\";\n#include \"{name}.cu\"\n}}\n"
            ));
        }
    }
    let source = out_dir()?.join("emulated_card.cpp");
    write(&source, &all)?;
    let mut compiler = cc::Build::new();
    // Fibers change stacks by longjmp, which the checks of _FORTIFY_SOURCE take for an error.
    compiler
        .cpp(true)
        .std("c++17")
        .opt_level(2)
        .include(KERNELS)
        .include(FAULTY)
        .file(&source)
        .flag("-U_FORTIFY_SOURCE");
    compiler.flag_if_supported("-Wno-unknown-pragmas").warnings_into_errors(true);
    compiler.try_compile("headstart_emulated_card").map_err(|e| e.to_string())
}
