//! What the sections of `pipeline.yaml` have in common, and the rules that more than one of them has.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A section of `pipeline.yaml`: the parameters of one stage.
pub trait Section: Clone + DeserializeOwned + JsonSchema + Serialize + 'static {
    /// Name of the section, of the stage, of its binary and of its folder.
    const STAGE: &'static str;

    /// Values that do not go together; ranges of single fields are attributes of theirs ([`crate::ranges`]).
    fn check(&self) -> Result<(), Unfit> {
        Ok(())
    }

    /// Files of the user that these parameters name: their content is an input of the stage. One may name an array of an
    /// archive, `data.npz[x_train]`; its content is that of the archive.
    fn files(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    /// Stages of other experiments whose results are inputs of the stage: (experiment, stage).
    fn experiments(&self) -> Vec<(String, &'static str)> {
        Vec::new()
    }

    /// What `check` cannot see: the names of other experiments, for `experiment` in a file that has those of `known`.
    fn check_experiments(&self, _experiment: &str, _known: &[String]) -> Result<(), Unfit> {
        Ok(())
    }
}

/// A value that has the right type and cannot work.
#[derive(Debug, thiserror::Error)]
#[error("{key}: {reason}")]
pub struct Unfit {
    /// The key below the section, as `dim` or `settings[2].sigma`.
    pub key: String,
    /// What was found and what is needed.
    pub reason: String,
}

impl Unfit {
    /// `key` is what is wrong, `reason` says what was found and what is needed.
    pub fn new(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { key: key.into(), reason: reason.into() }
    }

    /// An error unless `ok`.
    pub fn unless(ok: bool, key: &str, reason: impl FnOnce() -> String) -> Result<(), Self> {
        if ok { Ok(()) } else { Err(Self::new(key, reason())) }
    }
}

/// A choice as the documents name it, such as `not reached`.
///
/// # Panics
/// If it is more than a name.
pub fn name_of(choice: impl Serialize) -> String {
    let name = serde_json::to_value(choice).expect("plain JSON");
    name.as_str().expect("a choice that is a name").to_owned()
}

/// Floating-point type of the large products. Losses, sums and dot products are `f64` in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32 bits
    F32,
    /// 64 bits
    F64,
}

pub(crate) fn at_least(key: &str, x: usize, least: usize) -> Result<(), Unfit> {
    Unfit::unless(x >= least, key, || format!("{x}; at least {least} is needed"))
}

pub(crate) fn unique_names<'a>(key: &str, names: impl Iterator<Item = &'a str>) -> Result<(), Unfit> {
    let mut seen = std::collections::BTreeSet::new();
    for name in names {
        let plain = !name.is_empty()
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
            && !name.starts_with('.');
        Unfit::unless(plain, key, || {
            format!("name {name:?}; letters, digits, `-`, `_` and `.` are allowed, as it names a folder")
        })?;
        Unfit::unless(seen.insert(name), key, || {
            format!("name {name:?} occurs twice; each needs its own folder")
        })?;
    }
    Ok(())
}
