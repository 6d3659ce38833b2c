//! The privacy perimeter: what the media process may say cannot carry pixels or samples.
//!
//! The walk goes through the JSON schema of the link's outbound message and refuses every place where bytes, or an unbounded
//! amount of anything, would fit.

use std::collections::BTreeSet;

use lsie_schemas::link::EngineMessage;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// Widest list of numbers below 32 bits, in items: a pair or a rectangle, never a row of pixels.
const NARROW_LIST_CEILING: u64 = 8;
/// Integer formats in which pixels and samples travel.
const NARROW_FORMATS: [&str; 4] = ["uint8", "int8", "uint16", "int16"];
/// Text formats of fixed length.
const SHORT_FORMATS: [&str; 2] = ["uuid", "date-time"];

#[test]
fn what_leaves_the_media_process_is_bounded_and_holds_no_bytes() {
    for settings in [
        SchemaSettings::draft2020_12().for_serialize(),
        SchemaSettings::draft2020_12().for_deserialize(),
    ] {
        let schema = settings
            .into_generator()
            .into_root_schema_for::<EngineMessage>();
        let mut walk = Walk::of(schema.as_value());
        walk.start();
        assert!(
            walk.visited.len() > 5,
            "the walk saw only {:?}",
            walk.visited
        );
        assert!(walk.leaves > 50, "the walk saw only {} values", walk.leaves);
        assert!(walk.faults.is_empty(), "{}", walk.faults.join("\n"));
    }
}

#[test]
fn every_place_where_bytes_would_fit_is_refused() {
    let number = json!({"type": "number"});
    let bad = [
        ("text without a bound", json!({"type": "string"})),
        ("text that may be null", json!({"type": ["string", "null"]})),
        (
            "encoded bytes",
            json!({"type": "string", "maxLength": 64, "contentEncoding": "base64"}),
        ),
        (
            "bytes by format",
            json!({"type": "string", "maxLength": 64, "format": "byte"}),
        ),
        (
            "a pattern without an end",
            json!({"type": "string", "pattern": "^[0-9a-f]+$"}),
        ),
        (
            "list without a bound",
            json!({"type": "array", "items": number}),
        ),
        ("list of anything", json!({"type": "array", "maxItems": 8})),
        (
            "bounded bytes",
            json!({"type": "array", "items": {"type": "integer", "format": "uint8"}, "maxItems": 64}),
        ),
        (
            "bounded samples",
            json!({"type": "array", "items": {"type": "integer", "format": "int16"}, "maxItems": 9}),
        ),
        (
            "a narrow item behind a name",
            json!({"type": "array", "items": {"$ref": "#/$defs/Narrow"}, "maxItems": 64}),
        ),
        (
            "an open tuple",
            json!({"type": "array", "prefixItems": [number]}),
        ),
        (
            "map without a bound",
            json!({"type": "object", "additionalProperties": number}),
        ),
        (
            "map by pattern",
            json!({"type": "object", "patternProperties": {"^a": number}}),
        ),
        (
            "map with long names",
            json!({"type": "object", "additionalProperties": number, "maxProperties": 4}),
        ),
        ("anything", json!(true)),
        ("anything in braces", json!({"description": "words"})),
        (
            "a name that leads nowhere",
            json!({"$ref": "#/$defs/Missing"}),
        ),
        (
            "one bad choice",
            json!({"anyOf": [{"type": "null"}, {"type": "string"}]}),
        ),
        (
            "deep inside",
            json!({"type": "object", "properties": {"a": {"type": "array", "maxItems": 1, "items": {"type": "string"}}}}),
        ),
    ];
    for (name, place) in bad {
        assert_eq!(
            faults_of(&place).len(),
            1,
            "{name}: {:?}",
            faults_of(&place)
        );
    }
}

#[test]
fn bounded_derived_values_pass() {
    let number = json!({"type": "number"});
    let good = [
        json!({"type": "string", "maxLength": 64}),
        json!({"type": "string", "format": "uuid"}),
        json!({"type": "string", "format": "date-time"}),
        json!({"type": "string", "pattern": "^[0-9a-f]{64}$"}),
        json!({"enum": ["a", "b"]}),
        json!({"const": "a"}),
        json!({"type": ["integer", "null"], "format": "uint64"}),
        json!({"type": "array", "prefixItems": [number, number], "minItems": 2, "maxItems": 2}),
        json!({"type": "array", "items": {"$ref": "#/$defs/Pair"}, "maxItems": 8192}),
        json!({"type": "object", "additionalProperties": number, "maxProperties": 4, "propertyNames": {"maxLength": 32}}),
        json!({"type": "object", "properties": {"absent": {"type": "object", "additionalProperties": false, "properties": {"a": number}}}}),
        json!({"type": "object", "properties": {"again": {"$ref": "#"}}}),
    ];
    for place in good {
        assert_eq!(faults_of(&place), Vec::<String>::new(), "{place}");
    }
}

fn faults_of(place: &Value) -> Vec<String> {
    let root = json!({
        "type": "object",
        "properties": {"place": place},
        "$defs": {
            "Narrow": {"type": "integer", "format": "uint8"},
            "Pair": {"type": "object", "properties": {"a": {"type": "number"}, "b": {"type": "number"}}},
        },
    });
    let mut walk = Walk::of(&root);
    walk.start();
    walk.faults
}

/// A walk through every place of a schema; each definition is entered once.
struct Walk<'s> {
    root: &'s Value,
    visited: BTreeSet<&'s str>,
    leaves: usize,
    faults: Vec<String>,
}

