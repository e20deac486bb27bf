//! Data of the interactive parts, as JSON.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ndarray::Array3;
use records::bound::{Status, SufficientRow};
use serde::Serialize;
use serde_json::{Value, json};

use crate::export::curve::{Curve, absolute};
use crate::figures::figure::Figure;
use crate::read::bound::Setting;
use crate::read::experiment::Experiment;
use crate::read::montecarlo::Grid;
use crate::read::unit::Unit;
use crate::text::directions::plane;
use crate::text::numbers::{given, grouped, rounded};
use crate::text::own::tolerance;
use crate::text::verdicts::size;

/// Data of a chart, with the name by which the page finds them; none of a surface.
pub fn chart(f: &Figure) -> Option<(String, String)> {
    Some((format!("data-{}", f.name), embedded(f.data.as_ref()?)))
}

/// K at one tolerance, as the page writes it.
#[derive(Debug, PartialEq, Serialize)]
pub struct Reading {
    pub tolerance: String,
    pub average: String,
    pub one: String,
}

/// K at every tolerance, in the order of `bound`.
pub fn readings(e: &Experiment, setting: &str) -> Vec<Reading> {
    let average = e.rows_of(setting, "order-average");
    average.map(|row| reading(e, row)).collect()
}

fn reading(e: &Experiment, row: &SufficientRow) -> Reading {
    let same = |r: &&SufficientRow| r.tolerance.to_bits() == row.tolerance.to_bits();
    let one = e.rows_of(&row.setting, "monte-carlo").find(same).and_then(|r| r.k);
    let beyond = if row.status == Status::Extrapolated { " (beyond the samples at hand)" } else { "" };
    Reading {
        tolerance: row.relative.map_or_else(|| given(row.tolerance), |_| tolerance(row, &e.unit)),
        average: size(row).map_or_else(|| "no number".to_owned(), |k| k + beyond),
        one: one.map_or_else(|| "not reached".to_owned(), grouped),
    }
}

/// Data of the Δ_k chart of one experiment.
pub fn delta(e: &Experiment, answer: &Setting) -> Value {
    let curves = e.settings.iter().map(|s| Curve::of(e, s, "")).collect::<Vec<_>>();
    let visible = e.settings.iter().position(|s| s.found.name == answer.found.name).unwrap_or(0);
    let tolerances = absolute(e, &answer.found.name).map(|r| r.tolerance).collect::<Vec<_>>();
    // A relative tolerance is another number in each setting.
    let relative = |s: &Setting| {
        let rows = e.rows_of(&s.found.name, "order-average").filter(|r| r.relative.is_some());
        rows.map(|r| reading(e, r)).collect::<Vec<_>>()
    };
    json!({
        "label": "Δ_k over the prefix size k on logarithmic axes, with tolerance lines",
        "many": false,
        "unit": e.unit.squared,
        "curves": curves,
        "visible": [visible],
        "tolerances": tolerances,
        "relative": e.settings.iter().map(relative).collect::<Vec<_>>(),
    })
}

fn packed(values: &Array3<f64>) -> String {
    #[allow(clippy::cast_possible_truncation)] // a picture needs no more digits
    let bytes = values.iter().flat_map(|&v| (v as f32).to_le_bytes()).collect::<Vec<_>>();
    BASE64_STANDARD.encode(bytes)
}

/// Data of one pair of surfaces.
pub fn surface(grid: &Grid, step: usize, unit: &Unit) -> Value {
    json!({
        "directions": plane(grid.basis),
        "step": step,
        "unit": {"loss": unit.loss, "squared": unit.squared},
        "axis": grid.axis.iter().map(|&v| rounded(v)).collect::<Vec<_>>(),
        "sizes": grid.sizes,
        "loss": packed(&grid.loss),
        "change": packed(&grid.change),
    })
}

/// Data as the text of a script element; nothing in it can end the element.
pub fn embedded(value: &Value) -> String {
    value.to_string().replace('<', "\\u003c")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn embedded_data_cannot_end_its_element() {
        assert_eq!(embedded(&json!("</script><b>")), r#""\u003c/script>\u003cb>""#);
    }

    #[test]
    fn packed_values_are_little_endian_floats() {
        let values = Array3::from_shape_vec((1, 1, 2), vec![1.0, -2.0]).unwrap();
        assert_eq!(packed(&values), BASE64_STANDARD.encode([0, 0, 128, 63, 0, 0, 0, 192]));
    }
}
