//! How the weights step: Adam (Kingma & Ba 2015, algorithm 1) and SGD with momentum.

use ndarray::parallel::prelude::*;
use ndarray::{Array1, Axis, Zip};

use crate::numeric::real::Real;
use crate::numeric::simd::vectorised;
use crate::numeric::sums::PARAMETERS_AT_ONCE;

/// How the weights step.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema))]
#[cfg_attr(feature = "serde", serde(tag = "name", rename_all = "lowercase", deny_unknown_fields))]
pub enum Optimizer {
    /// Kingma & Ba 2015
    Adam {
        /// step length
        #[cfg_attr(feature = "serde", schemars(extend("exclusiveMinimum" = 0)))]
        learning_rate: f64,
        /// decay of the first moment
        #[cfg_attr(feature = "serde", schemars(range(min = 0), extend("exclusiveMaximum" = 1)))]
        beta1: f64,
        /// decay of the second moment
        #[cfg_attr(feature = "serde", schemars(range(min = 0), extend("exclusiveMaximum" = 1)))]
        beta2: f64,
        /// added to the root of the second moment
        #[cfg_attr(feature = "serde", schemars(extend("exclusiveMinimum" = 0)))]
        epsilon: f64,
    },
    /// stochastic gradient descent
    Sgd {
        /// step length
        #[cfg_attr(feature = "serde", schemars(extend("exclusiveMinimum" = 0)))]
        learning_rate: f64,
        /// 0: none
        #[cfg_attr(feature = "serde", schemars(range(min = 0), extend("exclusiveMaximum" = 1)))]
        momentum: f64,
    },
}

/// An optimizer with its state.
pub struct Stepper<R> {
    optimizer: Optimizer,
    /// first moment of Adam, or velocity of SGD, (p,)
    first: Array1<R>,
    /// second moment of Adam, (p,)
    second: Array1<R>,
    steps: i32,
}

impl<R: Real> Stepper<R> {
    /// No steps yet, for p parameters.
    pub fn new(optimizer: Optimizer, n_params: usize) -> Self {
        let second = if matches!(optimizer, Optimizer::Adam { .. }) { n_params } else { 0 };
        Self { optimizer, first: Array1::zeros(n_params), second: Array1::zeros(second), steps: 0 }
    }

    /// What the next step depends on: first and second moments, and the number of steps.
    pub fn state(&self) -> (&Array1<R>, &Array1<R>, i32) {
        (&self.first, &self.second, self.steps)
    }

    /// The same after `steps` steps that left these moments.
    ///
    /// # Panics
    /// If they are of another number of parameters, or of another optimizer.
    pub fn go_on(&mut self, first: Array1<R>, second: Array1<R>, steps: i32) {
        assert_eq!((first.len(), second.len()), (self.first.len(), self.second.len()), "moments");
        (self.first, self.second, self.steps) = (first, second, steps);
    }

