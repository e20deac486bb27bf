//! Panels as one SVG, and as the data from which the page draws them live.

use std::fmt::Write;
use std::ops::Range;

use serde_json::{Value, json};

use crate::plot::axis::{place, range, ticks};
use crate::plot::colours::{Ink, ink};
use crate::plot::panel::{Line, Panel, Style};
use crate::text::numbers::rounded;
use crate::text::typeset;

/// Width of a picture with one panel and with more, and height of its axes, pixels.
const WIDTHS: [f64; 2] = [760.0, 1160.0];
const HEIGHT: f64 = 400.0;
/// Room for ticks and names around the axes: left, right, above, below.
const ROOM: [f64; 4] = [78.0, 16.0, 38.0, 52.0];
/// Height of a row of the legend, length of its marks and the mean width of a letter.
const ROW: f64 = 22.0;
const MARK: f64 = 26.0;
const LETTER: f64 = 7.2;
/// Attributes of text that lies on lines.
const EDGED: &str =
    " class=\"edged\" stroke=\"#ffffff\" stroke-width=\"5\" stroke-linejoin=\"round\" paint-order=\"stroke\"";

/// Panels side by side as one SVG; the legend is below them, so that it covers no curve.
pub fn svg(panels: &[Panel]) -> String {
    let width = WIDTHS[usize::from(panels.len() > 1)];
    let legend = Legend::of(panels, width);
    let mut text = ground(width, HEIGHT + legend.height);
    let each = width / panels.len() as f64;
    for (i, panel) in panels.iter().enumerate() {
        Frame::of(panel, i as f64 * each, each).draw(panel, n_colours(panels), &mut text);
    }
    text + &legend.svg + "</svg>"
}

/// The beginning of a picture of that size.
pub fn ground(width: f64, height: f64) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         font-family=\"system-ui, 'Noto Sans', sans-serif\" font-size=\"13\"><rect class=\"ground\" width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>"
    )
}

/// How many colours the lines have.
fn n_colours(panels: &[Panel]) -> usize {
    panels.iter().flat_map(|p| &p.lines).map(|l| l.colour + 1).max().unwrap_or(1)
}

/// The panels in numbers: `x` of a line says which of `xs` its places are.
pub fn data(panels: &[Panel]) -> Value {
    let n = n_colours(panels);
    let column = |values: &mut dyn Iterator<Item = f64>| values.map(rounded).collect::<Vec<_>>();
    let mut xs = Vec::<Vec<f64>>::new();
    let mut one = |panel: &Panel| {
        let lines = panel.lines.iter().filter(|l| !l.points.is_empty()).map(|l| {
            let x = column(&mut l.points.iter().map(|p| p.0));
            let x = xs.iter().position(|known| *known == x).unwrap_or_else(|| {
                xs.push(x);
                xs.len() - 1
            });
            let Ink { hex, class } = ink(l.colour, n);
            let colour = if class.is_empty() { hex } else { format!("var(--{class})") };
            json!({"label": l.label, "style": l.style.name(), "colour": colour, "x": x, "y": column(&mut l.points.iter().map(|p| p.1))})
        });
        let lines = lines.collect::<Vec<_>>();
        let band = |of: fn(&(f64, f64, f64)) -> f64| column(&mut panel.band.iter().map(of));
        json!({
            "title": panel.title, "x": panel.x_label, "y": panel.y_label, "log": [panel.log_x, panel.log_y],
            "whole": [is_whole(panel, |p| p.0), is_whole(panel, |p| p.1)], "lines": lines,
            "band": [band(|b| b.0), band(|b| b.1), band(|b| b.2)], "levels": panel.levels,
        })
    };
    let panels = panels.iter().map(&mut one).collect::<Vec<_>>();
    json!({"panels": panels, "xs": xs})
}

/// Whether an axis counts things.
fn is_whole(panel: &Panel, of: fn(&(f64, f64)) -> f64) -> bool {
    let mut values = panel.lines.iter().flat_map(|l| &l.points).map(of).filter(|v| v.is_finite());
    values.all(|v| v.fract() == 0.0)
}

/// The entries of the legend, one per name: marks and names in rows below the panels.
struct Legend {
    svg: String,
    height: f64,
}

