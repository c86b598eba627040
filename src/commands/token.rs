//! `frontdesk token`: a one-time sign-in link for the console.

use std::process::ExitCode;

use clap::Args;

use super::say::say;
use super::{NoDatabase, open_database, start_log};
use crate::config::{Config, ConfigError, PublicUrl};
use crate::store::StoreError;
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
    /// The database failed.
    #[error("{0}; has `frontdesk migrate` been run on this database?")]
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
    say!("Sign in, once, within an hour: {link}");
    Ok(ExitCode::SUCCESS)
}

/// Whether a text looks like an address: something, an at sign, something with no spaces.
pub fn is_email(text: &str) -> bool {
    let parts = text.split_once('@');
    parts.is_some_and(|(user, host)| !user.is_empty() && !host.is_empty())
        && text.len() <= 254
        && !text.contains(|letter: char| letter.is_whitespace() || letter.is_control())
}
