//! Data of the interactive parts, as JSON.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ndarray::Array3;
use serde_json::{Value, json};

use crate::export::curve::{Curve, absolute, rounded};
use crate::read::bound::Setting;
use crate::read::experiment::Experiment;
use crate::read::montecarlo::Grid;
use crate::text::directions::plane;
use crate::text::unit::Unit;

/// Data of the Δ_k chart of one experiment.
pub fn delta(e: &Experiment, answer: &Setting) -> Value {
    let curves = e.settings.iter().map(|s| Curve::of(e, s, "")).collect::<Vec<_>>();
    let visible = e.settings.iter().position(|s| s.found.name == answer.found.name).unwrap_or(0);
    let tolerances = absolute(e, &answer.found.name).map(|r| r.tolerance).collect::<Vec<_>>();
    json!({
        "label": "Δ_k over the prefix size k on logarithmic axes, with tolerance lines",
        "many": false,
        "unit": e.unit.squared,
        "curves": curves,
        "visible": [visible],
        "tolerances": tolerances,
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
