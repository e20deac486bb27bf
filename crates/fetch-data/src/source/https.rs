//! Mirrors: folders with the gzipped files, over HTTP or HTTPS.

use std::io::Read;
use std::time::Duration;

use catalogue::Entry;
use pipeline::progress::Progress;
use ureq::tls::{RootCerts, TlsConfig};

use super::error::SourceError;
use super::verify::{LONGEST, verify};

/// Bytes read between two looks at the progress.
const CHUNK: u64 = 1 << 18;
/// Most bytes of a file of an archive beyond those of its array.
const HEADER: u64 = 4096;

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
    let get = |name: &str| {
        let url = format!("{}/{name}", mirror.trim_end_matches('/'));
        let bytes = agent.get(&url).call().and_then(|answer| download(answer.into_body(), name));
        bytes.map_err(|error| SourceError::Http { url, error: Box::new(error) })
    };
    if let Some(archive) = entry.origins.archive {
        return unpack(entry, archive, &get(archive)?);
    }
    entry.files.iter().map(|file| verify(entry, file, get(&format!("{}.gz", file.name))?)).collect()
}

/// The files out of a `.tar.gz`, wherever they lie in it: nothing else is unpacked, and nothing is written.
fn unpack(entry: &Entry, archive: &str, packed: &[u8]) -> Result<Vec<Vec<u8>>, SourceError> {
    let damaged = |error| SourceError::Packed { file: archive.to_owned(), error };
    let mut found = vec![None; entry.files.len()];
    // All that it may unpack to: members that nobody asked for cost time, and long names memory.
    let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(packed).take(LONGEST));
    for member in tar.entries().map_err(damaged)? {
        let mut member = member.map_err(damaged)?;
        let path = member.path().map_err(damaged)?.into_owned();
        let is = |file: &catalogue::File| path.file_name().is_some_and(|name| name == file.name);
        let Some(i) = entry.files.iter().position(is).filter(|_| member.header().entry_type().is_file())
        else {
            continue;
        };
        // A file that is longer than its array and a header is cut there, and refused by its hash.
        let size = entry.files[i].shape.iter().product::<usize>() as u64;
        let mut bytes = vec![];
        (&mut member).take(size + HEADER).read_to_end(&mut bytes).map_err(damaged)?;
        found[i] = Some(verify(entry, &entry.files[i], bytes)?);
    }
    let whole = |(bytes, file): (Option<Vec<u8>>, &catalogue::File)| {
        let missing = || SourceError::NotInArchive { archive: archive.to_owned(), file: file.name };
        bytes.ok_or_else(missing)
    };
    found.into_iter().zip(entry.files).map(whole).collect()
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

    /// An archive, as a server gives it, of members by their whole names.
    fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(vec![], flate2::Compression::fast()));
        for (name, bytes) in members {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            // Not `set_path`, which refuses what a hostile archive has.
            header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            tar.append(&header, *bytes).unwrap();
        }
        tar.into_inner().unwrap().finish().unwrap()
    }

    #[test]
    fn files_come_out_of_an_archive_and_nothing_else_does() {
        let dir = tempfile::tempdir().unwrap();
        let (mut entry, bytes) = stub::tiny();
        entry.origins.archive = Some("set.tar.gz");
        let names = entry.files.iter().map(|file| format!("set/{}", file.name)).collect::<Vec<_>>();
        let members = names.iter().zip(&bytes).map(|(name, bytes)| (name.as_str(), &bytes[..]));
        let mut members = [("../../escape", &b"x"[..]), ("/tmp/absolute", b"y")]
            .into_iter()
            .chain(members)
            .collect::<Vec<_>>();
        let mirror = [serve(dir.path().to_owned())];
        let fetch = |members: &[(&str, &[u8])]| {
            std::fs::write(dir.path().join("set.tar.gz"), archive(members)).unwrap();
            fetch(&entry, &mirror, Duration::from_secs(60)).map_err(|e| e.to_string())
        };
        assert_eq!(fetch(&members).unwrap(), bytes);
        assert_eq!(dir.path().read_dir().unwrap().count(), 1, "nothing is written");
        let long = [&bytes[3][..], &[0]].concat();
        let last = members.len() - 1;
        members[last].1 = &long;
        assert!(fetch(&members).unwrap_err().contains("t10k-labels-idx1-ubyte: "));
        members.pop();
        assert!(fetch(&members).unwrap_err().contains("set.tar.gz: does not contain t10k-labels-idx1-ubyte"));
        std::fs::write(dir.path().join("set.tar.gz"), b"no archive").unwrap();
        let reason = super::fetch(&entry, &mirror, Duration::from_secs(60)).unwrap_err().to_string();
        assert!(reason.contains("set.tar.gz"), "{reason}");
    }

    /// Answers every request with `head` and then, if `forever`, zeros as long as somebody reads.
    fn hostile(head: &'static str, forever: bool) -> String {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/set", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                BufReader::new(stream.try_clone().unwrap())
                    .lines()
                    .map_while(Result::ok)
                    .find(String::is_empty);
                let mut sent = stream.write_all(head.as_bytes());
                let zeros = vec![0; 1 << 16];
                while forever && sent.is_ok() {
                    sent = stream.write_all(&zeros);
                }
                // Open for longer than anybody waits, unless a whole answer was given.
                if !forever && head.is_empty() {
                    std::thread::sleep(Duration::from_secs(600));
                }
            }
        });
        url
    }

    #[test]
    fn a_mirror_that_never_ends_or_leads_elsewhere_is_left() {
        let (entry, _) = stub::tiny();
        let said = |head, forever, timeout| {
            let mirrors = [hostile(head, forever)];
            fetch(&entry, &mirrors, timeout).unwrap_err().to_string()
        };
        let long = Duration::from_secs(60);
        let endless = said("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", true, long);
        assert!(endless.contains("larger than request limit"), "{endless}");
        let silent = said("", false, Duration::from_millis(100));
        assert!(silent.contains("timeout"), "{silent}");
        let file = "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        let elsewhere = said(file, false, long);
        assert!(!elsewhere.contains("SHA-256"), "no byte of it is looked at: {elsewhere}");
        let itself =
            "HTTP/1.1 302 Found\r\nLocation: /set/again\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        let circle = said(itself, false, long);
        assert!(circle.contains("redirect"), "{circle}");
    }

    /// An archive of a few megabytes that would unpack to terabytes of what nobody asked for.
    #[test]
    fn an_archive_that_unpacks_without_end_is_left() {
        let (mut entry, bytes) = stub::tiny();
        entry.origins.archive = Some("set.tar.gz");
        let zeros = vec![0; 1 << 20];
        let mut gz = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
        let mut header = tar::Header::new_gnu();
        header.set_path("other").unwrap();
        header.set_size(LONGEST);
        header.set_cksum();
        gz.write_all(header.as_bytes()).unwrap();
        (0..200).for_each(|_| gz.write_all(&zeros).unwrap());
        let mut tar = tar::Builder::new(gz);
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes[0].len() as u64);
        header.set_path(entry.files[0].name).unwrap();
        header.set_cksum();
        tar.append(&header, &bytes[0][..]).unwrap();
        let packed = tar.into_inner().unwrap().finish().unwrap();
        let error = unpack(&entry, "set.tar.gz", &packed).unwrap_err().to_string();
        assert!(error.contains("set.tar.gz: "), "{error}");
        assert!(!error.contains("SHA-256"), "what lies behind the limit is not looked at: {error}");
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
