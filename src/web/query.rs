//! What addresses ask with.

use std::str::FromStr;

use axum::extract::rejection::QueryRejection;
use http::StatusCode;
use serde::{Deserialize as _, Deserializer};

use super::problem::Problem;

/// What is wrong with what an address asks with, by the name of its field.
pub(super) fn refused(rejection: &QueryRejection) -> Problem {
    let text = rejection.body_text();
    let said = text.rsplit_once("query string: ").map_or(text.as_str(), |(_, said)| said);
    match said.split_once(": ") {
        Some((field, why)) if !field.contains(' ') => Problem::invalid(field, why),
        _ => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, said),
    }
}

/// A value that a form leaves empty is none.
///
/// # Errors
/// It is something else than the type takes.
pub(super) fn empty_is_none<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr,
    T::Err: std::fmt::Display,
{
    let text = Option::<String>::deserialize(deserializer)?;
    match text.as_deref().map(str::trim) {
        None | Some("") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(serde::de::Error::custom),
    }
}