impl Legend {
    fn of(panels: &[Panel], width: f64) -> Self {
        let mut lines = Vec::<&Line>::new();
        for line in
            panels.iter().flat_map(|p| &p.lines).filter(|l| !l.label.is_empty() && !l.points.is_empty())
        {
            if lines.iter().all(|known| known.label != line.label) {
                lines.push(line);
            }
        }
        if lines.len() < 2 {
            return Self { svg: String::new(), height: 0.0 };
        }
        let n = n_colours(panels);
        // Of lines in several colours the mark has none.
        let coloured = |line: &Line| {
            let mut same = panels.iter().flat_map(|p| &p.lines).filter(|l| l.label == line.label);
            if same.all(|l| l.colour == line.colour) {
                return ink(line.colour, n);
            }
            Ink { hex: "#000000".to_owned(), class: "ink".to_owned() }
        };
        let (mut svg, mut x, mut y) = (String::new(), ROOM[0], HEIGHT + 8.0);
        for line in lines {
            let long = MARK + 8.0 + LETTER * line.label.chars().count() as f64;
            if x + long > width && x > ROOM[0] {
                (x, y) = (ROOM[0], y + ROW);
            }
            let mark = [(x, y), (x + MARK / 2.0, y), (x + MARK, y)];
            let mark = if line.style == Style::Points { &mark[1..2] } else { &mark[..] };
            put(line.style, &[mark.to_vec()], &coloured(line), &mut svg);
            label(&mut svg, (x + MARK + 6.0, y + 4.5), "", &line.label);
            x += long + 18.0;
        }
        Self { svg, height: y - HEIGHT + ROW / 2.0 + 4.0 }
    }
}

/// Axes of one panel on the picture.
struct Frame {
    xs: Range<f64>,
    ys: Range<f64>,
    left: f64,
    width: f64,
    log: (bool, bool),
}

impl Frame {
    fn of(panel: &Panel, left: f64, width: f64) -> Self {
        let log = (panel.log_x, panel.log_y);
        let at = |p: &(f64, f64)| {
            let at = (place(p.0, log.0), place(p.1, log.1));
            (at.0.is_finite() && at.1.is_finite()).then_some(at)
        };
        let points = panel.lines.iter().flat_map(|l| l.points.iter().filter_map(at)).collect::<Vec<_>>();
        let levels = panel.levels.iter().map(|l| place(l.0, log.1));
        Self {
            xs: range(points.iter().map(|p| p.0)),
            ys: range(points.iter().map(|p| p.1).chain(levels).chain(edges(panel))),
            left,
            width,
            log,
        }
    }

    fn inner(&self) -> [f64; 4] {
        [self.left + ROOM[0], self.left + self.width - ROOM[1], ROOM[2], HEIGHT - ROOM[3]]
    }

    /// Pixels of a value; `None` where it has no place.
    fn at(&self, (x, y): (f64, f64)) -> Option<(f64, f64)> {
        let [left, right, top, bottom] = self.inner();
        let (x, y) = (place(x, self.log.0), place(y, self.log.1));
        let share = |v: f64, r: &Range<f64>| (v - r.start) / (r.end - r.start);
        let at = (left + share(x, &self.xs) * (right - left), bottom - share(y, &self.ys) * (bottom - top));
        (at.0.is_finite() && at.1.is_finite()).then_some(at)
    }

    /// Runs of a line between the places where it has no value.
    fn runs(&self, line: &Line) -> Vec<Vec<(f64, f64)>> {
        let places = line.points.iter().map(|p| self.at(*p)).collect::<Vec<_>>();
        places
            .split(Option::is_none)
            .filter(|run| !run.is_empty())
            .map(|run| run.iter().copied().flatten().collect())
            .collect()
    }

