//! Sums over samples that several processes share. Each owns a run of blocks; the tree of the sum is that of one process, so the
//! bytes are too.
//!
//! A process sums the largest subtrees that lie in its part, with all its threads. A node above, of which the halves belong to
//! two processes, is joined by the owner of its first block; the other sends it what it has. The sum ends up with the first.

use std::ops::Range;

use bytemuck::Pod;
use ndarray::Array1;
use rayon::prelude::*;
use team::Team;

use crate::numeric::sums::sum;

/// What is summed, as numbers in memory that can be sent.
pub trait Flat: Clone + Send {
    /// One after the other.
    type Number: Pod;
    /// All of them.
    fn numbers(&self) -> impl Iterator<Item = &[Self::Number]>;
    /// The same, to be overwritten.
    fn numbers_mut(&mut self) -> impl Iterator<Item = &mut [Self::Number]>;
}

impl<T: Pod + Send> Flat for Array1<T> {
    type Number = T;

    fn numbers(&self) -> impl Iterator<Item = &[T]> {
        std::iter::once(self.as_slice().expect("one axis"))
    }

    fn numbers_mut(&mut self) -> impl Iterator<Item = &mut [T]> {
        std::iter::once(self.as_slice_mut().expect("one axis"))
    }
}

/// Nodes of the tree for each process, at the level where it is cut: parts differ by less than a sixteenth, and a process holds
/// few partial sums; where the number of processes is a power of two, one.
const NODES_PER_PROCESS: usize = 16;

/// Where the part of each process begins, and the end: (P + 1,) rows, multiples of `block_rows` but for the last.
pub fn cuts(n_samples: usize, block_rows: usize, size: usize) -> Vec<usize> {
    let n_blocks = n_samples.div_ceil(block_rows);
    let mut nodes = vec![0, n_blocks];
    while nodes.len() <= NODES_PER_PROCESS * size && size > 1 {
        // As `sum` halves them.
        let halves = nodes.windows(2).flat_map(|node| [node[0], node[0] + (node[1] - node[0]) / 2]);
        nodes = halves.chain([n_blocks]).collect();
    }
    let n_nodes = nodes.len() - 1;
    let cut = |rank: usize| (nodes[(rank * n_nodes + size / 2) / size] * block_rows).min(n_samples);
    (0..=size).map(cut).collect()
}

/// The part of each process in a list of blocks.
pub struct Parts<'a> {
    team: &'a dyn Team,
    blocks: &'a [Range<usize>],
    /// first block of each process, and the end, (P + 1,)
    first: Vec<usize>,
}

impl<'a> Parts<'a> {
    /// Blocks belong to the process in whose rows, between two of `cuts`, they begin.
    pub fn new(team: &'a dyn Team, blocks: &'a [Range<usize>], cuts: &[usize]) -> Self {
        let first = cuts.iter().map(|&cut| blocks.partition_point(|b| b.start < cut)).collect();
        Self { team, blocks, first }
    }

    /// Blocks of this process.
    pub fn own(&self) -> Range<usize> {
        self.first[self.team.rank()]..self.first[self.team.rank() + 1]
    }

    /// The process that has block `i`.
    fn owner(&self, i: usize) -> usize {
        self.first.partition_point(|&first| first <= i) - 1
    }

    /// `Σ term(block)` over each largest subtree of the tree of all blocks that this process has, from left to right.
    pub fn partial_sums<T: Send>(
        &self,
        term: &(impl Fn(&Range<usize>) -> T + Sync),
        add: &(impl Fn(&mut T, T) + Sync),
    ) -> Vec<T> {
        let mut nodes = vec![];
        self.find(0..self.blocks.len(), &mut nodes);
        let sums = nodes.into_par_iter().map(|node| sum(&self.blocks[node], term, add));
        sums.map(|sum| sum.expect("a node has blocks")).collect()
    }

    fn find(&self, node: Range<usize>, found: &mut Vec<Range<usize>>) {
        let own = self.own();
        if node.end <= own.start || own.end <= node.start || node.is_empty() {
            return;
        }
        if own.start <= node.start && node.end <= own.end {
            found.push(node);
            return;
        }
        let middle = node.start + node.len() / 2;
        self.find(node.start..middle, found);
        self.find(middle..node.end, found);
    }

    /// Joins the partial sums of all processes, on the one thread that talks to them; `None` on all but the first. `zero` is as
    /// long as a sum.
    pub fn join<T: Flat>(
        &self,
        partial: Vec<T>,
        add: &impl Fn(&mut T, T),
        zero: impl FnOnce() -> T,
    ) -> Option<T> {
        if self.blocks.is_empty() {
            return None;
        }
        let mut partial = partial.into_iter();
        let total = self.join_node(0..self.blocks.len(), &mut partial, add);
        let (owner, rank) = (self.owner(0), self.team.rank());
        if owner == 0 {
            return total;
        }
        if rank == owner {
            self.send(0, &total.expect("the owner of the first block has the sum"));
        }
        (rank == 0).then(|| self.receive(owner, zero()))
    }

