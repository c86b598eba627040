//! Test calls: a browser plays the telephone, and from the media stream on everything is as in any
//! call. Twilio has no part in them and is never asked about them.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt as _;
use http::StatusCode;
use metrics::counter;
use rand::RngCore as _;
use serde_json::json;
use tokio::sync::{OnceCell, oneshot};
use tokio_tungstenite::tungstenite::Message;
use tracing::info;
use uuid::Uuid;

use super::PLAN_LIMIT;
use super::answer::nonce;
use crate::agent::Agent;
use crate::agent::settings::Fallback;
use crate::call::{CallRecord, LogEvent};
use crate::clock;
use crate::functions::TestCall;
use crate::line::opening::{Opening, TestOpening};
use crate::line::record::unix_us;
use crate::line::registry::{AfterPlan, Begin, CallHandle, Claim, Command, Proof, SlotFor};
use crate::line::{Engines, stream_config};
use crate::private::Private;
use crate::recovery::completion::CameTo;
use crate::socket::ServerSocket;
use crate::store::access::{AgentAccess, Maintain, Object};
use crate::store::people::Viewer;
use crate::store::{
    FIRST_EPOCH, LogPosition, NewCall, StoreError, StreamClaim, TestLimits, TestOpened,
};
use crate::twilio::media::{Inbound, Start};
use crate::twilio::token::{self, StreamClaims};
use crate::web::AppState;
use crate::web::paces::TESTS;
use crate::web::problem::Problem;
use crate::web::still::{CutOff, Still};
use crate::web::upgrade::upgrade;

/// How many tests an agent may have.
const LIMITS: TestLimits = TestLimits { at_once: 2, at_once_of_owner: 6, in_a_day: 20 };
/// The same for tests that are typed: each return to an earlier turn begins one.
const TYPED_LIMITS: TestLimits = TestLimits { in_a_day: 100, ..LIMITS };
/// How long a stream token is good.
const TOKEN_LIFE: Duration = Duration::from_secs(30);
/// How long a stream may take to say whose it is, and within how many messages.
const START_LIMIT: Duration = Duration::from_secs(5);
const START_MESSAGES: usize = 4;
/// How often it is asked whether whoever makes a test call still may.
const ASK_PAUSE: Duration = Duration::from_secs(1);
/// How long the database may take to say that a token is still good.
const CLAIM_LIMIT: Duration = Duration::from_secs(2);
/// What the installation's key for these tokens is called.
const KEY: &str = "test-calls";
/// Why an agent that the operator has suspended is not tried: a test costs as a call does.
const SUSPENDED: &str = "whoever runs this server has suspended the agent; ask them";

/// What test calls share.
#[derive(Debug, Default)]
pub struct TestCalls {
    key: OnceCell<Private<String>>,
    /// The caller's lines that the speech service knows, where it is set up as a stand-in that plays
    /// one script.
    pub scripted: Arc<OnceLock<Vec<String>>>,
    /// The stand-in speech service of this process, once it was needed.
    #[cfg(feature = "rehearsal")]
    pub(crate) stand_in: OnceCell<Engines>,
}

/// A test call that somebody wants.
pub(crate) struct WantedTest {
    /// The agent as it is to be tried.
    pub(crate) agent: Arc<Agent>,
    /// Who is to be the caller.
    pub(crate) caller: Private<String>,
    /// What it may do.
    pub(crate) test: TestOpening,
    /// Whether the caller types.
    pub(crate) is_typed: bool,
}

/// A test call that waits for its stream.
pub(crate) struct BegunTest {
    /// `call_logs.id`.
    pub(crate) id: Uuid,
    /// Our name for the call.
    pub(crate) call_sid: String,
    /// What admits its stream, once.
    pub(crate) token: String,
    /// The machine that has it, where the host can send a request there.
    pub(crate) machine: Option<String>,
}

/// A test call's name: as Twilio's, with letters that Twilio does not use.
fn test_sid() -> String {
    format!("FT{}", Uuid::new_v4().simple())
}

