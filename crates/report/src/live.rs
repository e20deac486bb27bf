//! The data of the interactive parts, as JSON that is embedded into the page, and the HTML in which they run.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ndarray::Array3;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::figures::thin;
use crate::gather::{Experiment, Grid, Setting, SufficientRow};
use crate::page::escape;
use crate::sentences;

/// Half-width of the drawn intervals of Δ_k, in standard errors: 95 % of a normal value.
const ERRORS: f64 = 1.96;

/// One curve of the Δ_k chart. Prefix sizes in samples, Δ in nats².
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Curve {
    /// heading where several experiments are side by side
    pub title: String,
    /// its directions, in words: curves that differ in σ alone share it
    pub family: String,
    /// parameter units
    pub sigma: f64,
    pub n_samples: usize,
    pub step: usize,
    /// first and last prefix size measured
    pub first: usize,
    pub last: usize,
    /// V, nats², with the ends of its interval (0 where there is none)
    pub variance: f64,
    pub variance_low: f64,
    pub variance_high: f64,
    /// means over geometric bins
    pub k: Vec<f64>,
    pub delta: Vec<f64>,
    pub low: Vec<f64>,
    pub high: Vec<f64>,
    pub stairs: Stairs,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub theories: Vec<Theory>,
}

/// The prefix sizes whose Δ exceeds all later ones: they decide K by Definition 4 at every tolerance.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Stairs {
    pub k: Vec<usize>,
    pub delta: Vec<f64>,
}

/// A theory at means over geometric bins.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Theory {
    pub name: String,
    pub k: Vec<f64>,
    pub delta: Vec<f64>,
}

impl Stairs {
    fn new(sizes: &[usize], delta: &[f64]) -> Self {
        let mut largest = f64::NEG_INFINITY;
        let mut steps = vec![];
        for (&k, &d) in sizes.iter().zip(delta).rev() {
            if d > largest {
                largest = d;
                steps.push((k, d));
            }
        }
        let (k, delta) = steps.into_iter().rev().unzip();
        Self { k, delta }
    }
}

/// Six digits: more than a picture shows, a third of the bytes.
fn rounded(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

fn columns(points: &[(f64, f64)]) -> (Vec<f64>, Vec<f64>) {
    points.iter().map(|p| (rounded(p.0), rounded(p.1))).unzip()
}

impl Curve {
    /// The curve of a setting, with its theories.
    pub fn of(e: &Experiment, s: &Setting, title: &str) -> Self {
        let (k, delta) = columns(&thin(&e.sizes, |i| s.delta[i]));
        let around =
            |sign: f64| columns(&thin(&e.sizes, |i| s.delta[i] + sign * ERRORS * s.standard_error[i])).1;
        let (variance_low, variance_high) = variance_interval(absolute(e, &s.name), e.step);
        let theory = |t: &crate::gather::Theory| {
            let (k, delta) = columns(&thin(&t.sizes, |i| t.values[i]));
            Theory { name: t.name.clone(), k, delta }
        };
        Self {
            title: title.to_owned(),
            family: format!("{}, d = {}", sentences::basis(s.basis), s.dim),
            sigma: s.sigma,
            n_samples: e.data.n_samples,
            step: e.step,
            first: e.sizes[0],
            last: e.sizes[e.sizes.len() - 1],
            variance: s.variance,
            variance_low,
            variance_high,
            low: around(-1.0),
            high: around(1.0),
            k,
            delta,
            stairs: Stairs::new(&e.sizes, &s.delta.to_vec()),
            theories: s.theories.iter().map(theory).collect(),
        }
    }
}

/// K by the law, at the tolerances given in nats²: the interval of a relative one is that of V over the mean loss squared.
fn absolute<'a>(e: &'a Experiment, setting: &'a str) -> impl Iterator<Item = &'a SufficientRow> {
    e.rows_of(setting, "order-average").filter(|r| r.relative.is_none())
}

/// The interval of V that gave the intervals of K, from the largest K, whose rounding to a whole number of steps matters
/// least. K is the smallest k with `V < tolerance · k (k + s) / s`, so V lies between that at K − s and at K: `k²` is
/// the middle.
fn variance_interval<'a>(rows: impl Iterator<Item = &'a SufficientRow>, step: usize) -> (f64, f64) {
    let s = step as f64;
    let v = |tolerance: f64, k: usize| tolerance * (k as f64).powi(2) / s;
    let end =
        |row: &SufficientRow| Some((row.high?, v(row.tolerance, row.low?), v(row.tolerance, row.high?)));
    rows.filter_map(end).max_by_key(|e| e.0).map_or((0.0, 0.0), |e| (e.1, e.2))
}

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
        "directions": sentences::plane(grid.basis),
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
    let directions = sentences::plane(grid.basis);
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
    fn stairs_are_what_no_later_value_reaches() {
        let stairs = Stairs::new(&[10, 20, 30, 40, 50], &[5.0, 1.0, 3.0, 1.0, 1.0]);
        assert_eq!(stairs, Stairs { k: vec![10, 30, 50], delta: vec![5.0, 3.0, 1.0] });
    }

    #[test]
    fn the_interval_of_v_gives_the_interval_of_k_back() {
        let row = |tolerance: f64, low, high| SufficientRow {
            setting: "s".into(),
            method: "order-average".into(),
            tolerance,
            relative: None,
            status: "reached".into(),
            k: Some(1),
            low: Some(low),
            high: Some(high),
        };
        // V from 80 to 100, s = 1: k (k + 1) > V / tolerance
        let rows = [row(1e-2, 89, 100), row(1e-10, 894_427, 1_000_000)];
        let (low, high) = variance_interval(rows.iter(), 1);
        assert!((low / 80.0 - 1.0).abs() < 3e-6 && (high / 100.0 - 1.0).abs() < 3e-6, "{low} {high}");
        assert_eq!(variance_interval([].iter(), 1), (0.0, 0.0));
    }

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