    /// One step of the parameters `w` (p,) with `scale · gradient` (p,).
    pub fn step(&mut self, w: &mut Array1<R>, gradient: &Array1<R>, scale: f64) {
        self.steps += 1;
        let scale = R::narrow(scale);
        let one = R::one();
        match self.optimizer {
            Optimizer::Adam { learning_rate, beta1, beta2, epsilon } => {
                // ŵ −= α m̂ / (√v̂ + ε) with m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ)
                let rate = R::narrow(learning_rate / (1.0 - beta1.powi(self.steps)));
                let unbias = R::narrow(1.0 / (1.0 - beta2.powi(self.steps)).sqrt());
                let (beta1, beta2, epsilon) = (R::narrow(beta1), R::narrow(beta2), R::narrow(epsilon));
                let chunks = w
                    .axis_chunks_iter_mut(Axis(0), PARAMETERS_AT_ONCE)
                    .into_par_iter()
                    .zip(gradient.axis_chunks_iter(Axis(0), PARAMETERS_AT_ONCE).into_par_iter())
                    .zip(self.first.axis_chunks_iter_mut(Axis(0), PARAMETERS_AT_ONCE).into_par_iter())
                    .zip(self.second.axis_chunks_iter_mut(Axis(0), PARAMETERS_AT_ONCE).into_par_iter());
                chunks.for_each(|(((w, g), m), v)| {
                    let (w, g) = (w.into_slice().expect("C order"), g.to_slice().expect("C order"));
                    let (m, v) = (m.into_slice().expect("C order"), v.into_slice().expect("C order"));
                    vectorised(
                        #[inline(always)]
                        || {
                            for (((w, &g), m), v) in w.iter_mut().zip(g).zip(m).zip(v) {
                                let g = g * scale;
                                *m = beta1 * *m + (one - beta1) * g;
                                *v = beta2 * *v + (one - beta2) * g * g;
                                *w -= rate * *m / (v.sqrt() * unbias + epsilon);
                            }
                        },
                    );
                });
            }
            Optimizer::Sgd { learning_rate, momentum } => {
                let (rate, momentum) = (R::narrow(learning_rate), R::narrow(momentum));
                Zip::from(w).and(gradient).and(&mut self.first).for_each(|w, &g, v| {
                    *v = momentum * *v + g * scale;
                    *w -= rate * *v;
                });
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp)] // exact where the arithmetic is
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn two_steps_of_adam_by_hand() {
        let adam = Optimizer::Adam { learning_rate: 0.1, beta1: 0.9, beta2: 0.99, epsilon: 1e-8 };
        let mut stepper = Stepper::new(adam, 1);
        let mut w = array![1.0_f64];
        stepper.step(&mut w, &array![4.0], 0.5);
        // The first step is α g/|g| whatever g.
        assert!((w[0] - 0.9).abs() <= 1e-8, "{w}");
        stepper.step(&mut w, &array![-2.0], 0.5);
        // g = 2 then −1: m̂ = (0.9·0.2 − 0.1)/(1 − 0.81), v̂ = (0.99·0.04 + 0.01)/(1 − 0.9801)
        let expected = 0.9 - 0.1 * (0.08 / 0.19) / (0.0496_f64 / 0.0199).sqrt();
        assert!((w[0] - expected).abs() <= 1e-8, "{w} {expected}");
    }

    #[test]
    fn a_stepper_goes_on_from_its_state() {
        for optimizer in [
            Optimizer::Adam { learning_rate: 0.1, beta1: 0.9, beta2: 0.99, epsilon: 1e-8 },
            Optimizer::Sgd { learning_rate: 0.1, momentum: 0.9 },
        ] {
            let gradient = |i: i32| array![f64::from(i).sin(), 0.3 * f64::from(i)];
            let steps = |stepper: &mut Stepper<f64>, w: &mut Array1<f64>, range: std::ops::Range<i32>| {
                range.for_each(|i| stepper.step(w, &gradient(i), 0.7));
            };
            let (mut whole, mut w) = (Stepper::new(optimizer, 2), array![1.0, 2.0]);
            steps(&mut whole, &mut w, 0..7);
            let (mut first, mut v) = (Stepper::new(optimizer, 2), array![1.0, 2.0]);
            steps(&mut first, &mut v, 0..3);
            let mut second = Stepper::new(optimizer, 2);
            let (m, s, n) = first.state();
            second.go_on(m.clone(), s.clone(), n);
            steps(&mut second, &mut v, 3..7);
            assert_eq!(v, w);
        }
    }

    #[test]
    fn momentum_carries_on() {
        let mut stepper = Stepper::new(Optimizer::Sgd { learning_rate: 0.5, momentum: 0.5 }, 1);
        let mut w = array![0.0_f64];
        stepper.step(&mut w, &array![1.0], 1.0);
        stepper.step(&mut w, &array![0.0], 1.0);
        assert_eq!(w[0], -0.5 - 0.25);
    }
}
