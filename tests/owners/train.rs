//! `frontdesk train`, as whoever looks after a server runs it.

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use frontdesk::clock;
use uuid::Uuid;

use crate::desk::Desk;
use crate::sources::Site;

/// The command for an agent, with the server's own settings.
fn train(desk: &Desk, agent: Uuid, from: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_frontdesk"));
    command.args(["train", "--agent", &agent.to_string()]).args(from).env_clear();
    command.envs(desk.settings().iter().cloned()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

async fn done(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

/// What an agent has learned, in any order.
async fn learned(desk: &Desk, agent: Uuid) -> String {
    desk.made(&format!(
        "select coalesce(string_agg(metadata ->> 'hash', ' ' order by metadata ->> 'hash'), '')
        from public.\"zz_{agent}\" where embedding is not null"
    ))
    .await
}

#[tokio::test]
async fn files_are_learned_with_what_came_of_each() {
    let desk = Desk::open().await;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    std::fs::write(path("rules.md"), "# Cancelling\n\nCancel a day ahead.").unwrap();
    std::fs::write(path("broken.pdf"), "%PDF-1.7 nothing").unwrap();
    let (rules, broken) = (path("rules.md"), path("broken.pdf"));
    let output = done(train(&desk, desk.agent, &[&rules, &broken])).await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "one of them failed: {said}");
    assert!(
        said.contains("rules.md: done, 1 passages") && said.contains("broken.pdf: failed: "),
        "{said}"
    );
    let output = done(train(&desk, desk.agent, &[&rules])).await;
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    let count = "select count(*)::text from sources where name = 'rules.md'";
    assert_eq!(desk.made(count).await, "1", "it is renewed, and not added twice");
    for (from, why) in [("/no/such/file", "No such file"), ("x", "")] {
        let nobody = if why.is_empty() { Uuid::nil() } else { desk.agent };
        let output = done(train(&desk, nobody, &[from])).await;
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stderr).contains(why), "{from}");
    }
}

/// The process ends without a word, again and again; what is learned in the end is what is learned at once.
#[tokio::test]
async fn whenever_it_is_killed_it_goes_on_and_learns_the_same() {
    let (site, host) = Site::open().await;
    let links: String = (0..25).map(|n| format!("<a href='/room/{n}'>Room {n}</a> ")).collect();
    site.page("/", "Start", &links);
    for n in 0..25 {
        let body = format!(
            "<p>Room {n} has a bed.</p><h2>Price of room {n}</h2><p>It costs {n} euros.</p>"
        );
        site.page(&format!("/room/{n}"), &format!("Room {n}"), &body.repeat(3));
    }
    let desk = Desk::open_with(&[("ALLOW_PRIVATE_TOOL_URLS", host.clone())]).await;
    let address = format!("http://{host}/");
    for moment in [200, 500, 900, 1_400, 2_000] {
        let mut running = train(&desk, desk.agent, &[&address]).spawn().unwrap();
        clock::pause(Duration::from_millis(moment)).await;
        running.kill().unwrap();
        running.wait().unwrap();
    }
    let output = done(train(&desk, desk.agent, &[&address])).await;
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    let output = done(train(&desk, desk.other_agent, &[&address])).await;
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    let (again, once) = (learned(&desk, desk.agent).await, learned(&desk, desk.other_agent).await);
    assert_eq!(again, once);
    assert!(once.split(' ').count() >= 25, "{once}");
    assert_eq!(desk.made("select count(*)::text from source_vectors").await, "0");
}
