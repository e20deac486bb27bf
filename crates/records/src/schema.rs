//! JSON schema of `pipeline.yaml`, from the types of its sections: editors complete and check with it.
//!
//! A section lies over its defaults key by key, so no key of a section is required; entries of lists are whole.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::section::Section;

/// The schema, as draft 7, which editors know.
pub fn of_pipeline() -> Value {
    let mut generator = SchemaSettings::draft07().into_generator();
    let mut sections = Map::new();
    macro_rules! add {
        ($section:ty) => {
            let schema = generator.subschema_for::<$section>().to_value();
            sections.insert(<$section>::STAGE.to_owned(), schema);
        };
    }
    crate::for_each_section!(add);
    let mut definitions = generator.take_definitions(true);
    let mut whole = vec![];
    definitions.values().for_each(|d| in_lists(d, &mut whole));
    for (name, definition) in &mut definitions {
        if !whole.contains(name) {
            make_partial(definition);
        }
    }
    definitions.insert(
        "sections".to_owned(),
        json!({"type": ["object", "null"], "properties": sections, "additionalProperties": false}),
    );
    let sections = json!({"$ref": "#/definitions/sections"});
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "pipeline.yaml of plateau",
        "description": "Experiments by name over shared defaults; a section per stage.",
        "type": "object",
        "properties": {
            "defaults": sections,
            "defaults_from": {"type": "string", "description": "Another file, relative to this one, whose defaults lie below those here."},
            "experiments": {"type": "object", "additionalProperties": sections},
        },
        "required": ["experiments"],
        "additionalProperties": false,
        "definitions": definitions,
    })
}

/// Names of the definitions that entries of lists refer to.
fn in_lists(schema: &Value, found: &mut Vec<String>) {
    match schema {
        Value::Object(map) => {
            let entry = map.get("items").and_then(|i| i.get("$ref")).and_then(Value::as_str);
            found.extend(entry.and_then(|r| r.rsplit('/').next()).map(str::to_owned));
            map.values().for_each(|v| in_lists(v, found));
        }
        Value::Array(values) => values.iter().for_each(|v| in_lists(v, found)),
        _ => {}
    }
}

/// Without required keys. A choice by `name` may then leave `name` out, so more than one may fit.
fn make_partial(schema: &mut Value) {
    let Value::Object(map) = schema else { return };
    map.remove("required");
    let choices = map
        .get("oneOf")
        .and_then(Value::as_array)
        .is_some_and(|all| all.iter().all(|c| c.get("type").and_then(Value::as_str) == Some("object")));
    if choices && let Some(mut choices) = map.remove("oneOf") {
        choices.as_array_mut().into_iter().flatten().for_each(make_partial);
        let mut with = Map::new();
        with.insert("anyOf".to_owned(), choices);
        map.extend(with);
    }
}

/// For tests: whether the committed file at `path` is `schema`. `make schema` sets `PLATEAU_WRITE_SCHEMA`, with which
/// the file is written instead.
pub fn check_committed(path: &str, schema: &Value) {
    if std::env::var_os("PLATEAU_WRITE_SCHEMA").is_some() {
        let text = serde_json::to_string_pretty(schema).expect("plain JSON") + "\n";
        std::fs::write(path, text).expect("a writable checkout");
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    let committed: Value = serde_json::from_str(&committed).unwrap_or_default();
    assert!(committed == *schema, "the types changed: run `make schema` and commit {path}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stage_has_a_section() {
        let schema = of_pipeline();
        let sections = schema["definitions"]["sections"]["properties"].as_object().unwrap();
        assert!(sections.keys().eq(crate::stages::names().iter()), "{:?}", sections.keys());
    }

    #[test]
    fn the_committed_schema_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../pipeline.schema.json");
        check_committed(path, &of_pipeline());
    }

    #[test]
    fn sections_are_partial_and_entries_of_lists_are_whole() {
        let schema = of_pipeline();
        let required = |name: &str| schema["definitions"][name].get("required").cloned();
        for partial in ["Train", "Eigen", "Normalisation"] {
            assert_eq!(required(partial), None, "{partial}");
            assert_eq!(schema["definitions"][partial]["additionalProperties"], false, "{partial}");
        }
        assert!(required("Setting").unwrap().as_array().unwrap().contains(&"sigma".into()));
        assert!(schema["definitions"]["Optimizer"]["anyOf"].as_array().unwrap().len() >= 2);
        let sigma = &schema["definitions"]["Setting"]["properties"]["sigma"];
        assert!(sigma["description"].as_str().unwrap().contains("parameter units"), "{sigma}");
    }
}
