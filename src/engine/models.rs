//! What OpenAI, or a server like it, says of its models (protocols 0.1): whether one is there, and
//! from which day it is no more.

use std::time::Duration;

use reqwest::{Client, StatusCode, redirect};
use secrecy::ExposeSecret;
use serde::Deserialize;

use crate::clock::within;
use crate::config::OpenAi;
use crate::service_json;
use crate::tls::body_of;

/// How long connecting may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// How long one answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(8);
/// The most of an answer that is read. A list of hundreds of models takes less.
const ANSWER_MAX_BYTES: usize = 512 * 1024;

/// The list of a service.
#[derive(Debug)]
pub struct ModelList {
    http: Client,
    service: OpenAi,
}

/// What is known of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelAnswer {
    /// The service has the model.
    There {
        /// The day from which it is no more, as `2027-01-20`, if that is announced.
        shutdown_date: Option<String>,
    },
    /// It is not there, or not for this key.
    Missing,
    /// The service keeps no list.
    NotTold,
}

/// Why a service says nothing. No message holds what it answered, which may repeat the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// It does not accept the key.
    #[error("the key is refused")]
    Key,
    /// It cannot be reached.
    #[error("it cannot be reached")]
    Unreachable,
    /// It gave no answer in time.
    #[error("it gave no answer in time")]
    Late,
    /// It answered something else.
    #[error("it answered with status {0}")]
    Status(u16),
}

#[derive(Deserialize)]
struct Model {
    id: String,
    #[serde(default)]
    shutdown_date: Option<String>,
}

#[derive(Deserialize)]
struct List {
    data: Vec<Model>,
}

impl ModelList {
    /// Of this service.
    ///
    /// # Errors
    /// If no HTTP client can be made.
    pub fn of(service: &OpenAi) -> Result<Self, reqwest::Error> {
        let http = crate::tls::http_client()
            .connect_timeout(CONNECT_LIMIT)
            .redirect(redirect::Policy::none())
            .build()?;
        Ok(Self { http, service: service.clone() })
    }

    /// What the service says of a model.
    ///
    /// # Errors
    /// Why it says nothing.
    pub async fn look_up(&self, id: &str) -> Result<ModelAnswer, ModelError> {
        if let Some(body) = self.get(&["models", id]).await?
            && let Ok(Model { shutdown_date, .. }) = service_json::from_slice(&body)
        {
            return Ok(ModelAnswer::There { shutdown_date });
        }
        // Not every server like OpenAI's has an address for each model.
        let Some(body) = self.get(&["models"]).await? else { return Ok(ModelAnswer::NotTold) };
        let Ok(List { data }) = service_json::from_slice(&body) else {
            return Ok(ModelAnswer::NotTold);
        };
        Ok(match data.into_iter().find(|model| model.id == id) {
            Some(model) => ModelAnswer::There { shutdown_date: model.shutdown_date },
            None => ModelAnswer::Missing,
        })
    }

    /// The answer at this path below the base; none if nothing is there.
    async fn get(&self, path: &[&str]) -> Result<Option<Vec<u8>>, ModelError> {
        let mut url = self.service.base_url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        let mut request = self.http.get(url);
        if let Some(key) = &self.service.api_key {
            request = request.bearer_auth(key.expose_secret());
        }
        let answering = async {
            let mut response = request.send().await.map_err(|_| ModelError::Unreachable)?;
            let status = response.status();
            let body = body_of(&mut response, ANSWER_MAX_BYTES).await.ok().flatten();
            Ok((status, body.unwrap_or_default()))
        };
        let (status, body) = within(ANSWER_LIMIT, answering).await.ok_or(ModelError::Late)??;
        match status {
            StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::NOT_IMPLEMENTED => Ok(None),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(ModelError::Key),
            status if status.is_success() => Ok(Some(body)),
            status => Err(ModelError::Status(status.as_u16())),
        }
    }
}