    fn draw(&self, panel: &Panel, n: usize, out: &mut String) {
        self.draw_axes(panel, out);
        let [left, right, top, bottom] = self.inner();
        // A picture in the picture clips what is outside the axes, without a name that another figure might have.
        let (width, height) = (right - left, bottom - top);
        let _ = write!(
            out,
            "<svg aria-hidden=\"true\" x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" viewBox=\"{left} {top} {width} {height}\">"
        );
        // The lower edge of a band on a logarithmic axis may be at 0, which has no place: it then ends at the axis.
        let low = panel.band.iter().filter_map(|&(x, low, high)| {
            Some((self.at((x, high))?.0, self.at((x, low)).map_or(bottom, |p| p.1)))
        });
        let high = panel.band.iter().rev().filter_map(|&(x, _, high)| self.at((x, high)));
        let outline = low.chain(high).collect::<Vec<_>>();
        if !outline.is_empty() {
            let Ink { hex, class } = ink(0, n);
            let _ = write!(
                out,
                "<path class=\"fill {class}\" d=\"{}Z\" fill=\"{hex}\" opacity=\"0.2\"/>",
                path(&outline)
            );
        }
        for line in &panel.lines {
            put(line.style, &self.runs(line), &ink(line.colour, n), out);
        }
        *out += "</svg>";
        let levels = panel.levels.iter().filter_map(|(value, name)| Some((self.at((1.0, *value))?.1, name)));
        let levels = levels.collect::<Vec<_>>();
        for (y, _) in &levels {
            let _ = write!(
                out,
                "<path class=\"ink\" d=\"M{left} {y:.1}H{right}\" stroke=\"#000000\" stroke-dasharray=\"2 4\"/>"
            );
        }
        // Above all lines, with an edge in the colour of the ground.
        for (y, name) in &levels {
            // Below its own line, where the next above is so near that both names would lie on each other.
            let is_below = levels.iter().any(|(other, _)| other < y && y - other < ROW / 2.0 + 3.0);
            label(out, (left + 6.0, if is_below { y + 14.0 } else { y - 4.0 }), EDGED, name);
        }
    }

    fn draw_axes(&self, panel: &Panel, out: &mut String) {
        let [left, right, top, bottom] = self.inner();
        let title = (self.left + ROOM[0], 24.0);
        label(out, title, " font-size=\"16\" font-weight=\"600\"", &panel.title);
        for (at, name) in ticks(&self.xs, self.log.0, is_whole(panel, |p| p.0), 7) {
            let x = left + (at - self.xs.start) / (self.xs.end - self.xs.start) * (right - left);
            let _ = write!(out, "<path class=\"grid\" d=\"M{x:.1} {top}V{bottom}\" stroke=\"#e3e7eb\"/>");
            label(out, (x, bottom + 18.0), " text-anchor=\"middle\"", &name);
        }
        for (at, name) in ticks(&self.ys, self.log.1, is_whole(panel, |p| p.1), 8) {
            let y = bottom - (at - self.ys.start) / (self.ys.end - self.ys.start) * (bottom - top);
            let _ = write!(out, "<path class=\"grid\" d=\"M{left} {y:.1}H{right}\" stroke=\"#e3e7eb\"/>");
            label(out, (left - 7.0, y + 4.5), " text-anchor=\"end\"", &name);
        }
        let _ = write!(
            out,
            "<path class=\"ink\" d=\"M{left} {top}V{bottom}H{right}\" fill=\"none\" stroke=\"#000000\"/>"
        );
        label(out, (f64::midpoint(left, right), HEIGHT - 12.0), " text-anchor=\"middle\"", &panel.x_label);
        let (x, y) = (self.left + 16.0, f64::midpoint(top, bottom));
        label(
            out,
            (x, y),
            &format!(" text-anchor=\"middle\" transform=\"rotate(-90 {x} {y})\""),
            &panel.y_label,
        );
    }
}

/// Where the edges of the band lie on the y axis. On a logarithmic one the upper only: the lower may come near 0, many decades down.
fn edges(panel: &Panel) -> impl Iterator<Item = f64> + Clone {
    let edges =
        panel.band.iter().flat_map(|&(_, low, high)| if panel.log_y { [high, high] } else { [low, high] });
    edges.map(|edge| place(edge, panel.log_y)).filter(|place| place.is_finite())
}

fn label(out: &mut String, (x, y): (f64, f64), attributes: &str, text: &str) {
    let _ = write!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\"{attributes}>{}</text>", typeset::svg(text));
}

/// The line through places in pixels, as `d` of a path has it.
pub fn path(points: &[(f64, f64)]) -> String {
    let one = |(i, (x, y)): (usize, &(f64, f64))| format!("{}{x:.1} {y:.1}", if i == 0 { "M" } else { "L" });
    points.iter().enumerate().map(one).collect()
}

