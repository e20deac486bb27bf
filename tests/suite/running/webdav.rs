//! Real servers as a cache, as docs/cluster.md sets them up. `make test-webdav` installs them and runs this.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use pipeline_tests::{FINISHED, Place, STAGES, files, needed, root, skipped, small, wait_until};

use super::cache::{BOTH, FIRST, came_from_the_cache, run};

/// A server of this machine; it ends where this is dropped.
struct Server {
    process: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        // nginx ends its workers where it is asked to, and not where it is killed.
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
    }
}

impl Server {
    /// Starts one, for whose port `command` makes the command.
    fn start(command: impl FnOnce(u16) -> Command) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = command(port).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let server = Self { process, port };
        wait_until("the server answers", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        server
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }
}

fn found(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into()])
        .map(|dir| dir.join(program))
        .find(|p| p.is_file())
}

/// One machine computes all stages and another takes them; a file of the stage `train` that is damaged below `kept` is computed
/// and put there anew; and where the server has gone that is a warning.
fn serves(server: Server, address: &str, kept: &Path) {
    let first = Place::new(small);
    let said = run(&first, (address, BOTH), &STAGES);
    assert!(!said.contains("cache"), "{said}");
    let second = Place::new(small);
    let said = run(&second, (address, BOTH), &STAGES);
    came_from_the_cache(&said, &STAGES);
    assert!(!said.contains("secret"), "{said}");
    assert_eq!(files(&second.path("artifacts/digits")), files(&FINISHED.path("artifacts/digits")));

    let sha256 = store::hash::of_path(&first.artifact("train/w_star.npy")).unwrap();
    let find = || below(kept).into_iter().find(|file| file.to_string_lossy().contains(&sha256));
    // rclone writes seconds after it has answered.
    wait_until("the server has written", || find().is_some());
    let blob = find().unwrap();
    let whole = std::fs::read(&blob).unwrap();
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    std::fs::write(&blob, damaged).unwrap();
    let third = Place::new(small);
    let said = run(&third, (address, BOTH), &FIRST);
    assert!(said.contains("its SHA-256 is ") && said.contains("; the stage is computed"), "{said}");
    came_from_the_cache(&run(&Place::new(small), (address, BOTH), &FIRST), &FIRST);

    drop(server);
    let said = run(&Place::new(small), (address, BOTH), &["fetch-data"]);
    let warnings = said.lines().filter(|line| line.starts_with("warning: ")).collect::<Vec<_>>();
    assert!(matches!(warnings[..], [one] if one.contains("; the stage is computed")), "{said}");
}

/// All files below a folder.
fn below(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { below(&path) } else { vec![path] }).collect()
}

#[test]
#[ignore = "needs rclone: make test-webdav"]
fn rclone_serves_as_a_cache() {
    let Some(rclone) = needed(found("rclone"), "rclone", "run `make test-webdav`, which installs it") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(|port| {
        let mut command = Command::new(rclone);
        command.args(["serve", "webdav", "--user", "me", "--pass", "secret", "--addr"]);
        command.arg(format!("127.0.0.1:{port}")).args(["--vfs-cache-mode", "writes"]).arg(dir.path());
        command.env("XDG_CACHE_HOME", dir.path().join(".vfs"));
        command
    });
    let said = run(&Place::new(small), (&server.url("plateau"), BOTH), &["fetch-data"]);
    assert!(said.contains("401") && said.contains("give a name and a password"), "{said}");
    let with_password = |password: &str| format!("http://me:{password}@127.0.0.1:{}/plateau", server.port);
    let said = run(&Place::new(small), (&with_password("wrong"), BOTH), &["fetch-data"]);
    assert!(said.contains("401") && said.contains("knows no such name and password"), "{said}");
    let address = with_password("secret");
    serves(server, &address, &dir.path().join("plateau"));
}

/// The lines for nginx in docs/cluster.md, for a folder and a port of this test, and with more locations.
fn nginx(nginx: PathBuf, dir: &Path, locations: &str) -> Server {
    let page = std::fs::read_to_string(root().join("docs/cluster.md")).unwrap();
    let lines = page.split("```nginx\n").nth(1).unwrap().split("```").next().unwrap();
    let lines = lines.trim_end().strip_suffix('}').unwrap();
    let dir = dir.display();
    Server::start(|port| {
        let lines = lines.replace("listen 8080;", &format!("listen 127.0.0.1:{port};"));
        let lines = lines.replace("/shared;", &format!("{dir};"));
        assert!(lines.contains(&port.to_string()) && lines.contains(&dir.to_string()));
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|of| format!("{of}_temp_path {dir}/.{of};"))
            .join("\n");
        let text = format!(
            "user root; daemon off; worker_processes 1; pid {dir}/.pid; error_log {dir}/.log; events {{}}\n\
             http {{ access_log off; {temporary} root {dir};\n{lines}{locations}}} }}"
        );
        let conf = format!("{dir}/.conf");
        std::fs::write(&conf, text).unwrap();
        let mut command = Command::new(nginx);
        command.args(["-e", &format!("{dir}/.log"), "-c", &conf]);
        command
    })
}

