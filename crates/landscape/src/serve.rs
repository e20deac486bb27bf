//! What every process of a team but the first does: what the first orders, until the end.
//!
//! The first runs the stage as if it were alone: solvers, random numbers and decisions are its own, and nothing can differ from
//! process to process. Where a sum over shared samples is due, it tells the others what of, and each adds its part. For a product
//! with a direction it sends p numbers to each, and the others return p together: as much as to send the sum to all of them,
//! which solvers on each process would need.

use ndarray::{Array1, Array2};
use strum::VariantArray;
use team::{Order, Team};

use crate::change::sample_sums::SampleSums;
use crate::change::sampling::Sampling;
use crate::change::surface::landscape_of_part;
use crate::network::architecture::Network;
use crate::numeric::orders::Task;
use crate::numeric::real::Real;
use crate::numeric::samples::Samples;
use crate::passes::curvature::derivatives_of_parts;
use crate::passes::draws::Draws;
use crate::passes::gradient::{gradient_of_part, losses_of_part};
use crate::passes::hvp::{HessianSum, SecondOrder};

/// Does what the first process orders, with the samples that it shares, until it orders the end.
pub fn serve(network: &Network, samples: &Samples) {
    let team = samples.team();
    let (mut single, mut double, mut run) = (None, None, None);
    loop {
        let order = team.next_order();
        let Some(task) = Task::of(&order) else { return };
        let work = Work { network, samples, team, order };
        // Number 0 of each order is the precision.
        if order.number(0) == size_of::<f32>() {
            work.run::<f32>(task, &mut single, &mut run);
        } else {
            work.run::<f64>(task, &mut double, &mut run);
        }
    }
}

/// An order and what it is about.
struct Work<'a> {
    network: &'a Network,
    samples: &'a Samples,
    team: &'a dyn Team,
    order: Order,
}

impl<'a> Work<'a> {
    /// `sum`: what was linearised last in this precision; `run`: sums over draws.
    fn run<R: Real>(
        &self,
        task: Task,
        sum: &mut Option<HessianSum<'a, R>>,
        run: &mut Option<(Samples, SampleSums)>,
    ) {
        let (network, samples, p) = (self.network, self.samples, self.network.n_params());
        let number = |i| self.order.number(i);
        match task {
            Task::Gradient => drop(gradient_of_part(network, &self.vector::<R>(p).view(), samples, &|_| ())),
            Task::Losses => drop(losses_of_part(network, &self.vector::<R>(p).view(), samples, &|_| ())),
            Task::Linearise => {
                *sum = None; // its cache is no longer needed
                let w = network.arranged(self.vector::<R>(p).view()).into_owned();
                *sum = Some(HessianSum::of_part(network, w.into(), samples, number(1)));
            }
            Task::Product => {
                let v = self.rows::<R>((number(3), p));
                let kind = if number(4) == SecondOrder::Hessian as usize {
                    SecondOrder::Hessian
                } else {
                    SecondOrder::GaussNewton
                };
                linearised(sum.as_ref()).add_product_of_parts(
                    number(1)..number(2),
                    v.view(),
                    kind,
                    &mut None,
                );
            }
            Task::Derivatives => {
                let basis = self.rows::<R>((number(1), p));
                let nothing =
                    derivatives_of_parts(linearised(sum.as_ref()), basis.view(), &mut |_, _| Ok::<_, ()>(()));
                nothing.expect("only the first takes them");
            }
            Task::NewRun => *run = Some(self.new_run()),
            Task::GoOn => begun(run).1.receive(self.team, 0),
            Task::State => begun(run).1.send(self.team, 0),
            Task::Draws => {
                let (w, basis, theta) = self.points::<R>();
                let weights = self.team.hear::<f64>(theta.nrows());
                let (samples, sums) = begun(run);
                let draws = self.draws(&w, &basis, samples);
                sums.add_shared(&draws, theta.view(), (number(5), &weights));
            }
            Task::Landscape => {
                let (w, basis, theta) = self.points::<R>();
                let (step, wanted) = (number(5), self.sizes(number(6)));
                landscape_of_part(&self.draws(&w, &basis, samples), theta.view(), step, &wanted);
            }
        }
    }

    /// Sums of which nothing is drawn yet, over the first samples.
    fn new_run(&self) -> (Samples, SampleSums) {
        let number = |i| self.order.number(i);
        let samples = self.samples.first(number(1));
        let numbers = self.sizes(self.team.size() + 1 + number(4));
        let (cuts, pilot_sizes) = numbers.split_at(self.team.size() + 1);
        let sampling = Sampling::VARIANTS.iter().copied().find(|&s| s as usize == number(3));
        let sampling = sampling.expect("one of them");
        let own = cuts[self.team.rank()]..cuts[self.team.rank() + 1];
        (samples, SampleSums::new(own, number(2), sampling, pilot_sizes))
    }

    /// w (p,), directions (d, p) and coordinates (T, d).
    fn points<R: Real>(&self) -> (Array1<R>, Array2<R>, Array2<f64>) {
        let (n, d, p) = (self.order.number(1), self.order.number(2), self.network.n_params());
        (self.vector(p), self.rows((d, p)), self.rows((n, d)))
    }

    fn draws<'b, R: Real>(
        &'b self,
        w: &'b Array1<R>,
        basis: &'b Array2<R>,
        samples: &'b Samples,
    ) -> Draws<'b, R> {
        let (w, basis, weights_bytes) = (w.view(), basis.view(), self.order.number(4));
        Draws { network: self.network, w, basis, samples, weights_bytes }
    }

    fn vector<R: Real>(&self, n: usize) -> Array1<R> {
        self.team.hear(n).into()
    }

    fn rows<R: Real>(&self, shape: (usize, usize)) -> Array2<R> {
        Array2::from_shape_vec(shape, self.team.hear(shape.0 * shape.1)).expect("as many as were told")
    }

    fn sizes(&self, n: usize) -> Vec<usize> {
        let sizes = self.team.hear::<u64>(n).into_iter();
        sizes.map(|k| usize::try_from(k).expect("it was a usize")).collect()
    }
}

fn linearised<T>(sum: Option<&T>) -> &T {
    sum.expect("the first linearises before it asks for products")
}

fn begun(run: &mut Option<(Samples, SampleSums)>) -> &mut (Samples, SampleSums) {
    run.as_mut().expect("the first begins a run before it draws")
}
