//! `frontdesk token`: a one-time sign-in link for the console.

use std::process::ExitCode;

use clap::Args;

use super::say::say;
use super::{NoDatabase, open_database, start_log};
use crate::config::{Config, ConfigError, PublicUrl};
use crate::store::StoreError;
use crate::store::migrate::{SchemaState, is_current};
use crate::store::people::MadePerson;
use crate::web::owners::sign_in_link;

/// What it is called with.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Whose link it is
    #[arg(long)]
    email: String,
    /// Their name, if they are new; else the address without its host
    #[arg(long)]
    name: Option<String>,
}

/// Why there is no link.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// A variable cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The database cannot be opened.
    #[error(transparent)]
    NoDatabase(#[from] NoDatabase),
    /// The address is none.
    #[error("--email: {0:?} is not an e-mail address; accepted: somebody@example.com")]
    Email(String),
    /// Supabase has no such user.
    #[error(
        "the database is Supabase's and has no user {0:?}: let them sign up there first, then make the \
         link"
    )]
    NotInSupabase(String),
    /// It has no tables yet, or those of an older program.
    #[error("the database's schema is {0}: run `frontdesk migrate`, then make the link")]
    Schema(&'static str),
    /// The database failed.
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// Prints the link.
///
/// # Errors
/// What stands in the way, in one line.
pub async fn run(arguments: Arguments) -> Result<ExitCode, TokenError> {
    let config = Config::from_environment()?;
    start_log(&config, "warn");
    let email = arguments.email.trim();
    if !is_email(email) {
        return Err(TokenError::Email(email.to_owned()));
    }
    let store = open_database(&config).await?;
    match is_current(store.pool()).await.map_err(StoreError::from)? {
        SchemaState::Missing => return Err(TokenError::Schema("missing")),
        SchemaState::Old => return Err(TokenError::Schema("old")),
        SchemaState::Current | SchemaState::Hidden => {}
    }
    let name = arguments.name.as_deref().or_else(|| email.split('@').next()).unwrap_or(email);
    let person = match store.make_person(email, name).await? {
        MadePerson::Ready(person) => person,
        MadePerson::NotInSupabase => return Err(TokenError::NotInSupabase(email.to_owned())),
    };
    // Whoever has a link from here is known to whoever runs the server.
    if store.vouch_for(person).await? {
        say!("An invitation had made this account. Its sessions, keys and older links have ended.");
    }
    let public_url = config.public_url.clone().unwrap_or_else(|| PublicUrl::localhost(config.port));
    let link = sign_in_link(&store, &public_url, person).await?;
    say!("Sign in as {email}, once, within an hour: {link}");
    if config.public_url.is_none() {
        say!(
            "PUBLIC_URL is not set here, so the link leads to {}. If the server runs with another \
             PUBLIC_URL or PORT, set the same here and make another link.",
            public_url.as_str()
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether a text looks like an address: something, an at sign, something with no spaces.
pub fn is_email(text: &str) -> bool {
    let parts = text.split_once('@');
    parts.is_some_and(|(user, host)| !user.is_empty() && !host.is_empty())
        && text.len() <= 254
        && !text.contains(|letter: char| letter.is_whitespace() || letter.is_control())
}
