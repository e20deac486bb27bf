//! YAML as text and as values: what is read, what no value may be, and one section over another.

use std::io::Read;
use std::path::Path;

use records::Unfit;
use serde::de::Unexpected;
use serde_yaml::{Mapping, Value};

use crate::Failure;
use crate::config::lines;

/// Bytes of a pipeline file that are read.
const LONGEST: u64 = 16 << 20;

/// Brackets within each other that are parsed: with each symbol the parser looks at all that are open. No section nests more than ten.
const DEEPEST: usize = 1000;

/// The text of a file, or of a pipe, without the mark that some editors begin it with.
pub(crate) fn read_text(path: &Path, file: &str) -> Result<String, Failure> {
    let unreadable = |e: std::io::Error| {
        let hint = "give the file with --pipeline; the repository has one named pipeline.yaml";
        Failure::config(format!("{file}: {e}"), hint)
    };
    let mut bytes = vec![];
    let opened = std::fs::File::open(path).map_err(unreadable)?;
    opened.take(LONGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LONGEST {
        return Err(unreadable(std::io::Error::other(format!("more than {LONGEST} bytes"))));
    }
    let text = std::str::from_utf8(&bytes);
    let end = text.err().map(|e| e.valid_up_to());
    let (from, what) = match (&bytes[..], end) {
        ([0xff, 0xfe, ..] | [0xfe, 0xff, ..], _) => ("UTF-16", ": UTF-16, not UTF-8".to_owned()),
        ([0, _, ..], _) => ("UTF-16BE", ": UTF-16BE, not UTF-8".to_owned()),
        ([_, 0, ..], _) => ("UTF-16LE", ": UTF-16LE, not UTF-8".to_owned()),
        (_, Some(end)) => {
            let line = bytes[..end].split(|&byte| byte == b'\n').count();
            ("LATIN1", format!(":{line}: not UTF-8"))
        }
        (_, None) => {
            let text = text.unwrap_or_default();
            return Ok(text.strip_prefix('\u{feff}').unwrap_or(text).to_owned());
        }
    };
    let hint = format!(
        "save it as UTF-8 in the editor, or convert it: iconv -f {from} -t UTF-8 {file} > new.yaml && mv new.yaml {file}"
    );
    Err(Failure::config(format!("{file}{what}"), hint))
}

/// An error that names the line of the first bracket within too many others.
pub(crate) fn shallow(file: &str, text: &str) -> Result<(), Failure> {
    let depth = |depth: &mut usize, byte: u8| {
        match byte {
            b'[' | b'{' => *depth += 1,
            b']' | b'}' => *depth = depth.saturating_sub(1),
            _ => {}
        }
        Some(*depth)
    };
    let Some(at) = text.bytes().scan(0, depth).position(|depth| depth > DEEPEST) else { return Ok(()) };
    let line = 1 + text[..at].matches('\n').count();
    let what = format!("{file}:{line}: more than {DEEPEST} brackets within each other");
    Err(Failure::config(what, "close each [ and {, also in comments"))
}

/// An error that names the line, and what to do about it.
pub(crate) fn not_yaml(file: &str, text: &str, error: &serde_yaml::Error) -> Failure {
    let said = error.to_string();
    if let Some((key, first, second)) = lines::twice(text).filter(|_| said.contains("duplicate entry")) {
        let message = format!("{file}:{second}: {key}: is there twice: line {first} has it too");
        return Failure::config(
            message,
            "leave one of the two out, or put what is below both under one of them",
        );
    }
    let tab = text.lines().position(|line| line.trim_start_matches(' ').starts_with('\t'));
    let place = tab.map(|i| i + 1).or_else(|| error.location().map(|l| l.line()));
    let Some(n) = place else {
        let hint = match () {
            () if said.contains("more than one document") => {
                "one is read: leave out what follows the line `---`"
            }
            () if said.contains("duplicate entry") => "leave one of the two out",
            () if said.contains("repetition limit") => {
                "too many values come from anchors within anchors: write out what they stand for"
            }
            () => "`defaults:` and `experiments:` are needed, each a mapping",
        };
        return Failure::config(format!("{file}: {said}"), hint);
    };
    if let Some((key, number)) = too_large(&said) {
        let message =
            format!("{file}:{n}: {key}: {number}; whole numbers go from {} to {}", i64::MIN, u64::MAX);
        return Failure::config(
            message,
            "give a number in this range; what is no count may have a point: 1.0e+20",
        );
    }
    let hint = if tab.is_some() {
        format!("YAML indents with spaces, and line {n} begins with a tab")
    } else if said.contains("duplicate entry") {
        "leave one of the two out".to_owned()
    } else {
        let line = text.lines().nth(n - 1).unwrap_or_default();
        let line = if line.chars().nth(100).is_some() {
            line.chars().take(100).chain(['…']).collect()
        } else {
            line.to_owned()
        };
        format!(
            "look at line {n}, `{line}`, and the one before it: keys beside each other begin below each other, and each (, [, {{ and quote is closed"
        )
    };
    Failure::config(format!("{file}:{n}: not YAML: {said}"), hint)
}

/// The key and the number of an error about an integer of more than 64 bits.
fn too_large(said: &str) -> Option<(&str, &str)> {
    let (key, found) = said.split_once(": invalid type: integer `")?;
    let (number, rest) = found.split_once('`')?;
    rest.starts_with(" as ").then_some((key, number))
}

/// The key of `section` that a reason of serde is about: `key`, or one below it, whose value has the type that does not fit. The
/// path of serde ends where a `name` chooses which keys there are.
pub(crate) fn of_value(section: &Value, key: String, reason: &str) -> String {
    let Some(found) = reason.strip_prefix("invalid type: ") else { return key };
    let Some(Value::Mapping(below)) = key.split('.').try_fold(section, |value, step| value.get(step)) else {
        return key;
    };
    let is_meant = |value: &Value| found.starts_with(&format!("{}, expected", unexpected(value)));
    let mut meant = below.iter().filter(|(_, value)| is_meant(value)).filter_map(|(name, _)| name.as_str());
    match (meant.next(), meant.next()) {
        (Some(name), None) => format!("{key}.{name}"),
        _ => key,
    }
}

/// What serde calls a value.
fn unexpected(value: &Value) -> Unexpected<'_> {
    match value {
        Value::Null => Unexpected::Unit,
        Value::Bool(b) => Unexpected::Bool(*b),
        Value::Number(n) => match (n.as_u64(), n.as_i64()) {
            (Some(n), _) => Unexpected::Unsigned(n),
            (_, Some(n)) => Unexpected::Signed(n),
            _ => Unexpected::Float(n.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => Unexpected::Str(text),
        Value::Sequence(_) => Unexpected::Seq,
        Value::Mapping(_) | Value::Tagged(_) => Unexpected::Map,
    }
}

/// An error of the deserialiser, without the names of Rust's types.
pub(crate) fn plain(said: &str) -> String {
    let types = [
        ("usize u64 u32 u16 u8 i64", "a whole number in digits alone, such as 100"),
        ("f64 f32", "a number, such as 1.0e-3"),
    ];
    let plain = types.iter().find_map(|(names, plain)| {
        let stem = names.split(' ').find_map(|name| said.strip_suffix(name)?.strip_suffix("expected "))?;
        Some(format!("{stem}expected {plain}"))
    });
    plain.unwrap_or_else(|| said.to_owned())
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
