//! The files of the workspace that a stage is made of.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::rust;

/// Manifests of the workspace.
pub struct Workspace {
    /// by crate, the names below `[dependencies]`
    crates: BTreeMap<String, Vec<String>>,
    /// `[workspace.dependencies]`
    asked: Table,
    /// entries of `Cargo.lock`: name, version, checksum and what each needs
    locked: Vec<Locked>,
}

struct Locked {
    name: String,
    version: String,
    checksum: String,
    needs: Vec<String>,
}

impl Workspace {
    /// Reads them at the top of the workspace.
    pub fn read(root: &Path) -> Self {
        let mut crates = BTreeMap::new();
        for entry in std::fs::read_dir(root.join("crates")).expect("a folder of crates").flatten() {
            let manifest = entry.path().join("Cargo.toml");
            if manifest.is_file() {
                let dependencies = table(&manifest).get("dependencies").and_then(Value::as_table).cloned();
                let names = dependencies.unwrap_or_default().keys().cloned().collect();
                crates.insert(entry.file_name().display().to_string(), names);
            }
        }
        let workspace = table(&root.join("Cargo.toml"));
        let asked = workspace.get("workspace").and_then(|w| w.get("dependencies")).and_then(Value::as_table);
        let lock = table(&root.join("Cargo.lock"));
        let packages = lock.get("package").and_then(Value::as_array).cloned().unwrap_or_default();
        let locked = packages.iter().map(Locked::of).collect();
        Self { crates, asked: asked.cloned().unwrap_or_default(), locked }
    }

    /// The crates of the workspace that `name` links, itself too, by name. What only `records` needs does not count: it gives
    /// names to keys, and a stage that computes with it links it itself. Nor does `cache`: it brings bytes whose hash is known.
    pub fn linked(&self, name: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut open = vec![name.to_owned()];
        while let Some(name) = open.pop() {
            if let Some(dependencies) = self.crates.get(&name)
                && name != "cache"
                && found.insert(name.clone())
                && name != "records"
            {
                open.extend(dependencies.iter().cloned());
            }
        }
        found
    }

    /// Hash of the packages of others that `crates` link, with the features that the workspace asks of them.
    pub fn hash_dependencies(&self, crates: &BTreeSet<String>) -> String {
        let direct = crates.iter().flat_map(|c| &self.crates[c]).filter(|d| !self.crates.contains_key(*d));
        let direct = direct.cloned().collect::<BTreeSet<_>>();
        let mut lines = BTreeSet::new();
        for name in &direct {
            lines.insert(format!(
                "{name} = {}",
                self.asked.get(name).map(ToString::to_string).unwrap_or_default()
            ));
        }
        let mut open = direct.into_iter().collect::<Vec<_>>();
        let mut seen = BTreeSet::new();
        while let Some(wanted) = open.pop() {
            if !seen.insert(wanted.clone()) {
                continue;
            }
            // `name`, or `name version` where there is more than one.
            let (name, version) = wanted.split_once(' ').unwrap_or((&wanted, ""));
            for found in self.locked.iter().filter(|l| l.name == name && l.version.starts_with(version)) {
                lines.insert(format!("{name} {} {}", found.version, found.checksum));
                open.extend(found.needs.iter().cloned());
            }
        }
        rust::hash(lines.into_iter().collect::<Vec<_>>().join("\n").as_bytes())
    }
}

impl Locked {
    fn of(package: &Value) -> Self {
        let text = |key: &str| package.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let needs = package.get("dependencies").and_then(Value::as_array).cloned().unwrap_or_default();
        let needs = needs.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        Self { name: text("name"), version: text("version"), checksum: text("checksum"), needs }
    }
}

/// Every file of a crate that can change what it does: not its tests and benches.
pub fn files_of(dir: &Path) -> Vec<PathBuf> {
    let mut files = vec![];
    let mut open = vec![dir.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of the workspace").flatten() {
            let path = entry.path();
            let aside = folder == dir && ["tests", "benches", "target"].iter().any(|n| path.ends_with(n));
            match path.is_dir() {
                true if !aside => open.push(path),
                false => files.push(path),
                true => {}
            }
        }
    }
    let tests = files.iter().flat_map(|file| modules_for_tests(file)).collect::<Vec<_>>();
    files.retain(|file| {
        !tests.iter().any(|module| file.starts_with(module) || *file == module.with_extension("rs"))
    });
    files.sort();
    files
}

/// Paths without extension of the modules that a file declares for tests alone: each is a file or a folder, or both.
fn modules_for_tests(file: &Path) -> Vec<PathBuf> {
    if file.extension().is_none_or(|e| e != "rs") {
        return vec![];
    }
    let source = std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let is_root = ["mod.rs", "lib.rs", "main.rs"].iter().any(|name| file.ends_with(name));
    let folder = if is_root { file.parent().expect("a folder").to_owned() } else { file.with_extension("") };
    rust::test_modules(&source).into_iter().map(|name| folder.join(name)).collect()
}

/// Hash of `files` with their names below `dir`, and of the files elsewhere that they include.
pub fn hash_files(dir: &Path, files: &[PathBuf]) -> String {
    let mut all: Vec<String> = vec![];
    for file in files {
        let name = file.strip_prefix(dir).expect("a file of the crate").display();
        let bytes = std::fs::read(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        if file.extension().is_none_or(|e| e != "rs") {
            all.push(format!("{name} {}", rust::hash(&bytes)));
            continue;
        }
        let code = rust::code(&String::from_utf8_lossy(&bytes));
        all.push(format!("{name} {}", rust::hash(code.as_bytes())));
        for included in included(&code) {
            let path = file.parent().expect("a file has a folder").join(&included);
            if let Ok(bytes) = std::fs::read(&path) {
                all.push(format!("{included} {}", rust::hash(&bytes)));
            }
        }
    }
    rust::hash(all.join("\n").as_bytes())
}

/// Paths in `include_bytes!("…")` and `include_str!("…")`, as [`rust::code`] spells them: those in tests do not count.
fn included(code: &str) -> impl Iterator<Item = String> {
    let calls = ["include_bytes ! ( \"", "include_str ! ( \""];
    calls.into_iter().flat_map(|call| {
        code.split(call).skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned)
    })
}

fn table(path: &Path) -> Table {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    text.parse().unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
