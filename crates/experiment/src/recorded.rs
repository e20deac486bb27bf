//! Solvers that can stop and go on without knowing it: what they ask for is kept in a journal.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use landscape::Real;
use landscape::passes::hvp::NotFinite;
use landscape::spectrum::operator::SymmetricOperator;
use landscape::training::polish::{Objective, Products};
use ndarray::{Array1, Array2, ArrayView, ArrayView1, ArrayView2, Dimension};
use pipeline::shell::{Journal, until_stopped};
use pipeline::{Error, Failure, Result};
use store::hash;

/// What a solver gives, or the error that ends it: a journal that stops it, or a product that is too large, for which
/// `precision` is the key of pipeline.yaml that may help; `None` where all is f64.
pub fn solved<T>(precision: Option<&str>, work: impl FnOnce() -> T) -> Result<T> {
    until_stopped(|| {
        catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|thrown| match thrown.downcast::<NotFinite>() {
            Ok(error) => {
                let f64 = precision.map(|key| format!("set {key}: f64 if it is f32, or "));
                let scale = "scale the samples down with fetch-data.normalisation; nothing was written";
                let hint = f64.unwrap_or_default() + scale;
                resume_unwind(Box::new(Error::from(Failure::not_converged(error.to_string(), hint))))
            }
            Err(other) => resume_unwind(other),
        })
    })
}

/// A matrix, or an objective, whose answers an earlier run may have found.
pub struct Recorded<'a, A> {
    of: A,
    journal: &'a Journal,
}

impl<'a, A> Recorded<'a, A> {
    /// The answers of `of`, as far as `journal` does not have them.
    pub fn new(of: A, journal: &'a Journal) -> Self {
        Self { of, journal }
    }
}

/// Hash of what is asked for: its name, and the numbers at which.
fn question<R: Real, D: Dimension>(name: &str, at: ArrayView<R, D>) -> String {
    let at = at.as_standard_layout();
    let at = hash::of_parts(bytemuck::cast_slice(at.as_slice().expect("standard layout")));
    hash::of_bytes(format!("{name} {at}").as_bytes())
}

impl<R: Real, A: SymmetricOperator<R>> SymmetricOperator<R> for Recorded<'_, A> {
    fn size(&self) -> usize {
        self.of.size()
    }

    fn apply(&self, v: ArrayView2<R>) -> Array2<R> {
        product(self.journal, &self.of, v)
    }
}

fn product<R: Real>(journal: &Journal, of: &impl SymmetricOperator<R>, v: ArrayView2<R>) -> Array2<R> {
    let compute = || of.apply(v).iter().map(|x| x.wide()).collect();
    let found = journal.answer(&question("product", v), compute);
    let found = found.into_iter().map(R::narrow).collect();
    Array2::from_shape_vec(v.dim(), found).expect("a product has the shape of its vectors")
}

impl<O: Objective> Objective for Recorded<'_, O> {
    fn value(&self, w: ArrayView1<f64>) -> f64 {
        self.journal.answer(&question("value", w), || vec![self.of.value(w)])[0]
    }

    fn gradient(&self, w: ArrayView1<f64>) -> Array1<f64> {
        let compute = || self.of.gradient(w).to_vec();
        self.journal.answer(&question("gradient", w), compute).into()
    }

    fn with_hessian(&self, w: ArrayView1<f64>, f: &mut dyn FnMut(&Products)) {
        self.of.with_hessian(w, &mut |hessian| {
            f(&Products::new(w.len(), &|v| product(self.journal, hessian, v)));
        });
    }
}
