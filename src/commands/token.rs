//! `frontdesk token`: a one-time sign-in link for the console.

use std::process::ExitCode;

use clap::Args;

use super::say::say;
use super::{NoDatabase, open_database, start_log};
use crate::config::{Config, ConfigError, PublicUrl};
use crate::private::Private;
use crate::store::StoreError;
use crate::store::migrate::{SchemaState, is_current};
use crate::store::people::MadePerson;
use crate::web::owners::sign_in_link;

/// As many of those who look after the installation are named.
const ADMINS_NAMED: i64 = 10;

/// What it is called with.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Whose link it is; unless given, that of whoever looks after this server
    #[arg(long)]
    email: Option<String>,
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
    /// Nobody looks after the installation.
    #[error(
        "nobody looks after this server yet: say whose the link is, with --email somebody@example.com"
    )]
    Nobody,
    /// Several people look after the installation.
    #[error(
        "several people look after this server: say whose the link is, with --email and one of {0}"
    )]
    Several(String),
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
    let given = arguments.email.as_deref().map(str::trim);
    if let Some(email) = given.filter(|email| !is_email(email)) {
        return Err(TokenError::Email(email.to_owned()));
    }
    let store = open_database(&config).await?;
    match is_current(store.pool()).await.map_err(StoreError::from)? {
        SchemaState::Missing => return Err(TokenError::Schema("missing")),
        SchemaState::Old => return Err(TokenError::Schema("old")),
        SchemaState::Current | SchemaState::Hidden => {}
    }
    let email = match given {
        Some(email) => email.to_owned(),
        None => only_one(store.admins(ADMINS_NAMED).await?)?,
    };
    let email = email.as_str();
    let is_new = !store.is_person(email).await?;
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
    if is_new && store.has_agents().await? {
        say!(
            "{email} is new here, and sees no agent before an agent's owner invites them. A link for whoever looks \
             after this server is made without --email."
        );
    }
    if config.public_url.is_none() {
        say!(
            "PUBLIC_URL is not set here, so the link leads to {}. If the server runs with another \
             PUBLIC_URL or PORT, set the same here and make another link.",
            public_url.as_str()
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Whose link it is, where nobody said it.
fn only_one(admins: Vec<Private<String>>) -> Result<String, TokenError> {
    let mut emails: Vec<String> = admins.into_iter().map(Private::into_inner).collect();
    match emails.len() {
        0 => Err(TokenError::Nobody),
        1 => Ok(emails.remove(0)),
        _ => Err(TokenError::Several(emails.join(", "))),
    }
}

/// Whether a text looks like an address: something, an at sign, something with no spaces.
pub fn is_email(text: &str) -> bool {
    let parts = text.split_once('@');
    parts.is_some_and(|(user, host)| !user.is_empty() && !host.is_empty())
        && text.len() <= 254
        && !text.contains(|letter: char| letter.is_whitespace() || letter.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_an_address_it_is_the_only_one_who_looks_after_the_server() {
        let of = |emails: &[&str]| {
            only_one(emails.iter().map(|email| Private::new((*email).to_owned())).collect())
        };
        assert_eq!(of(&["owner@localhost"]).unwrap(), "owner@localhost");
        assert!(of(&[]).unwrap_err().to_string().contains("--email somebody@example.com"));
        let several = of(&["a@example.com", "b@example.com"]).unwrap_err().to_string();
        assert!(several.contains("one of a@example.com, b@example.com"), "{several}");
    }
}
