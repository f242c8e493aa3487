//! Downloads from a hub on loopback: redirects, resuming, digests, refusals, and the cache that Python shares.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;
mod hub_server;

use common::{command, done, failed};
use headstart::backbones::HubFile;
use headstart::engine::Control;
use headstart::error::Error;
use headstart::session::hub::{Cache, Hub};
use hub_server::{Behaviour, Server, sha256};
use std::cell::Cell;
use std::path::Path;

const FILE: HubFile =
    HubFile { repository: "timm/tiny.a_in1k", revision: "main", file: "model.safetensors", sha256: None };
const FOLDER: &str = "models--timm--tiny.a_in1k";

/// Bytes of a made-up weight file.
fn bytes() -> Vec<u8> {
    (0..300_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

fn hub(server: &Server, cache: &Path) -> Hub {
    Hub::new(&server.address(), None, Cache::new(cache)).without_retries()
}

fn fetch(hub: &Hub, file: &HubFile) -> Result<std::path::PathBuf, Error> {
    hub.download(file, &Control::default(), &|_, _| {})
}

fn incomplete(cache: &Path) -> std::path::PathBuf {
    cache.join(FOLDER).join("blobs").join(format!("{}.incomplete", sha256(&bytes())))
}

#[test]
fn a_file_comes_through_redirects_into_the_shared_layout_and_only_once() {
    let t = tempfile::tempdir().unwrap();
    let cdn = Server::start(bytes(), Behaviour::default());
    let behaviour = Behaviour { moved: true, cdn: Some(cdn.address()), ..Behaviour::default() };
    let server = Server::start(bytes(), behaviour);
    let hub = Hub::new(&server.address(), Some("secret".to_owned()), Cache::new(t.path()));
    let (last, calls) = (Cell::new((0, 0)), Cell::new(0));
    let progress = |done, total| {
        assert!(done >= last.get().0 && total == 300_000);
        last.set((done, total));
        calls.set(calls.get() + 1);
    };
    let path = hub.download(&FILE, &Control::default(), &progress).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), bytes());
    assert_eq!(last.get(), (300_000, 300_000));
    assert!(calls.get() > 2);

    let repository = t.path().join(FOLDER);
    let commit = std::fs::read_to_string(repository.join("refs/main")).unwrap();
    assert_eq!(commit, hub_server::COMMIT);
    assert_eq!(path, repository.join("snapshots").join(&commit).join("model.safetensors"));
    let blob = repository.join("blobs").join(sha256(&bytes()));
    assert_eq!(std::fs::canonicalize(&path).unwrap(), std::fs::canonicalize(blob).unwrap());
    assert!(!incomplete(t.path()).exists());
    // The token is the hub's alone.
    assert!(server.requests().iter().all(|r| r.contains("authorization: Bearer secret")));
    assert!(cdn.requests().iter().all(|r| !r.contains("secret")) && !cdn.requests().is_empty());

    let asked = server.requests().len();
    assert_eq!(fetch(&hub, &FILE).unwrap(), path);
    assert_eq!(server.requests().len(), asked, "what is here is not asked for");
}

#[test]
fn a_broken_connection_is_taken_up_where_it_ended() {
    let t = tempfile::tempdir().unwrap();
    let server = Server::start(bytes(), Behaviour { cut_after: vec![100_000], ..Behaviour::default() });
    let e = fetch(&hub(&server, t.path()), &FILE).unwrap_err().to_string();
    assert!(e.contains("the connection broke") && e.contains("goes on where it ended"), "{e}");
    let here = std::fs::metadata(incomplete(t.path())).unwrap().len();
    assert!(here > 0 && here <= 100_000, "{here}");
    let path = fetch(&hub(&server, t.path()), &FILE).unwrap();
    assert_eq!(std::fs::read(path).unwrap(), bytes());
    let last = server.requests().pop().unwrap();
    assert!(last.starts_with("GET /cdn") && last.contains(&format!("range: bytes={here}-")), "{last}");
}

#[test]
fn connections_that_break_on_the_way_are_made_anew_by_themselves() {
    let t = tempfile::tempdir().unwrap();
    let behaviour = Behaviour { cut_after: vec![100_000, 120_000], ..Behaviour::default() };
    let server = Server::start(bytes(), behaviour);
    let hub = Hub::new(&server.address(), None, Cache::new(t.path()));
    assert_eq!(std::fs::read(fetch(&hub, &FILE).unwrap()).unwrap(), bytes());
}

#[test]
fn a_server_that_cannot_continue_sends_everything_again() {
    let t = tempfile::tempdir().unwrap();
    let behaviour = Behaviour { cut_after: vec![100_000], no_ranges: true, ..Behaviour::default() };
    let server = Server::start(bytes(), behaviour);
    assert!(fetch(&hub(&server, t.path()), &FILE).is_err());
    let path = fetch(&hub(&server, t.path()), &FILE).unwrap();
    assert_eq!(std::fs::read(path).unwrap(), bytes());
}

