//! `manifest.json`: the record of a finished stage. Its presence means that the stage finished.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::OnceLock;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::{hash, regular};

/// Version of the layout of this file; readers refuse another.
pub const FORMAT: u32 = 2;

/// The facts of a stage: single numbers and names in its manifest. Same parameters, same facts: no times.
pub trait Facts: Serialize + DeserializeOwned {
    /// the stage that records them
    const STAGE: &'static str;
}

/// One array or document that a stage wrote.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Output {
    /// of the whole file
    pub sha256: String,
    /// as NumPy writes it; absent for documents
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dtype: Option<String>,
    /// lengths of the axes; absent for documents
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shape: Option<Vec<usize>>,
    /// unit of the numbers, as `loss` or `samples`
    pub unit: String,
    /// what it is, in a few words
    pub meaning: String,
}

/// What made the results.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Code {
    /// of the workspace
    pub version: String,
    /// hash of the sources of each part: crates of the workspace, `dependencies`, `compiler`
    pub parts: BTreeMap<String, String>,
}

/// How the run went; nothing here changes a result.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Run {
    /// threads of each process
    pub threads: usize,
    /// that shared the work
    #[serde(default = "one")]
    pub processes: usize,
    /// the BLAS and its kernel, for stages that compute; several, where the work went on with another
    pub blas: Option<String>,
    /// from start to manifest
    pub wall_seconds: f64,
    /// largest resident set, in bytes
    pub peak_memory_bytes: Option<u64>,
    /// the line with numbers that the user saw
    #[serde(default)]
    pub summary: String,
}

fn one() -> usize {
    1
}

/// The record of a finished stage.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Manifest {
    /// [`FORMAT`]
    pub format: u32,
    /// stage name
    pub stage: String,
    /// experiment name
    pub experiment: String,
    /// SHA-256 over parameters, inputs and code: another fingerprint means stale
    pub fingerprint: String,
    /// the section of `pipeline.yaml`, resolved
    pub params: Value,
    /// what made the results
    pub code: Code,
    /// by `<stage>/` one SHA-256 over outputs and facts of that stage ([`Manifest::content_hash`]), whose own manifest
    /// has one per file; by its path the SHA-256 of each file of the user
    pub inputs: BTreeMap<String, String>,
    /// files written, by name in the stage's folder
    pub outputs: BTreeMap<String, Output>,
    /// numbers and names that later stages and people need; same parameters, same facts
    pub facts: serde_json::Map<String, Value>,
    /// what may make the results wrong, or other than was asked for, a sentence each; the same for the same parameters
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// how the run went
    pub run: Run,
    /// of this document without this entry ([`Manifest::sealed`]); manifests of earlier versions have none
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

impl Manifest {
    /// With its own hash, by which a change of anything in it is seen.
    #[must_use]
    pub fn sealed(self) -> Self {
        let open = Self { sha256: None, ..self };
        let bytes = serde_json::to_vec(&open).expect("plain JSON");
        Self { sha256: Some(hash::of_bytes(&bytes)), ..open }
    }

    /// Where the manifest of a stage is.
    pub fn path(experiment_dir: &Path, stage: &str) -> PathBuf {
        experiment_dir.join(stage).join("manifest.json")
    }

    /// The manifest of a stage, or `None` where the stage has not finished.
    ///
    /// # Errors
    /// If it cannot be read, has another format, was changed after it was written, or names a file outside its folder.
    pub fn find(experiment_dir: &Path, stage: &str) -> Result<Option<Self>> {
        let path = Self::path(experiment_dir, stage);
        let text = match regular::read(&path, MOST_BYTES) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::system("read", &path)(e)),
        };
        Self::parse(&text).map(Some).map_err(|reason| {
            let again =
                format!("run `{}` again; the file is {}", make(experiment_dir, stage), path.display());
            Error::stage(format!("{}: {reason}", path.display()), again)
        })
    }

    /// The manifest in `text`, or what is wrong with it.
    pub fn parse(text: &str) -> std::result::Result<Self, String> {
        let manifest: Self = serde_json::from_str(text).map_err(|e| format!("not a manifest ({e})"))?;
        if manifest.format != FORMAT {
            return Err(format!("format {}, but {FORMAT} is read", manifest.format));
        }
        let outside = |file: &&String| {
            let mut parts = Path::new(file).components();
            file.is_empty() || !parts.all(|part| matches!(part, Component::Normal(_)))
        };
        if let Some(file) = manifest.outputs.keys().find(outside) {
            return Err(format!("{file:?} is among its outputs, which would be outside its folder"));
        }
        if manifest.sha256.is_some() && manifest.clone().sealed().sha256 != manifest.sha256 {
            return Err("changed after it was written: its own hash is another".to_owned());
        }
        Ok(manifest)
    }

    /// The manifest of a stage that must have finished.
    pub fn read(experiment_dir: &Path, stage: &str) -> Result<Self> {
        Self::find(experiment_dir, stage)?.ok_or_else(|| {
            let path = Self::path(experiment_dir, stage);
            Error::stage(
                format!("{}: missing, so {stage} has not finished", path.display()),
                format!("run `{}` first", make(experiment_dir, stage)),
            )
        })
    }

    /// The facts, as what the stage records.
    pub fn facts<F: Facts>(&self) -> serde_json::Result<F> {
        serde_json::from_value(Value::Object(self.facts.clone()))
    }

    /// Hash of what a later stage can see of this one: outputs, facts and warnings, not the run.
    pub fn content_hash(&self) -> String {
        let outputs = self.outputs.iter().map(|(name, o)| (name, &o.sha256)).collect::<Vec<_>>();
        hash::of_bytes(&serde_json::to_vec(&(outputs, &self.facts, &self.warnings)).expect("plain JSON"))
    }
}

