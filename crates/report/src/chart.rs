//! Line charts on linear or logarithmic axes as SVG, and any SVG as PNG.

use std::ops::Range;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use resvg::{tiny_skia, usvg};

/// Colours that colour-blind readers can tell apart (Okabe & Ito 2008).
const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(90, 90, 90),
    RGBColor(150, 120, 40),
];

/// Pixels of the legend's marks.
const MARK: i32 = 22;

/// How a line is drawn.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Style {
    Solid,
    Dashed,
    Points,
}

/// One line of a panel.
pub struct Line {
    pub label: String,
    pub points: Vec<(f64, f64)>,
    pub style: Style,
    /// which of the colours
    pub colour: usize,
}

/// One pair of axes.
#[derive(Default)]
pub struct Panel {
    pub title: String,
    pub x_label: String,
    pub y_label: String,
    pub log_x: bool,
    pub log_y: bool,
    pub lines: Vec<Line>,
    /// (x, low, high) around the first line
    pub band: Vec<(f64, f64, f64)>,
    /// whether the curves rise, so that the legend goes below them
    pub rises: bool,
    /// horizontal lines with their names
    pub levels: Vec<(f64, String)>,
}

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

/// A place on an axis: the value, or its decimal logarithm.
fn place(value: f64, log: bool) -> f64 {
    if log { value.log10() } else { value }
}

fn drawable(panel: &Panel, (x, y): (f64, f64)) -> Option<(f64, f64)> {
    let at = (place(x, panel.log_x), place(y, panel.log_y));
    (at.0.is_finite() && at.1.is_finite()).then_some(at)
}

fn range(values: impl Iterator<Item = f64> + Clone) -> Range<f64> {
    let low = values.clone().fold(f64::INFINITY, f64::min);
    let high = values.fold(f64::NEG_INFINITY, f64::max);
    if !low.is_finite() || !high.is_finite() {
        return 0.0..1.0;
    }
    let margin = if high > low { 0.05 * (high - low) } else { 0.5 * high.abs().max(1.0) };
    low - margin..high + margin
}

/// An axis of values, or of decimal logarithms whose ticks are round values.
struct Scale {
    range: Range<f64>,
    log: bool,
}

