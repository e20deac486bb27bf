//! K, its interval and the samples at hand on one bar.

use std::fmt::Write;

use crate::text::numbers::grouped;
use crate::text::own::Own;
use crate::text::typeset::escaped;

/// Numbers of which one is so many times the other share a logarithmic bar.
const FAR: f64 = 12.0;

/// The bar of a number; `None` where there is no number. Places are in per cent of its width, so letters keep their size.
pub fn bar(own: &Own) -> Option<String> {
    let k = own.k? as f64;
    let n = own.n_samples as f64;
    let (low, high) = (own.low.map_or(k, |l| l as f64), own.high.map_or(k, |h| h as f64));
    let (least, most) = (k.min(n).min(low).max(1.0), k.max(n).max(high));
    let log = most / least > FAR;
    let first = if log { 10_f64.powf(least.log10().floor()) } else { 0.0 };
    let at = |v: f64| {
        let share = if log {
            (v.max(first) / first).log10() / (1.1 * (most / first).log10())
        } else {
            v / (1.1 * most)
        };
        format!("{:.2}%", 100.0 * share)
    };
    let anchor = |v: f64| {
        let share = at(v).trim_end_matches('%').parse::<f64>().unwrap_or(0.0);
        if share < 12.0 {
            "start"
        } else if share > 75.0 {
            "end"
        } else {
            "middle"
        }
    };
    let hand = grouped(own.n_samples);
    let name = format!("{} samples are enough, {hand} are at hand", grouped(own.k?));
    let mut svg = format!(
        "<svg class=\"bar\" width=\"100%\" height=\"84\" role=\"img\" aria-label=\"{}\">",
        escaped(&name)
    );
    let _ = write!(svg, "<rect class=\"track\" x=\"0\" y=\"30\" width=\"100%\" height=\"14\" rx=\"7\"/>");
    let _ = write!(svg, "<rect class=\"hand\" x=\"0\" y=\"30\" width=\"{}\" height=\"14\" rx=\"7\"/>", at(n));
    // An interval narrower than this is still seen.
    let width = |from: f64, to: f64| {
        let of = |v: f64| at(v).trim_end_matches('%').parse::<f64>().unwrap_or(0.0);
        // An interval without an upper end goes on beyond the bar.
        let end = if own.low.is_some() && own.high.is_none() { 100.0 } else { of(to) };
        format!("{:.2}%", (end - of(from)).max(0.4))
    };
    let _ = write!(
        svg,
        "<rect class=\"range\" x=\"{}\" y=\"24\" width=\"{}\" height=\"26\" rx=\"2\"/>",
        at(low),
        width(low, high)
    );
    let _ = write!(svg, "<line class=\"mark\" x1=\"{0}\" x2=\"{0}\" y1=\"22\" y2=\"52\"/>", at(k));
    let _ = write!(
        svg,
        "<text class=\"needed\" x=\"{}\" y=\"15\" text-anchor=\"{}\">{} are enough</text>",
        at(k),
        anchor(k),
        grouped(own.k?)
    );
    let _ = write!(svg, "<text x=\"{}\" y=\"64\" text-anchor=\"{}\">{hand} at hand</text>", at(n), anchor(n));
    if log {
        let _ = write!(
            svg,
            "<text class=\"scale\" x=\"0\" y=\"80\">logarithmic, from {}</text>",
            grouped_up(first)
        );
    }
    Some(svg + "</svg>")
}

/// A power of ten in full.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // below 2^52
fn grouped_up(value: f64) -> String {
    grouped(value.round() as usize)
}

/// A curve in the size of a word; both axes are logarithmic.
pub fn spark(points: &[(f64, f64)], name: &str) -> Option<String> {
    let places = points.iter().filter(|p| p.0 > 0.0 && p.1 > 0.0).map(|p| (p.0.log10(), p.1.log10()));
    let places = places.filter(|p| p.0.is_finite() && p.1.is_finite()).collect::<Vec<_>>();
    let least = |of: fn(&(f64, f64)) -> f64| places.iter().map(of).fold(f64::INFINITY, f64::min);
    let most = |of: fn(&(f64, f64)) -> f64| places.iter().map(of).fold(f64::NEG_INFINITY, f64::max);
    let ((x0, x1), (y0, y1)) = ((least(|p| p.0), most(|p| p.0)), (least(|p| p.1), most(|p| p.1)));
    if x1 <= x0 {
        return None;
    }
    let y = |v: f64| if y1 > y0 { 29.0 - 26.0 * (v - y0) / (y1 - y0) } else { 16.0 };
    let step = |(i, (x, v)): (usize, &(f64, f64))| {
        format!("{}{:.1} {:.1}", if i == 0 { "M" } else { "L" }, 2.0 + 116.0 * (x - x0) / (x1 - x0), y(*v))
    };
    let path = places.iter().enumerate().map(step).collect::<String>();
    Some(format!(
        "<svg class=\"spark\" viewBox=\"0 0 120 32\" width=\"120\" height=\"32\" role=\"img\" aria-label=\"{}\"><path d=\"{path}\"/></svg>",
        escaped(name)
    ))
}

#[cfg(test)]
mod tests {
    use records::bound::Status;

    use super::*;

    fn own(k: Option<usize>, ends: Option<(usize, usize)>, n_samples: usize) -> Own {
        let (low, high) = ends.unzip();
        Own { purpose: "p".into(), k, low, high, n_samples, status: Status::Reached, why: None }
    }

    #[test]
    fn numbers_lie_on_the_bar_in_their_proportion() {
        let near = bar(&own(Some(550), Some((440, 660)), 1000)).unwrap();
        // 1,000 of 1,100 are at hand.
        for part in [
            "class=\"hand\" x=\"0\" y=\"30\" width=\"90.91%\"",
            "x1=\"50.00%\"",
            "x=\"40.00%\" y=\"24\" width=\"20.00%\"",
            ">550 are enough<",
        ] {
            assert!(near.contains(part), "{part} in {near}");
        }
        let open = bar(&Own { low: Some(440), ..own(Some(1000), None, 1000) }).unwrap();
        assert!(open.contains("x=\"40.00%\" y=\"24\" width=\"60.00%\""), "{open}");
        assert!(!near.contains("logarithmic") && bar(&own(None, None, 10)).is_none());
        // Decades 2 to 6 with a tenth to spare: 10^4 is at 2/4.4.
        let far = bar(&own(Some(1_000_000), None, 10_000)).unwrap();
        assert!(far.contains("logarithmic, from 10,000") && far.contains("x1=\"90.91%\""), "{far}");
    }

    #[test]
    fn a_small_curve_needs_two_places() {
        let text = spark(&[(1.0, 1.0), (10.0, 0.0), (100.0, 0.01)], "a<b").unwrap();
        assert!(text.contains("d=\"M2.0 3.0L118.0 29.0\"") && text.contains("a&lt;b"), "{text}");
        assert!(spark(&[(1.0, 1.0)], "a").is_none());
    }
}
