//! Buffers that are used again: a fresh large array costs a page fault for every 4 KiB of it.

use std::sync::Mutex;

use ndarray::{Array, Dimension};

use crate::numeric::real::Real;

/// Buffers that tasks borrow and give back; there are never more than tasks at one time.
#[derive(Debug, Default)]
pub struct Pool<T> {
    free: Mutex<Vec<T>>,
}

impl<T: Default> Pool<T> {
    /// Runs `task` with a buffer, in whatever state the last borrower left it.
    pub fn with<U>(&self, task: impl FnOnce(&mut T) -> U) -> U {
        let free = || self.free.lock().expect("no task panics while it holds the lock");
        let mut buffer = free().pop().unwrap_or_default();
        let result = task(&mut buffer);
        free().push(buffer);
        result
    }
}

/// `array` with the given shape: untouched if it has it, else zeros.
pub fn shaped<R: Real, D: Dimension>(array: &mut Array<R, D>, shape: D) -> &mut Array<R, D> {
    if array.raw_dim() != shape {
        *array = Array::zeros(shape);
    }
    array
}

/// Values that begin on a line of the cache: a vector of the processor across two lines is two loads.
#[derive(Debug, Default)]
pub struct Aligned<R> {
    /// and one line more
    values: Vec<R>,
    len: usize,
}

/// Bytes of a line of the cache, and of the widest vector.
const LINE: usize = 64;

impl<R: Real> Aligned<R> {
    /// Numbers in a line.
    pub const PER_LINE: usize = LINE / size_of::<R>();

    /// `len` values, whatever they are.
    pub fn of_len(&mut self, len: usize) -> &mut [R] {
        self.len = len;
        if self.values.len() < len + Self::PER_LINE {
            self.values = vec![R::zero(); len + Self::PER_LINE];
        }
        let begin = self.begin();
        &mut self.values[begin..begin + len]
    }

    /// These values.
    pub fn values(&self) -> &[R] {
        let begin = self.begin();
        self.values.get(begin..begin + self.len).unwrap_or_default()
    }

    fn begin(&self) -> usize {
        self.values.as_ptr().align_offset(LINE).min(Self::PER_LINE)
    }
}
