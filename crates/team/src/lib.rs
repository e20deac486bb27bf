//! The processes that work on one stage together. The first leads: it reads parameters, locks, decides and writes. The others do
//! what it orders, and nothing without an order.
//!
//! A [`Team`] is one process alone, the ranks of MPI (feature `mpi`), or threads that pretend to be ranks (tests). This crate
//! moves bytes and knows no mathematics; what the orders mean is in `landscape::serve`.

pub mod launched;
#[cfg(feature = "mpi")]
mod mpi;
pub mod pretended;

use std::sync::Arc;

use bytemuck::{AnyBitPattern, NoUninit};

/// Processes numbered from 0. Messages between two of them arrive in the order in which they were sent.
///
/// What goes wrong between them ends them all: no method returns an error. Every method is called from one thread at a time.
pub trait Team: Send + Sync {
    /// The number of this process; 0 leads.
    fn rank(&self) -> usize;
    /// How many there are.
    fn size(&self) -> usize;
    /// Sends bytes to another, which receives as many.
    fn send(&self, to: usize, bytes: &[u8]);
    /// Receives as many bytes as the other sends.
    fn receive(&self, from: usize, bytes: &mut [u8]);
    /// The bytes of the first, on all of them.
    fn broadcast(&self, bytes: &mut [u8]);
    /// Ends all of them with an exit code.
    fn abort(&self, code: u8) -> !;
}

impl dyn Team + '_ {
    /// Whether there is no other.
    pub fn is_alone(&self) -> bool {
        self.size() == 1
    }

    /// Whether this is the first.
    pub fn leads(&self) -> bool {
        self.rank() == 0
    }

    /// Sends numbers to another.
    pub fn send_values<T: NoUninit>(&self, to: usize, values: &[T]) {
        self.send(to, bytemuck::cast_slice(values));
    }

    /// Receives as many numbers as the other sends.
    pub fn receive_values<T: NoUninit + AnyBitPattern>(&self, from: usize, values: &mut [T]) {
        self.receive(from, bytemuck::cast_slice_mut(values));
    }

    /// The numbers of the first, to all others.
    pub fn tell<T: NoUninit>(&self, values: &[T]) {
        // MPI asks for a buffer that it could write to.
        self.broadcast(&mut bytemuck::cast_slice(values).to_vec());
    }

    /// `n` numbers that the first tells.
    pub fn hear<T: NoUninit + AnyBitPattern>(&self, n: usize) -> Vec<T> {
        let mut values = vec![T::zeroed(); n];
        self.broadcast(bytemuck::cast_slice_mut(&mut values));
        values
    }

    /// Sends text of any length.
    pub fn send_text(&self, to: usize, text: &str) {
        self.send_values(to, &[text.len() as u64]);
        self.send(to, text.as_bytes());
    }

    /// Text that another sends.
    pub fn receive_text(&self, from: usize) -> String {
        let mut length = [0_u64];
        self.receive_values(from, &mut length);
        let mut text = vec![0; usize::try_from(length[0]).expect("it was in memory")];
        self.receive(from, &mut text);
        String::from_utf8_lossy(&text).into_owned()
    }

    /// The first orders something of all others. Alone, nothing happens.
    pub fn order(&self, order: &Order) {
        if !self.is_alone() {
            self.tell(&order.0);
        }
    }

    /// What the first orders next.
    pub fn next_order(&self) -> Order {
        let words = self.hear::<u64>(WORDS);
        Order(words.try_into().expect("as many as were asked for"))
    }
}

const WORDS: usize = 8;

/// What the first wants the others to do: a task and what it needs to be known at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order([u64; WORDS]);

impl Order {
    /// The end of the work.
    pub const END: Self = Self([0; WORDS]);

    /// A task above 0, with numbers that belong to it, seven at most.
    pub fn new(task: u64, numbers: &[usize]) -> Self {
        let mut words = [0; WORDS];
        words[0] = task;
        words[1..=numbers.len()].iter_mut().zip(numbers).for_each(|(word, &n)| *word = n as u64);
        Self(words)
    }

    /// What is to be done.
    pub fn task(&self) -> u64 {
        self.0[0]
    }

    /// Number `i` of the order.
    pub fn number(&self, i: usize) -> usize {
        usize::try_from(self.0[1 + i]).expect("it was a usize")
    }
}

/// A team of one.
#[derive(Debug)]
pub struct Alone;

/// A process that works by itself.
pub fn alone() -> Arc<dyn Team> {
    Arc::new(Alone)
}

impl Team for Alone {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        1
    }

    fn send(&self, to: usize, _bytes: &[u8]) {
        unreachable!("there is no process {to}")
    }

    fn receive(&self, from: usize, _bytes: &mut [u8]) {
        unreachable!("there is no process {from}")
    }

    fn broadcast(&self, _bytes: &mut [u8]) {}

    fn abort(&self, code: u8) -> ! {
        std::process::exit(code.into())
    }
}