#[test]
fn what_is_not_the_promised_file_is_deleted() {
    let t = tempfile::tempdir().unwrap();
    let wrong = "0".repeat(64);
    let server = Server::start(bytes(), Behaviour { etag: Some(wrong.clone()), ..Behaviour::default() });
    let e = fetch(&hub(&server, t.path()), &FILE).unwrap_err().to_string();
    assert!(e.contains(&wrong) && e.contains(&sha256(&bytes())) && e.contains("Try again"), "{e}");
    let blobs = t.path().join(FOLDER).join("blobs");
    assert_eq!(std::fs::read_dir(blobs).unwrap().count(), 0);
    assert_eq!(Cache::new(t.path()).find(&FILE), None);

    let server = Server::start(bytes(), Behaviour::default());
    let pinned = HubFile { sha256: Some("1111"), ..FILE };
    let e = fetch(&hub(&server, t.path()), &pinned).unwrap_err().to_string();
    assert!(e.contains("another file") && e.contains("1111"), "{e}");
    assert!(server.requests().iter().all(|r| r.starts_with("HEAD")), "nothing is loaded in vain");
}

#[test]
fn refusals_say_what_to_do() {
    for (status, words) in [
        (401, ["does not give timm/tiny.a_in1k/model.safetensors", "HF_TOKEN"]),
        (403, ["does not give", "browser"]),
        (404, ["has no timm/tiny.a_in1k/model.safetensors at revision main", "HF_ENDPOINT"]),
        (503, ["trouble of its own (status 503)", "Try again in a few minutes"]),
    ] {
        let t = tempfile::tempdir().unwrap();
        let server = Server::start(bytes(), Behaviour { status: Some(status), ..Behaviour::default() });
        let e = fetch(&hub(&server, t.path()), &FILE).unwrap_err().to_string();
        assert!(words.iter().all(|w| e.contains(w)) && e.contains(&server.address()), "{status}: {e}");
        assert_eq!(std::fs::read_dir(t.path()).unwrap().count(), 0, "nothing was written");
    }
}

#[test]
fn a_cancelled_download_keeps_what_has_arrived() {
    let t = tempfile::tempdir().unwrap();
    let server = Server::start(bytes(), Behaviour::default());
    let control = Control::default();
    let progress = |done, _| {
        if done > 100_000 {
            control.cancel();
        }
    };
    let e = hub(&server, t.path()).download(&FILE, &control, &progress).unwrap_err();
    assert!(e.is_cancelled());
    let here = std::fs::metadata(incomplete(t.path())).unwrap().len();
    assert!(here > 100_000 && here < 300_000, "{here}");
    assert_eq!(std::fs::read(fetch(&hub(&server, t.path()), &FILE).unwrap()).unwrap(), bytes());
}

#[test]
fn without_a_network_it_says_so_at_once() {
    let t = tempfile::tempdir().unwrap();
    let gone = Server::closed();
    let hub = Hub::new(&gone, None, Cache::new(t.path()));
    let e = fetch(&hub, &FILE).unwrap_err().to_string();
    assert!(e.contains("cannot be reached") && e.contains(&gone) && e.contains("internet connection"), "{e}");
}

#[test]
fn what_is_no_hub_is_told_from_one() {
    let t = tempfile::tempdir().unwrap();
    let server = Server::start(bytes(), Behaviour { plain: true, ..Behaviour::default() });
    let e = fetch(&hub(&server, t.path()), &FILE).unwrap_err().to_string();
    assert!(e.contains("does not answer like the Hugging Face Hub"), "{e}");
}

#[test]
fn the_command_line_downloads_through_the_proxy_and_finds_it_again_without() {
    let t = tempfile::tempdir().unwrap();
    let server = Server::start(bytes(), Behaviour::default());
    let with = |args: &[&str], proxy: &str| {
        let mut command = command(t.path());
        for name in ["ALL_PROXY", "HTTPS_PROXY", "NO_PROXY", "all_proxy", "https_proxy", "no_proxy"] {
            command.env_remove(name);
        }
        command.env("HF_ENDPOINT", "http://hub.invalid").env("HF_HOME", t.path().join("hf"));
        command.env("HTTP_PROXY", proxy).args(args).output().unwrap()
    };
    let ask = ["backbones", "--download", "mobilenet_v3_small"];
    let e = failed(&with(&ask, &Server::closed()));
    assert!(e.contains("http://hub.invalid") && e.contains("proxy"), "{e}");

    let path = done(&with(&ask, &server.address()));
    let path = Path::new(path.trim());
    assert!(path.starts_with(t.path().join("hf/hub")), "{}", path.display());
    assert_eq!(std::fs::read(path).unwrap(), bytes());
    assert!(server.requests().iter().any(|r| r.starts_with("CONNECT hub.invalid:80")));

    assert_eq!(done(&with(&ask, &Server::closed())).trim(), path.to_str().unwrap());
    let list: serde_json::Value =
        serde_json::from_str(&done(&with(&["backbones", "--json"], &Server::closed()))).unwrap();
    let entry = list.as_array().unwrap().iter().find(|b| b["name"] == "mobilenet_v3_small").unwrap();
    assert_eq!(entry["weights_here"][0], path.to_str().unwrap());

    let e = failed(&with(&["backbones", "--download", "squeezenet1_1"], &server.address()));
    assert!(e.contains("download.pytorch.org"), "{e}");
}
