//! What a chart shows: panels of lines.

use std::fmt::Write;

/// How a line is drawn.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Style {
    Solid,
    Dashed,
    Points,
}

impl Style {
    /// As the scripts of the page call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Solid => "solid",
            Self::Dashed => "dashed",
            Self::Points => "points",
        }
    }
}

/// One line of a panel.
pub struct Line {
    /// its entry of the legend, which lines may share
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
    /// horizontal lines with their names
    pub levels: Vec<(f64, String)>,
}

/// One line of a panel.
pub fn line(label: &str, points: Vec<(f64, f64)>, style: Style, colour: usize) -> Line {
    Line { label: label.to_owned(), points, style, colour }
}

/// A pair of axes without lines.
pub fn axes(title: &str, x_label: &str, y_label: &str) -> Panel {
    Panel { title: title.into(), x_label: x_label.into(), y_label: y_label.into(), ..Panel::default() }
}

/// Logarithmic axes of Δ_k over k.
pub fn delta_axes(title: &str, y_label: &str) -> Panel {
    Panel { log_x: true, log_y: true, ..axes(title, "prefix size k (samples)", y_label) }
}

/// (rank, value) from rank 1 on.
pub fn ranked(values: impl IntoIterator<Item = f64>) -> Vec<(f64, f64)> {
    (1..).map(f64::from).zip(values).collect()
}

/// (k, value) at k in geometric steps.
pub fn geometric(first: f64, last: f64, value: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
    let k = (0..=60).map(|i| first * (last / first).powf(f64::from(i) / 60.0));
    k.map(|k| (k, value(k))).collect()
}

/// Points of a curve that are drawn; the tables hold all.
pub const DRAWN_POINTS: usize = 300;

/// Means over at most [`DRAWN_POINTS`] bins of k that grow geometrically.
pub fn thin(sizes: &[usize], curve: impl Fn(usize) -> f64) -> Vec<(f64, f64)> {
    let ratio = (sizes[sizes.len() - 1] as f64 / sizes[0] as f64).powf(1.0 / DRAWN_POINTS as f64);
    let (mut points, mut begin) = (vec![], 0);
    while begin < sizes.len() {
        let limit = sizes[begin] as f64 * ratio;
        let end = begin + sizes[begin..].iter().take_while(|&&k| (k as f64) < limit).count().max(1);
        let n = (end - begin) as f64;
        let mean_k = sizes[begin..end].iter().sum::<usize>() as f64 / n;
        points.push((mean_k, (begin..end).map(&curve).sum::<f64>() / n));
        begin = end;
    }
    points
}

/// Every plotted number.
pub fn csv(panels: &[Panel]) -> String {
    let mut text = "panel,line,x,y\n".to_owned();
    for panel in panels {
        let mut row = |line: &str, x: f64, y: f64| {
            let clean = |s: &str| s.replace(',', ";");
            writeln!(text, "{},{},{x},{y}", clean(&panel.title), clean(line)).expect("writing to a string");
        };
        for line in &panel.lines {
            line.points.iter().for_each(|&(x, y)| row(&line.label, x, y));
        }
        panel.band.iter().for_each(|&(x, low, _)| row("lower edge of the band", x, low));
        panel.band.iter().for_each(|&(x, _, high)| row("upper edge of the band", x, high));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_short_curves_and_means_of_long_ones() {
        let sizes = [10, 20, 30];
        assert_eq!(thin(&sizes, |i| i as f64), [(10.0, 0.0), (20.0, 1.0), (30.0, 2.0)]);
        let sizes = (1..=100_000).collect::<Vec<_>>();
        let thinned = thin(&sizes, |i| (i % 2) as f64);
        assert!((200..=DRAWN_POINTS).contains(&thinned.len()), "{} points", thinned.len());
        // Means of at least a hundred values each, half of them 1, but for the rest in the last bin.
        assert!(thinned[150..thinned.len() - 1].iter().all(|p| (p.1 - 0.5).abs() <= 0.005), "{thinned:?}");
    }

    #[test]
    fn the_table_has_the_band_too() {
        let panel = Panel {
            title: "a, b".into(),
            lines: vec![line("c", vec![(1.0, 2.0)], Style::Solid, 0)],
            band: vec![(1.0, 1.5, 2.5)],
            ..Panel::default()
        };
        let table = "panel,line,x,y\na; b,c,1,2\na; b,lower edge of the band,1,1.5\na; b,upper edge of the band,1,2.5\n";
        assert_eq!(csv(&[panel]), table);
    }
}
