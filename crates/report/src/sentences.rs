//! The sentences of the page. Each is made of measured values, and its wording changes with them.

use records::Which;

use crate::chart::{self, short};
use crate::gather::{Basis, Comparison, Exponent, Model, Spectrum, SufficientRow};

/// Mean over 50 networks that the paper printed (figure 1).
pub const PAPER_EIGENVALUES: [f64; 10] =
    [3.909, 2.356, 1.877, 1.488, 1.252, 1.036, 0.856, 0.693, 0.565, 0.454];
/// Δ_k m² over m = k/64 along one eigen-direction at σ = 1 (figure 8).
pub const PAPER_HESSIAN_CONSTANT: f64 = 2.47;
/// The same for random directions at σ ≤ 1 (figures 4 and 5).
pub const PAPER_RANDOM_CONSTANT: f64 = 1.1e-4;

/// A whole number with commas between thousands.
pub fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of samples that is a mean or a solution, as a whole number.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // not negative, and below 2^53
pub fn grouped_f(k: f64) -> String {
    if k < 1e15 { grouped(k.round() as usize) } else { short(k) }
}

/// A share in per cent with so many decimals; what is neither none nor all is never rounded to it.
pub fn share(fraction: f64, digits: usize) -> String {
    let fixed = |per_cent: f64| format!("{per_cent:.digits$} %");
    let (text, least) = (fixed(100.0 * fraction), 0.1_f64.powi(digits.try_into().expect("a few digits")));
    if fraction > 0.0 && text == fixed(0.0) {
        format!("less than {}", fixed(least))
    } else if fraction < 1.0 && text == fixed(100.0) {
        format!("more than {}", fixed(100.0 - least))
    } else {
        text
    }
}

/// A number with so many decimals and a minus sign.
pub fn decimals(value: f64, digits: usize) -> String {
    format!("{value:.digits$}").replace('-', "−")
}

/// `1 direction`, `2 directions`.
pub fn count(n: usize, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{} {one}s", grouped(n)) }
}

/// How many of some have a property: `none has`, `1 has`, `2 have`.
pub fn have(n: usize) -> String {
    match n {
        0 => "none has".to_owned(),
        1 => "1 has".to_owned(),
        n => format!("{} have", grouped(n)),
    }
}

/// A tolerance in the words it was given in.
pub fn tolerance(row: &SufficientRow) -> String {
    match row.relative {
        Some(r) => format!("{} of the mean perturbed loss", chart::percent(r)),
        None => format!("{} nats²", short(row.tolerance)),
    }
}

/// The answer at one tolerance: by the closed form with its interval, and by the single stored order.
pub fn answer(average: &SufficientRow, single: &SufficientRow, n_samples: usize) -> String {
    let tolerance = tolerance(average);
    let k = average.k.unwrap_or_default();
    let interval = match (average.low, average.high) {
        (Some(low), Some(high)) => format!(" (interval {} to {})", grouped(low), grouped(high)),
        _ => String::new(),
    };
    let law = match average.status.as_str() {
        "reached" => {
            format!("{} {} enough{interval}", count(k, "sample"), if k == 1 { "is" } else { "are" })
        }
        "extrapolated" => format!(
            "the {} samples at hand are not enough; about {} would be{interval}, extrapolated by the 1/k² law",
            grouped(n_samples),
            grouped(k)
        ),
        status => format!("the law gives no number ({status})"),
    };
    let order = match single.k {
        Some(k) => format!("in the one order that was measured, from {} on", grouped(k)),
        None => "in the one order that was measured, not reached".to_owned(),
    };
    format!("For a change below {tolerance}, {law}; {order}.")
}

/// The answer at all tolerances, in one sentence: K by the closed form of the average over orders.
pub fn headline(rows: &[&SufficientRow], n_samples: usize) -> String {
    let one = |row: &&SufficientRow| {
        let k = row.k.map_or_else(|| "no number".to_owned(), grouped);
        let interval = match (row.low, row.high) {
            (Some(low), Some(high)) => format!(" [{}, {}]", grouped(low), grouped(high)),
            _ => String::new(),
        };
        let beyond = match row.status.as_str() {
            "reached" => String::new(),
            "extrapolated" => format!(", more than the {} at hand", grouped(n_samples)),
            status => format!(", {status}"),
        };
        format!("{k}{interval} for a change below {}{beyond}", tolerance(row))
    };
    format!("Samples that are enough: {}.", rows.iter().map(one).collect::<Vec<_>>().join("; "))
}

/// Which curve the numbers are of.
pub fn setting_note(setting: &str) -> String {
    format!(
        "All rows are of the setting `{setting}`; order-average is the closed form of the average over all orders of the samples."
    )
}

