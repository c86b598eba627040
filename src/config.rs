//! Configuration: one struct, read once from the environment. A missing or malformed value stops
//! the start with one line that names the variable, what was read and what is accepted.

mod advice;
mod host_port;
mod lenient;
mod object_store;
mod secrets_key;
mod supabase;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use http::HeaderName;
use secrecy::SecretString;
use tracing_subscriber::EnvFilter;
use url::Url;

pub(crate) use advice::distance;
pub use advice::{Misspelt, misspelt};
pub use host_port::HostPort;
pub use object_store::ObjectStore;
pub use secrets_key::SecretsKey;
pub use supabase::SupabaseProject;

/// The fewest connections that do: one for calls, one for everything else, one that listens.
const CONNECTIONS_MIN: u32 = 3;

/// Everything that `serve` can be told. Each field is one variable of the table in docs/reference.md.
#[derive(Debug, Clone)]
pub struct Config {
    /// `BIND`: the address to listen on.
    pub bind: IpAddr,
    /// `PORT`: the port to listen on; 0 takes a free one.
    pub port: u16,
    /// `METRICS_BIND`: where `/metrics` is, if not on the public port.
    pub metrics_bind: Option<SocketAddr>,
    /// `CLIENT_ADDRESS_HEADER`: where the proxy in front says who asks. Without it the connection's other
    /// end does, or Fly's own header where `FLY_MACHINE_ID` is set.
    pub client_address_header: Option<HeaderName>,
    /// `PUBLIC_URL`: what Twilio is configured with; without it `http://localhost:$PORT`.
    pub public_url: Option<PublicUrl>,
    /// `DATABASE_URL`; without it the program runs a PostgreSQL of its own under `data_dir`.
    pub database_url: Option<SecretString>,
    /// `DATABASE_CONNECTIONS`: how many connections to it the process opens in all.
    pub database_connections: u32,
    /// `DATA_DIR`: the program's own database, spool.
    pub data_dir: PathBuf,
    /// `FRONTDESK_PG_CACHE`: where a PostgreSQL that was fetched is kept.
    pub postgres_cache: Option<PathBuf>,
    /// `TWILIO_ACCOUNT_SID` and `TWILIO_AUTH_TOKEN`: used where an agent has none of its own.
    pub twilio: TwilioAccount,
    /// `TWILIO_API_URL`: where Twilio's REST interface is, without a slash at the end.
    pub twilio_api_url: Url,
    /// `OPENAI_API_KEY` and `OPENAI_BASE_URL`.
    pub openai: OpenAi,
    /// `REALTIME_MODEL`, `CHAT_MODEL`, `EMBEDDING_MODEL`, `TRANSCRIPTION_MODEL`.
    pub models: Models,
    /// `SUPABASE_URL`, `SUPABASE_PUBLISHABLE_KEY` and `SUPABASE_JWT_SECRET`: whose people sign in.
    pub supabase: Option<Box<SupabaseProject>>,
    /// `SECRETS_KEY`: what credentials and secrets are encrypted with where they are kept.
    pub secrets_key: Option<SecretsKey>,
    /// `MAX_CALLS`: calls that this process takes at once.
    pub calls_max: usize,
    /// `DRAIN_SECONDS`: how long a shutdown waits for calls to end by themselves.
    pub drain: Duration,
    /// `ALLOW_PRIVATE_TOOL_URLS`: where requests on an owner's behalf may go although private.
    pub private_tool_urls: Vec<HostPort>,
    /// The program that reads owners' documents: this one. Tests, which are another program, set it.
    pub reader: PathBuf,
    /// `PROMPTS_DIR`: templates that replace the built-in ones.
    pub prompts_dir: Option<PathBuf>,
    /// `OBJECT_STORE_URL`: where recordings go.
    pub object_store: ObjectStore,
    /// `RUST_LOG`: what is logged.
    pub log_filter: Option<String>,
    /// `FLY_MACHINE_ID`: set by Fly; a stream that lands on another machine is sent back here.
    pub fly_machine_id: Option<String>,
}

/// The account that is used where an agent has none of its own.
#[derive(Debug, Clone, Default)]
pub struct TwilioAccount {
    /// `TWILIO_ACCOUNT_SID`.
    pub account_sid: Option<String>,
    /// `TWILIO_AUTH_TOKEN`.
    pub auth_token: Option<SecretString>,
}

/// The speech, language and embedding service.
#[derive(Debug, Clone)]
pub struct OpenAi {
    /// `OPENAI_API_KEY`.
    pub api_key: Option<SecretString>,
    /// `OPENAI_BASE_URL`, without a slash at the end.
    pub base_url: Url,
}

/// Model names. The defaults are current and not announced to retire.
#[derive(Debug, Clone)]
pub struct Models {
    /// `REALTIME_MODEL`.
    pub realtime: String,
    /// `CHAT_MODEL`.
    pub chat: String,
    /// `EMBEDDING_MODEL`.
    pub embedding: String,
    /// `TRANSCRIPTION_MODEL`.
    pub transcription: String,
}

