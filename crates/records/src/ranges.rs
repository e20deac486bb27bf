//! Range rules of single fields. They stand on the field as attributes, so that the schema, and with it an editor, knows
//! them; here they are checked.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use schemars::Schema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use crate::section::{Section, Unfit};

/// For `#[schemars(transform = …)]`: a number above 0, or a list of such.
pub fn positive(schema: &mut Schema) {
    number(schema).insert("exclusiveMinimum".to_owned(), 0.into());
}

/// For `#[schemars(transform = …)]`: a number above 0 and below 1.
pub fn fraction(schema: &mut Schema) {
    positive(schema);
    number(schema).insert("exclusiveMaximum".to_owned(), 1.into());
}

/// The schema of the number, or of each number of a list.
fn number(schema: &mut Schema) -> &mut Map<String, Value> {
    let own = schema.ensure_object();
    if own.contains_key("items") { own["items"].as_object_mut().expect("a schema of numbers") } else { own }
}

/// An error that names the first value of `section` out of its range.
pub fn check<S: Section>(section: &S) -> Result<(), Unfit> {
    let root = schema_of::<S>();
    let value = serde_json::to_value(section).map_err(|e| Unfit::new("", e.to_string()))?;
    Rules { definitions: &root["definitions"] }.check("", &root, &value)
}

/// The schema of a section, which is made once: a member of a family asks for several sections, and a file has many members.
fn schema_of<S: Section>() -> Arc<Value> {
    static KNOWN: Mutex<BTreeMap<TypeId, Arc<Value>>> = Mutex::new(BTreeMap::new());
    let make = || Arc::new(SchemaSettings::draft07().into_generator().into_root_schema_for::<S>().to_value());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    known.entry(TypeId::of::<S>()).or_insert_with(make).clone()
}

struct Rules<'a> {
    definitions: &'a Value,
}

impl Rules<'_> {
    /// Checks `value`, found at `key`, and all below it.
    fn check(&self, key: &str, schema: &Value, value: &Value) -> Result<(), Unfit> {
        let schema = self.resolved(schema);
        for choice in ["allOf", "anyOf", "oneOf"].into_iter().filter_map(|of| schema[of].as_array()).flatten()
        {
            if fits(self.resolved(choice), value) {
                self.check(key, choice, value)?;
            }
        }
        match value {
            Value::Number(x) => within(key, x.as_f64().unwrap_or(f64::NAN), Limits::of_number(schema)),
            Value::Array(entries) => {
                within(key, entries.len() as f64, Limits::of_length(schema))?;
                let mut entries = entries.iter().enumerate();
                entries.try_for_each(|(i, entry)| self.check(&format!("{key}[{i}]"), &schema["items"], entry))
            }
            Value::Object(fields) => fields.iter().try_for_each(|(name, field)| {
                let below = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                self.check(&below, &schema["properties"][name], field)
            }),
            _ => Ok(()),
        }
    }

    /// What a reference refers to.
    fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let name = schema["$ref"].as_str().and_then(|r| r.strip_prefix("#/definitions/"));
        name.map_or(schema, |name| &self.definitions[name])
    }
}

/// Whether `value` is of this choice: by its `name`, where it has one, else by being there.
fn fits(choice: &Value, value: &Value) -> bool {
    match choice["properties"]["name"].get("const") {
        Some(name) => value["name"] == *name,
        None => value.is_null() == (choice["type"] == "null"),
    }
}

/// What a count may be where its field says no less. Beyond any use, and small enough that the product of two counts and a few
/// bytes is a number of the machine.
const LARGEST_COUNT: f64 = (1_u64 << 30) as f64;

struct Limits {
    least: Option<f64>,
    above: Option<f64>,
    most: Option<f64>,
    below: Option<f64>,
}

impl Limits {
    fn of_number(schema: &Value) -> Self {
        let [least, above, most, below] = ["minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"]
            .map(|limit| schema[limit].as_f64());
        // `usize` is a count; a seed is a `u64`, of which any will do.
        let is_count = schema["format"] == "uint";
        Self { least, above, most: most.or(is_count.then_some(LARGEST_COUNT)), below }
    }

    fn of_length(schema: &Value) -> Self {
        Self {
            least: schema["minItems"].as_f64(),
            above: None,
            most: schema["maxItems"].as_f64(),
            below: None,
        }
    }
}

