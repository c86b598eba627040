//! The `frontdesk` binary: a table of commands.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
#[cfg(feature = "rehearsal")]
use frontdesk::commands::{demo, dial, rehearse, shutdown_signal};
use frontdesk::commands::{doctor, migrate, recount, runtime, serve, token, train};
use frontdesk::knowledge::training::reading;

/// What a flood of requests took is given back when it is over; glibc keeps most of it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Answers businesses' phones: Twilio in, a speech service out, PostgreSQL underneath.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server until SIGTERM or SIGINT (this is what happens without a command)
    Serve,
    #[cfg(feature = "rehearsal")]
    /// Rehearse one phone call with everything in this process: no key, no account
    Demo(demo::Arguments),
    #[cfg(feature = "rehearsal")]
    /// Be the phone: call a server as Twilio would, once or many times
    Dial(Box<dial::Arguments>),
    #[cfg(feature = "rehearsal")]
    /// Be the speech service: OpenAI's endpoints without a model
    Rehearse(rehearse::Rehearse),
    /// Bring the schema of DATABASE_URL up to date
    Migrate,
    /// Count the calls of each day anew, such as after a business's time zone changed
    Recount(recount::Arguments),
    /// Print a one-time sign-in link for the console; makes the person if there is none
    Token(token::Arguments),
    /// Teach an agent: add or renew sources (files and addresses), and show how far they are
    Train(train::Arguments),
    /// Read a document from the standard input; the server calls itself so
    #[command(name = reading::COMMAND, hide = true)]
    ReadDocument {
        /// What is known of it, as JSON
        label: String,
    },
    /// Look at everything that a call needs, and say what to do about what is wrong
    Doctor(doctor::Arguments),
}

fn main() -> ExitCode {
    let command = Arguments::parse().command.unwrap_or(Command::Serve);
    if let Command::ReadDocument { label } = &command {
        let is_read = reading::read_standard_input(label).is_ok();
        return if is_read { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let done = runtime::run(run(command)).unwrap_or_else(|error| Err(error.to_string()));
    done.unwrap_or_else(|error| {
        eprintln!("frontdesk: {error}");
        ExitCode::FAILURE
    })
}

async fn run(command: Command) -> Result<ExitCode, String> {
    match command {
        Command::Serve => serve::run().await.map_err(|error| error.to_string()),
        #[cfg(feature = "rehearsal")]
        Command::Demo(arguments) => demo::run(arguments).await.map_err(|error| error.to_string()),
        #[cfg(feature = "rehearsal")]
        Command::Dial(arguments) => dial::run(*arguments).await.map_err(|error| error.to_string()),
        #[cfg(feature = "rehearsal")]
        Command::Rehearse(arguments) => rehearse::run(arguments, shutdown_signal())
            .await
            .map(|()| ExitCode::SUCCESS)
            .map_err(|error| error.to_string()),
        Command::Doctor(arguments) => Ok(doctor::run(arguments).await),
        Command::Token(arguments) => token::run(arguments).await.map_err(|error| error.to_string()),
        Command::Recount(arguments) => {
            recount::run(arguments).await.map_err(|error| error.to_string())
        }
        Command::Train(arguments) => train::run(arguments).await.map_err(|error| error.to_string()),
        Command::ReadDocument { .. } => Ok(ExitCode::FAILURE),
        Command::Migrate => migrate::run().await.map_err(|error| error.to_string()),
    }
}
