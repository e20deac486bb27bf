//! A server that keeps what is put there, as a cache needs it: GET, PUT, HEAD and MKCOL.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tiny_http::{Method, Request, Response, Server};

/// How a server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// as bazel-remote: it makes folders by itself
    Plain,
    /// as WebDAV: 409 for a file whose folder was not made
    WebDav,
    /// this status for what is put there
    Refuses(u16),
    /// 500 for everything
    Broken,
}

/// What is on a server: files, and the folders that were made, as empty files whose name ends in a slash.
type Kept = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// A server; it ends where this is dropped.
pub struct Web {
    server: Arc<Server>,
    kept: Kept,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Web {
    /// Starts one.
    pub fn new(manner: Manner) -> Self {
        let server = Arc::new(Server::http("127.0.0.1:0").expect("a free port"));
        let (kept, asked) = (Kept::default(), Arc::new(Mutex::new(vec![])));
        let (running, files, log) = (Arc::clone(&server), Arc::clone(&kept), Arc::clone(&asked));
        std::thread::spawn(move || {
            for mut request in running.incoming_requests() {
                log.lock().expect("no panic").push(request.method().to_string());
                let (status, body) = answer(manner, &mut request, &mut files.lock().expect("no panic"));
                // The client may have gone.
                let _ = request.respond(Response::from_data(body).with_status_code(status));
            }
        });
        Self { server, kept, asked }
    }

    /// The address of a folder on it.
    pub fn url(&self) -> String {
        format!("http://{}/cache", self.server.server_addr())
    }

    /// Names of the files that are there.
    pub fn files(&self) -> Vec<String> {
        let kept = self.kept.lock().expect("no panic");
        kept.keys().filter(|name| !name.ends_with('/')).cloned().collect()
    }

    /// The methods of all requests since this was asked last.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().expect("no panic"))
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.server.unblock();
    }
}

fn answer(manner: Manner, request: &mut Request, kept: &mut BTreeMap<String, Vec<u8>>) -> (u16, Vec<u8>) {
    let name = request.url().to_owned();
    let folder = |name: &str| name.trim_end_matches('/').rsplit_once('/').map(|(dir, _)| format!("{dir}/"));
    let is_missing = |dir: String| dir != "/" && !kept.contains_key(&dir);
    let in_no_folder = manner == Manner::WebDav && folder(&name).is_some_and(is_missing);
    let method = request.method().clone();
    match (manner, &method) {
        (Manner::Broken, _) => (500, vec![]),
        (_, Method::Get | Method::Head) => kept.get(&name).map_or((404, vec![]), |body| (200, body.clone())),
        (Manner::Refuses(status), Method::Put) => (status, vec![]),
        (_, Method::Put) if in_no_folder => (409, vec![]),
        (_, Method::Put) => {
            let mut body = vec![];
            match request.as_reader().read_to_end(&mut body) {
                Ok(_) => {
                    kept.insert(name, body);
                    (201, vec![])
                }
                Err(_) => (400, vec![]),
            }
        }
        _ if method.to_string() == "MKCOL" && in_no_folder => (409, vec![]),
        _ if method.to_string() == "MKCOL" => {
            let was_there = kept.insert(name, vec![]).is_some();
            (if was_there { 405 } else { 201 }, vec![])
        }
        _ => (405, vec![]),
    }
}