/// Bytes of a manifest that are read: the longest has some kilobytes.
const MOST_BYTES: u64 = 64 << 20;

/// What `make` has to be told, as ` A=elsewhere`, and the folder of all results.
static PLACES: OnceLock<(String, PathBuf)> = OnceLock::new();

/// From here on advice names commands of `make` with these `options`, for experiments in the folder `artifacts`.
pub fn advise(options: String, artifacts: PathBuf) {
    // Only the first counts: a program works on one folder.
    let _ = PLACES.set((options, artifacts));
}

/// The command that brings one stage of one experiment up to date.
pub(crate) fn make(experiment_dir: &Path, stage: &str) -> String {
    let name = || PathBuf::from(experiment_dir.file_name().unwrap_or_default());
    let (options, experiment) = PLACES.get().map_or_else(
        || ("", name()),
        |(options, artifacts)| {
            (options.as_str(), experiment_dir.strip_prefix(artifacts).map_or_else(|_| name(), Path::to_owned))
        },
    );
    format!("make{options} {}/{stage}", experiment.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(file: &str) -> Manifest {
        let output = Output {
            sha256: hash::of_bytes(b"1"),
            dtype: Some("<f8".to_owned()),
            shape: Some(vec![2, 3]),
            unit: "loss".to_owned(),
            meaning: "a".to_owned(),
        };
        Manifest {
            format: FORMAT,
            stage: "eigen".to_owned(),
            experiment: "e".to_owned(),
            fingerprint: "f".to_owned(),
            params: serde_json::json!({"sigma": 0.1, "seed": u64::MAX, "small": 1e-300, "none": null}),
            code: Code { version: "1".to_owned(), parts: BTreeMap::new() },
            inputs: BTreeMap::new(),
            outputs: BTreeMap::from([(file.to_owned(), output)]),
            facts: serde_json::json!({"loss": 0.123_456_789_012_345_68}).as_object().unwrap().clone(),
            warnings: vec![],
            run: Run {
                threads: 1,
                processes: 1,
                blas: None,
                wall_seconds: 0.1,
                peak_memory_bytes: None,
                summary: "s".to_owned(),
            },
            sha256: None,
        }
        .sealed()
    }

    #[test]
    fn any_changed_character_of_a_manifest_is_seen() {
        let text = serde_json::to_string(&manifest("a.npy")).unwrap();
        assert_eq!(Manifest::parse(&text).unwrap().sha256, manifest("a.npy").sha256);
        for (at, c) in text.char_indices() {
            let other = if c == '7' { '8' } else { '7' };
            let changed = format!("{}{other}{}", &text[..at], &text[at + 1..]);
            // Renamed, the entry `sha256` is absent, as in manifests of earlier versions: `verify` reports that. An entry that is
            // null says the same where it is absent.
            let Ok(read) = Manifest::parse(&changed) else { continue };
            let is_same = serde_json::to_string(&read).unwrap() == text;
            assert!(read.sha256.is_none() || is_same, "{at}: {changed}");
        }
    }

    #[test]
    fn outputs_outside_the_folder_are_refused() {
        for file in ["../train/w_star.npy", "/etc/passwd", "a/../../b", "", "."] {
            let text = serde_json::to_string(&manifest(file)).unwrap();
            let reason = Manifest::parse(&text).unwrap_err();
            assert!(reason.contains("outside its folder"), "{file}: {reason}");
        }
        assert!(Manifest::parse(&serde_json::to_string(&manifest("figures/a.svg")).unwrap()).is_ok());
    }
}