fn within(key: &str, x: f64, limits: Limits) -> Result<(), Unfit> {
    let Limits { least, above, most, below } = limits;
    let ok = least.is_none_or(|limit| x >= limit)
        && above.is_none_or(|limit| x > limit)
        && most.is_none_or(|limit| x <= limit)
        && below.is_none_or(|limit| x < limit);
    Unfit::unless(ok, key, || {
        let word = |word: &str, limit: Option<f64>| limit.map(|limit| format!("{word} {limit}"));
        // A limit that no field states is no news to those below it.
        let most = most.filter(|&most| most < LARGEST_COUNT || x > most);
        let from = word("a number above", above).or_else(|| word("at least", least));
        let to = word("at most", most).or_else(|| word("below", below));
        let needed = from.into_iter().chain(to).collect::<Vec<_>>().join(" and ");
        format!("{x}; {needed} is needed")
    })
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};
    use serde_json::json;

    use super::*;

    #[derive(Clone, Deserialize, JsonSchema, Serialize)]
    struct Whole {
        #[schemars(range(min = 2))]
        count: usize,
        #[schemars(range(min = 1, max = 9))]
        perhaps: Option<usize>,
        #[schemars(transform = positive)]
        sigma: f64,
        #[schemars(transform = fraction)]
        confidence: Option<f64>,
        #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
        decay: f64,
        #[schemars(length(min = 2), transform = positive)]
        sigmas: Vec<f64>,
        #[schemars(inner(range(min = 3)))]
        sizes: Vec<usize>,
        /// below a reference
        part: Option<Part>,
        parts: Vec<Part>,
        choice: Choice,
    }

    #[derive(Clone, Deserialize, JsonSchema, Serialize)]
    struct Part {
        #[schemars(range(min = 2, max = 10), transform = positive)]
        points: f64,
    }

    #[derive(Clone, Deserialize, JsonSchema, Serialize)]
    #[serde(tag = "name", rename_all = "lowercase")]
    enum Choice {
        Sgd {
            #[schemars(transform = positive)]
            rate: f64,
        },
        Adam {
            #[schemars(range(min = 5))]
            rate: f64,
        },
    }

    impl Section for Whole {
        const STAGE: &'static str = "whole";
    }

    /// What is said of good values with this change; nothing if they are still good.
    fn said(path: &str, value: Value) -> Option<String> {
        let mut whole = json!({
            "count": 2, "perhaps": null, "sigma": 1e-300, "confidence": 0.95, "decay": 0.0, "sigmas": [1.0, 2.0],
            "sizes": [], "part": null, "parts": [{"points": 3.0}, {"points": 10.0}], "choice": {"name": "sgd", "rate": 0.1},
        });
        *whole.pointer_mut(path).unwrap() = value;
        check(&serde_json::from_value::<Whole>(whole).unwrap()).err().map(|u| u.to_string())
    }

    #[test]
    fn values_within_their_range_pass() {
        let good = [
            ("/count", json!(2)),
            ("/perhaps", json!(9)),
            ("/confidence", json!(null)),
            ("/decay", json!(0.999)),
            ("/sizes", json!([3, 3])),
            ("/part", json!({"points": 2.0})),
            ("/choice", json!({"name": "adam", "rate": 5.0})),
        ];
        for (path, value) in good {
            assert_eq!(said(path, value.clone()), None, "{path} {value}");
        }
    }

    #[test]
    fn each_kind_of_rule_names_key_value_and_need() {
        let bad = [
            ("/count", json!(1), "count: 1; at least 2 is needed"),
            (
                "/count",
                json!(u64::MAX),
                "count: 18446744073709552000; at least 2 and at most 1073741824 is needed",
            ),
            (
                "/sizes",
                json!([3, 1_u64 << 31]),
                "sizes[1]: 2147483648; at least 3 and at most 1073741824 is needed",
            ),
            ("/perhaps", json!(0), "perhaps: 0; at least 1 and at most 9 is needed"),
            ("/perhaps", json!(10), "perhaps: 10; at least 1 and at most 9 is needed"),
            ("/sigma", json!(0.0), "sigma: 0; a number above 0 is needed"),
            ("/sigma", json!(-0.5), "sigma: -0.5; a number above 0 is needed"),
            ("/confidence", json!(1.0), "confidence: 1; a number above 0 and below 1 is needed"),
            ("/decay", json!(1.0), "decay: 1; at least 0 and below 1 is needed"),
            ("/sigmas", json!([1.0]), "sigmas: 1; at least 2 is needed"),
            ("/sigmas", json!([1.0, 0.0]), "sigmas[1]: 0; a number above 0 is needed"),
            ("/sizes", json!([3, 2]), "sizes[1]: 2; at least 3 is needed"),
            ("/part", json!({"points": 11.0}), "part.points: 11; a number above 0 and at most 10 is needed"),
            ("/parts/1/points", json!(1.0), "parts[1].points: 1; "),
            ("/choice", json!({"name": "sgd", "rate": 0.0}), "choice.rate: 0; a number above 0 is needed"),
            ("/choice", json!({"name": "adam", "rate": 4.0}), "choice.rate: 4; at least 5 is needed"),
        ];
        for (path, value, expected) in bad {
            let found = said(path, value).unwrap_or_default();
            assert!(found.starts_with(expected), "expected {expected:?}, found {found:?}");
        }
    }
}