impl Ranged for Scale {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        RangedCoordf64::from(self.range.clone()).map(value, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if self.log {
            round_powers(&self.range, hint.max_num_points())
        } else {
            RangedCoordf64::from(self.range.clone()).key_points(hint)
        }
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

impl ValueFormatter<f64> for Scale {
    fn format_ext(&self, place: &f64) -> String {
        tick_label(*place, self.log)
    }
}

/// Decimal logarithms of round values: 1, 2 and 5 in each decade where the decades are few, else each n-th decade.
fn round_powers(range: &Range<f64>, most: usize) -> Vec<f64> {
    #[allow(clippy::cast_possible_truncation)] // some decades
    let (first, last) = (range.start.floor() as i32, range.end.ceil() as i32);
    let among = |digits: &[f64]| {
        let all = (first..=last).flat_map(|decade| digits.iter().map(move |d| f64::from(decade) + d.log10()));
        all.filter(|place| range.contains(place)).collect::<Vec<_>>()
    };
    let steps: [&[f64]; 3] = [&[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0], &[1.0, 2.0, 5.0], &[1.0]];
    if let Some(fits) = steps.iter().map(|digits| among(digits)).find(|places| places.len() <= most) {
        return fits;
    }
    let decades = among(&[1.0]);
    let every = decades.len().div_ceil(most.max(1)).max(1);
    decades.into_iter().step_by(every).collect()
}

/// Where the edges of the band lie on the y axis. On a logarithmic one the upper only: the lower may come near 0, many decades down.
fn edges(panel: &Panel) -> impl Iterator<Item = f64> + Clone {
    let edges =
        panel.band.iter().flat_map(|&(_, low, high)| if panel.log_y { [high, high] } else { [low, high] });
    edges.map(|edge| place(edge, panel.log_y)).filter(|place| place.is_finite())
}

fn draw(panel: &Panel, area: &DrawingArea<SVGBackend, Shift>) -> Result<()> {
    let lines =
        panel.lines.iter().map(|l| l.points.iter().filter_map(|&p| drawable(panel, p)).collect::<Vec<_>>());
    let lines = lines.collect::<Vec<_>>();
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
            Scale { range: ys.clone(), log: panel.log_y },
        )?;
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
    draw_band(panel, &mut chart)?;
    for (line, points) in panel.lines.iter().zip(lines) {
        if points.is_empty() {
            continue; // nothing of it was measured, so the legend does not name it
        }
        let colour = COLOURS[line.colour % COLOURS.len()];
        let stroke = colour.stroke_width(2);
        let drawn = match line.style {
            Style::Solid => chart.draw_series(LineSeries::new(points, stroke))?,
            Style::Dashed => chart.draw_series(DashedLineSeries::new(points, 7, 4, stroke))?,
            Style::Points => {
                chart.draw_series(points.into_iter().map(|p| Circle::new(p, 3, colour.filled())))?
            }
        };
        if line.label.is_empty() {
            continue; // a further line of what the legend names already
        }
        let parts = match line.style {
            Style::Solid => vec![(0, MARK)],
            Style::Dashed => vec![(0, MARK / 3), (2 * MARK / 3, MARK)],
            Style::Points => vec![(MARK / 2 - 3, MARK / 2 + 3)],
        };
        drawn.label(&line.label).legend(move |(x, y)| {
            let part = |i: usize| {
                let (from, to) = parts[i.min(parts.len() - 1)];
                PathElement::new([(from, 0), (to, 0)], colour.stroke_width(if to - from < 7 { 6 } else { 3 }))
            };
            EmptyElement::at((x, y)) + part(0) + part(1)
        });
    }
    for (value, name) in &panel.levels {
        let y = place(*value, panel.log_y);
        let ends = [(xs.start, y), (xs.end, y)];
        chart.draw_series(DashedLineSeries::new(ends, 2, 4, BLACK.stroke_width(1)))?;
        let style = TextStyle::from(("sans-serif", 13)).pos(Pos::new(HPos::Left, VPos::Bottom));
        chart.draw_series(std::iter::once(Text::new(format!(" {name}"), (xs.start, y), style)))?;
    }
    if panel.lines.iter().filter(|l| !l.label.is_empty()).count() > 1 {
        let corner =
            if panel.rises { SeriesLabelPosition::LowerRight } else { SeriesLabelPosition::UpperRight };
        chart
            .configure_series_labels()
            .position(corner)
            .background_style(WHITE.mix(0.82))
            .border_style(BLACK.mix(0.2))
            .label_font(("sans-serif", 13))
            .legend_area_size(MARK + 8)
            .draw()?;
    }
    Ok(())
}

type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<Scale, Scale>>;

fn draw_band(panel: &Panel, chart: &mut Chart) -> Result<()> {
    let low = panel.band.iter().filter_map(|&(x, low, _)| drawable(panel, (x, low)));
    let high = panel.band.iter().rev().filter_map(|&(x, _, high)| drawable(panel, (x, high)));
    let outline = low.chain(high).collect::<Vec<_>>();
    if !outline.is_empty() {
        chart.draw_series(std::iter::once(Polygon::new(outline, COLOURS[0].mix(0.22))))?;
    }
    Ok(())
}

/// A value at its place on an axis: powers of ten as `1e-4`, others with two digits.
pub fn tick_label(place: f64, log: bool) -> String {
    let value = if log { 10_f64.powf(place) } else { place };
    short(value)
}

/// A number in at most seven characters, with a minus sign where it is negative.
pub fn short(value: f64) -> String {
    let magnitude = value.abs();
    if value < 0.0 {
        return format!("−{}", short(magnitude));
    }
    // What rounds to 0.01 is written so.
    if value == 0.0 {
        "0".to_owned()
    } else if (1000.0..10_000.0).contains(&magnitude) {
        let text = format!("{value:.0}");
        let (thousands, rest) = text.split_at(text.len() - 3);
        format!("{thousands},{rest}")
    } else if (0.009_95..10_000.0).contains(&magnitude) {
        let digits = if magnitude >= 100.0 {
            0
        } else if magnitude >= 10.0 {
            1
        } else {
            3
        };
        let text = format!("{value:.digits$}");
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
    } else {
        let text = format!("{value:.1e}");
        text.replace(".0e", "e")
    }
}

/// A value with its error: both to the second digit of the error where that fits, such as `154.3 ± 9.1`.
pub fn with_error(value: f64, error: f64) -> String {
    let last = 1.0 - error.log10().floor();
    if !(error > 0.0 && last <= 5.0 && value.abs() < 10_000.0) {
        return format!("{} ± {}", short(value), short(error));
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 0 to 5
    let digits = last.max(0.0) as usize;
    let fixed = |v: f64| if digits == 0 && v.abs() >= 1000.0 { short(v) } else { format!("{v:.digits$}") };
    format!("{} ± {}", fixed(value), fixed(error)).replace('-', "−")
}

/// A fraction in per cent, small ones too without an exponent.
pub fn percent(fraction: f64) -> String {
    let value = 100.0 * fraction;
    if !(1e-6..0.01).contains(&value) {
        return format!("{} %", short(value));
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 3 to 7
    let digits = (1.0 - value.log10().floor()) as usize;
    format!("{} %", format!("{value:.digits$}").trim_end_matches('0'))
}

/// The picture as PNG, `scale` pixels per unit, with an embedded font: no font of the system is needed.
pub fn png(svg: &str, scale: f64) -> Result<Vec<u8>> {
    let mut options = usvg::Options { font_family: "Noto Sans".to_owned(), ..usvg::Options::default() };
    let fonts = options.fontdb_mut();
    fonts.load_font_data(notosans::REGULAR_TTF.to_vec());
    fonts.set_sans_serif_family("Noto Sans");
    let tree = usvg::Tree::from_str(svg, &options)?;
    #[allow(clippy::cast_possible_truncation)] // a scale, and a picture of a few thousand pixels
    let scale = scale as f32;
    let size = tree.size().to_int_size().scale_by(scale).ok_or_else(|| anyhow!("a picture of no size"))?;
    let mut pixels =
        tiny_skia::Pixmap::new(size.width(), size.height()).ok_or_else(|| anyhow!("a picture too large"))?;
    resvg::render(&tree, tiny_skia::Transform::from_scale(scale, scale), &mut pixels.as_mut());
    Ok(pixels.encode_png()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_short() {
        assert_eq!(tick_label(-4.0, true), "1e-4");
        assert_eq!(tick_label(2.0, true), "100");
        assert_eq!(tick_label(0.25, false), "0.25");
        assert_eq!(tick_label(-7.5, true), "3.2e-8");
        assert_eq!(short(0.0), "0");
        assert_eq!(short(12_345.0), "1.2e4");
        assert_eq!(short(1253.4), "1,253");
        assert_eq!(short(-0.0672), "−0.067");
        assert_eq!((short(0.009_96), short(0.0099)), ("0.01".to_owned(), "9.9e-3".to_owned()));
    }

    #[test]
    fn a_band_fits_into_its_panel() {
        let panel = |log_y| Panel { band: vec![(1.0, 1e-9, 100.0)], log_y, ..Panel::default() };
        assert_eq!(edges(&panel(false)).collect::<Vec<_>>(), [1e-9, 100.0]);
        assert!(edges(&panel(true)).all(|place| (place - 2.0).abs() < 1e-12));
    }

    #[test]
    fn ticks_of_a_logarithmic_axis_are_round_values() {
        let labels = |low: f64, high: f64, most| {
            let places = round_powers(&(low.log10()..high.log10()), most);
            places.iter().map(|p| tick_label(*p, true)).collect::<Vec<_>>()
        };
        assert_eq!(labels(120.0, 2300.0, 7), ["200", "500", "1,000", "2,000"]);
        assert_eq!(labels(0.16, 0.52, 8), ["0.2", "0.3", "0.4", "0.5"]);
        assert_eq!(labels(0.9, 2e5, 7), ["1", "10", "100", "1,000", "1e4", "1e5"]);
        assert_eq!(labels(0.9e-12, 2.0, 7), ["1e-12", "1e-10", "1e-8", "1e-6", "1e-4", "0.01", "1"]);
    }

    #[test]
    fn a_value_and_its_error_have_the_same_digits() {
        let cases = [
            ((154.3, 9.135), "154.3 ± 9.1"),
            ((1252.7, 31.9), "1,253 ± 32"),
            ((0.0112, 0.0037), "0.0112 ± 0.0037"),
            ((-2.468, 0.626), "−2.47 ± 0.63"),
            ((0.868, 7.1e-5), "0.868 ± 7.1e-5"),
            ((1960.0, 307.4), "1,960 ± 307"),
            ((0.5, 0.0), "0.5 ± 0"),
        ];
        for ((value, error), text) in cases {
            assert_eq!(with_error(value, error), text);
        }
    }

    #[test]
    fn per_cent_has_no_exponent() {
        let all = [0.001, 1e-5, 3.713e-5, 0.916, 0.95, 0.0].map(percent);
        assert_eq!(all, ["0.1 %", "0.001 %", "0.0037 %", "91.6 %", "95 %", "0 %"]);
    }

    #[test]
    fn a_picture_has_text_in_both_forms() {
        let line = |style| Line {
            label: "line".into(),
            points: vec![(1.0, 1.0), (10.0, 0.01), (100.0, 0.0)],
            style,
            colour: 0,
        };
        let panel = |log| Panel {
            title: "Title".into(),
            x_label: "samples".into(),
            y_label: "nats".into(),
            log_x: log,
            log_y: log,
            lines: vec![line(Style::Solid), line(Style::Dashed)],
            ..Panel::default()
        };
        let svg = svg(&[panel(true), panel(false)]).unwrap();
        assert!(svg.contains("Title") && svg.contains("samples"));
        let with_text = png(&svg, 1.0).unwrap();
        let without = png(&svg.replace("Title", "").replace("samples", ""), 1.0).unwrap();
        assert_ne!(with_text, without, "the font draws");
    }
}
