//! Pretrained weights from the Hugging Face Hub, into the cache that Python's `huggingface_hub` uses too.
//!
//! The client is our own: `hf-hub` 1.0 brings an asynchronous runtime, begins a broken download anew, does not hold the file
//! against its digest and cannot be cancelled. Nothing here is called unless a person asked for that very download.

mod cache;
mod client;
mod downloads;
mod fetch;

pub use cache::Cache;
pub use client::Hub;
pub use downloads::{DownloadEvent, Downloads};

use crate::backbones::{BackboneSpec, HubFile};
use crate::error::{Error, Result};
use std::path::PathBuf;

/// The hub's file for a backbone.
///
/// # Errors
/// If the backbone has none there; the message says where its weights can be had.
pub fn file_of(spec: &BackboneSpec) -> Result<HubFile> {
    spec.hub_file().ok_or_else(|| {
        let e = Error::input(format!("there are no weights of {} on the Hugging Face Hub", spec.title));
        match spec.sources.first() {
            Some(source) => {
                e.with_hint(format!("Download {} with a browser, then choose the file", source.url()))
            }
            None => e.with_hint("This network learns from random weights"),
        }
    })
}

/// The backbone's weights, where they are in the cache already. Nothing is asked of the network.
pub fn cached(spec: &BackboneSpec) -> Option<PathBuf> {
    Cache::from_env()?.find(&spec.hub_file()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backbones::find;

    #[test]
    fn who_has_nothing_on_the_hub_says_where_to_go() {
        assert!(file_of(find("resnet18").unwrap()).is_ok());
        let e = file_of(find("squeezenet1_1").unwrap()).unwrap_err().to_string();
        assert!(e.contains("https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth"), "{e}");
        assert!(file_of(find("small_cnn").unwrap()).unwrap_err().to_string().contains("random"));
    }
}
