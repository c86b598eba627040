//! What is killed: the program, its server, what it started, and who looks after them.

use std::process::Command;
use std::time::Duration;

use frontdesk::clock::{self, Clock};
use frontdesk::database::{OwnDatabase, running};
use frontdesk::store::Store;

use crate::{
    DEADLINE, eventually, folder, keep_a_row, kept, kill, kill_child, postmaster, serve_in,
    spawn_child, start, start_child, stop,
};

#[tokio::test]
async fn a_killed_programs_server_ends_and_the_next_program_has_the_data() {
    let directory = folder();
    kill_child(start_child(directory.path()));
    eventually("the end of the server", async || running(directory.path()).await.is_none()).await;

    let (own, store) = start(directory.path()).await;
    assert_eq!(kept(&store).await, Some(7));
    stop(own, &store).await;
}

/// A process that runs: its number, its name, its parent and its process group.
#[cfg(target_os = "linux")]
struct Process {
    pid: String,
    name: String,
    parent: String,
    group: String,
}

/// Those that run on this machine; not those that have ended and nobody has waited for.
#[cfg(target_os = "linux")]
fn processes() -> Vec<Process> {
    let entries = std::fs::read_dir("/proc").expect("processes").flatten();
    let read = |entry: std::fs::DirEntry| {
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        let (before, after) = stat.rsplit_once(") ")?;
        let (pid, name) = before.split_once(" (")?;
        let fields: Vec<&str> = after.split(' ').take(3).collect();
        let [state, parent, group] = fields[..] else { return None };
        (state != "Z").then(|| Process {
            pid: pid.to_owned(),
            name: name.to_owned(),
            parent: parent.to_owned(),
            group: group.to_owned(),
        })
    };
    entries.filter_map(read).collect()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_killed_programs_initdb_ends_and_the_next_program_begins_anew() {
    let directory = folder();
    let mut child = spawn_child(directory.path());
    let (child_pid, mut initdb) = (child.id().to_string(), None);
    eventually("the start of initdb", async || {
        let all = processes();
        let group = all.iter().find(|one| one.parent == child_pid).map(|one| &one.group);
        initdb = all
            .iter()
            .find(|one| one.name == "initdb" && Some(&one.group) == group)
            .map(|one| (one.pid.clone(), one.group.clone()));
        initdb.is_some()
    })
    .await;
    let (pid, group) = initdb.expect("it runs");
    // So that it does not come to its end before the program is killed.
    let stopped = Command::new("kill").args(["-STOP", &pid]).status().expect("kill runs");
    assert!(stopped.success());
    child.kill().expect("the child is killed");
    child.wait().expect("it is gone");
    let is_gone = async {
        while processes().iter().any(|one| one.group == group) {
            clock::pause(Duration::from_millis(10)).await;
        }
    };
    let is_gone = clock::within(DEADLINE, is_gone).await.is_some();
    if !is_gone {
        kill(&[pid]);
    }
    assert!(is_gone, "initdb goes on alone");
    let half_made = || {
        let entries = std::fs::read_dir(directory.path().join("postgres")).expect("a folder");
        let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| name.starts_with("cluster.unfinished")).count()
    };
    assert_eq!(half_made(), 1);

    let (own, store) = start(directory.path()).await;
    assert_eq!(half_made(), 0);
    stop(own, &store).await;
}

/// Of a program that was killed just now something may still write.
#[tokio::test]
async fn what_is_still_written_of_an_earlier_attempt_is_in_nobodys_way() {
    const WRITES: &str = "while :; do mkdir -p \"$1\"; : >\"$1/$((n += 1))\"; done 2>/dev/null";
    let directory = folder();
    let half_made = directory.path().join("postgres/cluster.unfinished/base");
    let mut writer = Command::new("sh").args(["-c", WRITES, "sh"]).arg(&half_made).spawn();
    let writer = writer.as_mut().expect("a shell");
    eventually("something half done", async || half_made.join("1").exists()).await;
    let started = OwnDatabase::start(&crate::place(directory.path()), &|_| ()).await;
    writer.kill().expect("it is ended");
    writer.wait().expect("it is gone");
    started.expect("the database starts").shut_down().await;
}