/// A basis in words.
pub fn basis(basis: Basis) -> &'static str {
    match basis {
        Basis::Eigenvectors(_) => "Hessian",
        Basis::Given => "given",
        Basis::Random => "random",
        Basis::Filter => "filter-normalised",
    }
}

/// `directions` by the place that they have in the basis: `top 2 Hessian directions`.
pub fn placed(basis: Basis, directions: &str) -> String {
    match basis {
        Basis::Eigenvectors(Which::LargestAlgebraic) => format!("top {directions}"),
        Basis::Eigenvectors(Which::LargestMagnitude) => format!("top {directions} by magnitude"),
        Basis::Eigenvectors(Which::SmallestAlgebraic) => format!("bottom {directions}"),
        Basis::Given => format!("first {directions}"),
        Basis::Random | Basis::Filter => directions.to_owned(),
    }
}

/// Where the directions come from.
pub fn origin(s: &Spectrum) -> String {
    match s.basis {
        Basis::Given => "The directions are those of eigen.basis.".to_owned(),
        _ => format!(
            "The eigenvalues took {} over all samples.",
            count(s.n_products, "Hessian-vector product")
        ),
    }
}

/// The two directions of a landscape, in words.
pub fn plane(of: Basis) -> String {
    let two = placed(of, &format!("two {} directions", basis(of)));
    if matches!(of, Basis::Eigenvectors(_) | Basis::Given) { format!("the {two}") } else { two }
}

/// The eigenvalue that comes first, in words.
fn first_of(which: Which) -> &'static str {
    match which {
        Which::LargestAlgebraic => "largest eigenvalue",
        Which::LargestMagnitude => "eigenvalue of largest magnitude",
        Which::SmallestAlgebraic => "smallest eigenvalue",
    }
}

/// The first eigenvalue of the smallest prefix beside that of the largest.
pub fn prefix_spectrum(s: &Spectrum) -> String {
    let (first, last) = (s.prefix_eigenvalues[[0, 0]], s.prefix_eigenvalues[[s.prefix_sizes.len() - 1, 0]]);
    let ratio = first / last;
    let verdict = if (0.9..=1.1).contains(&ratio) {
        "within a tenth of".to_owned()
    } else if ratio > 1.0 {
        format!("{} times", short(ratio))
    } else {
        format!("a fraction of {} of", short(ratio))
    };
    format!(
        "The {} is {} at k = {}, {verdict} the {} at k = {}.",
        first_of(s.which),
        short(first),
        grouped(s.prefix_sizes[0]),
        short(last),
        grouped(s.prefix_sizes[s.prefix_sizes.len() - 1])
    )
}

/// Where the experiments of the comparison stand: smallest and largest K of `rows`, all at one tolerance.
pub fn comparison(rows: &[(&str, &SufficientRow)]) -> String {
    let Some((_, first)) = rows.first() else {
        return "No experiment has a report yet; each family has a page of its own.".to_owned();
    };
    let known = rows.iter().filter_map(|(name, row)| Some((*name, row.k?, row.status.as_str())));
    let mut known = known.collect::<Vec<_>>();
    known.sort_by_key(|(_, k, _)| *k);
    let number = |(_, k, status): &(&str, usize, &str)| match *status {
        "extrapolated" => format!("{}, extrapolated", grouped(*k)),
        _ => grouped(*k),
    };
    let told = match known.as_slice() {
        [] => "no experiment has a number".to_owned(),
        [only] => {
            format!("only {} has a number ({}), so there is none to compare it with", only.0, number(only))
        }
        [least, .., most] if least.1 < most.1 => format!(
            "{} needs the fewest samples ({}) and {} the most ({}): a factor of {}",
            least.0,
            number(least),
            most.0,
            number(most),
            short(most.1 as f64 / least.1 as f64)
        ),
        all => {
            let names = all.iter().map(|known| known.0).collect::<Vec<_>>().join(", ");
            format!("{names} need the same number of samples ({})", number(&all[0]))
        }
    };
    let without = rows.iter().filter(|(_, row)| row.k.is_none()).map(|(name, _)| *name).collect::<Vec<_>>();
    let none = if without.is_empty() || known.is_empty() {
        String::new()
    } else {
        format!("; no number for {}", without.join(", "))
    };
    format!("For a change below {}, {told}{none}.", tolerance(first))
}

