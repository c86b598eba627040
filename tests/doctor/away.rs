//! A database that cannot be used from the start on: `serve` and `migrate` say why, in a line.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use frontdesk::clock::within;
use sqlx::ConnectOptions;
use tokio::net::TcpListener;

use crate::common_database::fresh_database;
use crate::{KEY, TOKEN};

/// How long anything may take.
const DEADLINE: Duration = Duration::from_secs(40);
/// So many attempts at a connection take longer than two signs of life are apart.
const ATTEMPTS: usize = 60;

fn frontdesk(command: &str, database_url: &str, data: &tempfile::TempDir) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_frontdesk"));
    program
        .arg(command)
        .env_clear()
        .env("BIND", "127.0.0.1")
        .env("PORT", "0")
        .env("DRAIN_SECONDS", "0")
        .env("DATA_DIR", data.path())
        .env("DATABASE_URL", database_url)
        .env("TWILIO_AUTH_TOKEN", TOKEN)
        .env("OPENAI_API_KEY", KEY)
        .stderr(Stdio::piped());
    program
}

async fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

#[tokio::test(flavor = "multi_thread")]
async fn migrate_says_in_one_line_what_is_wrong_with_the_address() {
    let database = fresh_database().await;
    let options = database.options();
    let place = format!("{}:{}", options.get_host(), options.get_port());
    let port = closed_port().await;
    let data = tempfile::tempdir().unwrap();
    let url = |options: sqlx::postgres::PgConnectOptions| {
        options.password("hunter2").to_url_lossy().to_string()
    };
    for (url, says) in [
        (
            url(options.clone().host("127.0.0.1").port(port)),
            format!("127.0.0.1:{port} cannot be reached: connection refused; "),
        ),
        (
            url(options.clone().host("nowhere.invalid")),
            format!("nowhere.invalid:{} cannot be reached: unknown host; ", options.get_port()),
        ),
        (url(options.clone().database("nowhere")), format!("{place} has no database nowhere; ")),
        (url(options.clone().username("nobody_at_all")), format!("{place} has no role nobody")),
    ] {
        let mut migrate = frontdesk("migrate", &url, &data);
        let output = tokio::task::spawn_blocking(move || migrate.output().unwrap()).await.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.starts_with(&format!("frontdesk: DATABASE_URL: {says}")), "{said}");
        assert!(said.lines().count() == 1 && !said.contains("hunter2"), "{said}");
        assert!(!said.contains(" line "), "a place in PostgreSQL's source: {said}");
    }
}

/// A program whose log is read as it comes. It is killed with this value.
struct Server {
    child: Child,
    log: tokio::sync::mpsc::Receiver<String>,
}

impl Server {
    fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let output = BufReader::new(child.stderr.take().unwrap());
        let (sender, log) = tokio::sync::mpsc::channel(256);
        #[expect(
            clippy::disallowed_methods,
            reason = "it waits for lines, and nothing waits for it"
        )]
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                // Beyond that the program waits for the test.
                let _ = sender.blocking_send(line);
            }
        });
        Self { child, log }
    }

    /// What it logs until a line has these words, with that line.
    async fn until(&mut self, words: &str) -> Vec<String> {
        let mut lines = Vec::new();
        let reading = async {
            while let Some(line) = self.log.recv().await {
                lines.push(line);
                if lines.last().is_some_and(|line| line.contains(words)) {
                    return true;
                }
            }
            false
        };
        let found = within(DEADLINE, reading).await;
        assert_eq!(found, Some(true), "no line says {words:?}: {lines:#?}");
        lines
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_says_why_the_database_is_away_and_again_only_when_that_changes() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let data = tempfile::tempdir().unwrap();
    let url = format!("postgres://u:hunter2@{address}/d");
    let mut server = Server::start(frontdesk("serve", &url, &data));
    let attempts = async {
        for _ in 0..ATTEMPTS {
            let (client, _) = listener.accept().await.unwrap();
            // Its end is one of the client's too.
            let _ = client.try_write(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    };
    within(DEADLINE, attempts).await.expect("the database is asked for again and again");
    drop(listener);
    let log = server.until("connection refused").await;
    let about: Vec<&String> = log.iter().filter(|line| !line.contains(" INFO ")).collect();
    assert_eq!(about.len(), 2, "{log:#?}");
    assert!(
        about[0].contains(&format!("what answers at {address} is no PostgreSQL; ")),
        "{log:#?}"
    );
    assert!(about[1].contains(&format!("{address} cannot be reached: ")), "{log:#?}");
    assert!(!log.iter().any(|line| line.contains("hunter2")), "{log:#?}");
}