impl AppState {
    /// Begins a test call, which counts for whoever makes it: its slot, its row and its task, which dials
    /// the engine.
    pub(crate) async fn begin_test(
        self: &Arc<Self>,
        viewer: &Viewer,
        access: &AgentAccess<Maintain>,
        wanted: WantedTest,
    ) -> Result<BegunTest, Problem> {
        let WantedTest { agent, caller, test, is_typed } = wanted;
        let limits = if is_typed { TYPED_LIMITS } else { LIMITS };
        let call_sid = test_sid();
        let mut metadata = self.first_metadata(&call_sid);
        metadata["test"] = json!(true);
        let new = NewCall {
            id: Uuid::now_v7(),
            agent_id: agent.id,
            call_sid: call_sid.clone(),
            caller,
            instance_id: self.services.instance_id,
            nonce: nonce(),
            limit: None,
            metadata: metadata.into(),
            started_us: unix_us(clock::unix_now()),
        };
        let token = self.test_token(viewer, &new).await?;
        let registry = &self.services.registry;
        let begun = registry.begin(
            SlotFor::Test,
            Proof::Signature,
            &call_sid,
            new.id,
            Arc::clone(&agent),
            &new.nonce,
        );
        let Begin::New(slot, commands) = begun else { return Err(busy()) };
        opened(self.owners.store.open_test(access, &new, limits, &TESTS).await?, limits)?;
        registry.has_row(agent.id, &call_sid, (new.id, FIRST_EPOCH), true);
        let history = self.history(agent.id, &new.caller);
        let (history, has_knowledge) = self.and_knowledge(agent.id, history).await;
        info!(call_sid, "a test call");
        counter!("frontdesk_test_calls_total").increment(1);
        self.services.start(Opening {
            slot,
            commands,
            agent,
            call_log_id: new.id,
            call_sid: call_sid.clone(),
            caller: new.caller,
            history,
            has_knowledge,
            started: Duration::from_micros(new.started_us.unsigned_abs()),
            position: LogPosition::FIRST,
            is_partial: false,
            before: record_of(&test.earlier),
            returns: 0,
            test: Some(test),
        });
        Ok(BegunTest { id: new.id, call_sid, token, machine: self.fly_machine_id.clone() })
    }

    /// What stream tokens of this person's tests are minted under: the installation's key, and what they
    /// are signed in with.
    async fn test_key(&self, viewer: &Viewer) -> Result<Private<String>, StoreError> {
        let read = || async {
            let mut fresh = [0_u8; 32];
            // Seeded by the system, and fit for keys.
            rand::rng().fill_bytes(&mut fresh);
            let key = self.owners.store.installation_key(KEY, &fresh).await?;
            Ok::<_, StoreError>(Private::new(STANDARD.encode(key.reveal())))
        };
        let key = self.test_calls.key.get_or_try_init(read).await?;
        let bound = format!("{} {} {:?}", key.reveal(), viewer.id(), viewer.credential());
        Ok(Private::new(bound))
    }

    async fn test_token(&self, viewer: &Viewer, call: &NewCall) -> Result<String, StoreError> {
        let claims = StreamClaims {
            agent_id: call.agent_id,
            call_sid: call.call_sid.clone(),
            instance: self.services.instance_id,
            machine: self.fly_machine_id.clone(),
            expires_unix_s: (clock::unix_now() + TOKEN_LIFE).as_secs(),
            nonce: call.nonce.clone(),
        };
        Ok(token::mint(self.test_key(viewer).await?.reveal(), &claims))
    }

    /// Takes the media WebSocket of this test call of the agent's. What admits it is in its `start`.
    pub(crate) async fn test_stream(
        self: Arc<Self>,
        viewer: &Viewer,
        agent_id: Uuid,
        call_sid: String,
        request: Request,
    ) -> Result<Response, Problem> {
        let key = self.test_key(viewer).await?;
        let (parts, body) = request.into_parts();
        let still = Still::new(&self, parts.clone(), viewer);
        let request = Request::from_parts(parts, body);
        let (response, upgraded) = match upgrade(request, stream_config()) {
            Ok(upgraded) => upgraded,
            Err(error) => return Ok(error.into_response()),
        };
        clock::spawn(async move {
            let Some(mut socket) = upgraded.await else { return };
            let start = clock::within(START_LIMIT, first_start(&mut socket)).await.flatten();
            let Some(start) = start else { return refused("no start") };
            let sent = start.custom_parameters.reveal().get("token").cloned().unwrap_or_default();
            let now = clock::unix_now().as_secs();
            let claims = token::verify(key.reveal(), &sent, now)
                .ok()
                .filter(|claims| (claims.agent_id, &claims.call_sid) == (agent_id, &call_sid));
            let Some(claims) = claims else { return refused("token") };
            let Some(handle) = self.claim_test(&claims).await else { return refused("spent") };
            // A call that has ended meanwhile drops the socket, which closes it.
            let _ = handle.commands.send(Command::Started(Box::new(socket), start)).await;
            hang_up_for_who_may_not(&still, agent_id, &handle).await;
        });
        Ok(response)
    }

    /// Spends the token, here and in the row.
    async fn claim_test(&self, claims: &StreamClaims) -> Option<CallHandle> {
        let StreamClaims { agent_id, call_sid, nonce, .. } = claims;
        let claim = self.services.registry.claim(*agent_id, call_sid, nonce);
        let Claim::Here(handle, _) = claim else { return None };
        let who = self.claimant(*agent_id, call_sid, Some(handle.epoch));
        let in_row = self.owners.store.claim_stream(who, nonce);
        let in_row = clock::within(CLAIM_LIMIT, in_row).await?.ok()?;
        matches!(in_row, StreamClaim::Claimed { .. }).then_some(handle)
    }