/// A note where experiments differ in s, the samples of one step; empty where all have the same.
pub fn steps(experiments: &[(&str, usize)]) -> String {
    let mut sizes = experiments.iter().map(|e| e.1).collect::<Vec<_>>();
    sizes.sort_unstable();
    sizes.dedup();
    if sizes.len() < 2 {
        return String::new();
    }
    let of = |s: &usize| {
        let names = experiments.iter().filter(|e| e.1 == *s).map(|e| e.0).collect::<Vec<_>>();
        format!("{} in {}", count(*s, "sample"), names.join(", "))
    };
    let all = sizes.iter().map(of).collect::<Vec<_>>().join("; ");
    format!(" Their steps differ, and a larger step changes more: {all}.")
}

/// How well the network fits.
pub fn model(model: &Model) -> String {
    let accuracy = |split: &str, accuracy: Option<f64>| accuracy.map(|a| format!("{} {split}", share(a, 2)));
    let both = [
        accuracy("of the training samples", model.train_accuracy),
        accuracy("of the test samples", model.test_accuracy),
    ];
    let both = both.into_iter().flatten().collect::<Vec<_>>().join(" and ");
    let right = if both.is_empty() { String::new() } else { format!("; it classifies {both} right") };
    format!(
        "The network stopped at a loss of {} nats with gradient norm {} (0 at a true minimiser){right}.",
        short(model.train_loss),
        short(model.gradient_norm)
    )
}

/// Figure 1.
pub fn spectrum(s: &Spectrum, compare: Option<&Model>) -> String {
    let first = s.eigenvalues[0];
    let largest_residual = s.residuals.iter().fold(0.0_f64, |m, &r| m.max(r));
    let residual = short(largest_residual / first.abs());
    let rest = match *s.eigenvalues.to_vec() {
        [_] => format!("; its residual is {residual} of it"),
        [.., last] => format!(
            ", the {} of these is {}; no residual exceeds {residual} of the first",
            ordinal(s.eigenvalues.len()),
            short(last)
        ),
        [] => unreachable!("at least one pair is solved for"),
    };
    let name = match s.basis {
        Basis::Given => "Rayleigh quotient of the first given direction with",
        _ => &format!("{} of", first_of(s.which)),
    };
    let own = format!("The {name} H(w*) is {}{rest}.", short(first));
    let Some(model) = compare else { return own };
    let tenth = s
        .eigenvalues
        .get(9)
        .map_or(String::new(), |e| format!(" and {} times the tenth", short(e / PAPER_EIGENVALUES[9])));
    format!(
        "{own} The paper printed {} to {} as the mean of 50 networks; this one network has {} times its first{tenth}. \
         Known reasons: that is a mean over 50 networks and this is one; the paper's power iteration returns the norm of Hv, which has no sign; \
         and the Hessian is taken where training stopped, here at a loss of {} nats with gradient norm {}, while the paper prints neither. \
         How much each contributes is not known.",
        PAPER_EIGENVALUES[0],
        PAPER_EIGENVALUES[9],
        short(first / PAPER_EIGENVALUES[0]),
        short(model.train_loss),
        short(model.gradient_norm),
    )
}

fn ordinal(n: usize) -> String {
    match (n % 10, n % 100) {
        (1, r) if r != 11 => format!("{n}st"),
        (2, r) if r != 12 => format!("{n}nd"),
        (3, r) if r != 13 => format!("{n}rd"),
        _ => format!("{n}th"),
    }
}

/// The fitted exponent of Δ_k.
///
/// `of`: the curve where the figure has several, such as ` of 2 random directions`.
pub fn exponent(exponent: Option<&Exponent>, of: &str, confidence: f64, compare: bool) -> String {
    let Some(e) = exponent else {
        return "There are too few prefix sizes with a change to fit an exponent.".to_owned();
    };
    let law = if (e.low..=e.high).contains(&-2.0) {
        "which holds −2: a decay as 1/k²"
    } else {
        "which does not hold −2, the exponent of the average over orders"
    };
    let paper = if compare { " The paper's text says O(1/k); its own figures show 1/k²." } else { "" };
    format!(
        "The measured Δ_k{of} decays as k^{} ({} interval {} to {}), {law}.{paper}",
        decimals(e.value, 3),
        chart::percent(confidence),
        decimals(e.low, 3),
        decimals(e.high, 3)
    )
}

/// The plateau of Δ_k k² beside the paper's, both over m = k/64.
pub fn constant(name: &str, found: f64, paper: f64) -> String {
    let ratio = found / paper;
    let verdict = if (0.5..=2.0).contains(&ratio) {
        "within a factor of two of"
    } else if ratio > 1.0 {
        "above"
    } else {
        "below"
    };
    format!(
        "Over m = k/64, Δ_k m² is {} on the plateau of {name}, {verdict} the paper's {} (ratio {}).",
        short(found),
        short(paper),
        short(ratio)
    )
}

