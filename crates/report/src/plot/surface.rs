//! Landscapes over two directions, as pairs of 3D surfaces.

use std::fmt::Write;

use ndarray::{Array1, ArrayView2};

use crate::plot::axis::ticks;
use crate::plot::chart::ground;
use crate::plot::colours::mixed;
use crate::text::typeset;

/// One surface.
pub struct Surface<'a> {
    pub title: String,
    /// (G,)
    pub axis: &'a Array1<f64>,
    /// (G, G)
    pub heights: ArrayView2<'a, f64>,
}

/// Width and height of one surface, pixels; what the unit cube is scaled by, and where its middle lies.
const PLATE: (f64, f64) = (580.0, 470.0);
const SCALE: f64 = 330.0;
const MIDDLE: (f64, f64) = (300.0, 255.0);
/// Quads along each axis: more are not told apart in a still picture.
const MOST_QUADS: usize = 24;
/// Turn about the vertical axis, and tilt towards the reader, radians.
const VIEW: (f64, f64) = (0.65, 0.42);
/// Colours from low to high (viridis).
const COLOURS: [[f64; 3]; 6] = [
    [68.0, 1.0, 84.0],
    [65.0, 68.0, 135.0],
    [42.0, 120.0, 142.0],
    [34.0, 168.0, 132.0],
    [122.0, 209.0, 81.0],
    [253.0, 231.0, 37.0],
];

/// Surfaces side by side as one SVG.
pub fn svg(surfaces: &[Surface]) -> String {
    let mut text = ground(PLATE.0 * surfaces.len() as f64, PLATE.1);
    for (i, surface) in surfaces.iter().enumerate() {
        let _ = write!(text, "<g transform=\"translate({} 0)\">", PLATE.0 * i as f64);
        draw(surface, &mut text);
        text += "</g>";
    }
    text + "</svg>"
}

/// Pixels of a place, and how near it is, in the cube of side 1 around the origin; y points up.
fn project([x, y, z]: [f64; 3]) -> ([f64; 2], f64) {
    let ((sin, cos), (tilt_sin, tilt_cos)) = (VIEW.0.sin_cos(), VIEW.1.sin_cos());
    let (across, near) = (x * cos - z * sin, x * sin + z * cos);
    let up = y * tilt_cos - near * tilt_sin;
    ([MIDDLE.0 + SCALE * across, MIDDLE.1 - SCALE * up], near * tilt_cos + y * tilt_sin)
}

fn draw(surface: &Surface, out: &mut String) {
    let (low, high) = extremes(surface.heights);
    let top = if high > low { high } else { low + 1.0 };
    let (first, last) = (surface.axis[0], surface.axis[surface.axis.len() - 1]);
    // The first direction to the right, the second away from the reader.
    let place = |a: f64, b: f64, height: f64| {
        [
            (a - first) / (last - first) - 0.5,
            0.7 * ((height - low) / (top - low) - 0.5),
            0.5 - (b - first) / (last - first),
        ]
    };
    text(out, [16.0, 24.0], " font-size=\"16\" font-weight=\"600\"", &surface.title);
    let mut line = |from: [f64; 3], to: [f64; 3], kind: &str| {
        let ([x0, y0], [x1, y1]) = (project(from).0, project(to).0);
        let stroke = if kind == "grid" { "#e3e7eb" } else { "#000000" };
        let _ = write!(
            out,
            "<path class=\"{kind}\" d=\"M{x0:.0} {y0:.0}L{x1:.0} {y1:.0}\" stroke=\"{stroke}\"/>"
        );
    };
    let marks = ticks(&(first..last + 1e-9 * (last - first)), false, false, 4);
    for (at, _) in &marks {
        line(place(*at, first, low), place(*at, last, low), "grid");
        line(place(first, *at, low), place(last, *at, low), "grid");
    }
    for (from, to) in
        [((first, first), (last, first)), ((last, first), (last, last)), ((first, first), (first, last))]
    {
        line(place(from.0, from.1, low), place(to.0, to.1, low), "ink");
    }
    line(place(first, first, low), place(first, first, top), "ink");
    quads(surface, &|a, b, h| project(place(a, b, h)), (low, top), out);
    let beyond = 0.09 * (last - first);
    for (at, name) in marks {
        text(out, project(place(at, first - beyond, low)).0, " text-anchor=\"middle\"", &name);
        text(out, project(place(last + beyond, at, low)).0, " text-anchor=\"middle\"", &name);
    }
    let middle = f64::midpoint(first, last);
    let names = [
        (place(middle, first - 2.6 * beyond, low), "θ_1 (parameter units)"),
        (place(last + 2.2 * beyond, middle, low), "θ_2"),
    ];
    for (at, name) in names {
        text(out, project(at).0, " text-anchor=\"middle\"", name);
    }
    for (at, name) in ticks(&(low..top), false, false, 5) {
        let [x, y] = project(place(first, first, at)).0;
        text(out, [x - 8.0, y + 4.0], " text-anchor=\"end\"", &name);
    }
}

