//! Talking to the hub: the address, the proxy, the certificates, and what went wrong in words.

use super::cache::Cache;
use crate::backbones::HubFile;
use crate::error::{Error, ErrorKind, Result};
use std::sync::Arc;
use std::time::Duration;
use ureq::http::{Response, Uri, header};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body, RequestBuilder, Timeout, typestate::WithoutBody};

const ENDPOINT: &str = "https://huggingface.co";
const CONNECT: Duration = Duration::from_secs(15);
/// Longest silence of a server.
const SILENCE: Duration = Duration::from_secs(30);
/// Redirects followed for one answer.
const REDIRECTS: usize = 5;
const OFFLINE: &str = "Check the internet connection, and HF_ENDPOINT and the proxy if they are set. Or choose a weight file that \
                       is on this computer";

/// A hub, and the cache that its files go into.
#[derive(Debug)]
pub struct Hub {
    endpoint: String,
    token: Option<String>,
    pub(super) cache: Cache,
    /// How often a connection that broke is made anew without a byte more, and the wait before it.
    pub(super) retries: (usize, Duration),
    agent: Agent,
}

/// What the hub says about a file before sending it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Metadata {
    /// Commit that the revision is at.
    pub(super) commit: String,
    /// Name of the content: its SHA-256 for large files.
    pub(super) digest: String,
    /// Bytes.
    pub(super) size: u64,
}

impl Hub {
    /// The hub at `endpoint` (`https://huggingface.co` or a mirror) with an access token, if one is needed. Proxies are those
    /// of the environment (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`), certificates those of the system.
    pub fn new(endpoint: &str, token: Option<String>, cache: Cache) -> Self {
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        let secure = !endpoint.starts_with("http://");
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT))
            .timeout_resolve(Some(CONNECT))
            .timeout_recv_response(Some(SILENCE))
            .timeout_per_read(Some(SILENCE))
            .user_agent(concat!("headstart/", env!("CARGO_PKG_VERSION")));
        if secure {
            config = config.tls_config(tls());
        }
        let retries = (3, Duration::from_secs(1));
        Self { endpoint, token, cache, retries, agent: config.build().new_agent() }
    }

    /// As `HF_ENDPOINT`, `HF_TOKEN`, `HF_HOME` and `HF_HUB_CACHE` say.
    ///
    /// # Errors
    /// If `HF_HUB_OFFLINE` forbids it, or there is no place for a cache.
    pub fn from_env() -> Result<Self> {
        let var = |name: &str| std::env::var(name).ok().filter(|v| !v.trim().is_empty());
        let yes = |v: String| ["1", "ON", "YES", "TRUE"].contains(&v.to_uppercase().as_str());
        if var("HF_HUB_OFFLINE").is_some_and(yes) {
            return Err(Error::input("HF_HUB_OFFLINE forbids downloads").with_hint(
                "Take it out of the environment, or choose a weight file that is on this computer",
            ));
        }
        let cache = Cache::from_env().ok_or_else(|| {
            Error::input("there is no home folder to keep downloads in").with_hint("Set HOME or HF_HOME")
        })?;
        let endpoint = var("HF_ENDPOINT").unwrap_or_else(|| ENDPOINT.to_owned());
        Ok(Self::new(&endpoint, var("HF_TOKEN"), cache))
    }

    /// The same without new attempts after a broken connection.
    #[must_use]
    pub fn without_retries(mut self) -> Self {
        self.retries.0 = 0;
        self
    }

    fn url(&self, file: &HubFile) -> String {
        format!("{}/{}/resolve/{}/{}", self.endpoint, file.repository, file.revision, file.file)
    }

    /// Asks about a file.
    pub(super) fn metadata(&self, file: &HubFile) -> Result<Metadata> {
        let url = self.url(file);
        // The hub describes a large file in the answer that sends on to where the bytes are.
        let described = |r: &Response<Body>| r.headers().contains_key("x-linked-etag");
        let answer = self.follow(&url, &|url| self.agent.head(url), &described)?;
        let status = answer.status().as_u16();
        if !answer.status().is_redirection() {
            check(status, file, &host(&url))?;
        }
        let text = |name: &str| answer.headers().get(name)?.to_str().ok().map(str::to_owned);
        let digest = text("x-linked-etag").or_else(|| text("etag"));
        let digest = digest.map(|e| e.trim_start_matches("W/").trim_matches('"').to_lowercase());
        let size = text("x-linked-size").or_else(|| text("content-length")).and_then(|s| s.parse().ok());
        let safe = |name: &String| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric());
        match (text("x-repo-commit").filter(safe), digest.filter(safe), size) {
            (Some(commit), Some(digest), Some(size)) => Ok(Metadata { commit, digest, size }),
            _ => Err(failed(format!("{} does not answer like the Hugging Face Hub", host(&url)))
                .with_hint("Check HF_ENDPOINT and the proxy")),
        }
    }

    /// Asks for the bytes of a file from `begin` on.
    pub(super) fn bytes(&self, file: &HubFile, begin: u64) -> Result<Response<Body>> {
        let request = |url: &str| {
            let get = self.agent.get(url).header(header::ACCEPT_ENCODING, "identity");
            if begin > 0 { get.header(header::RANGE, format!("bytes={begin}-")) } else { get }
        };
        let url = self.url(file);
        let answer = self.follow(&url, &request, &|_| false)?;
        match answer.status().as_u16() {
            // The part that is here is as long as the file, or longer.
            416 => Ok(answer),
            status => check(status, file, &host(&url)).map(|()| answer),
        }
    }

    /// Follows redirects until an answer is no redirect, or `enough`. The token is for the hub alone.
    fn follow(
        &self,
        url: &str,
        request: &dyn Fn(&str) -> RequestBuilder<WithoutBody>,
        enough: &dyn Fn(&Response<Body>) -> bool,
    ) -> Result<Response<Body>> {
        let mut url = url.to_owned();
        for _ in 0..=REDIRECTS {
            let mut asked = request(&url);
            if let Some(token) = self.token.as_ref().filter(|_| host(&url) == host(&self.endpoint)) {
                asked = asked.header(header::AUTHORIZATION, format!("Bearer {token}"));
            }
            let answer = asked.call().map_err(|e| broken(e, &host(&url)))?;
            let next =
                answer.headers().get(header::LOCATION).and_then(|l| l.to_str().ok()).map(str::to_owned);
            match next.filter(|_| answer.status().is_redirection() && !enough(&answer)) {
                Some(next) => url = join(&url, &next),
                None => return Ok(answer),
            }
        }
        Err(failed(format!("{} sends from one address to the next without an end", host(&url)))
            .with_hint("Check HF_ENDPOINT and the proxy"))
    }
}

