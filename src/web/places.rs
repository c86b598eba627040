//! Who is connected. There are so many places; when all are taken, somebody who keeps one without
//! using it makes way, so that strangers who open connections and do nothing keep out nobody.
//!
//! A connection waits (for its client: for a request's head or body, or for its answer to be read)
//! or works (for us). One that works is never made to leave. Of those that wait, one of the address
//! that has most of them leaves, the one that has waited longest. Behind a proxy all have one
//! address, and the oldest leaves. A connection that has just come has a moment before it counts.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use metrics::{counter, gauge};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::clock::Stopwatch;

/// How long a connection may wait before others make it leave first: a request's head comes with
/// the connection.
const GRACE: Duration = Duration::from_secs(1);

/// The places.
#[derive(Debug)]
pub(super) struct Places {
    max: usize,
    /// How much of unfinished bodies may be in memory, bytes.
    bodies_max: usize,
    table: Mutex<Table>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    bodies: usize,
    held: HashMap<u64, Held>,
}

#[derive(Debug)]
struct Held {
    address: IpAddr,
    /// Its turn among those that wait, and since when it waits; none: it works.
    waits: Option<(u64, Stopwatch)>,
    /// How much of its request's body has come, bytes.
    body: usize,
    leave: Arc<Notify>,
}

/// A place that is held. Dropped, it is free.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    number: u64,
    leave: Arc<Notify>,
}

impl Places {
    pub(super) fn new(max: usize, bodies_max: usize) -> Arc<Self> {
        let table = Mutex::default();
        Arc::new(Self { max, bodies_max, table, freed: Notify::new() })
    }

    /// Gets a place, somebody else's if need be; none: all of them work.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let address = network(address);
        let mut table = self.table.lock();
        if table.held.len() >= self.max && !table.dismiss(self.at_once(), |_| true) {
            return None;
        }
        let (number, leave) = (table.next, Arc::new(Notify::new()));
        table.next += 1;
        let waits = Some((number, Stopwatch::start()));
        let held = Held { address, waits, body: 0, leave: Arc::clone(&leave) };
        table.held.insert(number, held);
        gauge!("frontdesk_connections").set(table.held.len() as f64);
        Some(Place { places: Arc::clone(self), number, leave })
    }

    /// The same; waits while all of them work.
    pub(super) async fn wait_for(self: &Arc<Self>, address: IpAddr) -> Place {
        loop {
            let freed = self.freed.notified();
            if let Some(place) = self.take(address) {
                return place;
            }
            freed.await;
        }
    }

    /// Makes one that waits leave, because the process is out of something.
    pub(super) fn make_room(&self) {
        self.table.lock().dismiss(self.at_once(), |_| true);
    }

    /// How many are made to leave together: looking through all takes time in a flood.
    fn at_once(&self) -> usize {
        (self.max / 64).max(1)
    }

    /// Waits until nobody is there.
    pub(super) async fn empty(&self) {
        loop {
            let freed = self.freed.notified();
            if self.table.lock().held.is_empty() {
                return;
            }
            freed.await;
        }
    }
}

impl Table {
    /// Makes some leave, among those that wait and that `may` leave; whether any did.
    fn dismiss(&mut self, at_once: usize, may: impl Fn(&Held) -> bool) -> bool {
        let all = self.held.iter().filter(|(_, held)| may(held));
        let mut waiting: Vec<_> = all
            .filter_map(|(number, held)| {
                let (turn, since) = held.waits?;
                Some((*number, held.address, since.elapsed() >= GRACE, turn))
            })
            .collect();
        let mut counts: HashMap<IpAddr, usize> = HashMap::new();
        waiting.iter().for_each(|(_, address, ..)| *counts.entry(*address).or_default() += 1);
        waiting.sort_unstable_by_key(|(_, address, has_waited, turn)| {
            (Reverse((*has_waited, counts.get(address).copied())), *turn)
        });
        waiting.truncate(at_once);
        for (number, ..) in &waiting {
            if let Some(held) = self.held.remove(number) {
                self.bodies -= held.body;
                held.leave.notify_one();
                counter!("frontdesk_connections_dismissed_total").increment(1);
            }
        }
        !waiting.is_empty()
    }
}

impl Place {
    /// Ready when somebody else has the place.
    pub(super) async fn dismissed(&self) {
        self.leave.notified().await;
    }

    /// The connection waits for its client, or works.
    pub(super) fn waits(&self, waits: bool) {
        let mut table = self.places.table.lock();
        let turn = table.next;
        table.next += 1;
        let Some(held) = table.held.get_mut(&self.number) else { return };
        held.waits = waits.then(|| (turn, Stopwatch::start()));
        let body = std::mem::take(&mut held.body);
        table.bodies -= body;
        drop(table);
        if waits {
            self.places.freed.notify_waiters();
        }
    }

    /// So much more of a body has come. Where there is too much of unfinished bodies, another one
    /// leaves, or this one.
    pub(super) fn body(&self, bytes: usize) {
        let mut table = self.places.table.lock();
        let Some(held) = table.held.get_mut(&self.number) else { return };
        held.body += bytes;
        table.bodies += bytes;
        let at_once = self.places.at_once();
        while table.bodies > self.places.bodies_max && table.dismiss(at_once, |held| held.body > 0)
        {
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut table = self.places.table.lock();
        if let Some(held) = table.held.remove(&self.number) {
            table.bodies -= held.body;
        }
        gauge!("frontdesk_connections").set(table.held.len() as f64);
        drop(table);
        self.places.freed.notify_waiters();
    }
}

/// What counts as one address: of IPv6 a network, since whoever has one address has all of it.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let mut parts = address.segments();
            parts[4..].fill(0);
            IpAddr::V6(Ipv6Addr::from(parts))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn has_left(place: &Place) -> bool {
        place.dismissed().now_or_never().is_some()
    }

    #[tokio::test]
    async fn the_address_with_most_idle_connections_makes_way_and_who_works_does_not() {
        let places = Places::new(4, 1_000);
        let [busy, idle, other] = [1, 2, 2].map(|last| places.take(address(last)).unwrap());
        let last = places.take(address(3)).unwrap();
        busy.waits(false);
        let new = places.take(address(4)).unwrap();
        assert!(has_left(&idle) && !has_left(&other) && !has_left(&last));
        for place in [&other, &last, &new] {
            place.waits(false);
        }
        assert!(places.take(address(5)).is_none(), "one that works was made to leave");
        // A place that was lost frees nobody's when it is dropped.
        drop(idle);
        assert!(places.take(address(5)).is_none());
        busy.waits(true);
        assert!(places.take(address(5)).is_some());
        assert!(has_left(&busy));
    }

    #[tokio::test]
    async fn unfinished_bodies_take_so_much_memory_and_no_more() {
        let places = Places::new(100, 1_000);
        let held: Vec<_> = (0..20).map(|_| places.take(address(1)).unwrap()).collect();
        held.iter().for_each(|place| place.body(100));
        assert!(places.table.lock().bodies <= 1_000);
        assert_eq!(held.iter().filter(|place| has_left(place)).count(), 10);
        drop(held);
        assert_eq!(places.table.lock().bodies, 0);
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8:0:1::1"), of("2001:db8::1"));
        assert_eq!(of("::ffff:192.0.2.1"), address(1));
    }
}
