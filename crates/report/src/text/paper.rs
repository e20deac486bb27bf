//! The numbers that the paper printed, and sentences that set ours beside them.

use crate::text::numbers::short;

/// Mean over 50 networks that the paper printed (figure 1).
pub const PAPER_EIGENVALUES: [f64; 10] =
    [3.909, 2.356, 1.877, 1.488, 1.252, 1.036, 0.856, 0.693, 0.565, 0.454];

/// Δ_k m² over m = k/64 along one eigen-direction at σ = 1 (figure 8).
pub const PAPER_HESSIAN_CONSTANT: f64 = 2.47;

/// The same for random directions at σ ≤ 1 (figures 4 and 5).
pub const PAPER_RANDOM_CONSTANT: f64 = 1.1e-4;

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
