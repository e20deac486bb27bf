//! `manifest.json`: the record of a finished stage. Its presence means that the stage finished.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::hash;

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
    /// rayon threads
    pub threads: usize,
    /// the BLAS and its kernel, for stages that compute
    pub blas: Option<String>,
    /// from start to manifest
    pub wall_seconds: f64,
    /// largest resident set, in bytes
    pub peak_memory_bytes: Option<u64>,
    /// the line with numbers that the user saw
    #[serde(default)]
    pub summary: String,
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
}

impl Manifest {
    /// Where the manifest of a stage is.
    pub fn path(experiment_dir: &Path, stage: &str) -> PathBuf {
        experiment_dir.join(stage).join("manifest.json")
    }

    /// The manifest of a stage, or `None` where the stage has not finished.
    pub fn find(experiment_dir: &Path, stage: &str) -> Result<Option<Self>> {
        let path = Self::path(experiment_dir, stage);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::system("read", &path)(e)),
        };
        let again = || format!("run `{}` again; the file is {}", make(experiment_dir, stage), path.display());
        let manifest: Self = serde_json::from_str(&text)
            .map_err(|e| Error::stage(format!("{}: not a manifest ({e})", path.display()), again()))?;
        if manifest.format != FORMAT {
            let found = manifest.format;
            let message = format!("{}: format {found}, but {FORMAT} is read", path.display());
            return Err(Error::stage(message, again()));
        }
        Ok(Some(manifest))
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

/// The command that brings one stage of one experiment up to date.
pub(crate) fn make(experiment_dir: &Path, stage: &str) -> String {
    let experiment = experiment_dir.file_name().unwrap_or_default().to_string_lossy();
    format!("make {experiment}/{stage}")
}
