//! Ranks of MPI.

use std::time::{Duration, Instant};

use ferrompi::{Communicator, Mpi, ThreadLevel};

use crate::Team;

/// No message is longer, bytes: MPI counts in 32 bits.
const MOST: usize = 1 << 30;
/// So long a rank that waits keeps its core: the others are at the same work. Later it sleeps between two looks, as they may
/// have other work for minutes.
const EAGER: Duration = Duration::from_millis(20);
/// Between two looks.
const NAP: Duration = Duration::from_micros(200);
/// All messages are of one kind, and come in order.
const TAG: i32 = 0;

/// This process among the ranks.
pub(crate) struct Ranks(Communicator);

/// Joins the ranks; they part where the second is dropped.
pub(crate) fn join() -> Result<(Ranks, Mpi), String> {
    // Rayon's threads compute meanwhile; only the thread that begins a sum talks to other ranks.
    let mpi = Mpi::init_thread(ThreadLevel::Serialized).map_err(|error| error.to_string())?;
    Ok((Ranks(mpi.world()), mpi))
}

impl Ranks {
    /// Waits until a message of `from` is there.
    fn wait(&self, from: i32) {
        let begun = Instant::now();
        while self.0.iprobe::<u8>(from, TAG).unwrap_or_else(|e| self.fail(&e)).is_none() {
            if begun.elapsed() < EAGER { std::thread::yield_now() } else { std::thread::sleep(NAP) }
        }
    }

    fn fail(&self, error: &ferrompi::Error) -> ! {
        panic!("rank {}: {error}", self.0.rank())
    }
}

fn number(rank: usize) -> i32 {
    i32::try_from(rank).expect("ranks of MPI are counted in 32 bits")
}

impl Team for Ranks {
    fn rank(&self) -> usize {
        usize::try_from(self.0.rank()).expect("not below 0")
    }

    fn size(&self) -> usize {
        usize::try_from(self.0.size()).expect("not below 0")
    }

    fn send(&self, to: usize, bytes: &[u8]) {
        for part in bytes.chunks(MOST) {
            self.0.send(part, number(to), TAG).unwrap_or_else(|e| self.fail(&e));
        }
    }

    fn receive(&self, from: usize, bytes: &mut [u8]) {
        for part in bytes.chunks_mut(MOST) {
            self.wait(number(from));
            let found = self.0.recv(part, number(from), TAG).unwrap_or_else(|e| self.fail(&e));
            let found = found.count.and_then(|n| usize::try_from(n).ok());
            assert_eq!(found, Some(part.len()), "bytes that rank {} has of rank {from}", self.rank());
        }
    }

    fn broadcast(&self, bytes: &mut [u8]) {
        // A word before, for which the others can wait without keeping their cores.
        if self.rank() == 0 {
            (1..self.size()).for_each(|to| self.send(to, &[0]));
        } else {
            self.receive(0, &mut [0]);
        }
        for part in bytes.chunks_mut(MOST) {
            self.0.broadcast(part, 0).unwrap_or_else(|e| self.fail(&e));
        }
    }

    fn abort(&self, code: u8) -> ! {
        self.0.abort(code.into())
    }
}
