//! The interactive parts: their data as JSON, and the HTML in which they run.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ndarray::Array3;
use serde_json::{Value, json};

use crate::export::curve::{Curve, absolute, rounded};
use crate::page::shell::escape;
use crate::read::bound::Setting;
use crate::read::experiment::Experiment;
use crate::read::montecarlo::Grid;
use crate::text::directions::plane;

/// Data of the Δ_k chart of one experiment.
pub fn delta(e: &Experiment, answer: &Setting) -> Value {
    let curves = e.settings.iter().map(|s| Curve::of(e, s, "")).collect::<Vec<_>>();
    let visible = e.settings.iter().position(|s| s.name == answer.name).unwrap_or(0);
    let tolerances = absolute(e, &answer.name).map(|r| r.tolerance).collect::<Vec<_>>();
    json!({
        "label": "Δ_k over the prefix size k on logarithmic axes, with tolerance lines",
        "many": false,
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
pub fn surface(grid: &Grid, step: usize) -> Value {
    json!({
        "directions": plane(grid.basis),
        "step": step,
        "axis": grid.axis.iter().map(|&v| rounded(v)).collect::<Vec<_>>(),
        "sizes": grid.sizes,
        "loss": packed(&grid.loss),
        "change": packed(&grid.change),
    })
}

/// A script element that holds data; nothing in it can end the element.
pub fn data_element(id: &str, value: &Value) -> String {
    let text = value.to_string().replace('<', "\\u003c");
    format!("<script type=\"application/json\" id=\"{id}\">{text}</script>\n")
}

/// The Δ_k chart; `choice` holds the controls that choose what is shown.
pub fn delta_figure(source: &str, choice: &str, caption: &str) -> String {
    format!(
        "<div class=\"live\" data-live=\"delta\" data-source=\"{source}\">\n<div class=\"controls\">{choice}<button type=\"button\" class=\"add\">add a tolerance line</button></div>\n\
         <div class=\"plate\"></div>\n<div class=\"controls legend\"></div>\n<p aria-live=\"polite\">Drag a dashed horizontal line, or focus it and press the arrow keys, to read K off at another tolerance.</p>\n\
         <div class=\"scroll\" role=\"region\" aria-label=\"K per tolerance\" tabindex=\"0\"><table class=\"readings\"><thead><tr></tr></thead><tbody></tbody></table></div>\n<p>{}</p></div>\n",
        escape(caption)
    )
}

/// The controls that choose directions and σ.
pub fn setting_choice() -> &'static str {
    "<label>directions <select class=\"family\"></select></label><label>σ (parameter units) <select class=\"sigma\"></select></label>"
}

/// A pair of surfaces with its controls.
pub fn surface_figure(source: &str, grid: &Grid) -> String {
    let last = grid.sizes.len() - 1;
    let directions = plane(grid.basis);
    let button = |class: &str, label: &str, text: &str| {
        format!("<button type=\"button\" class=\"{class}\" aria-label=\"{label}\">{text}</button>")
    };
    let buttons = [
        button("left", "turn left", "↺"),
        button("right", "turn right", "↻"),
        button("in", "zoom in", "+"),
        button("out", "zoom out", "−"),
        button("reset", "reset the view", "reset"),
    ]
    .concat();
    format!(
        "<div class=\"live\" data-live=\"surface\" data-source=\"{source}\">\n<h3>Over {directions}</h3>\n\
         <div class=\"controls\"><label class=\"wide\">prefix size k <input type=\"range\" min=\"0\" max=\"{last}\" value=\"{last}\" step=\"1\"><output></output></label>\
         <button type=\"button\" class=\"play\">▶ play</button></div>\n\
         <div class=\"pair\"><div class=\"plate\"><p>L_k (nats)</p><canvas role=\"img\" tabindex=\"0\" aria-label=\"loss surface\"></canvas></div>\
         <div class=\"plate\"><p>(L_(k+s) − L_k)² (nats²)</p><canvas role=\"img\" tabindex=\"0\" aria-label=\"squared change\"></canvas></div></div>\n\
         <div class=\"controls\">{buttons}<label><input type=\"checkbox\" class=\"common\">one scale for all k</label>\
         <label><input type=\"checkbox\" class=\"log\">squared change on a logarithmic scale</label>\
         <button type=\"button\" class=\"stills\" aria-expanded=\"false\">static pictures</button></div>\n<p aria-live=\"polite\"></p>\n\
         <p>Axes θ₁ and θ₂ in parameter units; the dot is w*. Drag to turn, pinch or Ctrl + wheel to zoom.</p></div>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn embedded_data_cannot_end_its_element() {
        let element = data_element("a", &json!({"title": "</script><b>"}));
        assert_eq!(element.matches('<').count(), 2, "{element}");
    }

    #[test]
    fn packed_values_are_little_endian_floats() {
        let values = Array3::from_shape_vec((1, 1, 2), vec![1.0, -2.0]).unwrap();
        assert_eq!(packed(&values), BASE64_STANDARD.encode([0, 0, 128, 63, 0, 0, 0, 192]));
    }
}
