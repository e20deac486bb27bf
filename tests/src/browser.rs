//! A headless Chromium over its DevTools protocol: just what the tests of the pages need.

use std::ffi::OsStr;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use crate::{PATIENCE, needed, wait_until};

/// The program.
#[track_caller]
pub fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let found = std::env::split_paths(&path).flat_map(|dir| names.map(|n| dir.join(n))).find(|p| p.is_file());
    needed(found, "Chromium", "run `make browser`, or apt-get install chromium")
}

/// A browser with one page.
pub struct Browser {
    process: Child,
    socket: WebSocket<TcpStream>,
    session: Option<String>,
    next: u64,
    /// what the page told since it was opened
    events: Vec<Value>,
    profile: tempfile::TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        // The processes of its pages end a little later, and may still write.
        for _ in 0..100 {
            if std::fs::remove_dir_all(self.profile.path()).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Browser {
    /// Starts the program with an empty profile.
    pub fn start(program: &Path) -> Self {
        let profile = tempfile::tempdir().expect("a temporary folder");
        let flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
                     --disable-component-update --disable-sync --hide-scrollbars --force-color-profile=srgb --remote-debugging-port=0";
        let mut process = Command::new(program)
            .args(flags.split_whitespace())
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .env("TMPDIR", profile.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the browser starts");
        let (port, path) = devtools_address(&mut process, profile.path());
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the browser listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let (socket, _) =
            tungstenite::client(format!("ws://127.0.0.1:{port}{path}"), stream).expect("a WebSocket");
        let mut browser = Self { process, socket, session: None, next: 0, events: vec![], profile };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let attached =
            browser.call("Target.attachToTarget", json!({"targetId": target["targetId"], "flatten": true}));
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Calls a method of the protocol.
    #[track_caller]
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.next += 1;
        let mut message = json!({"id": self.next, "method": method, "params": params});
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        self.socket.send(Message::text(message.to_string())).expect("the browser is there");
        loop {
            let message = self.receive();
            if message["id"] == self.next {
                assert!(message.get("error").is_none(), "{method}: {}", message["error"]);
                return message["result"].clone();
            }
            self.events.push(message);
        }
    }

    fn receive(&mut self) -> Value {
        loop {
            if let Message::Text(text) = self.socket.read().expect("an answer of the browser") {
                return serde_json::from_str(&text).expect("JSON");
            }
        }
    }

    /// Opens a file in a window of `width` × `height` pixels and waits until it is loaded.
    pub fn open(&mut self, file: &Path, width: u32, height: u32) {
        let phone = width < 600;
        let window = json!({"width": width, "height": height, "deviceScaleFactor": if phone { 2 } else { 1 }, "mobile": phone});
        self.call("Emulation.setDeviceMetricsOverride", window);
        self.events.clear();
        self.call("Page.navigate", json!({"url": format!("file://{}", file.display())}));
        let loaded = |e: &Value| e["method"] == "Page.loadEventFired";
        while !self.events.iter().any(loaded) {
            let message = self.receive();
            self.events.push(message);
        }
        self.settle();
    }

    /// Two frames: what was asked for is drawn.
    pub fn settle(&mut self) {
        self.evaluate("new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(() => r(1))))");
    }

    /// The value of an expression of the page, promises awaited.
    #[track_caller]
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let answer = self.call("Runtime.evaluate", params);
        let start = expression.get(..200.min(expression.len())).unwrap_or_default();
        assert!(answer.get("exceptionDetails").is_none(), "{start}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].clone()
    }

    /// The value of an expression as text.
    #[track_caller]
    pub fn text(&mut self, expression: &str) -> String {
        let value = self.evaluate(expression);
        value.as_str().map_or_else(|| value.to_string(), str::to_owned)
    }

    /// Middle of the first element of a selector, scrolled into view.
    #[track_caller]
    pub fn place(&mut self, selector: &str) -> (f64, f64) {
        let at = self.evaluate(&format!(
            "(() => {{ const e = document.querySelector({selector:?}); e.scrollIntoView({{block: 'center'}}); const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; }})()"
        ));
        (at[0].as_f64().expect("a place"), at[1].as_f64().expect("a place"))
    }

    /// Moves, presses or releases the mouse.
    pub fn mouse(&mut self, kind: &str, (x, y): (f64, f64)) {
        let held = u8::from(kind != "mouseReleased");
        self.call(
            "Input.dispatchMouseEvent",
            json!({"type": kind, "x": x, "y": y, "button": if kind == "mouseMoved" { "none" } else { "left" }, "buttons": held, "clickCount": 1}),
        );
    }

    /// Presses, moves in steps and releases.
    pub fn drag(&mut self, from: (f64, f64), by: (f64, f64)) {
        self.mouse("mousePressed", from);
        for i in 1..=4 {
            let part = f64::from(i) / 4.0;
            self.mouse("mouseMoved", (from.0 + part * by.0, from.1 + part * by.1));
        }
        self.mouse("mouseReleased", (from.0 + by.0, from.1 + by.1));
        self.settle();
    }

    /// Presses a key on what has the focus.
    pub fn key(&mut self, key: &str) {
        for kind in ["keyDown", "keyUp"] {
            self.call("Input.dispatchKeyEvent", json!({"type": kind, "key": key, "code": key}));
        }
        self.settle();
    }

    /// Errors and warnings on the console, and exceptions, since the page was opened.
    pub fn complaints(&self) -> Vec<String> {
        let bad = |e: &&Value| match e["method"].as_str() {
            Some("Runtime.exceptionThrown") => true,
            Some("Runtime.consoleAPICalled") => {
                e["params"]["type"] == "error" || e["params"]["type"] == "warning"
            }
            Some("Log.entryAdded") => e["params"]["entry"]["level"] == "error",
            _ => false,
        };
        self.events.iter().filter(bad).map(ToString::to_string).collect()
    }

    /// Addresses that were asked for since the page was opened, its own included.
    pub fn requests(&self) -> Vec<String> {
        let asked = self.events.iter().filter(|e| e["method"] == "Network.requestWillBeSent");
        asked.map(|e| e["params"]["request"]["url"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// A picture of the whole page as PNG.
    pub fn screenshot(&mut self, file: &Path) {
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("a writable folder");
        let picture = self.call("Page.captureScreenshot", json!({"captureBeyondViewport": true}));
        let bytes = BASE64_STANDARD.decode(picture["data"].as_str().expect("data")).expect("base64");
        std::fs::write(file, bytes).expect("a writable folder");
    }
}

/// Port and path that the browser writes into its profile once it listens.
fn devtools_address(process: &mut Child, profile: &Path) -> (u16, String) {
    let file = profile.join(OsStr::new("DevToolsActivePort"));
    let mut address = None;
    wait_until("the browser listens", || {
        let ended = process.try_wait().expect("its state");
        assert!(ended.is_none(), "the browser ended before it listened: {ended:?}");
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        address = text.split_once('\n').map(|(port, path)| (port.parse().expect("a port"), path.to_owned()));
        address.is_some()
    });
    address.expect("it was waited for")
}
