//! The queue in front of the log's writer: bounded in all, and for each call, so that a call that
//! floods the log costs no other call its events.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use super::spool::{BATCH_RECORDS, Record};
use crate::clock;
use crate::store::EventRow;

/// Records that wait for the writer. When it is full an event is dropped and counted; a
/// completion waits.
const RECORDS_MAX: usize = 16_384;
/// Events of one call that wait for the writer (an eighth of the room), beyond which its events are dropped and counted.
/// A call has one or two a second, and the writer takes what waits every 100 ms.
pub(super) const EVENTS_OF_A_CALL_MAX: u32 = 2_048;
/// How long a batch is gathered.
const BATCH_TIME: Duration = Duration::from_millis(100);

/// How many events of each call wait.
type Waiting = Arc<Mutex<HashMap<Uuid, u32>>>;

/// Where records are put in.
#[derive(Debug, Clone)]
pub(super) struct Inlet {
    records: mpsc::Sender<Record>,
    waiting: Waiting,
}

/// Where they come out.
#[derive(Debug)]
pub(super) struct Outlet {
    records: mpsc::Receiver<Record>,
    waiting: Waiting,
}

/// Why an event is not taken.
#[derive(Debug)]
pub(super) enum NotTaken {
    /// The queue, or the call's share of it, is full.
    Full,
    /// The log is being closed: the event is given back.
    Closed(EventRow),
}

/// Makes a queue, and gives both of its ends.
pub(super) fn queue() -> (Inlet, Outlet) {
    let (sender, receiver) = mpsc::channel(RECORDS_MAX);
    let waiting = Waiting::default();
    (
        Inlet { records: sender, waiting: Arc::clone(&waiting) },
        Outlet { records: receiver, waiting },
    )
}

impl Inlet {
    /// Takes an event if there is room for it. Never waits.
    ///
    /// # Errors
    /// It is not taken.
    pub(super) fn try_event(&self, event: EventRow) -> Result<(), NotTaken> {
        let call = event.call_log_id;
        {
            let mut waiting = self.waiting.lock();
            let count = waiting.entry(call).or_default();
            if *count >= EVENTS_OF_A_CALL_MAX {
                return Err(NotTaken::Full);
            }
            *count += 1;
        }
        let Err(error) = self.records.try_send(Record::Event(event)) else { return Ok(()) };
        forget(&mut self.waiting.lock(), call);
        match error {
            mpsc::error::TrySendError::Closed(Record::Event(event)) => Err(NotTaken::Closed(event)),
            _ => Err(NotTaken::Full),
        }
    }

    /// Takes a record that is not an event; waits for room.
    ///
    /// # Errors
    /// The writer has ended: the record is given back.
    pub(super) async fn send(&self, record: Record) -> Result<(), Record> {
        self.records.send(record).await.map_err(|mpsc::error::SendError(record)| record)
    }

    /// How many records wait.
    pub(super) fn queued(&self) -> usize {
        self.records.max_capacity() - self.records.capacity()
    }
}

impl Outlet {
    /// Gathers a batch; false when there is and will be none. `batch` is empty before; what is in it
    /// counts as taken also where nobody waits for the end of this.
    pub(super) async fn gather(
        &mut self,
        batch: &mut Vec<Record>,
        stop: &mut watch::Receiver<bool>,
    ) -> bool {
        let Self { records, waiting } = self;
        let gathering = Gathering { batch, waiting };
        let count = tokio::select! {
            () = stopped(stop) => {
                records.close();
                records.recv_many(gathering.batch, BATCH_RECORDS).await
            }
            count = records.recv_many(gathering.batch, BATCH_RECORDS) => count,
        };
        if count == 0 {
            return false;
        }
        clock::within(BATCH_TIME, async {
            while gathering.batch.len() < BATCH_RECORDS {
                let room = BATCH_RECORDS - gathering.batch.len();
                if records.recv_many(gathering.batch, room).await == 0 {
                    break;
                }
            }
        })
        .await;
        true
    }
}

/// A batch that is being gathered: its events wait no more, whichever way that ends.
struct Gathering<'a> {
    batch: &'a mut Vec<Record>,
    waiting: &'a Waiting,
}

impl Drop for Gathering<'_> {
    fn drop(&mut self) {
        let mut waiting = self.waiting.lock();
        for record in &*self.batch {
            if let Record::Event(event) = record {
                forget(&mut waiting, event.call_log_id);
            }
        }
    }
}

fn forget(waiting: &mut HashMap<Uuid, u32>, call: Uuid) {
    if let Some(count) = waiting.get_mut(&call) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            waiting.remove(&call);
        }
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // The sender's end is an order to stop too.
    stop.wait_for(|stop| *stop).await.ok();
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(call: Uuid, seq: i64) -> EventRow {
        let data = json!({"keys": "1", "turn": 1}).into();
        let kind = "keys_pressed".to_owned();
        EventRow { call_log_id: call, epoch: 1, seq, at_ms: 0, kind, data }
    }

    #[tokio::test]
    async fn a_call_that_floods_the_log_leaves_room_for_the_others() {
        let (inlet, mut outlet) = queue();
        let (flood, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let taken = (0..100_000).filter(|seq| inlet.try_event(event(flood, *seq)).is_ok()).count();
        assert_eq!(taken, EVENTS_OF_A_CALL_MAX as usize);
        assert!(inlet.try_event(event(other, 1)).is_ok());
        // What the writer has taken makes room again.
        let (_stop, mut stopped) = watch::channel(false);
        let mut batch = Vec::new();
        assert!(outlet.gather(&mut batch, &mut stopped).await);
        assert_eq!(batch.len(), BATCH_RECORDS);
        let taken = (0..100_000).filter(|seq| inlet.try_event(event(flood, *seq)).is_ok()).count();
        assert_eq!(taken, BATCH_RECORDS);
        while inlet.queued() > 0 {
            batch.clear();
            outlet.gather(&mut batch, &mut stopped).await;
        }
        assert!(inlet.waiting.lock().is_empty(), "calls are remembered");
    }
}