    fn join_node<T: Flat>(
        &self,
        node: Range<usize>,
        partial: &mut impl Iterator<Item = T>,
        add: &impl Fn(&mut T, T),
    ) -> Option<T> {
        let (rank, owner, last) = (self.team.rank(), self.owner(node.start), self.owner(node.end - 1));
        if rank < owner || last < rank {
            return None;
        }
        if owner == last {
            return partial.next();
        }
        let middle = node.start + node.len() / 2;
        let left = self.join_node(node.start..middle, partial, add);
        let right = self.join_node(middle..node.end, partial, add);
        let other = self.owner(middle);
        if rank != owner {
            if rank == other {
                self.send(owner, &right.expect("the owner of a half has its sum"));
            }
            return None;
        }
        let mut left = left.expect("the owner of a node has its first half");
        let right = match right {
            Some(right) => right,
            None => self.receive(other, left.clone()),
        };
        add(&mut left, right);
        Some(left)
    }

    fn send<T: Flat>(&self, to: usize, sum: &T) {
        sum.numbers().for_each(|numbers| self.team.send_values(to, numbers));
    }

    fn receive<T: Flat>(&self, from: usize, mut sum: T) -> T {
        sum.numbers_mut().for_each(|numbers| self.team.receive_values(from, numbers));
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::sums::blocks_of;
    use team::pretended::on_ranks;

    #[test]
    fn parts_tile_the_samples_at_blocks_and_are_of_one_size() {
        for (n, rows, size) in [(10_000, 3, 1), (10_000, 3, 4), (9984, 13, 7), (100_003, 10, 3), (5, 2, 7)] {
            let cuts = cuts(n, rows, size);
            assert_eq!((cuts[0], cuts[size], cuts.len()), (0, n, size + 1));
            let share = n as f64 / size as f64;
            for part in cuts.windows(2) {
                assert!(part[0] <= part[1] && part[0].is_multiple_of(rows), "{cuts:?}");
                // Cuts are moved to a node, by half a sixteenth of a part at most, and nodes differ by a block.
                let off = ((part[1] - part[0]) as f64 - share).abs();
                assert!(off <= share / 16.0 + 2.0 * rows as f64, "{size}: {cuts:?}");
            }
        }
    }

    /// Sums as text show their tree, whoever sums.
    #[test]
    fn the_tree_is_that_of_one_process() {
        let add = |a: &mut Tree, b: Tree| {
            let joined = format!("({}+{})", a.text(), b.text());
            a.0[..joined.len()].copy_from_slice(joined.as_bytes());
        };
        for n in [1, 2, 5, 37] {
            for begin in [0, 3, n - 1] {
                let blocks = blocks_of(2 * begin.min(n - 1) + 1..2 * n, 2);
                let term = |block: &Range<usize>| Tree::of(&block.start.to_string());
                let expected = sum(&blocks, &term, &add).unwrap();
                for size in [1, 2, 3, 4, 7] {
                    let found = on_ranks(size, |team| {
                        let parts = Parts::new(&*team, &blocks, &cuts(2 * n, 2, size));
                        let partial = parts.partial_sums(&term, &add);
                        assert!(size > 1 || partial.len() == 1);
                        parts.join(partial, &add, || Tree::of("")).map(|tree| tree.text())
                    });
                    assert_eq!(found[0].as_deref(), Some(expected.text().as_str()), "{n} {begin} {size}");
                    assert!(found[1..].iter().all(Option::is_none));
                }
            }
        }
    }

    #[derive(Clone)]
    struct Tree(Vec<u8>);

    impl Tree {
        fn of(text: &str) -> Self {
            let mut bytes = vec![0; 512];
            bytes[..text.len()].copy_from_slice(text.as_bytes());
            Self(bytes)
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.iter().copied().take_while(|&b| b > 0).collect()).unwrap()
        }
    }

    impl Flat for Tree {
        type Number = u8;

        fn numbers(&self) -> impl Iterator<Item = &[u8]> {
            std::iter::once(&self.0[..])
        }

        fn numbers_mut(&mut self) -> impl Iterator<Item = &mut [u8]> {
            std::iter::once(&mut self.0[..])
        }
    }

    #[test]
    fn where_ranks_are_a_power_of_two_each_has_one_subtree() {
        for (n, size) in [(64, 4), (1000, 8), (777, 2), (999, 4)] {
            let blocks = blocks_of(0..n, 1);
            for found in on_ranks(size, |team| {
                let parts = Parts::new(&*team, &blocks, &cuts(n, 1, size));
                parts.partial_sums(&|_| 1, &|a, b| *a += b).len()
            }) {
                assert_eq!(found, 1, "{n} {size}");
            }
        }
    }
}