/// Where a theory lies beside Monte Carlo.
pub fn theory(c: &Comparison) -> String {
    let all = match c.n_compared {
        1 => "the one prefix size".to_owned(),
        n => format!("all {} prefix sizes", grouped(n)),
    };
    let place = if c.fraction_above >= 1.0 {
        format!("is above Monte Carlo at {all} compared: an upper bound here")
    } else if c.fraction_above <= 0.0 {
        format!("is below Monte Carlo at {all} compared: no upper bound")
    } else {
        let above = share(c.fraction_above, 0);
        format!("is above Monte Carlo at {above} of {all} compared: no upper bound")
    };
    format!(
        "{} {place} (geometric mean of the ratio {}, smallest {}).",
        c.name,
        short(c.geometric_mean_ratio),
        short(c.smallest_ratio)
    )
}

/// The paper's "no substantial change" of figures 4 and 5 beside V at the smallest and the largest value of `varied`.
pub fn no_difference(varied: &str, smallest: (f64, f64), largest: (f64, f64)) -> String {
    if smallest.1 == 0.0 {
        return format!(
            "The paper finds that {varied} makes no substantial difference; here no sample changes the loss at {varied} = {}.",
            short(smallest.0)
        );
    }
    let ratio = largest.1 / smallest.1;
    let verdict = if (0.5..=2.0).contains(&ratio) {
        "which agrees within a factor of two"
    } else if varied == "σ" {
        "which does not agree: as σ → 0 V tends to the variance of the loss at w* itself, so it can stay the same only while the draws barely move the losses"
    } else if ratio > 1.0 {
        "which does not agree: each further direction moves the losses further"
    } else {
        "which does not agree"
    };
    format!(
        "The paper finds that {varied} makes no substantial difference; here V is {} at {varied} = {} and {} at {varied} = {} (ratio {}), {verdict}.",
        short(smallest.1),
        short(smallest.0),
        short(largest.1),
        short(largest.0),
        short(ratio)
    )
}

/// What is measured over a plane at one k, beside the smallest k.
#[derive(Clone, Copy, Debug)]
pub struct Plane {
    /// local extrema inside the plane
    pub inner_extrema: usize,
    /// the same at the smallest k
    pub inner_extrema_of_first: usize,
    /// mean of L_k over the plane, nats
    pub mean_loss: f64,
    /// the same at the smallest k
    pub mean_loss_of_first: f64,
    /// largest squared change, nats²
    pub largest_change: f64,
    /// the same at the smallest k
    pub largest_change_of_first: f64,
    /// the same at this k in random directions
    pub largest_change_of_random: Option<f64>,
}

/// What the paper says of its figure `number` (2, 3, 6 or 7) beside what is measured here.
pub fn paper_landscape(number: &str, plane: &Plane) -> String {
    let Plane { inner_extrema, inner_extrema_of_first, largest_change, .. } = *plane;
    let count = |n: usize| if n == 1 { "1 local extremum".to_owned() } else { format!("{n} local extrema") };
    let over = |other: f64| short(largest_change / other);
    let fell = match plane.largest_change_of_first {
        0.0 => "no sample changes the surface at the smallest k".to_owned(),
        first => format!("the largest squared change is {} times that at the smallest k", over(first)),
    };
    let random = plane.largest_change_of_random.filter(|r| *r > 0.0).map_or(String::new(), |random| {
        format!(", {} times that in random directions at the same k", over(random))
    });
    match number {
        "2" => {
            let verdict = if inner_extrema <= 1 {
                "here it is smooth: the loss of a few fixed samples is no rougher than that of many, but the authors' code draws the samples in a new order at each evaluation, so that neighbouring points of its surface see other samples"
            } else {
                "here it is uneven too"
            };
            format!(
                "The paper shows sharp peaks and deep valleys at small k; {verdict} ({} inside the plane).",
                count(inner_extrema)
            )
        }
        "3" => format!(
            "The paper shows a much smoother surface than at small k, lower losses and a much smaller squared change; here the surface has {} inside the plane, {} at the smallest k; {}; and {fell}.",
            count(inner_extrema),
            count(inner_extrema_of_first),
            losses(plane.mean_loss, plane.mean_loss_of_first)
        ),
        "6" => format!(
            "The paper shows a more structured surface than in random directions and larger peaks of the squared change; here the surface has {} inside the plane{}.",
            count(inner_extrema),
            random.replace(", ", ", and its largest squared change is ")
        ),
        _ => format!(
            "The paper shows a much smaller squared change than at small k, yet a larger one than in random directions; here {fell}{random}."
        ),
    }
}

