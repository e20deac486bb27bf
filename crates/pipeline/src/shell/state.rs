//! Whether the results of a stage are up to date, and if not, because of what.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use store::manifest::Manifest;

/// The results of a stage beside what its parameters, inputs and code are now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", content = "because", rename_all = "lowercase")]
pub enum State {
    /// up to date
    Fresh,
    /// made from something else: what differs
    Stale(Vec<String>),
    /// never made: what it waits for, if anything
    Missing(Vec<String>),
    /// another process is making them
    Running,
}

/// What decides the results of a stage, as it is now.
pub struct Now<'a> {
    /// hash over all of the below
    pub fingerprint: &'a str,
    /// resolved section
    pub params: &'a Value,
    /// hash of the sources of each part
    pub code: &'a BTreeMap<String, String>,
    /// by stage or path
    pub inputs: &'a BTreeMap<String, String>,
    /// the name of the experiment, where the results contain it
    pub experiment: Option<&'a str>,
}

impl State {
    /// The state of the results in `dir`, whose manifest is `manifest`.
    pub fn of(manifest: Option<&Manifest>, dir: &Path, now: &Now) -> Self {
        let Some(manifest) = manifest else { return Self::Missing(vec![]) };
        let mut because = changed_params("", &manifest.params, now.params);
        let renamed = now.experiment.filter(|name| *name != manifest.experiment);
        because.extend(renamed.map(|name| format!("experiment {} -> {name}", manifest.experiment)));
        because.extend(changed_inputs(&manifest.inputs, now.inputs));
        because.extend(changed_code(&manifest.code.parts, now.code));
        let lost = manifest.outputs.keys().find(|file| !dir.join(file).is_file());
        because.extend(lost.map(|file| format!("{file} is missing")));
        if because.is_empty() && manifest.fingerprint != now.fingerprint {
            because.push("another fingerprint".to_owned());
        }
        if because.is_empty() { Self::Fresh } else { Self::Stale(because) }
    }

    /// In words: `fresh`, `stale: dim 10 -> 12`.
    pub fn words(&self) -> String {
        let with = |word: &str, because: &[String]| {
            if because.is_empty() { word.to_owned() } else { format!("{word}: {}", because.join("; ")) }
        };
        match self {
            Self::Fresh => "fresh".to_owned(),
            Self::Stale(because) => with("stale", because),
            Self::Missing(because) => with("missing", because),
            Self::Running => "running".to_owned(),
        }
    }
}

/// Every key whose value differs, with both values where they are short.
fn changed_params(key: &str, old: &Value, new: &Value) -> Vec<String> {
    if old == new {
        return vec![];
    }
    if let (Value::Object(old), Value::Object(new)) = (old, new) {
        let mut keys = old.keys().chain(new.keys()).collect::<Vec<_>>();
        keys.sort();
        keys.dedup();
        let below = |name: &String| {
            let path = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
            let of = |map: &serde_json::Map<String, Value>| map.get(name).cloned().unwrap_or_default();
            changed_params(&path, &of(old), &of(new))
        };
        return keys.into_iter().flat_map(below).collect();
    }
    let (old, new) = (old.to_string(), new.to_string());
    let short = old.len() + new.len() <= 60;
    vec![if short { format!("{key} {old} -> {new}") } else { format!("{key} changed") }]
}

fn changed_inputs(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Vec<String> {
    let differs = |(name, hash): (&String, &String)| {
        (old.get(name) != Some(hash)).then(|| format!("{} changed", name.trim_end_matches('/')))
    };
    new.iter().filter_map(differs).collect()
}

/// The parts of the code that differ, in one sentence.
fn changed_code(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Option<String> {
    let all = old.keys().chain(new.keys()).collect::<BTreeSet<_>>();
    let differ = all.into_iter().filter(|name| old.get(*name) != new.get(*name));
    let differ = differ.map(String::as_str).collect::<Vec<_>>();
    (!differ.is_empty()).then(|| format!("code changed: {}", differ.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use store::manifest::{Code, Output, Run};

    #[test]
    fn each_cause_is_named() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.npy"), b"").unwrap();
        let output = Output {
            sha256: String::new(),
            dtype: None,
            shape: None,
            unit: String::new(),
            meaning: String::new(),
        };
        let inputs = BTreeMap::from([("train/".to_owned(), "1".to_owned())]);
        let parts = |kernel: &str| {
            BTreeMap::from([("eigen", "e"), ("landscape", kernel)].map(|(k, v)| (k.to_owned(), v.to_owned())))
        };
        let manifest = Manifest {
            format: 1,
            stage: "eigen".into(),
            experiment: "e".into(),
            fingerprint: "f".into(),
            params: json!({"dim": 10, "optimizer": {"name": "adam", "rate": 1}}),
            code: Code { version: String::new(), parts: parts("b") },
            inputs: inputs.clone(),
            outputs: BTreeMap::from([("a.npy".to_owned(), output)]),
            facts: serde_json::Map::new(),
            warnings: vec![],
            run: Run {
                threads: 1,
                processes: 1,
                blas: None,
                wall_seconds: 0.0,
                peak_memory_bytes: None,
                summary: String::new(),
            },
            sha256: None,
        };
        let state = |params: &Value, kernel: &str, inputs: &BTreeMap<String, String>, fingerprint: &str| {
            let now = Now { fingerprint, params, code: &parts(kernel), inputs, experiment: None };
            State::of(Some(&manifest), dir.path(), &now)
        };
        let same = manifest.params.clone();
        assert_eq!(state(&same, "b", &inputs, "f"), State::Fresh);
        let other = json!({"dim": 12, "optimizer": {"name": "adam", "rate": 2}});
        assert_eq!(state(&other, "b", &inputs, "g").words(), "stale: dim 10 -> 12; optimizer.rate 1 -> 2");
        let newer = BTreeMap::from([("train/".to_owned(), "2".to_owned())]);
        assert_eq!(state(&same, "c", &newer, "g").words(), "stale: train changed; code changed: landscape");
        std::fs::remove_file(dir.path().join("a.npy")).unwrap();
        assert_eq!(state(&same, "b", &inputs, "f").words(), "stale: a.npy is missing");
        let now = Now {
            fingerprint: "f",
            params: &same,
            code: &parts("b"),
            inputs: &inputs,
            experiment: Some("e"),
        };
        assert_eq!(State::of(None, dir.path(), &now).words(), "missing");
        let renamed = State::of(Some(&manifest), dir.path(), &Now { experiment: Some("d"), ..now });
        assert!(renamed.words().ends_with("experiment e -> d; a.npy is missing"), "{}", renamed.words());
    }
}
