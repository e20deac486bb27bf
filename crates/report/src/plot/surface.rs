//! Landscapes over two directions, as pairs of 3D surfaces.

use anyhow::Result;
use ndarray::{Array1, ArrayView2};
use plotters::prelude::*;

use crate::text::numbers::short;

/// One surface.
pub struct Surface<'a> {
    pub title: String,
    /// (G,)
    pub axis: &'a Array1<f64>,
    /// (G, G)
    pub heights: ArrayView2<'a, f64>,
}

/// Surfaces side by side as one SVG.
pub fn svg(surfaces: &[Surface]) -> Result<String> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, (1160, 500)).into_drawing_area();
        area.fill(&WHITE)?;
        for (surface, area) in surfaces.iter().zip(area.split_evenly((1, surfaces.len()))) {
            draw(surface, &area)?;
        }
        area.present()?;
    }
    Ok(text)
}

fn draw(surface: &Surface, area: &DrawingArea<SVGBackend, plotters::coord::Shift>) -> Result<()> {
    let (low, high) = extremes(surface.heights);
    let top = if high > low { high } else { low + 1.0 };
    let axis = surface.axis.to_vec();
    let (first, last) = (axis[0], axis[axis.len() - 1]);
    let mut chart = ChartBuilder::on(area)
        .caption(&surface.title, ("sans-serif", 19))
        .margin(16)
        .build_cartesian_3d(first..last, low..top, first..last)?;
    chart.with_projection(|mut p| {
        (p.pitch, p.yaw, p.scale) = (0.42, 0.65, 0.82);
        p.into_matrix()
    });
    chart
        .configure_axes()
        .light_grid_style(BLACK.mix(0.06))
        .bold_grid_style(BLACK.mix(0.12))
        .label_style(("sans-serif", 13))
        .x_formatter(&|v| short(*v))
        .y_formatter(&|v| short(*v))
        .z_formatter(&|v| short(*v))
        .draw()?;
    let step = (last - first) / (axis.len() as f64 - 1.0);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a place on the axis
    let index = |v: f64| (((v - first) / step).round() as usize).min(axis.len() - 1);
    let height = |x: f64, z: f64| surface.heights[[index(x), index(z)]];
    let colour = |h: &f64| ViridisRGB.get_color_normalized(*h, low, top).mix(0.92).filled();
    let places = || axis.iter().copied();
    chart.draw_series(SurfaceSeries::xoz(places(), places(), height).style_func(&colour))?;
    let labels = [
        ("θ1 (parameter units)", (first + 0.28 * (last - first), low, last + 0.4 * (last - first))),
        ("θ2", (last + 0.22 * (last - first), low, f64::midpoint(first, last))),
    ];
    chart.draw_series(labels.map(|(text, place)| Text::new(text, place, ("sans-serif", 14))))?;
    Ok(())
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
