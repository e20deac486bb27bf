//! Panels side by side as one SVG.

use std::ops::Range;

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::plot::axis::{Scale, place, range};
use crate::plot::colours::COLOURS;
use crate::plot::panel::{Line, Panel, Style};

/// Pixels of the legend's marks.
const MARK: i32 = 22;

/// Panels side by side as one SVG.
pub fn svg(panels: &[Panel]) -> Result<String> {
    let width = if panels.len() == 1 { 760 } else { 1160 };
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, (width, 470)).into_drawing_area();
        area.fill(&WHITE)?;
        for (panel, area) in panels.iter().zip(area.split_evenly((1, panels.len()))) {
            draw(panel, &area)?;
        }
        area.present()?;
    }
    Ok(text)
}

fn drawable(panel: &Panel, (x, y): (f64, f64)) -> Option<(f64, f64)> {
    let at = (place(x, panel.log_x), place(y, panel.log_y));
    (at.0.is_finite() && at.1.is_finite()).then_some(at)
}

/// Where the edges of the band lie on the y axis. On a logarithmic one the upper only: the lower may come near 0, many decades down.
fn edges(panel: &Panel) -> impl Iterator<Item = f64> + Clone {
    let edges =
        panel.band.iter().flat_map(|&(_, low, high)| if panel.log_y { [high, high] } else { [low, high] });
    edges.map(|edge| place(edge, panel.log_y)).filter(|place| place.is_finite())
}

type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<Scale, Scale>>;

fn draw(panel: &Panel, area: &DrawingArea<SVGBackend, Shift>) -> Result<()> {
    let places = |line: &Line| line.points.iter().filter_map(|&p| drawable(panel, p)).collect::<Vec<_>>();
    let lines = panel.lines.iter().map(places).collect::<Vec<_>>();
    let levels = panel.levels.iter().map(|l| place(l.0, panel.log_y));
    let xs = range(lines.iter().flatten().map(|p| p.0));
    let ys = range(lines.iter().flatten().map(|p| p.1).chain(levels).chain(edges(panel)));
    let mut chart = ChartBuilder::on(area)
        .caption(&panel.title, ("sans-serif", 19))
        .margin(14)
        .x_label_area_size(46)
        .y_label_area_size(78)
        .build_cartesian_2d(
            Scale { range: xs.clone(), log: panel.log_x },
            Scale { range: ys, log: panel.log_y },
        )?;
    draw_mesh(panel, &mut chart)?;
    draw_band(panel, &mut chart)?;
    for (line, points) in panel.lines.iter().zip(lines) {
        // Of an empty line nothing was measured, so the legend does not name it.
        if !points.is_empty() {
            draw_line(line, points, &mut chart)?;
        }
    }
    for (value, name) in &panel.levels {
        draw_level(place(*value, panel.log_y), name, &xs, &mut chart)?;
    }
    if panel.lines.iter().filter(|l| !l.label.is_empty()).count() > 1 {
        draw_legend(panel.rises, &mut chart)?;
    }
    Ok(())
}

fn draw_mesh(panel: &Panel, chart: &mut Chart) -> Result<()> {
    chart
        .configure_mesh()
        .x_desc(&panel.x_label)
        .y_desc(&panel.y_label)
        .x_labels(7)
        .y_labels(8)
        .label_style(("sans-serif", 14))
        .axis_desc_style(("sans-serif", 15))
        .light_line_style(WHITE.mix(0.0))
        .bold_line_style(BLACK.mix(0.12))
        .draw()?;
    Ok(())
}

fn draw_line<'a, 'b: 'a>(line: &Line, points: Vec<(f64, f64)>, chart: &mut Chart<'a, 'b>) -> Result<()> {
    let colour = COLOURS[line.colour % COLOURS.len()];
    let stroke = colour.stroke_width(2);
    let (drawn, parts) = match line.style {
        Style::Solid => (chart.draw_series(LineSeries::new(points, stroke))?, vec![(0, MARK)]),
        Style::Dashed => (
            chart.draw_series(DashedLineSeries::new(points, 7, 4, stroke))?,
            vec![(0, MARK / 3), (2 * MARK / 3, MARK)],
        ),
        Style::Points => (
            chart.draw_series(points.into_iter().map(|p| Circle::new(p, 3, colour.filled())))?,
            vec![(MARK / 2 - 3, MARK / 2 + 3)],
        ),
    };
    if line.label.is_empty() {
        return Ok(()); // a further line of what the legend names already
    }
    drawn.label(&line.label).legend(move |(x, y)| {
        let part = |i: usize| {
            let (from, to) = parts[i.min(parts.len() - 1)];
            PathElement::new([(from, 0), (to, 0)], colour.stroke_width(if to - from < 7 { 6 } else { 3 }))
        };
        EmptyElement::at((x, y)) + part(0) + part(1)
    });
    Ok(())
}

fn draw_level(y: f64, name: &str, xs: &Range<f64>, chart: &mut Chart) -> Result<()> {
    let ends = [(xs.start, y), (xs.end, y)];
    chart.draw_series(DashedLineSeries::new(ends, 2, 4, BLACK.stroke_width(1)))?;
    let style = TextStyle::from(("sans-serif", 13)).pos(Pos::new(HPos::Left, VPos::Bottom));
    chart.draw_series(std::iter::once(Text::new(format!(" {name}"), (xs.start, y), style)))?;
    Ok(())
}

fn draw_legend<'a, 'b: 'a>(rises: bool, chart: &mut Chart<'a, 'b>) -> Result<()> {
    let corner = if rises { SeriesLabelPosition::LowerRight } else { SeriesLabelPosition::UpperRight };
    chart
        .configure_series_labels()
        .position(corner)
        .background_style(WHITE.mix(0.82))
        .border_style(BLACK.mix(0.2))
        .label_font(("sans-serif", 13))
        .legend_area_size(MARK + 8)
        .draw()?;
    Ok(())
}

fn draw_band(panel: &Panel, chart: &mut Chart) -> Result<()> {
    let low = panel.band.iter().filter_map(|&(x, low, _)| drawable(panel, (x, low)));
    let high = panel.band.iter().rev().filter_map(|&(x, _, high)| drawable(panel, (x, high)));
    let outline = low.chain(high).collect::<Vec<_>>();
    if !outline.is_empty() {
        chart.draw_series(std::iter::once(Polygon::new(outline, COLOURS[0].mix(0.22))))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_band_fits_into_its_panel() {
        let panel = |log_y| Panel { band: vec![(1.0, 1e-9, 100.0)], log_y, ..Panel::default() };
        assert_eq!(edges(&panel(false)).collect::<Vec<_>>(), [1e-9, 100.0]);
        assert!(edges(&panel(true)).all(|place| (place - 2.0).abs() < 1e-12));
    }
}
