//! The walls of the program: imports point one way, the window neither computes nor reads files, unsafe code has one place.
//!
//! `ui, cli → session → {engine, export} → {backbones, data} → {nn, config} → error`
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails should panic")]

use std::path::{Path, PathBuf};

/// A module of the crate's root and the modules that it may use.
const ALLOWED: [(&str, &[&str]); 10] = [
    ("error", &[]),
    ("config", &["error"]),
    ("nn", &["error"]),
    ("data", &["config", "nn", "error"]),
    ("backbones", &["config", "nn", "error"]),
    ("export", &["backbones", "data", "config", "nn", "error"]),
    ("engine", &["export", "backbones", "data", "config", "nn", "error"]),
    ("session", &["engine", "export", "backbones", "data", "config", "nn", "error"]),
    ("cli", &["session", "engine", "export", "backbones", "data", "config", "nn", "error"]),
    ("ui", &["session", "engine", "export", "backbones", "data", "config", "nn", "error"]),
];

/// Where unsafe code may be.
const UNSAFE_IN: [&str; 2] = ["nn", "ops"];

#[test]
fn imports_point_one_way() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = rust_files(&root);
    assert!(files.len() > 40, "only {} files found under {}", files.len(), root.display());
    let mut wrong = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        wrong.extend(violations(&module_path(file.strip_prefix(&root).unwrap()), &text));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_module_of_the_root_has_its_place() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in std::fs::read_dir(&root).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let known =
            ["lib", "main", "bin"].contains(&name.as_str()) || ALLOWED.iter().any(|(m, _)| *m == name);
        assert!(known, "src/{name} is not on the map");
    }
}

#[test]
fn lists_that_drop_down_are_drawn_by_one_widget() {
    let ui = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ui");
    let drawn = |file: &PathBuf| std::fs::read_to_string(file).unwrap().contains(".show_ui(");
    let drawing: Vec<PathBuf> = rust_files(&ui).into_iter().filter(drawn).collect();
    assert_eq!(drawing, [ui.join("widgets/drop_down.rs")], "others stay open after a choice by keyboard");
}

#[test]
fn the_check_finds_what_it_is_for() {
    for (module, text) in [
        ("engine/train", "use crate::ui::App;"),
        ("engine/train", "use crate::{config::Metric, session::Worker};"),
        ("export/bundle", "let s = crate::engine::Summary::default();"),
        ("nn/optim", "use crate::config::OptimizerKind;"),
        ("data/scan", "use super::super::backbones::find;"),
        ("data", "use super::engine;"),
        ("config", "use headstart::data::Split;"),
        ("session/worker", "use crate::cli;"),
        ("ui/app", "use candle_core::Tensor;"),
        ("ui/app", "std::fs::read(p)"),
        ("ui/app", "use std::{fs, io};"),
        ("ui/app", "use std::{io, fs::File};"),
        ("data/decode", "unsafe { x() }"),
        ("nn/params", "unsafe impl Send for A {}"),
    ] {
        assert_eq!(violations(&parts(module), text).len(), 1, "{module}: {text}");
    }
}

#[test]
fn the_check_leaves_what_is_allowed_alone() {
    for (module, text) in [
        ("engine/train", "use crate::export::atomic; use crate::{Error, data::Dataset};"),
        (
            "engine/train",
            "// crate::ui::App\n/* crate::session */ let s = \"crate::ui::x unsafe\"; let c = '\"';",
        ),
        ("data/scan", "use super::split::Split; use super::super::data::Progress;"),
        ("data/scan", "let r = r#\"crate::ui \" unsafe\"#; fn f<'a>(x: &'a str) {}"),
        ("nn/ops/gemm", "unsafe { x() }"),
        ("ui/app", "use std::{path::PathBuf, fmt}; use crate::session::Worker; use egui::Ui;"),
        ("ui/app", "fn f() {}\n#[cfg(test)]\nmod tests { use std::fs; }"),
        ("ui/widgets/matrix", "use super::super::theme::Palette; let unsafely = 1;"),
    ] {
        assert_eq!(violations(&parts(module), text), Vec::<String>::new(), "{module}: {text}");
    }
}

