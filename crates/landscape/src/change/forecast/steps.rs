//! The search for a number of samples: geometric steps, then halves.

/// Steps of the first search.
pub const SEARCHED: usize = 120;

/// Sizes from `smallest` to `last` in [`SEARCHED`] geometric steps.
pub struct Steps {
    pub smallest: f64,
    pub last: f64,
}

impl Steps {
    /// The size after `i` steps.
    pub fn at(&self, i: usize) -> f64 {
        self.smallest * (self.last / self.smallest).powf(i as f64 / SEARCHED as f64)
    }

    /// The smallest size between `i` steps, at which `holds` fails, and one more, at which it does not.
    pub fn first_between(&self, i: usize, holds: impl Fn(f64) -> bool) -> usize {
        let (mut below, mut above) = (whole(self.at(i)), whole(self.at(i + 1).ceil()));
        while above - below > 1 {
            let middle = usize::midpoint(below, above);
            if holds(middle as f64) { above = middle } else { below = middle }
        }
        above
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a number of samples
pub fn whole(n: f64) -> usize {
    n.round() as usize
}
