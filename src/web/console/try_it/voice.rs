//! Who speaks for the agent in a test: the speech service, or where none is set up the stand-in of the
//! rehearsal, in this process.

use crate::line::Engines;
use crate::web::AppState;
use crate::web::problem::Problem;

/// The engines of a test; none: those of all calls.
#[cfg(feature = "rehearsal")]
pub(super) async fn engines(state: &AppState) -> Result<Option<Engines>, Problem> {
    let ours = &state.services.engines;
    if ours.openai.api_key.is_some() {
        return Ok(None);
    }
    let made = state.test_calls.stand_in.get_or_try_init(|| stand_in(ours));
    let engines = made.await.map_err(|error| {
        tracing::warn!(%error, "the stand-in speech service cannot be started");
        Problem::new(
            http::StatusCode::SERVICE_UNAVAILABLE,
            "the stand-in speech service cannot be started",
        )
    })?;
    Ok(Some(engines.clone()))
}

/// The same without a stand-in.
#[cfg(not(feature = "rehearsal"))]
pub(super) async fn engines(state: &AppState) -> Result<Option<Engines>, Problem> {
    let why = "no speech service is set up: whoever runs this server sets OPENAI_API_KEY";
    match &state.services.engines.openai.api_key {
        Some(_) => Ok(None),
        None => Err(Problem::new(http::StatusCode::SERVICE_UNAVAILABLE, why)),
    }
}

/// Starts the stand-in, on this machine alone and for as long as the process runs.
#[cfg(feature = "rehearsal")]
async fn stand_in(ours: &Engines) -> std::io::Result<Engines> {
    use crate::config::OpenAi;
    use crate::rehearsal::speech::script::Script;
    use crate::rehearsal::speech::{SpeechOptions, serve};

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let script = Script {
        turns: Vec::new(),
        otherwise: "I hear you. Once a speech service is set up, I understand you, too.".to_owned(),
        ..Script::default()
    };
    let options = SpeechOptions { script, ..SpeechOptions::default() };
    let speech = serve(listener, options, std::future::pending::<()>())?;
    let base_url = speech.base_url().parse().map_err(std::io::Error::other)?;
    let openai = OpenAi { api_key: Some("stand-in".into()), base_url };
    Ok(Engines::new(openai, ours.models.clone()))
}