fn parts(module: &str) -> Vec<String> {
    module.split('/').map(str::to_owned).collect()
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// `data/scan.rs` is module `[data, scan]`; `lib.rs`, `main.rs` and the programs are the root, `[]`.
fn module_path(file: &Path) -> Vec<String> {
    let mut path: Vec<String> =
        file.with_extension("").iter().map(|p| p.to_string_lossy().into_owned()).collect();
    if path.last().is_some_and(|l| l == "mod") {
        path.pop();
    }
    if ["lib", "main", "bin"].contains(&path[0].as_str()) { Vec::new() } else { path }
}

/// What in the text of a module breaks the rules.
fn violations(module: &[String], text: &str) -> Vec<String> {
    let code = without_comments_and_strings(text);
    let here = module.join("::");
    let mut wrong = Vec::new();
    if let Some(top) = module.first() {
        let (_, allowed) = ALLOWED.iter().find(|(m, _)| m == top).expect("a module on the map");
        for used in used_modules(&code, module.len()) {
            if used != *top && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{here} must not use {used}"));
            }
        }
        if top == "ui" {
            let names = words(&code);
            if names.iter().any(|w| w.starts_with("candle")) {
                wrong.push(format!("{here} must not use candle"));
            }
            // Unit tests of the window may make files to look at.
            let (program, _) = code.split_once("#[cfg(test)]\nmod ").unwrap_or((&code, ""));
            if after_path(program, "std::").iter().any(|n| n == "fs") {
                wrong.push(format!("{here} must not use std::fs"));
            }
        }
    }
    let may_be_unsafe = module.iter().zip(UNSAFE_IN).filter(|(a, b)| a == b).count() == UNSAFE_IN.len();
    if !may_be_unsafe && words(&code).iter().any(|w| w == "unsafe") {
        wrong.push(format!("{here} must not be unsafe"));
    }
    wrong
}

/// Modules of the root that the code names, from a module `depth` below the root.
fn used_modules(code: &str, depth: usize) -> Vec<String> {
    let up = "super::".repeat(depth);
    let mut used = after_path(code, "crate::");
    used.extend(after_path(code, "headstart::"));
    used.extend(after_path(code, &up));
    used.retain(|name| ALLOWED.iter().any(|(m, _)| m == name));
    used.sort();
    used.dedup();
    used
}

/// First names after a path: of `crate::a::b` it is `a`; of `crate::{a::b, c}` they are `a` and `c`.
fn after_path(code: &str, path: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in code.match_indices(path) {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| is_name(c) || c == ':') {
            continue;
        }
        let rest = &code[at + path.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            names.push(rest.chars().take_while(|&c| is_name(c)).collect());
            continue;
        };
        let (mut open, mut name, mut first) = (1, String::new(), true);
        for c in group.chars() {
            match c {
                '{' => open += 1,
                '}' => open -= 1,
                ',' if open == 1 => first = true,
                c if is_name(c) && first && open == 1 => {
                    name.push(c);
                    continue;
                }
                _ => {}
            }
            if !name.is_empty() {
                names.push(std::mem::take(&mut name));
                first = c == ',';
            }
            if open == 0 {
                break;
            }
        }
    }
    names
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn words(code: &str) -> Vec<String> {
    code.split(|c| !is_name(c)).filter(|w| !w.is_empty()).map(str::to_owned).collect()
}

/// Rust's text with comments and the content of strings and characters left out.
fn without_comments_and_strings(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skip = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(inside) = rest.strip_prefix('"') {
            quoted(inside) + 1
        } else if rest.starts_with("r\"") || rest.starts_with("r#") {
            raw_string(rest)
        } else if rest.starts_with('\'') {
            character(rest)
        } else {
            code.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        };
        code.push(' ');
        rest = &rest[skip..];
    }
    code
}

/// Length of a string's content and its closing quote.
fn quoted(rest: &str) -> usize {
    let mut escaped = false;
    for (i, c) in rest.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return i + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Length of a raw string; of `r` alone where it is a raw name.
fn raw_string(rest: &str) -> usize {
    let hashes = rest[1..].chars().take_while(|&c| c == '#').count();
    if !rest[1 + hashes..].starts_with('"') {
        return 1;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    rest[2 + hashes..].find(&end).map_or(rest.len(), |at| 2 + hashes + at + end.len())
}

/// Length of a character; of the quote alone where it begins a lifetime.
fn character(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some(_)) => chars.find(|(_, c)| *c == '\'').map_or(1, |(i, _)| i + 1),
        (Some(_), Some((i, '\''))) => i + 1,
        _ => 1,
    }
}