impl Default for Models {
    fn default() -> Self {
        Self {
            realtime: "gpt-realtime-2.1".into(),
            chat: "gpt-6-luna".into(),
            embedding: "text-embedding-3-small".into(),
            transcription: "gpt-transcribe".into(),
        }
    }
}

/// The address that Twilio reaches us at. Signatures are checked against it and stream addresses
/// are built from it; request headers have no say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(String);

impl PublicUrl {
    /// Reads an `http` or `https` address without query or fragment.
    ///
    /// # Errors
    /// Says what is accepted.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const ACCEPTED: &str =
            "an address such as https://calls.example.com, without credentials or a query";
        let url = Url::parse(text).map_err(|_| ACCEPTED)?;
        let is_plain = matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        // The address in its normal form: scheme and host in lower case, nothing around it.
        if is_plain {
            Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
        } else {
            Err(ACCEPTED)
        }
    }

    /// This machine, for trying.
    pub fn localhost(port: u16) -> Self {
        Self(format!("http://localhost:{port}"))
    }

    /// The address itself, without a slash at the end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether what comes from outside comes encrypted.
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https:")
    }

    /// The address of a path (which begins with a slash).
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    /// The WebSocket address of a path: `http` becomes `ws`, `https` becomes `wss`.
    pub fn join_websocket(&self, path: &str) -> String {
        format!("ws{}{path}", self.0.strip_prefix("http").unwrap_or(&self.0))
    }
}

/// A variable that cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{name}: {found}; accepted: {accepted}")]
pub struct ConfigError {
    name: &'static str,
    found: String,
    accepted: String,
}

