//! Mirrors: folders with the gzipped files, over HTTP or HTTPS.

use std::io::Read;
use std::time::Duration;

use catalogue::Entry;
use pipeline::progress::Progress;
use ureq::tls::{RootCerts, TlsConfig};

use super::error::SourceError;
use super::verify::verify;

/// Bytes read between two looks at the progress.
const CHUNK: u64 = 1 << 18;
/// Bytes after which a file is too long to be one of a data set.
const LONGEST: u64 = 200 << 20;

/// The files from the first of `own`, or of the known mirrors if there are none, that has them all.
pub fn fetch(entry: &Entry, own: &[String], timeout: Duration) -> Result<Vec<Vec<u8>>, SourceError> {
    let own = own.iter().map(String::as_str).collect::<Vec<_>>();
    let mirrors = if own.is_empty() { entry.origins.mirrors } else { &own };
    let agent = agent(timeout);
    let mut reasons = vec![];
    for mirror in mirrors {
        match from_mirror(entry, mirror, &agent) {
            Ok(files) => return Ok(files),
            Err(error) => reasons.push(error.to_string()),
        }
    }
    Err(SourceError::Mirrors(reasons))
}

/// The certificates are those that the system trusts, as for any other program: a proxy may have its own.
fn agent(timeout: Duration) -> ureq::Agent {
    ureq::Agent::config_builder()
        .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
        .timeout_connect(Some(timeout))
        .timeout_recv_response(Some(timeout))
        .timeout_recv_body(Some(timeout * 10))
        .build()
        .into()
}

fn from_mirror(entry: &Entry, mirror: &str, agent: &ureq::Agent) -> Result<Vec<Vec<u8>>, SourceError> {
    let get = |file: &catalogue::File| {
        let url = format!("{}/{}.gz", mirror.trim_end_matches('/'), file.name);
        let bytes = agent.get(&url).call().and_then(|answer| download(answer.into_body(), file.name));
        verify(entry, file, bytes.map_err(|error| SourceError::Http { url, error: Box::new(error) })?)
    };
    entry.files.iter().map(get).collect()
}

fn download(body: ureq::Body, name: &str) -> Result<Vec<u8>, ureq::Error> {
    let label = format!("fetch-data: {name}: bytes");
    let length = body.content_length().and_then(|length| usize::try_from(length).ok());
    let progress = length.map_or_else(|| Progress::open(&label), |length| Progress::new(length, &label));
    let mut reader = body.into_with_config().limit(LONGEST).reader();
    let mut bytes = vec![];
    loop {
        match (&mut reader).take(CHUNK).read_to_end(&mut bytes)? {
            0 => return Ok(bytes),
            n => progress.add(n),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::stub::{self, packed};
    use std::io::{BufRead, BufReader, Write};
    use std::path::PathBuf;

    /// Answers GET with the file of that name in `dir`, else 404, until the test ends.
    fn serve(dir: PathBuf) -> String {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/set", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
                let first = lines.next().unwrap_or_default();
                lines.find(String::is_empty);
                let name = first.split(' ').nth(1).and_then(|path| path.strip_prefix("/set/"));
                let found = name.and_then(|name| std::fs::read(dir.join(name)).ok());
                let status = if found.is_some() { "200 OK" } else { "404 Not Found" };
                let body = found.unwrap_or_default();
                let head = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)).unwrap();
            }
        });
        url
    }

    #[test]
    fn the_first_mirror_with_all_files_is_taken_and_the_others_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let (entry, bytes) = stub::tiny();
        stub::write_packed(&entry, &bytes, dir.path());
        // The discard port refuses at once, without a network; the second mirror serves.
        let mirrors = ["http://127.0.0.1:9/set".to_owned(), serve(dir.path().to_owned())];
        let fetch = || fetch(&entry, &mirrors, Duration::from_secs(60)).map_err(|e| e.to_string());
        assert_eq!(fetch().unwrap(), bytes);
        // Other bytes of the right size are refused, a missing file is named.
        let last = dir.path().join("t10k-labels-idx1-ubyte.gz");
        let mut other = bytes[3].clone();
        *other.last_mut().unwrap() ^= 1;
        std::fs::write(&last, packed(&other)).unwrap();
        let reason = fetch().unwrap_err();
        assert!(reason.contains("http://127.0.0.1:9/set/train-images-idx3-ubyte.gz: "), "{reason}");
        assert!(reason.contains("t10k-labels-idx1-ubyte: SHA-256"), "{reason}");
        std::fs::remove_file(&last).unwrap();
        assert!(fetch().unwrap_err().contains("404"));
    }
}
