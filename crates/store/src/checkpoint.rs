//! Checkpoints: how far a loop of a stage came, in one file that is there whole or not at all.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use ::safetensors::tensor::{TensorView, serialize};
use ::safetensors::{Dtype, SafeTensors};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::artifact::replace;
use crate::error::{Error, Result};
use crate::hash;

/// How far a loop came: numbers by name, and single facts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checkpoint {
    arrays: BTreeMap<String, Vec<f64>>,
    facts: Value,
}

/// Why a checkpoint is of no use here.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// it was written for other parameters, inputs or code
    #[error("it is of other parameters, inputs or code")]
    Foreign,
    /// it cannot be read, or its hash is another
    #[error("it is damaged ({0})")]
    Damaged(String),
}

impl Checkpoint {
    /// Single facts, and no arrays yet.
    ///
    /// # Panics
    /// If the facts cannot be written as JSON.
    pub fn new(facts: &impl Serialize) -> Self {
        let facts = serde_json::to_value(facts).expect("facts are plain JSON");
        Self { arrays: BTreeMap::new(), facts }
    }

    /// With an array; numbers of other types must come back from f64 as they were.
    #[must_use]
    pub fn with(mut self, name: &str, values: impl IntoIterator<Item = f64>) -> Self {
        self.arrays.insert(name.to_owned(), values.into_iter().collect());
        self
    }

    /// The facts, as what was saved; `None` where they are of another type.
    pub fn facts<F: DeserializeOwned>(&self) -> Option<F> {
        serde_json::from_value(self.facts.clone()).ok()
    }

    /// An array of so many numbers; `None` where there is none.
    pub fn array(&self, name: &str, len: usize) -> Option<&[f64]> {
        self.arrays.get(name).map(Vec::as_slice).filter(|values| values.len() == len)
    }

    /// An array of any length; `None` where there is none.
    pub fn all(&self, name: &str) -> Option<&[f64]> {
        self.arrays.get(name).map(Vec::as_slice)
    }

    /// Writes it to `path`, in one step. `identity` says of which parameters, inputs and code it is.
    pub fn write(&self, path: &Path, identity: &str) -> Result<()> {
        let facts = self.facts.to_string();
        let about = [("identity", identity.to_owned()), ("sha256", self.sha256(&facts)), ("facts", facts)];
        let about = about.into_iter().map(|(k, v)| (k.to_owned(), v)).collect::<HashMap<_, _>>();
        let views = self.arrays.iter().map(|(name, values)| {
            let bytes = bytemuck::cast_slice(values);
            let view = TensorView::new(Dtype::F64, vec![values.len()], bytes);
            (name.as_str(), view.expect("as many bytes as the shape needs"))
        });
        let bytes = serialize(views, Some(about))
            .map_err(|e| Error::system("write", path)(std::io::Error::other(e)))?;
        replace(path, &bytes)
    }

    /// Reads the checkpoint at `path`; `None` where there is none.
    ///
    /// # Errors
    /// Why that which is there cannot be used for `identity`.
    pub fn read(path: &Path, identity: &str) -> Result<Option<Self>, Unfit> {
        let damaged = |reason: String| Unfit::Damaged(reason);
        let bytes = match std::fs::read(path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            bytes => bytes.map_err(|e| damaged(e.to_string()))?,
        };
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| damaged(e.to_string()))?;
        let about = header.metadata().clone().unwrap_or_default();
        let of = |key: &str| about.get(key).ok_or_else(|| damaged(format!("no {key}")));
        if of("identity")? != identity {
            return Err(Unfit::Foreign);
        }
        let tensors = SafeTensors::deserialize(&bytes).map_err(|e| damaged(e.to_string()))?;
        let mut arrays = BTreeMap::new();
        for (name, view) in tensors.iter() {
            if view.dtype() != Dtype::F64 {
                return Err(damaged(format!("{name} is {:?}", view.dtype())));
            }
            let values = view.data().as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect();
            arrays.insert(name.to_owned(), values);
        }
        let facts = of("facts")?;
        let found = Self { arrays, facts: serde_json::from_str(facts).map_err(|e| damaged(e.to_string()))? };
        if found.sha256(facts) == *of("sha256")? {
            Ok(Some(found))
        } else {
            Err(damaged("its SHA-256 is another".to_owned()))
        }
    }

    /// Over names, lengths and numbers, and the facts as they are written.
    fn sha256(&self, facts: &str) -> String {
        let mut all = hash::Running::default();
        for (name, values) in &self.arrays {
            all.update(format!("{} {name} {} ", name.len(), values.len()).as_bytes());
            all.update(bytemuck::cast_slice(values));
        }
        all.update(facts.as_bytes());
        all.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_comes_back_whole_or_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fit.checkpoint");
        assert_eq!(Checkpoint::read(&path, "id").unwrap(), None);
        let values = [0.1, -0.0, f64::INFINITY, 5e-324];
        let saved = Checkpoint::new(&("epoch", 3)).with("w", values).with("none", []);
        saved.write(&path, "id").unwrap();
        let found = Checkpoint::read(&path, "id").unwrap().unwrap();
        assert_eq!(found, saved);
        let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(found.array("w", 4).unwrap()), bits(&values));
        assert_eq!(
            (found.array("w", 3), found.array("v", 4), found.array("none", 0)),
            (None, None, Some(&[][..]))
        );
        assert_eq!(found.facts::<(String, usize)>(), Some(("epoch".to_owned(), 3)));
        assert_eq!(found.facts::<usize>(), None);
        assert!(matches!(Checkpoint::read(&path, "other").unwrap_err(), Unfit::Foreign));
        assert_eq!(dir.path().read_dir().unwrap().count(), 1, "nothing else is left");

        // Each byte counts, wherever it is: no damaged file gives a checkpoint, and none gives another.
        let whole = std::fs::read(&path).unwrap();
        for i in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[i] ^= 1;
            std::fs::write(&path, &bytes).unwrap();
            match Checkpoint::read(&path, "id") {
                Err(_) => {}
                Ok(found) => assert_eq!(found.as_ref(), Some(&saved), "byte {i}"),
            }
        }
        for cut in [0, 5, whole.len() / 2, whole.len() - 1] {
            std::fs::write(&path, &whole[..cut]).unwrap();
            assert!(matches!(Checkpoint::read(&path, "id"), Err(Unfit::Damaged(_))), "{cut}");
        }
    }
}
