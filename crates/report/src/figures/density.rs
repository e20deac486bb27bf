//! The whole spectrum.

use records::spectrum::DensityFact;

use crate::figures::figure::{Figure, Section};
use crate::plot::panel::{Panel, Style, axes, line};
use crate::read::spectrum::{Density, Spectrum};
use crate::read::unit::Unit;
use crate::text::fact::{Fact, fact, number};
use crate::text::numbers::{count, grouped};

/// Density of the eigenvalues, estimated `by` that.
pub fn density(s: &Spectrum, by: &DensityFact, found: &Density, unit: &Unit) -> Figure {
    // Ten decades below the peak the curve is the tail of the kernel.
    let floor = found.values.iter().fold(0.0_f64, |m, &v| m.max(v)) * 1e-10;
    let above = |v: &f64| if *v > floor { *v } else { f64::NAN };
    let points = found.grid.iter().copied().zip(found.values.iter().map(above)).collect();
    let title = format!("Density of the eigenvalues of H over {} samples", grouped(s.facts.n_samples));
    let panel = Panel {
        log_y: true,
        lines: vec![line("", points, Style::Solid, 0)],
        ..axes(&title, &format!("eigenvalue ({})", unit.eigenvalue), "density")
    };
    let caption = format!(
        "The whole spectrum at w*, of the Hessian over {}, by stochastic Lanczos quadrature with a Gaussian kernel.",
        count(s.facts.n_samples, "sample")
    );
    Figure::of("spectral-density", Section::Spectrum, caption, &[panel]).with(facts(s, by, &unit.eigenvalue))
}

/// How the density was estimated, with the trace and both ends where they were asked for.
fn facts(s: &Spectrum, by: &DensityFact, unit: &str) -> Vec<Fact> {
    let mut facts = vec![
        number("random probes", by.probes),
        number("Lanczos steps of each", by.steps),
        fact("deviation of the kernel", by.kernel_deviation, unit),
        fact("eigenvalues below minus that", by.fraction_below_minus_kernel, "fraction"),
    ];
    facts.extend(s.facts.trace.iter().flat_map(|t| {
        [
            fact("trace (Hutch++)", t.value, unit).with_error(t.standard_error),
            number("Hessian-vector products of the trace", t.n_products),
            fact("mean eigenvalue", t.value / s.facts.n_params as f64, unit),
        ]
    }));
    let largest = s.outliers.as_ref().and_then(|o| Some(o.by_prefix.last()?.largest));
    facts.extend(s.smallest.as_ref().zip(largest).into_iter().flat_map(|(smallest, largest)| {
        [fact("smallest eigenvalue", smallest[0], unit), fact("largest eigenvalue", largest, unit)]
    }));
    facts
}

#[cfg(test)]
mod tests {
    use records::spectrum::TraceFact;

    use super::*;
    use crate::read::fixtures::nothing_else;

    #[test]
    fn the_density_has_trace_and_ends_where_they_are_known() {
        let by = DensityFact {
            probes: 1,
            steps: 30,
            kernel_deviation: 0.25,
            mean: 2.0,
            mean_standard_error: None,
            fraction_below_minus_kernel: 0.5,
            fraction_standard_error: None,
        };
        let mut s = nothing_else();
        let known = |s: &Spectrum| facts(s, &by, "").iter().map(Fact::text).collect::<Vec<_>>();
        assert_eq!(known(&s), ["1", "30", "0.25", "50 %"]);
        s.facts.trace = Some(TraceFact { value: 20.0, standard_error: 1.0, n_products: 44 });
        assert_eq!(known(&s)[4..], ["20.0 ± 1.0", "44", "2"]);
    }
}
