//! What a stage would cost, for `--dry-run`.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::Result;
use crate::config::Pipeline;
use records::Section;
use store::manifest::Manifest;

/// One loop of a stage.
#[derive(Clone, Debug, Serialize)]
pub struct Part {
    /// what is done how often, in words
    pub what: String,
    /// floating-point operations
    pub flops: f64,
    /// estimate from the calibration; null where none was made
    pub seconds: Option<f64>,
}

/// What a stage would cost.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Cost {
    /// its loops, in their order
    pub parts: Vec<Part>,
    /// largest resident set, in bytes; null where no estimate was made
    pub memory_bytes: Option<f64>,
    /// how long the calibration took
    pub calibration_seconds: f64,
}

impl Cost {
    /// Sum over the loops.
    pub fn flops(&self) -> f64 {
        self.parts.iter().fold(0.0, |sum, p| sum + p.flops)
    }

    /// Sum over the loops; `None` if none was calibrated.
    pub fn seconds(&self) -> Option<f64> {
        let known = self.parts.iter().filter_map(|p| p.seconds).collect::<Vec<_>>();
        (!known.is_empty()).then(|| known.iter().sum())
    }
}

/// What an estimate can ask: the pipeline file, and results as far as there are any.
pub struct PlanContext<'a> {
    pub(crate) pipeline: &'a Pipeline,
    pub(crate) experiment: String,
    pub(crate) experiment_dir: PathBuf,
    /// the folder of `pipeline.yaml`, which its paths start from
    pub base: &'a Path,
}

impl PlanContext<'_> {
    /// The section of another stage.
    pub fn section<S: Section>(&self) -> Result<S> {
        self.pipeline.section(&self.experiment)
    }

    /// The same for a member of the family that the experiment is.
    #[must_use]
    pub fn member(&self, name: &str) -> Self {
        Self {
            experiment: format!("{}/{name}", self.experiment),
            experiment_dir: self.experiment_dir.join(name),
            ..*self
        }
    }

    /// The manifest of a stage, where it has finished.
    pub fn manifest(&self, stage: &str) -> Option<Manifest> {
        Manifest::find(&self.experiment_dir, stage).ok().flatten()
    }

    /// The manifest of a stage that has finished, where it was told the same as in `params` by these keys.
    pub fn manifest_told<S: Section>(&self, params: &S, keys: &[&str]) -> Option<Manifest> {
        let told = serde_json::to_value(params).ok()?;
        self.manifest(S::STAGE).filter(|m| keys.iter().all(|&key| m.params[key] == told[key]))
    }

    /// A path of `pipeline.yaml`, which is relative to that file.
    pub fn resolve(&self, path: &Path) -> PathBuf {
        self.base.join(path)
    }
}

/// Seconds as a person says them: `0.4 s`, `3 min 20 s`, `5 h 02 min`.
pub fn duration(seconds: f64) -> String {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a duration
    let whole = seconds.round().max(0.0) as u64;
    match whole {
        _ if seconds < 9.95 => format!("{seconds:.1} s"),
        ..60 => format!("{whole} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        let cases = [
            (0.04, "0.0 s"),
            (9.6, "9.6 s"),
            (59.4, "59 s"),
            (200.0, "3 min 20 s"),
            (18_120.0, "5 h 02 min"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(duration(seconds), expected);
        }
    }

    #[test]
    fn sums_hold_what_is_known() {
        let part = |seconds| Part { what: String::new(), flops: 2.0, seconds };
        let cost = Cost { parts: vec![part(Some(1.0)), part(None)], ..Cost::default() };
        assert_eq!((cost.flops(), cost.seconds()), (4.0, Some(1.0)));
        assert_eq!(Cost { parts: vec![part(None)], ..Cost::default() }.seconds(), None);
    }
}
