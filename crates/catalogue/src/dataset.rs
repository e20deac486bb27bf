//! The key `fetch-data.dataset`: a name of the catalogue, or the user's own files.

use std::borrow::Cow;
use std::sync::LazyLock;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::entry::Entry;
use crate::sets::ENTRIES;

const FILES: &str = "files";
const ABOUT_FILES: &str = "The user's own files.";

/// All that the key may be, which the error of a misspelt name lists.
static NAMES: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| ENTRIES.iter().map(|entry| entry.name).chain([FILES]).collect());

/// Which data set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Dataset {
    /// One of the catalogue.
    Known(&'static Entry),
    /// The user's own arrays.
    Files,
}

impl Dataset {
    /// The data set of that name.
    pub fn named(name: &str) -> Option<Self> {
        if name == FILES {
            return Some(Self::Files);
        }
        ENTRIES.iter().find(|entry| entry.name == name).map(Self::Known)
    }

    /// Its entry in the catalogue; `None` for the user's own files.
    pub fn entry(self) -> Option<&'static Entry> {
        match self {
            Self::Known(entry) => Some(entry),
            Self::Files => None,
        }
    }
}

impl Serialize for Dataset {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.entry().map_or(FILES, |entry| entry.name))
    }
}

impl<'de> Deserialize<'de> for Dataset {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::named(&name).ok_or_else(|| serde::de::Error::unknown_variant(&name, &NAMES))
    }
}

impl JsonSchema for Dataset {
    fn schema_name() -> Cow<'static, str> {
        "Dataset".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let known = ENTRIES.iter().map(|entry| (entry.name, entry.about));
        let choice = |(name, about)| json_schema!({"type": "string", "const": name, "description": about});
        let choices = known.chain([(FILES, ABOUT_FILES)]).map(choice).collect::<Vec<_>>();
        json_schema!({"description": "Which data set.", "oneOf": choices})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_and_written_and_a_misspelt_one_is_refused_with_all_names() {
        let read = |name: &str| serde_json::from_value::<Dataset>(name.into());
        for name in NAMES.iter() {
            assert_eq!(serde_json::to_value(read(name).unwrap()).unwrap(), *name);
        }
        assert_eq!(read("mnist").unwrap().entry().unwrap().n_train, 60_000);
        assert!(read("files").unwrap().entry().is_none());
        let message = read("mnits").unwrap_err().to_string();
        assert!(message.starts_with("unknown variant `mnits`, expected one of `"), "{message}");
        for name in NAMES.iter() {
            assert!(message.contains(&format!("`{name}`")), "{name} is not in: {message}");
        }
    }
}
