//! Commands that end before their time: nobody reads what they print, or they are interrupted.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use frontdesk::clock::{pause, within};

/// How long anything may take.
const DEADLINE: Duration = Duration::from_secs(60);

fn frontdesk(arguments: &[&str], data: &tempfile::TempDir) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_frontdesk"));
    program.args(arguments).env_clear().env("BIND", "127.0.0.1").env("PORT", "0");
    program.env("DATA_DIR", data.path()).env("TMPDIR", data.path());
    program.stdout(Stdio::piped()).stderr(Stdio::piped());
    for name in ["PATH", "FRONTDESK_PG_CACHE"] {
        program.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    program
}

/// How it ends, and what it says on standard error.
async fn ended(mut child: Child) -> (Option<i32>, String) {
    let exit = async {
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return status;
            }
            pause(Duration::from_millis(10)).await;
        }
    };
    let status = within(DEADLINE, exit).await;
    if status.is_none() {
        let _ = child.kill();
    }
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (status.unwrap_or_else(|| panic!("it goes on: {said}")).code(), said)
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_reads_any_more_commands_end_quietly() {
    let data = tempfile::tempdir().unwrap();
    let dial = ["dial", "--url", "http://127.0.0.1:1/twilio/voice", "--to", "+15559870002"];
    let wrong = ["doctor"];
    for arguments in [&dial[..], &wrong] {
        let mut child = frontdesk(arguments, &data).spawn().unwrap();
        drop(child.stdout.take());
        let (_, said) = ended(child).await;
        assert_eq!(said, "", "{arguments:?}");
    }
    let mut child = frontdesk(&["demo"], &data).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("Preparing: "), "{line}");
    let (code, said) = ended(child).await;
    assert_eq!((code, said.as_str()), (Some(0), ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_is_interrupted_says_so_and_fails() {
    let data = tempfile::tempdir().unwrap();
    let mut child = frontdesk(&["serve"], &data).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("creating a database") {
        line.clear();
        assert!(log.read_line(&mut line).unwrap() > 0, "it ends");
    }
    let told = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(told.success());
    let mut rest = String::new();
    log.read_to_string(&mut rest).unwrap();
    assert!(rest.ends_with("frontdesk: interrupted\n"), "{rest}");
    assert_eq!(child.wait().unwrap().code(), Some(1));
}
