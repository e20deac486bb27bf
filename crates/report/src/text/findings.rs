//! What the figures show, in sentences that change with the measured values.

use records::Which;

use crate::read::bound::{Comparison, Exponent};
use crate::read::eigen::{Basis, Eigenpairs};
use crate::read::train::{End, Model, Polish};
use crate::text::numbers::{count, decimals, grouped, ordinal, percent, share, short};
use crate::text::paper::PAPER_EIGENVALUES;

/// The eigenvalue that comes first, in words.
pub fn first_of(which: Which) -> &'static str {
    match which {
        Which::LargestAlgebraic => "largest eigenvalue",
        Which::LargestMagnitude => "eigenvalue of largest magnitude",
        Which::SmallestAlgebraic => "smallest eigenvalue",
    }
}

/// The first eigenvalue of the smallest prefix beside that of the largest.
pub fn prefix_spectrum(s: &Eigenpairs) -> String {
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
pub fn spectrum(s: &Eigenpairs, compare: Option<&Model>) -> String {
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
        percent(confidence),
        decimals(e.low, 3),
        decimals(e.high, 3)
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

/// What a polish did, in a sentence.
pub fn polish(p: &Polish) -> String {
    let end = match p.status {
        End::Reached => "The polish reached the gradient norm that was asked for",
        End::Spent => {
            "The polish spent its Hessian-vector products before it reached the gradient norm that was asked for"
        }
        End::Stalled => "The polish stalled before it reached the gradient norm that was asked for",
    };
    format!(
        "{end}: {} and {} took the gradient norm from {} to {} and the loss from {} to {} nats; \
         the smallest eigenvalue went from {} to {}. It met negative curvature on {}, left {}, and moved w* by {} parameter units.",
        count(p.n_steps, "step"),
        count(p.n_products, "Hessian-vector product"),
        short(p.gradient_norm_before),
        short(p.gradient_norm_after),
        short(p.loss_before),
        short(p.loss_after),
        short(p.smallest_eigenvalue_before),
        short(p.smallest_eigenvalue_after),
        count(p.negative_curvature_steps, "step"),
        count(p.n_escapes, "saddle"),
        short(p.distance),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::bound::{Comparison, Exponent};
    use crate::read::fixtures::polished_facts;
    use crate::read::train::{End, Polish};
    use crate::text::directions::origin;
    use crate::text::paper::{constant, no_difference};

    fn solved(which: Which, eigenvalues: &[f64]) -> Eigenpairs {
        Eigenpairs {
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
            prefix_spectrum(&Eigenpairs { prefix_sizes, prefix_eigenvalues, ..solved(which, &[9.0]) })
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
        let given = Eigenpairs { basis: Basis::Given, ..solved(Which::LargestAlgebraic, &[2.0, 3.0]) };
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
            polish: None,
        }
    }

    fn polished(status: &str, n_steps: usize) -> String {
        polish(&Polish { n_steps, ..polished_facts(status) })
    }

    #[test]
    fn a_polish_says_how_it_ended() {
        let reached = polished("reached", 36);
        assert!(
            reached.starts_with("The polish reached the gradient norm that was asked for: 36 steps and 448 Hessian-vector products took"),
            "{reached}"
        );
        assert!(
            reached.contains(
                "went from −0.017 to −6.6e-8. It met negative curvature on 0 steps, left 1 saddle, and"
            ),
            "{reached}"
        );
        assert!(
            polished("products spent", 1).starts_with("The polish spent its Hessian-vector products before")
        );
        assert!(polished("stalled", 1).starts_with(
            "The polish stalled before it reached the gradient norm that was asked for: 1 step and"
        ));
        let unknown = serde_json::from_value::<End>("lost".into()).err().unwrap().to_string();
        assert!(unknown.contains("unknown variant `lost`, expected one of `reached`,"), "{unknown}");
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
}