/// The mean loss over a plane beside that at the smallest k.
fn losses(here: f64, first: f64) -> String {
    let (here_text, first_text) = (short(here), short(first));
    if here_text == first_text {
        return format!("its mean loss is {here_text} nats at both");
    }
    let (word, reason) = if here < first {
        ("lower", "")
    } else {
        (
            "higher",
            ", unlike the paper's: which samples come first decides that, as L_k averages to L_N over all orders",
        )
    };
    format!("its mean loss of {here_text} nats is {word} than the {first_text} there{reason}")
}

/// Where K of the one order rests on few of its prefixes, below [`THIN_TAIL`]; `sizes` are all that were measured.
pub fn thin_tail(single: &SufficientRow, sizes: &[usize]) -> Option<String> {
    let k = single.k?;
    let below = sizes.iter().filter(|size| **size >= k).count();
    ((below as f64) < THIN_TAIL * sizes.len() as f64).then(|| {
        let last = if below == 1 { String::new() } else { format!(" {}", grouped(below)) };
        format!(
            " That rests on the last{last} of {} measured prefixes only: one more exceedance would move it, so the average over orders is the better guide.",
            grouped(sizes.len())
        )
    })
}

/// Share of the measured prefixes below which K of one order is said to rest on few: of a hundred prefixes, the last.
const THIN_TAIL: f64 = 0.01;

