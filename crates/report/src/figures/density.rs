//! The whole spectrum.

use std::fmt::Write;

use anyhow::Result;

use crate::figures::figure::{Figure, Section, figure};
use crate::plot::panel::{Panel, Style, line};
use crate::read::spectrum::{Density, DensityFact, Spectrum, Trace};
use crate::text::numbers::{count, grouped, percent, short, with_error};

pub fn density(b: &Spectrum, found: &Density) -> Result<Figure> {
    // Below a millionth of one eigenvalue per kernel the curve is the tail of the kernel.
    let peak = found.values.iter().fold(0.0_f64, |m, &v| m.max(v));
    let floor = peak * 1e-10;
    let points = found.grid.iter().copied().zip(found.values.iter().map(|v| v.max(floor))).collect();
    let panel = Panel {
        title: format!("Density of the eigenvalues of H over {} samples", grouped(b.n_samples)),
        x_label: "eigenvalue (nats per squared parameter unit)".into(),
        y_label: "density".into(),
        log_y: true,
        lines: vec![line("", points, Style::Solid, 0)],
        ..Panel::default()
    };
    let ends = b.smallest.as_ref().zip(b.outliers.as_ref().and_then(|o| o.by_prefix.last()));
    let ends = ends.map(|(smallest, top)| (smallest[0], top.largest));
    let sentence = density_sentence(&found.fact, b.trace.as_ref(), b.n_params, ends);
    let caption = format!(
        "The whole spectrum at w*, of the Hessian over {}, by stochastic Lanczos quadrature.",
        count(b.n_samples, "sample")
    );
    figure("spectral-density", Section::Spectrum, caption, sentence, &[panel])
}

/// How the density was estimated, with the trace and the smallest and largest eigenvalue where they were asked for.
fn density_sentence(
    f: &DensityFact,
    trace: Option<&Trace>,
    n_params: usize,
    ends: Option<(f64, f64)>,
) -> String {
    let mut sentence = format!(
        "{} of {} each; Gaussian kernel of standard deviation {}. {} of the eigenvalues lie below −{}.",
        count(f.probes, "random probe"),
        count(f.steps, "Lanczos step"),
        short(f.kernel_deviation),
        percent(f.fraction_below_minus_kernel),
        short(f.kernel_deviation)
    );
    if let Some(t) = trace {
        write!(
            sentence,
            " The trace is {} (Hutch++, {}), a mean eigenvalue of {}.",
            with_error(t.value, t.standard_error),
            count(t.n_products, "product"),
            short(t.value / n_params as f64)
        )
        .expect("writing to a string");
    }
    if let Some((smallest, largest)) = ends {
        write!(sentence, " Its ends are {} and {}.", short(smallest), short(largest))
            .expect("writing to a string");
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_density_tells_trace_and_ends_where_they_are_known() {
        let fact =
            DensityFact { probes: 1, steps: 30, kernel_deviation: 0.25, fraction_below_minus_kernel: 0.5 };
        let bare = density_sentence(&fact, None, 10, None);
        assert_eq!(
            bare,
            "1 random probe of 30 Lanczos steps each; Gaussian kernel of standard deviation 0.25. 50 % of the eigenvalues lie below −0.25."
        );
        let trace = Trace { value: 20.0, standard_error: 1.0, n_products: 44 };
        let full = density_sentence(&fact, Some(&trace), 10, Some((-0.5, 4.0)));
        assert_eq!(
            full,
            bare + " The trace is 20.0 ± 1.0 (Hutch++, 44 products), a mean eigenvalue of 2. Its ends are −0.5 and 4."
        );
    }
}