#[test]
#[ignore = "needs nginx: make test-webdav"]
fn nginx_serves_as_a_cache() {
    let Some(program) = needed(found("nginx"), "nginx", "run `make test-webdav`, which installs it") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let server = nginx(program, dir.path(), "");
    let address = server.url("plateau");
    serves(server, &address, &dir.path().join("plateau"));
}

/// What nginx answers where it does not take what is put there, and where a folder must be made first.
#[test]
#[ignore = "needs nginx: make test-webdav"]
fn nginx_that_refuses_is_a_warning_and_its_folders_are_made() {
    let Some(program) = needed(found("nginx"), "nginx", "run `make test-webdav`, which installs it") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("no-folder"), "a file").unwrap();
    let locations = "
        location /folders/ { dav_methods PUT MKCOL; client_max_body_size 0; }
        location /packed/ { dav_methods PUT; create_full_put_path on; gzip on; gzip_types *; client_max_body_size 0; }
        location /read-only/ { client_max_body_size 0; }
        location /denied/ { limit_except GET { deny all; } dav_methods PUT; client_max_body_size 0; }
        location /small/ { dav_methods PUT; create_full_put_path on; client_max_body_size 40k; }
        location /missing/ { dav_methods PUT; client_max_body_size 0; }
        location /no-folder/ { dav_methods PUT; create_full_put_path on; client_max_body_size 0; }
        location /moved/ { client_max_body_size 0; rewrite ^/moved/(.*) /plateau/$1 permanent; }
        location /login/ { client_max_body_size 0; if ($request_method = PUT) { return 302 /welcome; } }
        location /full/ { client_max_body_size 0; if ($request_method = PUT) { return 507; } }
        location /behind/ { client_max_body_size 0; proxy_pass http://127.0.0.1:9/; }
    ";
    let server = nginx(program, dir.path(), locations);
    for path in ["folders", "packed"] {
        let said = run(&Place::new(small), (&server.url(path), BOTH), &FIRST);
        assert!(!said.contains("cache"), "{path}: {said}");
        came_from_the_cache(&run(&Place::new(small), (&server.url(path), BOTH), &FIRST), &FIRST);
    }
    let address = format!("301 Moved Permanently: give the address {}", server.url("plateau;"));
    let cases = [
        ("read-only", "405 Method Not Allowed: CACHE_MODE=read"),
        ("denied", "403 Forbidden: CACHE_MODE=read"),
        (
            "small",
            "413 Payload Too Large: the file is larger than it takes; for nginx: client_max_body_size 0",
        ),
        ("missing", "500 Internal Server Error: its log says why"),
        ("no-folder", ": the server answered "),
        ("moved", &address),
        ("login", "302 Found: it sends to "),
        ("full", "507 Insufficient Storage: the cache is full"),
        ("behind", "502 Bad Gateway"),
    ];
    for (path, complaint) in cases {
        let said = run(&Place::new(small), (&server.url(path), BOTH), &["fetch-data"]);
        let warnings = said.lines().filter(|line| line.starts_with("warning: ")).collect::<Vec<_>>();
        assert!(matches!(warnings[..], [one] if one.contains(complaint)), "{path}: {said}");
    }
}

#[test]
#[ignore = "needs servers: make test-webdav"]
fn bazel_remote_serves_as_a_cache() {
    let Some(program) = found("bazel-remote") else { return skipped("bazel-remote is not installed") };
    let dir = tempfile::tempdir().unwrap();
    let start = |flags: &[&str]| {
        Server::start(|port| {
            let mut command = Command::new(&program);
            command.arg("--dir").arg(dir.path()).args(["--max_size", "1", "--storage_mode", "uncompressed"]);
            command
                .args(["--http_address", &format!("127.0.0.1:{port}"), "--grpc_address", "none"])
                .args(flags);
            command
        })
    };
    let strict = start(&[]);
    let said = run(&Place::new(small), (&strict.url(""), BOTH), &["fetch-data"]);
    assert!(said.contains("--disable_http_ac_validation"), "{said}");
    drop(strict);
    let server = start(&["--disable_http_ac_validation"]);
    let address = server.url("");
    serves(server, &address, dir.path());
}
