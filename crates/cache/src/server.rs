//! A cache on a server: GET, PUT and HEAD, as bazel-remote and WebDAV servers know them.

use std::fs::File;
use std::io::Read;
use std::time::Duration;

use ureq::http::{Request, Response, StatusCode, Uri};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, SendBody};

use crate::place::{Content, Place};

/// Wait no longer than that for a connection: a cache saves time, and does not cost it.
const CONNECT: Duration = Duration::from_secs(5);
/// And no longer for an answer, or for the next bytes.
pub(crate) const ANSWER: Duration = Duration::from_secs(30);
/// A body may take as long as at this many bytes a second, and as long as an answer more.
const SLOWEST: u64 = 1 << 18;

/// A server, and the path on it.
pub(crate) struct Server {
    /// without a slash at its end
    url: String,
    name: String,
    has_password: bool,
    agent: Agent,
    /// no longer for an answer, or for the next bytes
    patience: Duration,
}

impl Server {
    /// `None` where `url` is not one.
    pub(crate) fn new(url: &str, patience: Duration) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let authority = uri.authority()?;
        // What is before the @ is a name and a password, which belong into no log.
        let named = authority.as_str().rsplit_once('@');
        let host = named.map_or(authority.as_str(), |(_, host)| host);
        let path = uri.path().trim_end_matches('/');
        let name = format!("{}://{host}{path}", uri.scheme_str()?);
        let url = format!("{}://{authority}{path}", uri.scheme_str()?);
        // The certificates are those that the system trusts, as for any other program: a proxy may have its own.
        let agent = Agent::config_builder()
            .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .timeout_resolve(Some(CONNECT))
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(patience))
            .timeout_per_read(Some(patience))
            .timeout_per_write(Some(patience))
            .build()
            .into();
        Some(Self { url, name, has_password: named.is_some(), agent, patience })
    }

    /// Sends a request with as many `bytes` to come or to go; statuses are the caller's.
    fn ask(&self, method: &str, key: &str, body: SendBody, bytes: u64) -> Result<Response<Body>, String> {
        let most = Some(self.patience + Duration::from_secs(bytes / SLOWEST));
        let request = Request::builder().method(method).uri(format!("{}/{key}", self.url));
        let request = if method == "PUT" { request.header("Content-Length", bytes) } else { request };
        let request = request.body(body).map_err(|e| e.to_string())?;
        let configured = self.agent.configure_request(request);
        let configured = configured.timeout_send_body(most).timeout_recv_body(most);
        // A PUT that is sent to another address arrives there as a GET, and so would seem to have worked.
        let configured = if method == "GET" { configured } else { configured.max_redirects(0) };
        self.agent.run(configured.build()).map_err(|e| format!("{method} {key}: {e}"))
    }

    fn put_once(&self, key: &str, content: Content, bytes: u64) -> Result<Response<Body>, String> {
        let body = match content {
            Content::Bytes(bytes) => SendBody::from_owned_reader(std::io::Cursor::new(bytes.to_vec())),
            Content::File(path) => {
                let file = File::open(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
                SendBody::from_owned_reader(file)
            }
        };
        self.ask("PUT", key, body, bytes)
    }

    /// What a server that refuses means for the user.
    fn refused(&self, method: &str, key: &str, answer: &Response<Body>) -> String {
        let (status, is_put) = (answer.status(), method == "PUT");
        let moved = answer.headers().get("location").and_then(|to| to.to_str().ok());
        let advice = match status.as_u16() {
            301 | 302 | 303 | 307 | 308 => moved.map_or_else(String::new, |to| match to.strip_suffix(&format!("/{key}")) {
                Some(base) => format!(": give the address {base}"),
                None => format!(": it sends to {to}"),
            }),
            400 if is_put && key.starts_with("ac/") => {
                ": entries are JSON; bazel-remote takes them with --disable_http_ac_validation".to_owned()
            }
            401 if self.has_password => ": it knows no such name and password".to_owned(),
            401 => ": give a name and a password, http://NAME:PASSWORD@HOST/".to_owned(),
            403 | 405 if is_put => ": CACHE_MODE=read asks for results and puts none there; to share them, the server must allow PUT".to_owned(),
            413 => ": the file is larger than it takes; for nginx: client_max_body_size 0".to_owned(),
            500 if is_put => ": its log says why; its user must be able to write to its folder".to_owned(),
            507 => ": the cache is full".to_owned(),
            _ => String::new(),
        };
        format!("{method} {key}: the server answered {status}{advice}")
    }
}

impl Place for Server {
    fn name(&self) -> &str {
        &self.name
    }

    fn open(&self, key: &str, bytes: u64) -> Result<Option<Box<dyn Read>>, String> {
        let answer = self.ask("GET", key, SendBody::none(), bytes)?;
        match answer.status() {
            StatusCode::OK => Ok(Some(Box::new(answer.into_body().into_reader()))),
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(None),
            _ => Err(self.refused("GET", key, &answer)),
        }
    }

    fn has(&self, key: &str, bytes: u64) -> Result<bool, String> {
        let answer = self.ask("HEAD", key, SendBody::none(), 0)?;
        // Without a length, or from a server that does not know HEAD: it is put there again.
        Ok(answer.status() == StatusCode::OK && answer.body().content_length() == Some(bytes))
    }

    fn put(&self, key: &str, content: Content, bytes: u64) -> Result<(), String> {
        let mut answer = self.put_once(key, content, bytes)?;
        if matches!(answer.status().as_u16(), 404 | 409 | 500) {
            // WebDAV: a folder must exist before a file is put into it. nginx answers 500 where it does not.
            let (folder, _) = key.split_once('/').expect("a key lies in a folder");
            for folder in ["", &format!("{folder}/")] {
                // Whether it made one, or it was there, the next answer shows.
                self.ask("MKCOL", folder, SendBody::none(), 0)?;
            }
            answer = self.put_once(key, content, bytes)?;
        }
        if answer.status().is_success() { Ok(()) } else { Err(self.refused("PUT", key, &answer)) }
    }

    fn used(&self, _key: &str) {
        // The server saw the request.
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_silent_is_away_and_its_password_is_in_no_message() {
        // The system takes the connection, and nobody answers.
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let host = silent.local_addr().unwrap();
        let url = format!("http://me:secret@{host}/cache/");
        let server = Server::new(&url, Duration::from_millis(50)).unwrap();
        assert_eq!(server.name(), format!("http://{host}/cache"));
        let reason = server.open("ac/x", 0).err().unwrap();
        assert!(reason.starts_with("GET ac/x: ") && reason.contains("timeout"), "{reason}");
        let reason = server.put("ac/x", Content::Bytes(b"x"), 1).unwrap_err();
        assert!(reason.starts_with("PUT ac/x: ") && !reason.contains("secret"), "{reason}");
        assert!(Server::new("http://", Duration::ZERO).is_none());
    }
}
