//! Two of the built program on one database, and callers who ask, book, change their minds,
//! interrupt and hang up, while the database, the speech service, the embedding service and the
//! programs themselves are stopped, slowed, killed and started again. What then has to hold is
//! counted and printed (`verdict.rs`); what breaks when is a table (`plan.rs`).
//!
//! As a test it is short; `scripts/chaos` runs it long.
#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

#[path = "../common/database.rs"]
mod database;
mod evidence;
mod front;
mod house;
mod plan;
mod program;
#[path = "../common/proxy.rs"]
mod proxy;
mod rows;
mod services;
mod silence;
mod verdict;

use std::sync::Arc;
use std::time::Duration;

use frontdesk::clock::{self, unix_now};
use frontdesk::rehearsal::phone::{self, CallOptions};
use tokio::sync::mpsc;

use self::house::{ACCOUNT, House, TOKEN};
use self::plan::{Caller, Size};
use self::verdict::Placed;

/// What happens at one phone, at most: nobody may miss a silence.
const EVENTS: usize = 4_096;
/// A call that lasts for longer will never end.
const LONGEST: Duration = Duration::from_secs(150);

#[tokio::test(flavor = "multi_thread")]
async fn every_call_ends_well_whatever_breaks() {
    let size = Size::from_environment();
    println!("seed {}", size.seed);
    let house = Arc::new(House::open(&size).await);
    let began_at = house.clock.now();
    let faults: Vec<_> = plan::timeline(&size)
        .into_iter()
        .map(|line| {
            let house = Arc::clone(&house);
            clock::spawn(async move { house.suffer(began_at, line).await })
        })
        .collect();
    let calls: Vec<_> = plan::callers(&size)
        .into_iter()
        .map(|caller| clock::spawn(place(Arc::clone(&house), began_at, caller)))
        .collect();
    let mut placed = Vec::new();
    for call in calls {
        placed.push(call.await.unwrap());
    }
    for line in faults {
        line.await.unwrap();
    }
    assert!(verdict::judge(&house, &size, &placed).await, "see the table above");
}

/// Places a call when it is due, and sees it through.
async fn place(house: Arc<House>, began_at: Duration, caller: Caller) -> Placed {
    house.clock.sleep_until(began_at + caller.begins_at).await;
    let url = format!("{}/twilio/voice", house.front.url);
    let mut options = CallOptions::new(url, house::number(caller.agent), house.clock);
    options.fallback_url = Some(house.front.fallback_url.clone());
    options.status_url = Some(format!("{}/twilio/status", house.front.url));
    options.from = caller.from.clone().into();
    options.account_sid = ACCOUNT.to_owned();
    options.auth_token = Some(TOKEN.to_owned().into());
    options.api = Some(house.twilio.clone());
    options.hang_up_after = caller.hangs_up_after;
    options.longest = LONGEST;
    options.keep_audio = true;
    // Each request on a connection of its own, so that each finds the program that is there.
    options.http = frontdesk::tls::http_client().pool_max_idle_per_host(0).build().unwrap();
    let (sender, mut receiver) = mpsc::channel(EVENTS);
    options.events = Some(sender);
    let watching = clock::spawn(async move {
        let mut events = Vec::new();
        while let Some(event) = receiver.recv().await {
            events.push(event);
        }
        events
    });
    let from = unix_now();
    let report = phone::call(options, caller.steps()).await;
    let unix = (from, unix_now());
    Placed { caller, report, events: watching.await.unwrap(), unix }
}
