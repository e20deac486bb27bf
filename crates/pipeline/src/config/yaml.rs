//! YAML as text and as values: what is read, what no value may be, and one section over another.

use std::io::Read;
use std::path::Path;

use records::Unfit;
use serde_yaml::{Mapping, Value};

use crate::Failure;

/// Bytes of a pipeline file that are read.
const LONGEST: u64 = 16 << 20;

/// The text of a file, or of a pipe.
pub(crate) fn read_text(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(LONGEST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LONGEST {
        return Err(std::io::Error::other(format!("more than {LONGEST} bytes")));
    }
    Ok(text)
}

/// An error that names the line, and what to do about it.
pub(crate) fn not_yaml(file: &str, text: &str, error: &serde_yaml::Error) -> Failure {
    let tab = text.lines().position(|line| line.trim_start_matches(' ').starts_with('\t'));
    let place = tab.map(|i| i + 1).or_else(|| error.location().map(|l| l.line()));
    let Some(n) = place else {
        let hint = "`defaults:` and `experiments:` are needed, each a mapping";
        return Failure::config(format!("{file}: {error}"), hint);
    };
    let hint = if tab.is_some() {
        format!("YAML indents with spaces, and line {n} begins with a tab")
    } else {
        let line = text.lines().nth(n - 1).unwrap_or_default();
        format!(
            "look at line {n}, `{line}`, and the one before it: keys beside each other begin below each other, and each (, [, {{ and quote is closed"
        )
    };
    Failure::config(format!("{file}:{n}: not YAML: {error}"), hint)
}

/// The file, with `<<: *anchor` merged in.
pub(crate) fn read_yaml(text: &str) -> Result<Mapping, serde_yaml::Error> {
    let mut root: Value = serde_yaml::from_str(text)?;
    root.apply_merge()?;
    serde_yaml::from_value(root)
}

/// An error that names the first number below `key` that is none, or infinite: YAML has such, and no key can use them.
pub(crate) fn finite(key: &str, value: &Value) -> Result<(), Unfit> {
    match value {
        Value::Number(x) => {
            let finite = x.as_f64().is_none_or(f64::is_finite);
            Unfit::unless(finite, key, || {
                format!("{}; a finite number is needed", x.as_f64().unwrap_or_default())
            })
        }
        Value::Sequence(entries) => {
            let mut entries = entries.iter().enumerate();
            entries.try_for_each(|(i, entry)| finite(&format!("{key}[{i}]"), entry))
        }
        Value::Mapping(fields) => fields.iter().try_for_each(|(name, field)| {
            let name = name.as_str().unwrap_or_default();
            finite(&if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") }, field)
        }),
        _ => Ok(()),
    }
}

/// Lays `over` over `base`, key by key; lists, and choices with another `name`, are replaced whole.
pub(crate) fn overlay(base: &mut Value, over: &Value) {
    match (base, over) {
        // A choice by `name`, such as an optimizer, brings its own keys: those of another choice do not stay.
        (Value::Mapping(base), Value::Mapping(over))
            if over.get("name").is_none_or(|name| base.get("name") == Some(name)) =>
        {
            for (key, value) in over {
                match base.get_mut(key) {
                    Some(old) => overlay(old, value),
                    None => {
                        base.insert(key.clone(), value.clone());
                    }
                }
            }
        }
        (base, over) => *base = over.clone(),
    }
}