    /// Whoever makes a test typed this; false: there is no such call on the line here.
    pub(crate) async fn type_in_test(
        &self,
        agent_id: Uuid,
        call_sid: &str,
        text: Private<String>,
    ) -> bool {
        let Some(handle) = self.services.registry.find(agent_id, call_sid) else { return false };
        let told = handle.commands.send(Command::CallerTypes(text));
        clock::within(PLAN_LIMIT, told).await.is_some_and(|told| told.is_ok())
    }

    /// What Twilio would be told now that the stream of a test has ended, in words for whoever made it;
    /// the test is over with that.
    pub(crate) async fn after_test(
        &self,
        agent_id: Uuid,
        call_sid: &str,
        stream_sid: Option<String>,
    ) -> String {
        const OVER: &str = "The call is over.";
        let Some(handle) = self.services.registry.find(agent_id, call_sid) else {
            return OVER.to_owned();
        };
        let (answer, plan) = oneshot::channel();
        let asked = async {
            handle.commands.send(Command::After { stream_sid, answer }).await.ok()?;
            plan.await.ok()
        };
        let settings = &handle.agent.settings;
        match clock::within(PLAN_LIMIT, asked).await.flatten() {
            None | Some(AfterPlan::HangUp) => OVER.to_owned(),
            Some(AfterPlan::Return) => {
                // The send fails only where the task has ended, and then the call has ended too.
                let _ = handle.commands.send(Command::CallerLeft).await;
                "The line was lost. A caller would come back to the agent now.".to_owned()
            }
            Some(AfterPlan::Transfer(number)) => {
                self.conclude(agent_id, call_sid.to_owned(), CameTo::Over).await;
                format!("Now you would be put through to {}.", number.reveal())
            }
            Some(AfterPlan::Fallback) => {
                self.conclude(agent_id, call_sid.to_owned(), CameTo::Over).await;
                let words = settings.fallback_message();
                match &settings.fallback {
                    Fallback::Forward(number) => {
                        format!("Now you would be put through to {}.", number.reveal())
                    }
                    Fallback::Voicemail => {
                        format!("Now you would hear “{words}” and could leave a message.")
                    }
                    Fallback::Say => format!("Now you would hear “{words}”"),
                }
            }
        }
    }
}

/// Returns when the test call is over. It is, as soon as whoever makes it may not any more: the caller hangs
/// up. While the database does not say, they still may.
async fn hang_up_for_who_may_not(still: &Still, agent_id: Uuid, handle: &CallHandle) {
    let watching = async {
        let agent = Object::Agent(agent_id);
        while !matches!(still.may::<Maintain>(agent).await, Err(CutOff::NotAllowed)) {
            clock::pause(ASK_PAUSE).await;
        }
    };
    tokio::select! {
        () = handle.commands.closed() => return,
        () = watching => {}
    }
    info!(agent = %agent_id, "a test call ends: whoever makes it may not any more");
    // The send fails only where the task has ended, and then the call has ended too.
    let _ = handle.commands.send(Command::CallerLeft).await;
}

/// Reads a stream up to its `start`.
async fn first_start(socket: &mut ServerSocket) -> Option<Start> {
    for _ in 0..START_MESSAGES {
        if let Message::Text(text) = socket.next().await?.ok()?
            && let Ok(Inbound::Start(start)) = Inbound::parse(&text)
        {
            return Some(start);
        }
    }
    None
}

fn refused(reason: &'static str) {
    counter!("frontdesk_streams_refused_total", "reason" => reason).increment(1);
}

/// What came of these events.
fn record_of(events: &[(u64, LogEvent)]) -> CallRecord {
    let mut record = CallRecord::new();
    events.iter().for_each(|(at_ms, event)| record.apply(*at_ms, event));
    record
}

fn busy() -> Problem {
    let why = "the lines are needed for callers just now; try again in a moment";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, why)
}

fn opened(what: TestOpened, limits: TestLimits) -> Result<(), Problem> {
    match what {
        TestOpened::Opened => Ok(()),
        TestOpened::AtOnce | TestOpened::OwnerAtOnce => Err(too_many("at once", limits)),
        TestOpened::InADay => Err(too_many("within a day", limits)),
        TestOpened::TooMany(seconds) => Err(Problem::too_many(seconds)),
        TestOpened::NoAgent => Err(Problem::not_found()),
        TestOpened::Suspended => Err(Problem::new(StatusCode::FORBIDDEN, SUSPENDED)),
    }
}

fn too_many(when: &str, limits: TestLimits) -> Problem {
    let TestLimits { at_once, at_once_of_owner, in_a_day } = limits;
    let why = format!(
        "too many tests {when}: an agent has at most {at_once} at once and {in_a_day} a day, and all agents \
         of an owner together {at_once_of_owner} at once"
    );
    Problem::new(StatusCode::TOO_MANY_REQUESTS, why)
}

/// The test's own part of an opening; `earlier`: what it goes on from.
pub(crate) fn opening(
    reaches_out: bool,
    engines: Option<Engines>,
    earlier: Vec<(u64, LogEvent)>,
) -> TestOpening {
    TestOpening { call: TestCall { reaches_out }, engines, earlier }
}
