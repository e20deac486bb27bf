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
        let host = authority.as_str().rsplit_once('@').map_or(authority.as_str(), |(_, host)| host);
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
        Some(Self { url, name, agent, patience })
    }

    /// Sends a request with as many `bytes` to come or to go; statuses are the caller's.
    fn ask(&self, method: &str, key: &str, body: SendBody, bytes: u64) -> Result<Response<Body>, String> {
        let most = Some(self.patience + Duration::from_secs(bytes / SLOWEST));
        let request = Request::builder().method(method).uri(format!("{}/{key}", self.url));
        let request = if method == "PUT" { request.header("Content-Length", bytes) } else { request };
        let request = request.body(body).map_err(|e| e.to_string())?;
        let configured = self.agent.configure_request(request);
        let configured = configured.timeout_send_body(most).timeout_recv_body(most).build();
        self.agent.run(configured).map_err(|e| format!("{method} {key}: {e}"))
    }

    fn put_once(&self, key: &str, content: Content, bytes: u64) -> Result<StatusCode, String> {
        let body = match content {
            Content::Bytes(bytes) => SendBody::from_owned_reader(std::io::Cursor::new(bytes.to_vec())),
            Content::File(path) => {
                let file = File::open(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
                SendBody::from_owned_reader(file)
            }
        };
        Ok(self.ask("PUT", key, body, bytes)?.status())
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
            status => Err(refused("GET", key, status)),
        }
    }

    fn has(&self, key: &str, bytes: u64) -> Result<bool, String> {
        let answer = self.ask("HEAD", key, SendBody::none(), 0)?;
        // Without a length, or from a server that does not know HEAD: it is put there again.
        Ok(answer.status() == StatusCode::OK && answer.body().content_length() == Some(bytes))
    }

    fn put(&self, key: &str, content: Content, bytes: u64) -> Result<(), String> {
        let mut status = self.put_once(key, content, bytes)?;
        if matches!(status, StatusCode::CONFLICT | StatusCode::NOT_FOUND) {
            // WebDAV: a folder must exist before a file is put into it.
            let (folder, _) = key.split_once('/').expect("a key lies in a folder");
            for folder in ["", &format!("{folder}/")] {
                // Whether it made one, or it was there, the next answer shows.
                self.ask("MKCOL", folder, SendBody::none(), 0)?;
            }
            status = self.put_once(key, content, bytes)?;
        }
        if status.is_success() { Ok(()) } else { Err(refused("PUT", key, status)) }
    }

    fn used(&self, _key: &str) {
        // The server saw the request.
    }
}

/// What a status means for the user.
fn refused(method: &str, key: &str, status: StatusCode) -> String {
    let advice = match status {
        StatusCode::UNAUTHORIZED => ": give a name and a password, http://NAME:PASSWORD@HOST/",
        StatusCode::FORBIDDEN | StatusCode::METHOD_NOT_ALLOWED if method == "PUT" => {
            ": CACHE_MODE=read asks for results and puts none there"
        }
        StatusCode::INSUFFICIENT_STORAGE => ": the cache is full",
        _ => "",
    };
    format!("{method} {key}: the server answered {status}{advice}")
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
