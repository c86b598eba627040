//! What commands print. `println!` panics where nobody reads any more, as behind `| head`.

use std::fmt;
use std::io::Write;

use tokio::sync::Notify;

static UNREAD: Notify = Notify::const_new();

/// Prints. Where nobody reads it, [`unread`] is done.
pub(super) fn print(words: fmt::Arguments<'_>) {
    let mut output = std::io::stdout().lock();
    if output.write_fmt(words).and_then(|()| output.flush()).is_err() {
        UNREAD.notify_one();
    }
}

#[cfg(feature = "rehearsal")]
/// Done when nobody reads what is printed. One at a time may wait for it.
pub(super) async fn unread() {
    UNREAD.notified().await;
}

/// Prints a line; nothing where nobody reads any more.
macro_rules! say {
    ($($words:tt)*) => {
        $crate::commands::say::print(format_args!("{}\n", format_args!($($words)*)))
    };
}
pub(super) use say;
