//! K, its interval and the samples at hand on one bar.

use crate::plot::chart::path;
use crate::text::numbers::{grouped, whole};
use crate::text::own::Own;
use crate::text::typeset::escaped;

/// Numbers of which one is so many times the other share a logarithmic bar.
const FAR: f64 = 12.0;

/// The bar of a number; `None` where there is no number. Places are in per cent of its width, so letters keep their size.
pub fn bar(own: &Own) -> Option<String> {
    let (k, n) = (own.k? as f64, own.n_samples as f64);
    let (low, high) = (own.low.map_or(k, |l| l as f64), own.high.map_or(k, |h| h as f64));
    let scale = Scale::of([k, n, low, high]);
    let (at_k, at_n) = (scale.at(k), scale.at(n));
    let begin = if own.or_fewer { 0.0 } else { scale.at(low) };
    // An interval without an upper end goes on beyond the bar.
    let end = if (own.low.is_some() || own.or_fewer) && own.high.is_none() { 100.0 } else { scale.at(high) };
    // A narrow interval is still seen.
    let width = (end - begin).max(0.4);
    let (needed, hand) = (own.number()?, grouped(own.n_samples));
    let name = escaped(&format!("{needed} samples are enough, {hand} are at hand"));
    let note = if scale.log {
        let first = whole(scale.first);
        format!("<text class=\"scale\" x=\"0\" y=\"80\">logarithmic, from {first}</text>")
    } else {
        String::new()
    };
    Some(format!(
        "<svg class=\"bar\" width=\"100%\" height=\"84\" role=\"img\" aria-label=\"{name}\">\
         <rect class=\"track\" x=\"0\" y=\"30\" width=\"100%\" height=\"14\" rx=\"7\"/>\
         <rect class=\"hand\" x=\"0\" y=\"30\" width=\"{at_n:.2}%\" height=\"14\" rx=\"7\"/>\
         <rect class=\"range\" x=\"{begin:.2}%\" y=\"24\" width=\"{width:.2}%\" height=\"26\" rx=\"2\"/>\
         <line class=\"mark\" x1=\"{at_k:.2}%\" x2=\"{at_k:.2}%\" y1=\"22\" y2=\"52\"/>\
         <text class=\"needed\" x=\"{at_k:.2}%\" y=\"15\" text-anchor=\"{}\">{needed} are enough</text>\
         <text x=\"{at_n:.2}%\" y=\"64\" text-anchor=\"{}\">{hand} at hand</text>{note}</svg>",
        anchor(at_k),
        anchor(at_n)
    ))
}

/// Where numbers lie on a bar with a tenth to spare.
struct Scale {
    log: bool,
    /// a power of ten, at which a logarithmic bar begins; else 0
    first: f64,
    most: f64,
}

impl Scale {
    fn of(values: [f64; 4]) -> Self {
        let least = values.into_iter().fold(f64::INFINITY, f64::min).max(1.0);
        let most = values.into_iter().fold(0.0, f64::max);
        let log = most / least > FAR;
        Self { log, first: if log { 10_f64.powf(least.log10().floor()) } else { 0.0 }, most }
    }

    /// Per cent of the width, to the two decimals that are written.
    fn at(&self, value: f64) -> f64 {
        let share = if self.log {
            (value.max(self.first) / self.first).log10() / (1.1 * (self.most / self.first).log10())
        } else {
            value / (1.1 * self.most)
        };
        format!("{:.2}", 100.0 * share).parse().expect("a number")
    }
}

/// The side of a name that lies on its place, such that the name stays on the bar.
fn anchor(at: f64) -> &'static str {
    if at < 12.0 {
        "start"
    } else if at > 75.0 {
        "end"
    } else {
        "middle"
    }
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
    let on_picture = places.iter().map(|(x, v)| (2.0 + 116.0 * (x - x0) / (x1 - x0), y(*v)));
    let path = path(&on_picture.collect::<Vec<_>>());
    Some(format!(
        "<svg class=\"spark\" viewBox=\"0 0 120 32\" width=\"120\" height=\"32\" role=\"img\" aria-label=\"{}\"><path d=\"{path}\"/></svg>",
        escaped(name)
    ))
}

#[cfg(test)]
mod tests {
    use records::bound::Status;

    use super::*;
    use crate::read::fixtures::assert_has;

    fn own(k: Option<usize>, ends: Option<(usize, usize)>, n_samples: usize) -> Own {
        let (low, high) = ends.unzip();
        Own {
            purpose: "p".into(),
            k,
            or_fewer: false,
            low,
            high,
            n_samples,
            status: Status::Reached,
            why: None,
        }
    }

    #[test]
    fn numbers_lie_on_the_bar_in_their_proportion() {
        let near = bar(&own(Some(550), Some((440, 660)), 1000)).unwrap();
        // 1,000 of 1,100 are at hand.
        assert_has(&near, &["class=\"hand\" x=\"0\" y=\"30\" width=\"90.91%\"", "x1=\"50.00%\""]);
        assert_has(&near, &["x=\"40.00%\" y=\"24\" width=\"20.00%\"", ">550 are enough<"]);
        let fewer = bar(&Own { or_fewer: true, ..own(Some(30), None, 240) }).unwrap();
        assert!(
            fewer.contains(">30 or fewer are enough<") && fewer.contains("class=\"range\" x=\"0.00%\""),
            "{fewer}"
        );
        let open = bar(&Own { low: Some(440), ..own(Some(1000), None, 1000) }).unwrap();
        assert_has(&open, &["x=\"40.00%\" y=\"24\" width=\"60.00%\""]);
        assert!(!near.contains("logarithmic") && bar(&own(None, None, 10)).is_none());
        // Decades 2 to 6 with a tenth to spare: 10^4 is at 2/4.4.
        let far = bar(&own(Some(1_000_000), None, 10_000)).unwrap();
        assert_has(&far, &["logarithmic, from 10,000", "x1=\"90.91%\""]);
    }

    #[test]
    fn a_small_curve_needs_two_places() {
        let text = spark(&[(1.0, 1.0), (10.0, 0.0), (100.0, 0.01)], "a<b").unwrap();
        assert_has(&text, &["d=\"M2.0 3.0L118.0 29.0\"", "a&lt;b"]);
        assert!(spark(&[(1.0, 1.0)], "a").is_none());
    }
}