/// The surfaces at one prefix size.
pub fn landscape(k: usize, step: usize, loss: (f64, f64), change: (f64, f64)) -> String {
    let samples =
        if step == 1 { "one more sample changes".to_owned() } else { format!("{step} more samples change") };
    format!(
        "Over the plane L_k runs from {} to {} nats at k = {}; {samples} it by at most {} nats (squared: {} nats²).",
        short(loss.0),
        short(loss.1),
        grouped(k),
        short(change.1.sqrt()),
        short(change.1)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(status: &str, k: Option<usize>, interval: Option<(usize, usize)>) -> SufficientRow {
        SufficientRow {
            setting: "s".into(),
            method: "order-average".into(),
            tolerance: 1e-4,
            relative: None,
            status: status.into(),
            k,
            low: interval.map(|i| i.0),
            high: interval.map(|i| i.1),
        }
    }

    #[test]
    fn the_answer_follows_its_status() {
        let single = row("reached", Some(1200), None);
        let text = answer(&row("reached", Some(1050), Some((900, 1300))), &single, 5000);
        assert_eq!(
            text,
            "For a change below 1e-4 nats², 1,050 samples are enough (interval 900 to 1,300); in the one order that was measured, from 1,200 on."
        );
        let text = answer(&row("extrapolated", Some(9000), None), &row("not reached", None, None), 5000);
        assert!(
            text.contains("the 5,000 samples at hand are not enough; about 9,000 would be, extrapolated"),
            "{text}"
        );
        assert!(text.ends_with("in the one order that was measured, not reached."), "{text}");
        let text = answer(&row("not reached", None, None), &single, 5000);
        assert!(text.contains("the law gives no number (not reached)"), "{text}");
        let text = answer(&row("reached", Some(1), None), &single, 5000);
        assert!(text.starts_with("For a change below 1e-4 nats², 1 sample is enough; in"), "{text}");
        let relative = SufficientRow { relative: Some(1e-3), ..row("reached", Some(1050), None) };
        let text = answer(&relative, &single, 5000);
        assert!(
            text.starts_with("For a change below 0.1 % of the mean perturbed loss, 1,050 samples"),
            "{text}"
        );
    }

    #[test]
    fn the_headline_holds_every_tolerance_with_its_status() {
        let reached = row("reached", Some(1050), Some((900, 1300)));
        let beyond = row("extrapolated", Some(9000), None);
        let none = row("not reached", None, None);
        assert_eq!(
            headline(&[&reached], 5000),
            "Samples that are enough: 1,050 [900, 1,300] for a change below 1e-4 nats²."
        );
        let all = headline(&[&reached, &beyond, &none], 5000);
        assert!(all.contains("; 9,000 for a change below 1e-4 nats², more than the 5,000 at hand;"), "{all}");
        assert!(all.ends_with("no number for a change below 1e-4 nats², not reached."), "{all}");
        let relative = SufficientRow { relative: Some(1e-5), ..row("reached", Some(7), None) };
        assert_eq!(
            headline(&[&relative], 5000),
            "Samples that are enough: 7 for a change below 0.001 % of the mean perturbed loss."
        );
        assert!(setting_note("hessian-d10-s1").contains("`hessian-d10-s1`"));
    }

    fn solved(which: Which, eigenvalues: &[f64]) -> Spectrum {
        Spectrum {
            basis: Basis::Eigenvectors(which),
            which,
            eigenvalues: eigenvalues.to_vec().into(),
            residuals: ndarray::Array1::from_elem(eigenvalues.len(), 1e-5),
            n_products: 7,
            prefix_sizes: vec![],
            prefix_eigenvalues: ndarray::Array2::zeros((0, eigenvalues.len())),
        }
    }

    #[test]
    fn prefix_eigenvalues_are_compared_in_words_that_fit() {
        let said = |which, first, last| {
            let prefix_eigenvalues = ndarray::array![[first], [3.0], [last]];
            let prefix_sizes = vec![100, 500, 2000];
            prefix_spectrum(&Spectrum { prefix_sizes, prefix_eigenvalues, ..solved(which, &[9.0]) })
        };
        assert_eq!(
            said(Which::LargestAlgebraic, 1.05, 1.0),
            "The largest eigenvalue is 1.05 at k = 100, within a tenth of the 1 at k = 2,000."
        );
        assert!(said(Which::LargestAlgebraic, 2.0, 1.0).contains("2 times the 1 at"));
        assert!(said(Which::LargestAlgebraic, 0.5, 1.0).contains("a fraction of 0.5 of the 1 at"));
        assert!(
            said(Which::SmallestAlgebraic, -0.5, -1.0)
                .starts_with("The smallest eigenvalue is −0.5 at k = 100")
        );
    }

    #[test]
    fn the_spectrum_is_told_by_the_end_that_was_asked_for() {
        let said = |which, eigenvalues: &[f64]| spectrum(&solved(which, eigenvalues), None);
        assert_eq!(
            said(Which::LargestAlgebraic, &[2.0, 1.0, 0.5]),
            "The largest eigenvalue of H(w*) is 2, the 3rd of these is 0.5; no residual exceeds 5e-6 of the first."
        );
        assert_eq!(
            said(Which::SmallestAlgebraic, &[-2.0]),
            "The smallest eigenvalue of H(w*) is −2; its residual is 5e-6 of it."
        );
        let magnitude = said(Which::LargestMagnitude, &[-2.0, 1.0]);
        assert!(
            magnitude.starts_with("The eigenvalue of largest magnitude of H(w*) is −2, the 2nd"),
            "{magnitude}"
        );
        let given = Spectrum { basis: Basis::Given, ..solved(Which::LargestAlgebraic, &[2.0, 3.0]) };
        assert_eq!(origin(&given), "The directions are those of eigen.basis.");
        assert_eq!(
            origin(&solved(Which::LargestAlgebraic, &[2.0])),
            "The eigenvalues took 7 Hessian-vector products over all samples."
        );
        assert_eq!(
            spectrum(&given, None),
            "The Rayleigh quotient of the first given direction with H(w*) is 2, the 2nd of these is 3; no residual exceeds 5e-6 of the first."
        );
    }

    #[test]
    fn directions_are_named_by_their_basis() {
        let eigenvectors = |which| plane(Basis::Eigenvectors(which));
        assert_eq!(eigenvectors(Which::LargestAlgebraic), "the top two Hessian directions");
        assert_eq!(eigenvectors(Which::LargestMagnitude), "the top two Hessian directions by magnitude");
        assert_eq!(eigenvectors(Which::SmallestAlgebraic), "the bottom two Hessian directions");
        assert_eq!(plane(Basis::Given), "the first two given directions");
        assert_eq!(plane(Basis::Random), "two random directions");
        assert_eq!(plane(Basis::Filter), "two filter-normalised directions");
    }

    #[test]
    fn experiments_are_compared_in_words_that_fit() {
        let at = |k| row("reached", Some(k), None);
        let (one, two, four) = (at(1000), at(2000), at(4000));
        assert_eq!(
            comparison(&[("a", &two), ("b", &four), ("c", &one)]),
            "For a change below 1e-4 nats², c needs the fewest samples (1,000) and b the most (4,000): a factor of 4."
        );
        let (beyond, none) = (row("extrapolated", Some(8000), None), row("not reached", None, None));
        assert_eq!(
            comparison(&[("a", &none), ("b", &beyond), ("c", &one)]),
            "For a change below 1e-4 nats², c needs the fewest samples (1,000) and b the most (8,000, extrapolated): a factor of 8; no number for a."
        );
        assert!(
            comparison(&[("a", &one), ("b", &one)])
                .ends_with(", a, b need the same number of samples (1,000).")
        );
        let only = "only a has a number (8,000, extrapolated), so there is none to compare it with; no number for b.";
        assert!(comparison(&[("a", &beyond), ("b", &none)]).ends_with(only));
        assert!(comparison(&[("a", &none), ("b", &none)]).ends_with(", no experiment has a number."));
        assert!(comparison(&[]).starts_with("No experiment has a report yet; each family"));
        assert_eq!(steps(&[("a", 1), ("b", 1)]), "");
        assert_eq!(
            steps(&[("a", 1), ("b", 64), ("c", 1)]),
            " Their steps differ, and a larger step changes more: 1 sample in a, c; 64 samples in b."
        );
    }

    #[test]
    fn the_landscape_says_how_many_samples_change_it() {
        let one = landscape(1000, 1, (0.1, 2.0), (0.0, 4e-6));
        assert!(
            one.contains("from 0.1 to 2 nats at k = 1,000; one more sample changes it")
                && one.contains("2e-3 nats"),
            "{one}"
        );
        assert!(
            landscape(64, 64, (0.0, 1.0), (0.0, 1.0))
                .contains("; 64 more samples change it by at most 1 nats")
        );
    }

    #[test]
    fn counts_agree_with_their_nouns() {
        assert_eq!([1, 2, 1024].map(|n| count(n, "draw")), ["1 draw", "2 draws", "1,024 draws"]);
        assert_eq!([0, 1, 5].map(have), ["none has", "1 has", "5 have"]);
    }

    #[test]
    fn ranks_are_spelled() {
        let all = [1, 2, 3, 4, 11, 12, 13, 21, 22, 23, 111].map(ordinal);
        assert_eq!(
            all,
            ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "22nd", "23rd", "111th"]
        );
    }

    #[test]
    fn theory_is_a_bound_only_where_it_was_above_everywhere() {
        let c = |fraction_above| Comparison {
            name: "quadratic".into(),
            n_compared: 1500,
            fraction_above,
            smallest_ratio: 0.5,
            geometric_mean_ratio: 2.0,
            within_three_standard_errors: 0.0,
        };
        assert!(theory(&c(1.0)).contains("at all 1,500 prefix sizes compared: an upper bound here"));
        assert_eq!(
            theory(&c(0.994)),
            "quadratic is above Monte Carlo at 99 % of all 1,500 prefix sizes compared: no upper bound (geometric mean of the ratio 2, smallest 0.5)."
        );
        let below = theory(&c(0.0));
        assert!(
            below.contains("is below Monte Carlo at all 1,500 prefix sizes compared: no upper bound"),
            "{below}"
        );
        assert!(theory(&c(0.998)).contains("is above Monte Carlo at more than 99 % of all 1,500"));
        assert!(theory(&c(0.002)).contains("is above Monte Carlo at less than 1 % of all 1,500"));
        let single = theory(&Comparison { n_compared: 1, ..c(1.0) });
        assert!(
            single.contains("is above Monte Carlo at the one prefix size compared: an upper"),
            "{single}"
        );
    }

    #[test]
    fn a_share_is_never_rounded_to_none_or_all() {
        let cases = [
            (0.0, 0, "0 %"),
            (0.004, 0, "less than 1 %"),
            (0.126, 0, "13 %"),
            (0.996, 0, "more than 99 %"),
            (1.0, 0, "100 %"),
            (0.996, 1, "99.6 %"),
            (0.9996, 1, "more than 99.9 %"),
            (0.0004, 1, "less than 0.1 %"),
            (0.999_99, 2, "more than 99.99 %"),
        ];
        for (fraction, digits, text) in cases {
            assert_eq!(share(fraction, digits), text);
        }
    }

    #[test]
    fn the_exponent_says_whether_it_holds_minus_two() {
        let e = |low, high| Exponent { value: f64::midpoint(low, high), low, high };
        assert_eq!(
            exponent(Some(&e(-2.1, -1.9)), "", 0.95, false),
            "The measured Δ_k decays as k^−2.000 (95 % interval −2.100 to −1.900), which holds −2: a decay as 1/k²."
        );
        let outside = exponent(Some(&e(-1.9, -1.7)), " of 2 random directions", 0.95, true);
        assert!(outside.starts_with("The measured Δ_k of 2 random directions decays"), "{outside}");
        assert!(outside.contains("does not hold −2") && outside.contains("The paper's text says O(1/k)"));
        assert!(exponent(None, "", 0.95, true).contains("too few"));
    }

    #[test]
    fn accuracy_is_told_where_there_is_one() {
        let mut m = network();
        assert!(model(&m).contains("it classifies 90.00 % of the training samples right"));
        m.test_accuracy = Some(0.8);
        assert!(model(&m).contains("90.00 % of the training samples and 80.00 % of the test samples right"));
        m.train_accuracy = None;
        assert!(model(&m).contains("it classifies 80.00 % of the test samples right"));
        m.test_accuracy = None;
        assert!(!model(&m).contains("classifies"));
    }

    fn network() -> Model {
        Model {
            layers: vec![2, 1],
            activation: "relu".into(),
            n_params: 3,
            train_loss: 0.5,
            train_accuracy: Some(0.9),
            test_loss: None,
            test_accuracy: None,
            gradient_norm: 0.01,
            origin: "trained".into(),
            history: ndarray::Array2::zeros((0, 5)),
        }
    }

    #[test]
    fn the_paper_is_compared_in_words_that_fit() {
        assert!(constant("a", 2.0, 2.47).contains("within a factor of two of the paper's 2.47"));
        assert!(constant("a", 30.0, 2.47).contains("above the paper's"));
        assert!(constant("a", 0.1, 2.47).contains("below the paper's"));
        let beside =
            |eigenvalues: &[f64]| spectrum(&solved(Which::LargestAlgebraic, eigenvalues), Some(&network()));
        let text = beside(&[2.0, 1.0]);
        for part in
            ["3.909", "mean over 50 networks", "has no sign", "loss of 0.5 nats with gradient norm 0.01"]
        {
            assert!(text.contains(part), "{part:?} in {text}");
        }
        assert!(text.contains("has 0.512 times its first. Known"), "{text}");
        let ten = beside(&[0.908; 10]);
        assert!(ten.contains("has 0.232 times its first and 2 times the tenth. Known"), "{ten}");
        assert!(no_difference("σ", (0.1, 0.0115), (16.0, 0.986)).contains("does not agree: as σ → 0"));
        assert!(
            no_difference("d", (1.0, 0.1), (10.0, 0.9)).contains("does not agree: each further direction")
        );
        assert!(
            no_difference("d", (1.0, 0.9), (10.0, 0.1)).ends_with("(ratio 0.111), which does not agree.")
        );
        assert_eq!(
            no_difference("d", (1.0, 0.5), (10.0, 0.6)),
            "The paper finds that d makes no substantial difference; here V is 0.5 at d = 1 and 0.6 at d = 10 (ratio 1.2), which agrees within a factor of two."
        );
        assert!(
            no_difference("d", (1.0, 0.0), (10.0, 0.0)).ends_with("no sample changes the loss at d = 1.")
        );
    }

    #[test]
    fn each_landscape_says_what_the_paper_shows() {
        let plane = Plane {
            inner_extrema: 1,
            inner_extrema_of_first: 4,
            mean_loss: 0.5,
            mean_loss_of_first: 2.0,
            largest_change: 2.0,
            largest_change_of_first: 100.0,
            largest_change_of_random: None,
        };
        assert!(paper_landscape("2", &plane).contains("here it is smooth"));
        let uneven = paper_landscape("2", &Plane { inner_extrema: 9, ..plane });
        assert!(uneven.contains("uneven too (9 local extrema inside"), "{uneven}");
        let full = paper_landscape("3", &plane);
        assert!(
            full.contains("1 local extremum") && full.contains("4 local extrema at the smallest k"),
            "{full}"
        );
        assert!(full.contains("is 0.02 times that at the smallest k"), "{full}");
        assert!(full.contains("mean loss of 0.5 nats is lower than the 2 there; and"), "{full}");
        let higher = paper_landscape("3", &Plane { mean_loss: 3.0, ..plane });
        assert!(
            higher.contains("mean loss of 3 nats is higher than the 2 there, unlike the paper's"),
            "{higher}"
        );
        let same = paper_landscape("3", &Plane { mean_loss: 2.0, ..plane });
        assert!(same.contains("mean loss is 2 nats at both; and"), "{same}");
        let random = Plane { largest_change_of_random: Some(0.5), ..plane };
        let small = paper_landscape("6", &random);
        assert!(small.contains("largest squared change is 4 times that in random directions"), "{small}");
        assert!(paper_landscape("6", &plane).ends_with("1 local extremum inside the plane."));
        assert!(paper_landscape("7", &random).contains("0.02 times that at the smallest k, 4 times"));
        let still = Plane { largest_change: 0.0, largest_change_of_first: 0.0, ..plane };
        assert!(paper_landscape("7", &still).contains("no sample changes the surface at the smallest k"));
    }

    #[test]
    fn a_size_that_rests_on_few_prefixes_says_so() {
        let sizes = (1..=1000).collect::<Vec<_>>();
        let tail = |k| thin_tail(&row("reached", k, None), &sizes);
        assert!(tail(Some(999)).unwrap().contains("the last 2 of 1,000 measured prefixes"));
        assert!(tail(Some(1000)).unwrap().contains("the last of 1,000 measured prefixes"));
        // 10 of 1,000 are the 1 % that is enough.
        assert!(tail(Some(991)).is_none() && tail(Some(992)).is_some() && tail(None).is_none());
    }
}
