//! Landscapes over two directions, as pairs of 3D surfaces.

use anyhow::Result;
use ndarray::{Array1, ArrayView2};
use plotters::prelude::*;

use crate::chart::short;

/// Viridis at nine places (Smith & van der Walt 2015): grows in lightness, safe for colour-blind readers.
const VIRIDIS: [(u8, u8, u8); 9] = [
    (68, 1, 84),
    (71, 44, 122),
    (59, 81, 139),
    (44, 113, 142),
    (33, 144, 141),
    (39, 173, 129),
    (92, 200, 99),
    (170, 220, 50),
    (253, 231, 37),
];

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
    let (first, last) = (surface.axis[0], surface.axis[surface.axis.len() - 1]);
    let mut chart = ChartBuilder::on(area)
        .caption(&surface.title, ("sans-serif", 19))
        .margin(16)
        .build_cartesian_3d(first..last, low..top, first..last)?;
    chart.with_projection(|mut p| {
        p.pitch = 0.42;
        p.yaw = 0.65;
        p.scale = 0.82;
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
    let step = (last - first) / (surface.axis.len() as f64 - 1.0);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a place on the axis
    let index = |v: f64| (((v - first) / step).round() as usize).min(surface.axis.len() - 1);
    let height = |x: f64, z: f64| surface.heights[[index(x), index(z)]];
    let colour = |h: &f64| viridis((h - low) / (top - low)).mix(0.92).filled();
    let axis = surface.axis.to_vec();
    chart.draw_series(
        SurfaceSeries::xoz(axis.iter().copied(), axis.iter().copied(), height).style_func(&colour),
    )?;
    let labels = [
        ("θ1 (parameter units)", (first + 0.28 * (last - first), low, last + 0.4 * (last - first))),
        ("θ2", (last + 0.22 * (last - first), low, f64::midpoint(first, last))),
    ];
    for (text, place) in labels {
        chart.draw_series(std::iter::once(Text::new(text, place, ("sans-serif", 14))))?;
    }
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

/// The colour of a fraction between 0 and 1.
fn viridis(fraction: f64) -> RGBColor {
    let place = fraction.clamp(0.0, 1.0) * (VIRIDIS.len() - 1) as f64;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // between 0 and 7
    let below = (place as usize).min(VIRIDIS.len() - 2);
    let part = place - below as f64;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // between two bytes
    let mix = |a: u8, b: u8| (f64::from(a) + part * (f64::from(b) - f64::from(a))).round() as u8;
    let (a, b) = (VIRIDIS[below], VIRIDIS[below + 1]);
    RGBColor(mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_run_from_dark_to_light() {
        assert_eq!(viridis(0.0), RGBColor(68, 1, 84));
        assert_eq!(viridis(1.0), RGBColor(253, 231, 37));
        assert_eq!(viridis(0.5), RGBColor(33, 144, 141));
    }
}