/// Where variables come from: the process environment, or a table in a test.
type Source<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Config {
    /// Reads the process's environment.
    ///
    /// # Errors
    /// The first variable that cannot be used.
    pub fn from_environment() -> Result<Self, ConfigError> {
        Self::read(&|name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    /// Reads variables from `source`. An empty value counts as unset.
    ///
    /// # Errors
    /// The first variable that cannot be used.
    pub fn read(source: Source<'_>) -> Result<Self, ConfigError> {
        let source: Source<'_> = &|name: &str| source(name).filter(|value| !value.is_empty());
        let data_dir = PathBuf::from(source("DATA_DIR").unwrap_or_else(|| "./data".into()));
        let aws = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_ENDPOINT"];
        let object_store =
            object_store::read(source, "OBJECT_STORE_URL", &aws, data_dir.join("recordings"))?;
        let (bind, port, metrics_bind) = listened_on(source)?;
        Ok(Self {
            bind,
            port,
            metrics_bind,
            public_url: public_url(source)?,
            database_url: database_url(source)?,
            database_connections: parsed(
                source,
                "DATABASE_CONNECTIONS",
                "a number from 3 to 1000",
                |text| text.parse().ok().filter(|n| (CONNECTIONS_MIN..=1_000).contains(n)),
            )?
            .unwrap_or(10),
            data_dir,
            postgres_cache: source("FRONTDESK_PG_CACHE").map(PathBuf::from),
            object_store,
            twilio: TwilioAccount {
                account_sid: source("TWILIO_ACCOUNT_SID"),
                auth_token: secret(source, "TWILIO_AUTH_TOKEN")?,
            },
            openai: OpenAi {
                api_key: secret(source, "OPENAI_API_KEY")?,
                base_url: base_url(source, "OPENAI_BASE_URL", "https://api.openai.com/v1")?,
            },
            twilio_api_url: base_url(source, "TWILIO_API_URL", "https://api.twilio.com")?,
            models: models(source),
            supabase: supabase(source)?.map(Box::new),
            secrets_key: secrets_key::read(source, "SECRETS_KEY")?,
            calls_max: parsed(source, "MAX_CALLS", "a number from 1 to 100000", |text| {
                text.parse().ok().filter(|n| (1..=100_000).contains(n))
            })?
            .unwrap_or(500),
            drain: parsed(
                source,
                "DRAIN_SECONDS",
                "a number of seconds from 0 to 14400",
                |text| text.parse().ok().filter(|n| *n <= 14_400).map(Duration::from_secs),
            )?
            .unwrap_or(Duration::from_secs(240)),
            private_tool_urls: parsed(
                source,
                "ALLOW_PRIVATE_TOOL_URLS",
                "a comma list of host:port such as localhost:9000,10.0.0.5:80",
                HostPort::parse_list,
            )?
            .unwrap_or_default(),
            reader: this_program(),
            prompts_dir: prompts_dir(source)?,
            log_filter: log_filter(source)?,
            client_address_header: client_address_header(source)?,
            fly_machine_id: source("FLY_MACHINE_ID"),
        })
    }
}

/// `BIND`, `PORT` and `METRICS_BIND`.
fn listened_on(source: Source<'_>) -> Result<(IpAddr, u16, Option<SocketAddr>), ConfigError> {
    let bind =
        parsed(source, "BIND", "an IP address such as 0.0.0.0 or ::", |text| text.parse().ok())?;
    let port = parsed(source, "PORT", "a port from 0 to 65535", |text| text.parse().ok())?;
    let metrics_bind = parsed(
        source,
        "METRICS_BIND",
        "an address and a port such as 127.0.0.1:9090 or [::1]:9090",
        |text| text.parse().ok(),
    )?;
    Ok((bind.unwrap_or(IpAddr::from([0, 0, 0, 0])), port.unwrap_or(8080), metrics_bind))
}

fn public_url(source: Source<'_>) -> Result<Option<PublicUrl>, ConfigError> {
    let read = |text: String| {
        PublicUrl::parse(&text).map_err(|accepted| refused_address("PUBLIC_URL", &text, accepted))
    };
    source("PUBLIC_URL").map(read).transpose()
}

fn log_filter(source: Source<'_>) -> Result<Option<String>, ConfigError> {
    parsed(
        source,
        "RUST_LOG",
        "off, error, warn, info, debug, trace, or a filter such as info,frontdesk=debug",
        |text| {
            let filter = EnvFilter::try_new(text).ok();
            filter.filter(|_| advice::is_likely_filter(text)).map(|_| text.to_owned())
        },
    )
}

/// This program, for starting it once more: also when its file was replaced meanwhile.
fn this_program() -> PathBuf {
    let own = PathBuf::from("/proc/self/exe");
    if own.exists() { own } else { std::env::current_exe().unwrap_or(own) }
}

fn prompts_dir(source: Source<'_>) -> Result<Option<PathBuf>, ConfigError> {
    parsed(source, "PROMPTS_DIR", "a directory that exists", |text| {
        Some(PathBuf::from(text)).filter(|path| path.is_dir())
    })
}

fn client_address_header(source: Source<'_>) -> Result<Option<HeaderName>, ConfigError> {
    parsed(
        source,
        "CLIENT_ADDRESS_HEADER",
        "the name of a header such as X-Forwarded-For or X-Real-IP",
        |text| HeaderName::from_bytes(text.as_bytes()).ok(),
    )
}

fn supabase(source: Source<'_>) -> Result<Option<SupabaseProject>, ConfigError> {
    let names = ["SUPABASE_URL", "SUPABASE_PUBLISHABLE_KEY", "SUPABASE_JWT_SECRET"];
    supabase::read(source, names)
}

fn models(source: Source<'_>) -> Models {
    let Models { realtime, chat, embedding, transcription } = Models::default();
    Models {
        realtime: source("REALTIME_MODEL").unwrap_or(realtime),
        chat: source("CHAT_MODEL").unwrap_or(chat),
        embedding: source("EMBEDDING_MODEL").unwrap_or(embedding),
        transcription: source("TRANSCRIPTION_MODEL").unwrap_or(transcription),
    }
}

/// The database's address holds a password, so an error never repeats it.
fn database_url(source: Source<'_>) -> Result<Option<SecretString>, ConfigError> {
    let Some(text) = source("DATABASE_URL") else { return Ok(None) };
    let is_postgres =
        Url::parse(&text).is_ok_and(|url| matches!(url.scheme(), "postgres" | "postgresql"));
    if is_postgres {
        Ok(Some(SecretString::from(text)))
    } else {
        Err(ConfigError {
            name: "DATABASE_URL",
            found: "not a PostgreSQL address".into(),
            accepted: "postgres://user:password@host:5432/database".into(),
        })
    }
}

/// A secret, without the line end that a file or a paste leaves on it. An error never repeats it.
fn secret(source: Source<'_>, name: &'static str) -> Result<Option<SecretString>, ConfigError> {
    let Some(text) = source(name) else { return Ok(None) };
    let text = text.trim();
    if text.contains(char::is_control) {
        return Err(ConfigError {
            name,
            found: "a control character in the value".into(),
            accepted: "one line of text".into(),
        });
    }
    Ok((!text.is_empty()).then(|| SecretString::from(text)))
}

fn base_url(source: Source<'_>, name: &'static str, default: &str) -> Result<Url, ConfigError> {
    let text = source(name).unwrap_or_else(|| default.to_owned());
    Url::parse(text.trim().trim_end_matches('/'))
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or_else(|| refused_address(name, &text, &format!("an address such as {default}")))
}

fn parsed<T>(
    source: Source<'_>,
    name: &'static str,
    accepted: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, ConfigError> {
    match source(name) {
        None => Ok(None),
        Some(text) => parse(text.trim()).map(Some).ok_or_else(|| refused(name, &text, accepted)),
    }
}

/// An address may hold a user and a password, which an error does not repeat.
fn refused_address(name: &'static str, text: &str, accepted: &str) -> ConfigError {
    if text.contains('@') {
        let found = "an address with credentials".into();
        return ConfigError { name, found, accepted: accepted.to_owned() };
    }
    refused(name, text, accepted)
}

fn refused(name: &'static str, text: &str, accepted: &str) -> ConfigError {
    ConfigError { name, found: format!("read {text:?}"), accepted: accepted.to_owned() }
}
