//! Who owns the threads, and in which order sums are taken: one place for both.
//!
//! Samples are cut into blocks of a fixed size and partial sums are joined in a fixed tree, so results have the same
//! bytes on any number of threads. Processes share the same tree: see [`crate::numeric::parts`].

use std::ops::Range;

/// Rows of a block of samples: large enough for the matrix products, small enough to balance the threads (9,984 samples
/// are 26 whole blocks; at 512 rows, 20 of which one is short, two threads were 1.85 times as fast as one, now 1.94).
pub const BLOCK_ROWS: usize = 384;

/// Parameters that one task updates or adds up.
pub const PARAMETERS_AT_ONCE: usize = 32_768;

/// Cuts `range` at the multiples of [`BLOCK_ROWS`], so that blocks of different ranges coincide.
pub fn blocks(range: Range<usize>) -> Vec<Range<usize>> {
    blocks_of(range, BLOCK_ROWS)
}

/// Cuts `range` at the multiples of `rows`.
pub fn blocks_of(range: Range<usize>, rows: usize) -> Vec<Range<usize>> {
    let mut cuts = vec![];
    let mut begin = range.start;
    while begin < range.end {
        let end = ((begin / rows + 1) * rows).min(range.end);
        cuts.push(begin..end);
        begin = end;
    }
    cuts
}

/// `Σ term(item)` over the items, joined pairwise in a tree that depends on their number only; `None` if there are none.
pub fn sum<I: Sync, T: Send>(
    items: &[I],
    term: &(impl Fn(&I) -> T + Sync),
    add: &(impl Fn(&mut T, T) + Sync),
) -> Option<T> {
    match items {
        [] => None,
        [item] => Some(term(item)),
        _ => {
            let (left, right) = items.split_at(items.len() / 2);
            let (left, right) = rayon::join(|| sum(left, term, add), || sum(right, term, add));
            let (mut left, right) = (left?, right?);
            add(&mut left, right);
            Some(left)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_tile_the_range_and_coincide() {
        const B: usize = BLOCK_ROWS;
        assert_eq!(blocks(0..2 * B + 276), [0..B, B..2 * B, 2 * B..2 * B + 276]);
        assert_eq!(blocks(B - 12..B + 88), [B - 12..B, B..B + 88]);
        assert!(blocks(3..3).is_empty());
    }

    #[test]
    fn the_tree_depends_on_the_number_of_items_only() {
        let items = (0..37).collect::<Vec<i32>>();
        let text = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let add = |a: &mut String, b: String| *a = format!("({a}+{b})");
            pool.install(|| sum(&items, &|i| i.to_string(), &add)).unwrap()
        };
        assert_eq!(text(1), text(4));
    }
}