#[tokio::test]
async fn a_folder_without_data_is_no_database() {
    let directory = folder();
    let half_made = directory.path().join("postgres/cluster/global");
    std::fs::create_dir_all(&half_made).expect("a folder");
    let (own, store) = start(directory.path()).await;
    stop(own, &store).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_server_that_nothing_has_ended_is_stopped_by_the_next_program() {
    let directory = folder();
    let child = start_child(directory.path());
    let before = postmaster(directory.path());
    // The shell beside the server is of its process group.
    let shells: Vec<String> = processes()
        .into_iter()
        .filter(|one| one.group == before && one.pid != before && one.name == "sh")
        .map(|one| one.pid)
        .collect();
    assert_eq!(shells.len(), 1, "{shells:?}");
    kill(&shells);
    kill_child(child);
    assert!(running(directory.path()).await.is_some());

    let (own, store) = start(directory.path()).await;
    assert_ne!(postmaster(directory.path()), before);
    assert_eq!(kept(&store).await, Some(7));
    stop(own, &store).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_number_that_another_process_has_now_is_no_server() {
    let directory = folder();
    let (own, store) = start(directory.path()).await;
    let pid_file = directory.path().join("postgres/cluster/postmaster.pid");
    let text = std::fs::read_to_string(&pid_file).expect("its file");
    stop(own, &store).await;
    // A process that PostgreSQL has to take for a server: alive, and of the same user.
    let mut sleeper = Command::new("sleep");
    let owner = std::fs::metadata(directory.path().join("postgres/cluster")).expect("it is there");
    {
        use std::os::unix::{fs::MetadataExt, process::CommandExt};
        if owner.uid() != directory.path().metadata().expect("it is there").uid() {
            sleeper.uid(owner.uid());
        }
    }
    let mut sleeper = sleeper.arg("600").spawn().expect("a process");
    let (_, rest) = text.split_once('\n').expect("more lines");
    std::fs::write(&pid_file, format!("{}\n{rest}", sleeper.id())).expect("it is written");

    let (own, store) = start(directory.path()).await;
    sleeper.kill().expect("it is ended");
    sleeper.wait().expect("it is gone");
    stop(own, &store).await;
}

/// When the server that answers on a new connection was started. What the one before it left may
/// answer for a moment on a connection that it had.
async fn started_at(own: &OwnDatabase) -> Option<String> {
    let store = Store::in_folder(own.address().folder(), 1);
    let asked = "select pg_postmaster_start_time()::text";
    let answer = sqlx::query_scalar(asked).fetch_one(store.pool()).await.ok();
    store.pool().close().await;
    answer
}

#[tokio::test]
async fn a_server_that_is_killed_is_started_again() {
    let directory = folder();
    let (own, store) = start(directory.path()).await;
    keep_a_row(&store).await;
    // The second time after a pause.
    for _ in 0..2 {
        let (pid, since) = (postmaster(directory.path()), started_at(&own).await);
        assert!(since.is_some());
        kill(std::slice::from_ref(&pid));
        eventually("another server", async || {
            let now = started_at(&own).await;
            now.is_some() && now != since
        })
        .await;
        assert_ne!(postmaster(directory.path()), pid);
        eventually("an answer on an old pool", async || kept(&store).await == Some(7)).await;
    }
    stop(own, &store).await;
    assert!(running(directory.path()).await.is_none());
}

#[tokio::test]
async fn a_program_whose_database_nobody_keeps_goes_down() {
    let directory = folder();
    let app = serve_in(directory.path(), "http://127.0.0.1:1/v1", Clock::real()).await;
    let tasks = app.tasks.tasks();
    let (name, keeper) =
        tasks.iter().find(|(name, _)| *name == "own database").expect("it is watched");
    keeper.abort();
    assert_eq!(clock::within(DEADLINE, app.failure()).await, Some(*name));
    let going_down = app.shut_down(std::future::ready(()));
    clock::within(DEADLINE, going_down).await.expect("it goes down in time");
    eventually("the end of the server", async || running(directory.path()).await.is_none()).await;
}
