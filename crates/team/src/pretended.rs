//! Threads of one process that pretend to be ranks: for tests.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use crate::Team;

/// One of the threads.
struct Pretended {
    rank: usize,
    /// to each other
    to: Vec<Sender<Vec<u8>>>,
    /// from each other
    from: Vec<Mutex<Receiver<Vec<u8>>>>,
}

/// Runs `work` on `size` threads, each with a team of its own; their results in the order of ranks.
///
/// # Panics
/// If one of them panics: those that wait for it panic too.
pub fn on_ranks<T: Send>(size: usize, work: impl Fn(Arc<dyn Team>) -> T + Sync) -> Vec<T> {
    let mut ranks = (0..size).map(|rank| Pretended { rank, to: vec![], from: vec![] }).collect::<Vec<_>>();
    for from in 0..size {
        for to in 0..size {
            let (sender, receiver) = channel();
            ranks[from].to.push(sender);
            ranks[to].from.push(Mutex::new(receiver));
        }
    }
    std::thread::scope(|scope| {
        let work = &work;
        let threads = ranks.into_iter().map(|rank| scope.spawn(move || work(Arc::new(rank))));
        let threads = threads.collect::<Vec<_>>();
        threads.into_iter().map(|thread| thread.join().expect("no rank panics")).collect()
    })
}

impl Team for Pretended {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.to.len()
    }

    fn send(&self, to: usize, bytes: &[u8]) {
        self.to[to].send(bytes.to_vec()).expect("the other goes on");
    }

    fn receive(&self, from: usize, bytes: &mut [u8]) {
        let from = self.from[from].lock().expect("one thread at a time");
        bytes.copy_from_slice(&from.recv().expect("the other goes on"));
    }

    fn broadcast(&self, bytes: &mut [u8]) {
        match self.rank {
            0 => (1..self.size()).for_each(|to| self.send(to, bytes)),
            _ => self.receive(0, bytes),
        }
    }

    fn abort(&self, code: u8) -> ! {
        panic!("rank {} ends all with exit code {code}", self.rank)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Order;

    #[test]
    fn messages_arrive_in_their_order_and_orders_reach_all() {
        let found = on_ranks(3, |team| {
            if team.leads() {
                team.order(&Order::new(4, &[7, 9]));
                team.tell(&[1.5_f64, -2.0]);
                let texts = [1, 2].map(|from| team.receive_text(from));
                return texts.join("; ");
            }
            let order = team.next_order();
            let values = team.hear::<f64>(2);
            team.send_text(
                0,
                &format!("{} {} {} {values:?}", order.task(), order.number(0), order.number(1)),
            );
            team.rank().to_string()
        });
        assert_eq!(found, ["4 7 9 [1.5, -2.0]; 4 7 9 [1.5, -2.0]", "1", "2"]);
    }
}
