//! A number with what is known of it, as the page, `summary.json` and `summary.md` have it.

use records::family::Spread;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::numbers::{percent, short, whole, with_error};

/// A number of the report with what is known of it.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Fact {
    /// what was measured
    pub label: String,
    /// null where there is none
    pub value: Option<f64>,
    /// standard error, or standard deviation over replicas
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<f64>,
    /// both ends of its interval, or of a range that has no single value
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f64; 2]>,
    /// such as `nats²`; `fraction` is shown in per cent; empty: a number of things that the label names, or a ratio
    pub unit: String,
}

/// A value that may not be finite where it has no meaning.
pub fn fact(label: impl Into<String>, value: f64, unit: &str) -> Fact {
    let value = value.is_finite().then_some(value);
    Fact { label: label.into(), value, error: None, interval: None, unit: unit.to_owned() }
}

/// A value with both ends of its interval.
pub type Ends = [f64; 3];

/// It with its interval; an end that is not finite is none.
pub fn between(label: impl Into<String>, [value, low, high]: Ends, unit: &str) -> Fact {
    fact(label, value, unit).within(low, high)
}

/// A number of things that the label names.
pub fn number(label: impl Into<String>, n: usize) -> Fact {
    fact(label, n as f64, "")
}

/// A mean with its deviation over replicas.
pub fn spread(label: impl Into<String>, s: Spread, unit: &str) -> Fact {
    Fact { error: s.deviation, ..fact(label, s.mean, unit) }
}

impl Fact {
    /// The same with a standard error.
    pub fn with_error(self, error: f64) -> Self {
        Self { error: error.is_finite().then_some(error), ..self }
    }

    /// The same with its interval.
    pub fn within(self, low: f64, high: f64) -> Self {
        Self { interval: (low.is_finite() && high.is_finite()).then_some([low, high]), ..self }
    }

    /// Value, error or interval, and unit, as the columns of a table show them.
    pub fn columns(&self) -> [String; 3] {
        let is_fraction = self.unit == "fraction";
        let one = |v: f64| match v {
            _ if is_fraction => percent(v),
            _ if v.fract() == 0.0 => whole(v),
            _ => short(v),
        };
        let unit = if is_fraction { "" } else { &self.unit };
        let (value, error, unit) = match (self.value, self.error, self.interval) {
            (Some(v), Some(error), _) => {
                let (scale, unit) = if is_fraction { (100.0, "%") } else { (1.0, unit) };
                let both = with_error(scale * v, scale * error);
                let (value, error) = both.split_once(" ± ").expect("a value and its error");
                (value.to_owned(), format!("± {error}"), unit)
            }
            (Some(v), None, Some([low, high])) => (one(v), format!("[{}, {}]", one(low), one(high)), unit),
            (Some(v), None, None) => (one(v), String::new(), unit),
            (None, _, Some([low, high])) => (format!("{} to {}", one(low), one(high)), String::new(), unit),
            (None, _, None) => ("none".to_owned(), String::new(), ""),
        };
        [value, error, unit.to_owned()]
    }

    /// Value with error or interval; the unit is apart, but for the per cent of a fraction.
    pub fn text(&self) -> String {
        let [value, error, unit] = self.columns();
        joined(&[value, error, if self.unit == "fraction" { unit } else { String::new() }])
    }

    /// All that is known on one line, such as `154.3 ± 9.1 nats²`.
    pub fn line(&self) -> String {
        joined(&self.columns())
    }
}

fn joined(parts: &[String]) -> String {
    parts.iter().filter(|part| !part.is_empty()).map(String::as_str).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_is_shown_with_what_is_known_of_it() {
        let range = Fact { value: None, ..fact("a", 0.0, "σ").within(0.1, 0.2) };
        let cases = [
            (fact("a", 12_345.0, "samples"), "12,345"),
            (fact("a", -1253.5, "nats"), "−1,254"),
            (fact("a", 154.3, "nats²").with_error(9.135), "154.3 ± 9.1"),
            (fact("a", 0.25, "fraction").within(0.125, 0.5), "25 % [12.5 %, 50 %]"),
            (fact("a", 1050.0, "samples").within(900.0, 1300.0), "1,050 [900, 1,300]"),
            (spread("a", Spread { mean: 0.9, deviation: Some(0.01) }, "fraction"), "90.0 ± 1.0 %"),
            (range, "0.1 to 0.2"),
            (fact("a", f64::NAN, "nats"), "none"),
        ];
        for (fact, text) in cases {
            assert_eq!(fact.text(), text);
        }
        let v = fact("a", 154.3, "nats²").with_error(9.135);
        assert_eq!(v.columns(), ["154.3", "± 9.1", "nats²"]);
        assert_eq!(v.line(), "154.3 ± 9.1 nats²");
    }

    #[test]
    fn what_is_not_known_is_not_written() {
        let text = serde_json::to_string(&number("draws", 8)).unwrap();
        assert_eq!(text, r#"{"label":"draws","value":8.0,"unit":""}"#);
        assert_eq!(serde_json::from_str::<Fact>(&text).unwrap(), number("draws", 8));
    }
}
