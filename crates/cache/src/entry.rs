//! What the cache keeps of a finished stage beside its files, and what makes it unfit for use.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use store::artifact::fingerprint;
use store::hash;
use store::manifest::{self, Manifest};

/// Version of the layout of an entry.
const FORMAT: u32 = 1;
/// Most bytes of an entry: a manifest lists files and facts, and contains no arrays.
pub(crate) const MOST_BYTES: u64 = 64 << 20;

/// The manifest of a finished stage, with the size of each file.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    format: u32,
    /// under which it is kept
    identity: String,
    /// sizes of the files, by name as in the manifest
    bytes: BTreeMap<String, u64>,
    /// as the stage wrote it
    pub manifest: Manifest,
    /// SHA-256 of all of the above as JSON without spaces
    sha256: String,
}

/// What is looked up.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// the key
    pub identity: &'a str,
    /// the hash over stage, parameters, code and inputs that its manifest must have
    pub fingerprint: &'a str,
}

impl Entry {
    /// The entry of the stage whose files are in `dir`.
    pub(crate) fn of(identity: &str, manifest: &Manifest, dir: &Path) -> std::io::Result<Self> {
        let size = |file: &String| Ok((file.clone(), dir.join(file).metadata()?.len()));
        let bytes = manifest.outputs.keys().map(size).collect::<std::io::Result<_>>()?;
        let (identity, manifest) = (identity.to_owned(), manifest.clone());
        let mut entry = Self { format: FORMAT, identity, bytes, manifest, sha256: String::new() };
        entry.sha256 = entry.checksum();
        Ok(entry)
    }

    /// The entry that a cache sent; the error says why it is refused.
    pub(crate) fn read(text: &[u8], wanted: &Wanted) -> Result<Self, String> {
        let entry: Self =
            serde_json::from_slice(text).map_err(|e| format!("not an entry of a cache ({e})"))?;
        let manifest = &entry.manifest;
        let made_from =
            fingerprint(&manifest.stage, &manifest.params, &manifest.code.parts, &manifest.inputs);
        let names = entry.bytes.keys().collect::<BTreeSet<_>>();
        if entry.format != FORMAT || manifest.format != manifest::FORMAT {
            let (found, needed) = ((entry.format, manifest.format), (FORMAT, manifest::FORMAT));
            return Err(format!("formats {found:?}, but {needed:?} are read"));
        } else if entry.sha256 != entry.checksum() {
            return Err("its SHA-256 is not that of its contents".to_owned());
        } else if entry.identity != wanted.identity {
            return Err(format!("is the entry of {}", entry.identity));
        } else if made_from != wanted.fingerprint || manifest.fingerprint != wanted.fingerprint {
            return Err(format!("results of {} from other parameters, inputs or code", manifest.stage));
        } else if names != manifest.outputs.keys().collect() {
            return Err("sizes and files are not of the same names".to_owned());
        }
        if let Some(name) = names.into_iter().find(|name| !is_plain(name)) {
            return Err(format!("{name:?} is no name of a file in the folder of a stage"));
        }
        if let Some(output) = manifest.outputs.values().find(|o| !is_sha256(&o.sha256)) {
            return Err(format!("{:?} is no SHA-256", output.sha256));
        }
        Ok(entry)
    }

    /// As it is kept.
    pub(crate) fn text(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec_pretty(self).expect("plain JSON");
        text.push(b'\n');
        text
    }

    /// Name, SHA-256 and size of each file; the smallest first.
    pub(crate) fn files(&self) -> Vec<(&str, &str, u64)> {
        // Both have the same names, in order.
        let files = self.manifest.outputs.iter().zip(self.bytes.values());
        let mut files = files.map(|((n, o), b)| (n.as_str(), o.sha256.as_str(), *b)).collect::<Vec<_>>();
        files.sort_by_key(|file| file.2);
        files
    }

    fn checksum(&self) -> String {
        let parts = (self.format, &self.identity, &self.bytes, &self.manifest);
        hash::of_bytes(&serde_json::to_vec(&parts).expect("plain JSON"))
    }
}

