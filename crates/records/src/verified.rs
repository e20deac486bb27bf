//! What `verify` writes: all files beside their manifests.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Version of the layout of both documents.
pub const FORMAT: u32 = 1;

/// What is wrong with a file.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// it is not what the stage wrote
    Damaged,
    /// its manifest names it, but it is not there
    Missing,
    /// no stage wrote it
    Foreign,
    /// of a run that was killed
    LeftOver,
}

/// One file that is not as it should be.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Fault {
    /// what is wrong
    pub kind: FaultKind,
    /// the file or folder
    pub path: String,
    /// `<experiment>/<stage>`, where it is of a stage
    pub stage: Option<String>,
    /// what was found, what is needed
    pub reason: String,
}

/// One stage that was verified.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct StageVerified {
    /// seconds since 1970
    pub at: u64,
    /// own hash of its manifest; null where that has none or cannot be read
    pub manifest: Option<String>,
    /// files that its manifest names
    pub files: usize,
    /// their bytes
    pub bytes: u64,
    /// how many faults it had
    pub faults: usize,
}

/// `verified.json` in the folder of all results: when each stage was last verified. `status` reads it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Verified {
    /// [`FORMAT`]
    pub format: u32,
    /// by `<experiment>/<stage>`
    pub stages: BTreeMap<String, StageVerified>,
}

impl Verified {
    /// its name in the folder of all results
    pub const FILE: &'static str = "verified.json";
}

/// The line of `verify --json`: one run.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Verification {
    /// [`FORMAT`]
    pub format: u32,
    /// whether every file is as its manifest says, and no other is there
    pub good: bool,
    /// files that were hashed
    pub files: usize,
    /// their bytes
    pub bytes: u64,
    /// how long it took
    pub seconds: f64,
    /// by `<experiment>/<stage>`
    pub stages: BTreeMap<String, StageVerified>,
    /// stages that are at work, and were left out
    pub running: Vec<String>,
    /// each file that is not as it should be, by path
    pub faults: Vec<Fault>,
    /// commands for a shell that bring lost results back; empty where there is nothing to repair
    pub repair: Vec<String>,
    /// a command for a shell that removes what no stage wrote and what killed runs left; null where there is nothing
    pub remove: Option<String>,
}