/// Runs of a line, or its points; a run of one place is a dot.
fn put(style: Style, runs: &[Vec<(f64, f64)>], Ink { hex, class }: &Ink, out: &mut String) {
    let dots = style == Style::Points;
    let one = |run: &Vec<(f64, f64)>| match run.as_slice() {
        all if dots => all.iter().map(|(x, y)| format!("M{x:.1} {y:.1}h0")).collect(),
        [(x, y)] => format!("M{x:.1} {y:.1}h0"),
        all => path(all),
    };
    let d = runs.iter().map(one).collect::<String>();
    let (width, dash) = match style {
        Style::Solid => ("2", ""),
        Style::Dashed => ("2", " stroke-dasharray=\"7 5\""),
        Style::Points => ("6", ""),
    };
    let _ = write!(
        out,
        "<path class=\"{class}\" d=\"{d}\" fill=\"none\" stroke=\"{hex}\" stroke-width=\"{width}\" stroke-linecap=\"round\" stroke-linejoin=\"round\"{dash}/>"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::panel::line;

    #[test]
    fn a_band_fits_into_its_panel() {
        let panel = |log_y| Panel { band: vec![(1.0, 1e-9, 100.0)], log_y, ..Panel::default() };
        assert_eq!(edges(&panel(false)).collect::<Vec<_>>(), [1e-9, 100.0]);
        assert!(edges(&panel(true)).all(|place| (place - 2.0).abs() < 1e-12));
    }

    #[test]
    fn what_has_no_place_is_not_drawn() {
        let points = vec![(1.0, 1.0), (10.0, 0.0), (100.0, 0.1), (1000.0, 0.01)];
        let panel = Panel {
            log_x: true,
            log_y: true,
            lines: vec![line("a", points, Style::Solid, 0)],
            ..Panel::default()
        };
        let frame = Frame::of(&panel, 0.0, 760.0);
        let runs = frame.runs(&panel.lines[0]);
        assert_eq!(runs.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2]);
        // The middle of the decades 0 to 3 with their margin is the middle of the axis.
        let middle = frame.at((10_f64.powf(1.5), 0.1)).unwrap();
        assert!(
            (middle.0 - f64::midpoint(78.0, 744.0)).abs() < 1e-9
                && (middle.1 - f64::midpoint(38.0, 348.0)).abs() < 1e-9
        );
        assert!(svg(&[panel]).contains("h0M"), "a value between two gaps is a dot");
    }

    #[test]
    fn the_name_of_a_level_near_another_stands_below_its_line() {
        let levels = [1.0, 1.01, 2.0].map(|v| (v, "level".to_owned())).to_vec();
        let points = vec![(1.0, 0.0), (2.0, 3.0)];
        let text =
            svg(&[Panel { levels, lines: vec![line("a", points, Style::Solid, 0)], ..Panel::default() }]);
        assert_eq!(text.matches(">level<").count(), 3);
        // From the line of a level, which begins with `M`, to its name.
        let y = |text: &str| {
            text.split(" y=\"").nth(1).unwrap().split('"').next().unwrap().parse::<f64>().unwrap()
        };
        let names = text.split("<text").filter(|t| t.contains(">level<")).map(y).collect::<Vec<_>>();
        assert!(names[0] - names[1] > 14.0 && names[1] - names[2] > 14.0, "{names:?}");
    }

    #[test]
    fn the_legend_has_each_name_once_and_stands_below() {
        let of = |label: &str, points: &[(f64, f64)]| line(label, points.to_vec(), Style::Solid, 0);
        let some = [(1.0, 1.0), (2.0, 2.0)];
        let lines =
            || vec![of("a<b>", &some), of("c", &some), of("a<b>", &some), of("", &some), of("none", &[])];
        let panels =
            [Panel { lines: lines(), ..Panel::default() }, Panel { lines: lines(), ..Panel::default() }];
        let text = svg(&panels);
        assert_eq!(text.matches("a&lt;b&gt;").count(), 1);
        assert!(!text.contains(">none<") && Legend::of(&panels, 760.0).height > 0.0);
        assert!(
            Legend::of(&[Panel { lines: vec![of("a", &some)], ..Panel::default() }], 760.0).svg.is_empty()
        );
    }

    #[test]
    fn the_page_draws_the_same_numbers() {
        let lines = vec![
            line("a", vec![(1.0, 0.123_456_789), (2.0, f64::NAN)], Style::Dashed, 1),
            line("b", vec![(1.0, 3.0), (2.0, 4.0)], Style::Points, 0),
        ];
        let found = data(&[Panel { lines, levels: vec![(0.5, "l".into())], ..Panel::default() }]);
        assert_eq!(found["xs"], json!([[1.0, 2.0]]));
        let panel = &found["panels"][0];
        assert_eq!(
            panel["lines"][0],
            json!({"label": "a", "style": "dashed", "colour": "var(--c1)", "x": 0, "y": [0.123_457, null]})
        );
        assert_eq!((&panel["whole"], &panel["levels"]), (&json!([true, false]), &json!([[0.5, "l"]])));
    }
}