/// Whether a file of that name lies in the folder to which it is joined, and is not the manifest.
fn is_plain(name: &str) -> bool {
    let plain =
        Path::new(name).components().filter(|c| matches!(c, Component::Normal(_))).collect::<PathBuf>();
    plain.to_str() == Some(name) && !name.contains(['\0', '\\']) && !["", "manifest.json"].contains(&name)
}

/// Whether it is a SHA-256 in lower-case hexadecimal, and so a name without a path.
pub(crate) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// An entry with one file, `a/b.npy`, below a folder.
    fn entry(dir: &Path) -> Entry {
        let params = json!({"rate": 0.1, "epochs": 3});
        let (code, inputs) = (BTreeMap::new(), BTreeMap::new());
        std::fs::create_dir_all(dir.join("a")).unwrap();
        std::fs::write(dir.join("a/b.npy"), b"bytes").unwrap();
        let output = json!({"sha256": hash::of_bytes(b"bytes"), "unit": "1", "meaning": "m"});
        let manifest = json!({
            "format": manifest::FORMAT, "stage": "train", "experiment": "e",
            "fingerprint": fingerprint("train", &params, &code, &inputs), "params": params,
            "code": {"version": "0", "parts": {}}, "inputs": {}, "outputs": {"a/b.npy": output}, "facts": {"loss": 0.1},
            "run": {"threads": 1, "blas": null, "wall_seconds": 0.3, "peak_memory_bytes": null},
        });
        Entry::of("id", &serde_json::from_value(manifest).unwrap(), dir).unwrap()
    }

    #[test]
    fn an_entry_comes_back_and_a_lying_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let good = entry(dir.path());
        let fingerprint = good.manifest.fingerprint.clone();
        let wanted = Wanted { identity: "id", fingerprint: &fingerprint };
        let read = |entry: &Entry| Entry::read(&entry.text(), &wanted);
        let sha256 = hash::of_bytes(b"bytes");
        assert_eq!(read(&good).unwrap().files(), [("a/b.npy", sha256.as_str(), 5)]);

        // A bit that flipped: everything is under the checksum.
        let mut flipped: Value = serde_json::from_slice(&good.text()).unwrap();
        flipped["manifest"]["facts"]["loss"] = json!(0.2);
        let refused = Entry::read(flipped.to_string().as_bytes(), &wanted).unwrap_err();
        assert!(refused.contains("its SHA-256 is not that of its contents"), "{refused}");

        // Lies with a checksum that fits.
        let lie = |tell: &dyn Fn(&mut Entry)| {
            let mut lying = good.clone();
            tell(&mut lying);
            lying.sha256 = lying.checksum();
            read(&lying).unwrap_err()
        };
        let named = |name: &str| {
            lie(&|e| {
                let output = e.manifest.outputs["a/b.npy"].clone();
                e.manifest.outputs = BTreeMap::from([(name.to_owned(), output)]);
                e.bytes = BTreeMap::from([(name.to_owned(), 5)]);
            })
        };
        let names =
            ["../x", "/x", "a/../../x", "a//x", "./x", "a/", "..", "", "manifest.json", "a\\x", "a\0x"];
        for name in names {
            assert!(named(name).contains("is no name of a file"), "{name:?}: {}", named(name));
        }
        assert!(
            lie(&|e| e.manifest.stage = "eigen".into()).contains("results of eigen from other parameters")
        );
        assert!(lie(&|e| e.manifest.params["epochs"] = json!(4)).contains("from other parameters"));
        assert!(lie(&|e| e.manifest.fingerprint = "other".into()).contains("from other parameters"));
        assert!(lie(&|e| e.identity = "other".into()).contains("is the entry of other"));
        assert!(lie(&|e| e.bytes.clear()).contains("sizes and files"));
        assert!(lie(&|e| e.format = 9).contains("formats (9, "));
        let path = lie(&|e| e.manifest.outputs.get_mut("a/b.npy").unwrap().sha256 = "../../x".into());
        assert!(path.contains("is no SHA-256"), "{path}");
        assert!(Entry::read(b"<html>", &wanted).unwrap_err().contains("not an entry of a cache"));
    }
}
