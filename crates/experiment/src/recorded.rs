//! Solvers that can stop and go on without knowing it: what they ask for is kept in a journal.

use landscape::Real;
use landscape::spectrum::operator::SymmetricOperator;
use landscape::training::polish::{Objective, Products};
use ndarray::{Array1, Array2, ArrayView, ArrayView1, ArrayView2, Dimension};
use pipeline::shell::Journal;
use store::hash;

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
    let mut question = hash::Running::default();
    question.update(name.as_bytes());
    question.update(bytemuck::cast_slice(at.as_slice().expect("standard layout")));
    question.finish()
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