impl<'s> Walk<'s> {
    fn of(root: &'s Value) -> Self {
        Self {
            root,
            visited: BTreeSet::from(["#"]),
            leaves: 0,
            faults: Vec::new(),
        }
    }

    fn start(&mut self) {
        self.enter(self.root, "message");
    }

    fn fault(&mut self, path: &str, what: &str) {
        self.faults.push(format!("{path}: {what}"));
    }

    fn enter(&mut self, schema: &'s Value, path: &str) {
        let Some(schema) = schema.as_object() else {
            if schema != &Value::Bool(false) {
                self.fault(path, "may be anything");
            }
            return;
        };
        if schema.keys().any(|key| key.starts_with("content")) {
            return self.fault(path, "carries encoded bytes");
        }
        let mut says_something = false;
        if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
            says_something = true;
            self.follow(name, path);
        }
        for key in ["oneOf", "anyOf", "allOf"] {
            for choice in schema
                .get(key)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                says_something = true;
                self.enter(choice, path);
            }
        }
        if schema.contains_key("enum") || schema.contains_key("const") {
            self.leaves += 1;
            return;
        }
        for kind in kinds(schema) {
            says_something = true;
            match kind {
                "object" => self.object(schema, path),
                "array" => self.array(schema, path),
                "string" => self.text(schema, path),
                _ => self.leaves += 1,
            }
        }
        if !says_something {
            self.fault(path, "may be anything");
        }
    }

    fn follow(&mut self, name: &'s str, path: &str) {
        match lookup(self.root, name) {
            Some(target) if self.visited.insert(name) => self.enter(target, path),
            Some(_) => {}
            None => self.fault(path, "leads nowhere"),
        }
    }

    fn text(&mut self, schema: &Map<String, Value>, path: &str) {
        self.leaves += 1;
        let format = schema.get("format").and_then(Value::as_str);
        if format.is_some_and(|format| !SHORT_FORMATS.contains(&format)) {
            return self.fault(path, "text of a format that is not a known short one");
        }
        if format.is_none() && !is_bounded_text(schema) {
            self.fault(path, "text without maxLength");
        }
    }

    fn array(&mut self, schema: &'s Map<String, Value>, path: &str) {
        let Some(longest) = schema.get("maxItems").and_then(Value::as_u64) else {
            return self.fault(path, "list without maxItems");
        };
        let fixed = schema.get("prefixItems").and_then(Value::as_array);
        for item in fixed.into_iter().flatten() {
            self.enter(item, &format!("{path}[]"));
        }
        match schema.get("items") {
            Some(items) => {
                if longest > NARROW_LIST_CEILING && is_narrow(self.root, items) {
                    return self.fault(
                        path,
                        "list of numbers below 32 bits, as pixels and samples are",
                    );
                }
                self.enter(items, &format!("{path}[]"));
            }
            None if fixed.is_some_and(|fixed| fixed.len() as u64 >= longest) => {}
            None => self.fault(path, "list of anything"),
        }
    }

    fn object(&mut self, schema: &'s Map<String, Value>, path: &str) {
        let properties = schema.get("properties").and_then(Value::as_object);
        for (name, property) in properties.into_iter().flatten() {
            self.enter(property, &format!("{path}.{name}"));
        }
        let pattern = schema.get("patternProperties").and_then(Value::as_object);
        let open = schema
            .get("additionalProperties")
            .filter(|value| **value != false);
        let values: Vec<&Value> = pattern
            .into_iter()
            .flat_map(Map::values)
            .chain(open)
            .collect();
        if values.is_empty() {
            return;
        }
        if !schema.contains_key("maxProperties") {
            return self.fault(path, "map without maxProperties");
        }
        let names = schema.get("propertyNames").and_then(Value::as_object);
        let names = names.and_then(|names| resolve(self.root, names));
        if !names.is_some_and(|names| names.contains_key("enum") || is_bounded_text(names)) {
            return self.fault(path, "map whose names have no bound");
        }
        for value in values {
            self.enter(value, &format!("{path}.*"));
        }
    }
}

fn kinds(schema: &Map<String, Value>) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(kind)) => vec![kind],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn is_bounded_text(schema: &Map<String, Value>) -> bool {
    let short = schema.get("format").and_then(Value::as_str);
    let pattern = schema.get("pattern").and_then(Value::as_str);
    let ends = |pattern: &str| {
        let open = pattern.contains(['*', '+', '.']) || pattern.contains(",}");
        pattern.starts_with('^') && pattern.ends_with('$') && !open
    };
    schema.contains_key("maxLength")
        || short.is_some_and(|format| SHORT_FORMATS.contains(&format))
        || pattern.is_some_and(ends)
}

fn is_narrow(root: &Value, schema: &Value) -> bool {
    let Some(schema) = schema.as_object().and_then(|schema| resolve(root, schema)) else {
        return false;
    };
    let format = schema.get("format").and_then(Value::as_str);
    format.is_some_and(|format| NARROW_FORMATS.contains(&format))
}

fn resolve<'s>(root: &'s Value, schema: &'s Map<String, Value>) -> Option<&'s Map<String, Value>> {
    match schema.get("$ref").and_then(Value::as_str) {
        Some(name) => lookup(root, name)?.as_object(),
        None => Some(schema),
    }
}

fn lookup<'s>(root: &'s Value, name: &str) -> Option<&'s Value> {
    root.pointer(name.strip_prefix('#')?)
}