/// The system's certificates, which know a company's proxy where one reads along.
fn tls() -> TlsConfig {
    let found = rustls_native_certs::load_native_certs();
    found.errors.iter().for_each(|e| tracing::warn!("a certificate of the system cannot be read: {e}"));
    let roots: Vec<_> = found.certs.iter().map(|c| Certificate::from_der(c).to_owned()).collect();
    TlsConfig::builder()
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .root_certs(RootCerts::from(roots))
        .build()
}

/// Scheme, host and port of an address.
fn host(url: &str) -> String {
    let parts =
        url.parse::<Uri>().ok().and_then(|u| Some(format!("{}://{}", u.scheme_str()?, u.authority()?)));
    parts.unwrap_or_else(|| url.to_owned())
}

/// The address that `next` means at `base`.
fn join(base: &str, next: &str) -> String {
    match next {
        _ if next.contains("://") => next.to_owned(),
        _ if next.starts_with("//") => {
            format!("{}:{next}", base.split("://").next().unwrap_or("https"))
        }
        _ if next.starts_with('/') => format!("{}{next}", host(base)),
        _ => format!("{}/{next}", base.rsplit_once('/').map_or(base, |(dir, _)| dir)),
    }
}

pub(super) fn failed(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Io, what)
}

/// Whether an answer with this status brings the file.
fn check(status: u16, file: &HubFile, host: &str) -> Result<()> {
    let name = format!("{}/{}", file.repository, file.file);
    match status {
        200..=299 => Ok(()),
        401 | 403 => Err(failed(format!("the hub at {host} does not give {name} to us (status {status})"))
            .with_hint("Check HF_TOKEN if it is set, and HF_ENDPOINT. Or download the file with a browser")),
        404 => Err(failed(format!("the hub at {host} has no {name} at revision {}", file.revision))
            .with_hint("Check HF_ENDPOINT if it is set. Or download the file with a browser")),
        407 => Err(failed("the proxy wants a name and a password (status 407)")
            .with_hint("Give them in HTTPS_PROXY, as http://name:password@proxy:8080")),
        429 => Err(failed(format!("{host} was asked too often (status 429)"))
            .with_hint("Try again in a few minutes; what has arrived is kept")),
        500..=599 => Err(failed(format!("{host} has trouble of its own (status {status})"))
            .with_hint("Try again in a few minutes; what has arrived is kept")),
        _ => Err(failed(format!("{host} answered in a way that makes no sense here (status {status})"))
            .with_hint("Check HF_ENDPOINT and the proxy")),
    }
}

/// Why there was no answer.
pub(super) fn broken(e: ureq::Error, host: &str) -> Error {
    use ureq::Error as E;
    match e {
        E::HostNotFound => failed(format!("{host} cannot be found")).with_hint(OFFLINE),
        E::Timeout(Timeout::Resolve | Timeout::Connect) => {
            failed(format!("the hub at {host} cannot be reached: it does not answer")).with_hint(OFFLINE)
        }
        E::Timeout(_) => failed(format!("{host} has stopped answering"))
            .with_hint("Try again; what has arrived is kept"),
        E::ConnectProxyFailed(why) => {
            failed(format!("the proxy does not connect to {host} ({why})")).with_hint("Check HTTPS_PROXY and NO_PROXY")
        }
        E::InvalidProxyUrl => {
            failed("the proxy's address makes no sense").with_hint("Write it as http://proxy:8080 in HTTPS_PROXY")
        }
        E::Tls(_) | E::Rustls(_) | E::Pem(_) => {
            failed(format!("no safe connection to {host} came about ({e})")).with_hint(
                "Check this computer's date and time. A proxy that reads along must have its certificate among the system's",
            )
        }
        E::BadUri(_) | E::Http(_) => failed(format!("{host} is no address of a hub"))
            .with_hint("Check HF_ENDPOINT: https://huggingface.co is the usual one"),
        E::Io(e) => failed(format!("the hub at {host} cannot be reached ({e})")).with_hint(OFFLINE),
        e => failed(format!("the hub at {host} cannot be reached ({e})")).with_hint(OFFLINE),
    }
}

#[cfg(test)]
mod tests {
    use super::join;

    #[test]
    fn redirects_lead_on_from_where_they_came() {
        let base = "https://hub.example:8443/timm/a/resolve/main/model.safetensors";
        for (next, whole) in [
            ("https://cdn.example/x?y=1", "https://cdn.example/x?y=1"),
            ("//cdn.example/x", "https://cdn.example/x"),
            (
                "/timm/b/resolve/main/model.safetensors",
                "https://hub.example:8443/timm/b/resolve/main/model.safetensors",
            ),
            ("other", "https://hub.example:8443/timm/a/resolve/main/other"),
        ] {
            assert_eq!(join(base, next), whole);
        }
    }
}