/// The surface between neighbouring points, the far ones first.
fn quads(
    surface: &Surface,
    at: &dyn Fn(f64, f64, f64) -> ([f64; 2], f64),
    (low, top): (f64, f64),
    out: &mut String,
) {
    let (axis, heights) = (surface.axis, surface.heights);
    let last = axis.len() - 1;
    let step = last.div_ceil(MOST_QUADS).max(1);
    let places = (0..last).step_by(step).chain([last]).collect::<Vec<_>>();
    let edges = || places.windows(2).map(|w| (w[0], w[1]));
    let mut all = vec![];
    for ((a, a2), (b, b2)) in edges().flat_map(|a| edges().map(move |b| (a, b))) {
        let corners = [(a, b), (a2, b), (a2, b2), (a, b2)];
        let places = corners.map(|(a, b)| at(axis[a], axis[b], heights[[a, b]]));
        let height = corners.iter().map(|&corner| heights[corner]).sum::<f64>() / 4.0;
        let depth = places.iter().map(|p| p.1).sum::<f64>();
        all.push((depth, places.map(|p| p.0), height));
    }
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    *out += "<g stroke=\"#ffffff\" stroke-opacity=\".25\" stroke-width=\".5\">";
    for (_, [p, rest @ ..], height) in all {
        let steps = rest.map(|q| format!("L{:.0} {:.0}", q[0], q[1])).concat();
        let fill = colour((height - low) / (top - low));
        let _ = write!(out, "<path d=\"M{:.0} {:.0}{steps}Z\" fill=\"{fill}\"/>", p[0], p[1]);
    }
    *out += "</g>";
}

/// The colour of a height from 0 to 1.
fn colour(height: f64) -> String {
    mixed(&COLOURS, height.clamp(0.0, 1.0) * (COLOURS.len() - 1) as f64)
}

fn text(out: &mut String, [x, y]: [f64; 2], attributes: &str, text: &str) {
    let _ = write!(out, "<text x=\"{x:.0}\" y=\"{y:.0}\"{attributes}>{}</text>", typeset::svg(text));
}

/// Smallest and largest height.
pub fn extremes(heights: ArrayView2<f64>) -> (f64, f64) {
    heights.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &h| (low.min(h), high.max(h)))
}

/// How many heights, edges of the grid aside, are above all eight neighbours or below all of them: 1 or 0 for a bowl.
pub fn inner_extrema(heights: ArrayView2<f64>) -> usize {
    let extreme = |window: &ArrayView2<f64>| {
        let neighbours = || window.indexed_iter().filter(|(at, _)| *at != (1, 1)).map(|(_, h)| h);
        neighbours().all(|h| *h < window[[1, 1]]) || neighbours().all(|h| *h > window[[1, 1]])
    };
    if heights.nrows() < 3 || heights.ncols() < 3 {
        return 0;
    }
    heights.windows((3, 3)).into_iter().filter(extreme).count()
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;

    #[test]
    fn what_is_near_covers_what_is_far() {
        // The first direction runs to the right and towards the reader; height goes up on the page.
        let ([left, _], _) = project([-0.5, 0.0, 0.0]);
        let ([right, low], _) = project([0.5, 0.0, 0.0]);
        let ([_, high], _) = project([0.5, 0.5, 0.0]);
        assert!(left < right && high < low);
        let axis = array![-1.0, 0.0, 1.0];
        let heights = Array2::from_shape_fn((3, 3), |(a, b)| (a + b) as f64);
        let text = svg(&[Surface { title: "L_k".into(), axis: &axis, heights: heights.view() }]);
        assert_eq!(text.matches("Z\" fill=").count(), 4);
        // Corner (0, 0) is lowest, corner (2, 2) highest.
        let [lowest, highest] = [0.25, 0.75].map(|h| text.find(&colour(h)).unwrap());
        assert!(lowest != highest && text.contains("L<tspan"));
        // 60 intervals in steps of three.
        let axis = Array1::linspace(-1.0, 1.0, 61);
        let flat = Array2::zeros((61, 61));
        let text = svg(&[Surface { title: String::new(), axis: &axis, heights: flat.view() }]);
        assert_eq!(text.matches("Z\" fill=").count(), 20 * 20);
    }
}
