//! Tapes on a disk, and disks that refuse.

use std::time::Duration;

use super::*;
use crate::audio::recording::tape::Recorded;
use crate::call::ReplyId;

/// How long anything may take here.
const DEADLINE: Duration = Duration::from_secs(20);

fn taps(recorder: &Recorder) -> Taps {
    Taps {
        queue: recorder.queue.clone(),
        tape: Arc::new(Tape::new(Uuid::from_u128(1), Uuid::from_u128(2))),
        clock: Clock::real(),
        born: Duration::ZERO,
        age: Duration::from_secs(1),
    }
}

fn path(folder: &Path) -> PathBuf {
    folder.join(format!("{}.tape", Uuid::from_u128(2)))
}

/// Waits until the tape holds more than so many bytes and nobody writes it any more. It is not
/// locked before: whoever is to write it must find it free.
async fn released(path: &Path, bytes: usize) -> File {
    let waiting = async {
        loop {
            if let Ok(file) = File::open(path)
                && file.metadata().is_ok_and(|metadata| metadata.len() > bytes as u64)
                && file.try_lock().is_ok()
            {
                return file;
            }
            clock::pause(Duration::from_millis(5)).await;
        }
    };
    clock::within(DEADLINE, waiting).await.expect("the tape is released")
}

fn kinds(file: File) -> (Label, Vec<&'static str>) {
    let mut reader = TapeReader::new(BufReader::new(file)).unwrap().unwrap();
    let label = reader.label;
    let (mut kinds, mut last) = (Vec::new(), 0);
    while let Some((at_us, recorded)) = reader.next_record().unwrap() {
        assert!(at_us >= last && at_us >= 1_000_000, "{at_us} after {last}");
        last = at_us;
        kinds.push(match recorded {
            Recorded::Started => "started",
            Recorded::Caller { timestamp_ms: Some(20), audio: [1, 2, 3] } => "caller",
            Recorded::Agent { audio: [4, 5, 6] } => "agent",
            Recorded::MarkPlaced(_) => "placed",
            Recorded::MarkReturned(_) => "returned",
            Recorded::Cleared => "cleared",
            Recorded::Ended => "ended",
            Recorded::Caller { .. } | Recorded::Agent { .. } => "another",
        });
    }
    (label, kinds)
}

#[tokio::test]
async fn what_passes_on_a_stream_is_on_the_tape_and_a_second_stream_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let (recorder, _task) = Recorder::start(folder.path().to_owned()).unwrap();
    let taps = taps(&recorder);
    let mark = Mark { generation: 0, reply: ReplyId(1), ms: 0 };
    // What comes before the start is nothing that anybody said.
    let mut tap = taps.tap();
    tap.caller(Some(20), "AQID");
    drop(tap);
    for _ in 0..2 {
        let mut tap = taps.tap();
        tap.started();
        tap.caller(Some(20), "AQID");
        tap.agent("BAUG");
        tap.mark_placed(mark);
        tap.mark_returned(mark);
        tap.cleared();
    }
    let label = taps.tape.label;
    drop(taps);
    let one = ["started", "caller", "agent", "placed", "returned", "cleared", "ended"];
    assert_eq!(
        kinds(released(&path(folder.path()), Label::LENGTH).await),
        (label, [one, one].concat())
    );
    use std::os::unix::fs::PermissionsExt as _;
    let mode = path(folder.path()).metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_tape_that_a_killed_process_left_goes_on_behind_its_last_whole_record() {
    let folder = tempfile::tempdir().unwrap();
    let first = Label {
        agent_id: Uuid::from_u128(1),
        call_log_id: Uuid::from_u128(2),
        secret: Uuid::from_u128(3),
    };
    let mut left = first.to_bytes().to_vec();
    TapeWriter(&mut left).started(1_000_000);
    left.extend_from_slice(&[2, 1, 2, 3]);
    let length = left.len();
    std::fs::write(path(folder.path()), left).unwrap();
    let (recorder, _task) = Recorder::start(folder.path().to_owned()).unwrap();
    let taps = taps(&recorder);
    taps.tap().started();
    drop(taps);
    // Its name stays: the recording may be in the store under it already.
    let found = kinds(released(&path(folder.path()), length).await);
    assert_eq!(found, (first, vec!["started", "started", "ended"]));
}

#[tokio::test]
async fn a_disk_that_refuses_ends_the_tape_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (recorder, task) = Recorder::start(folder.path().to_owned()).unwrap();
    // Where the tape should be is something that cannot be written.
    std::fs::create_dir(path(folder.path())).unwrap();
    let taps = taps(&recorder);
    taps.tap().started();
    let lost = async {
        while !taps.tape.is_lost.load(Ordering::Relaxed) {
            clock::pause(Duration::from_millis(5)).await;
        }
    };
    clock::within(DEADLINE, lost).await.expect("the tape is given up");
    let mut tap = taps.tap();
    tap.started();
    (0..1_000).for_each(|_| tap.agent("BAUG"));
    assert!(tap.buffer.capacity() < 2 * CHUNK_BYTES, "nothing is gathered any more");
    drop(tap);
    task.shutdown(DEADLINE).await;
}

#[tokio::test]
async fn a_disk_that_is_too_slow_ends_the_tape_and_nobody_waits() {
    let (queue, chunks) = mpsc::channel(2);
    let taps = taps(&Recorder { queue });
    let mut tap = taps.tap();
    tap.started();
    let payload = "A".repeat(216);
    // An hour of it, which nobody takes.
    (0..180_000).for_each(|_| tap.caller(None, &payload));
    assert!(taps.tape.is_lost.load(Ordering::Relaxed));
    assert!(tap.buffer.capacity() < 2 * CHUNK_BYTES);
    assert_eq!(chunks.len(), 2);
}

#[tokio::test]
async fn what_is_queued_is_written_at_a_shutdown() {
    let folder = tempfile::tempdir().unwrap();
    let (recorder, task) = Recorder::start(folder.path().to_owned()).unwrap();
    let taps = taps(&recorder);
    let mut tap = taps.tap();
    tap.started();
    (0..10_000).for_each(|_| tap.caller(Some(20), "AQID"));
    drop(tap);
    drop(taps);
    task.shutdown(DEADLINE).await;
    let (_, kinds) = kinds(released(&path(folder.path()), Label::LENGTH).await);
    assert_eq!((kinds.len(), kinds.last()), (10_002, Some(&"ended")));
}

#[cfg(unix)]
#[tokio::test]
async fn a_tape_that_others_could_read_is_closed_to_them_at_the_start() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let left = path(folder.path());
    std::fs::write(&left, "of a process that was killed").unwrap();
    let rights = |mode| std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(&left, rights(0o666)).unwrap();
    let _started = Recorder::start(folder.path().to_path_buf()).unwrap();
    let mode = left.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
