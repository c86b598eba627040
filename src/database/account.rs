//! Which user runs the server. PostgreSQL refuses root, so that for root another user does.

use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::home::Home;
use super::process;

/// The user and group `nobody` where the system does not say otherwise.
const NOBODY: u32 = 65_534;

/// What commands are found in.
const SEARCH_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// The name under which a folder that is open as descriptor 5 can be reached, whatever the path to
/// it allows. Only Linux has it.
const OPEN_FOLDER: &str = "/proc/self/fd/5";

/// What each script begins with: the folder comes as standard output, which a program can be given.
const OPEN: &str = "exec 5<&1 >&2\n";

/// The user that the server runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Account {
    /// The one that the program runs as.
    Ours,
    /// Another one, because ours is root.
    Other {
        uid: u32,
        gid: u32,
        /// The name of our own, which is allowed to connect.
        root: String,
    },
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ours => f.write_str("this user"),
            Self::Other { uid, .. } => write!(f, "user {uid} (PostgreSQL refuses root)"),
        }
    }
}

impl Account {
    /// The user for the database of `home`: ours; for root the owner of what is there, or `nobody`.
    pub(super) async fn of(home: &Home) -> io::Result<Self> {
        if effective_user().await? != 0 {
            return Ok(Self::Ours);
        }
        let users = tokio::fs::read_to_string("/etc/passwd").await.unwrap_or_default();
        for folder in [home.cluster(), home.data_dir().to_owned()] {
            if let Ok(owner) = tokio::fs::metadata(&folder).await
                && owner.uid() != 0
            {
                return Ok(Self::other(owner.uid(), owner.gid(), &users));
            }
        }
        let (uid, gid) = nobody(&users);
        Ok(Self::other(uid, gid, &users))
    }

    fn other(uid: u32, gid: u32, users: &str) -> Self {
        let root = entries(users).find(|(_, uid, _)| *uid == 0).map_or("root", |(name, ..)| name);
        Self::Other { uid, gid, root: root.to_owned() }
    }

    /// Whether it is not the user that the program runs as.
    pub(super) fn is_other(&self) -> bool {
        matches!(self, Self::Other { .. })
    }

    /// Makes a folder its own.
    pub(super) fn give(&self, folder: &Path) -> io::Result<()> {
        match self {
            Self::Ours => Ok(()),
            Self::Other { uid, gid, .. } => {
                std::os::unix::fs::chown(folder, Some(*uid), Some(*gid))
            }
        }
    }

    /// Who may connect, as lines of `pg_hba.conf` and `pg_ident.conf`. The socket is in a folder of
    /// the account's own; where that is another user's, only root is let in.
    pub(super) fn rules(&self) -> (&'static str, String) {
        match self {
            Self::Ours => ("local all all trust", String::new()),
            Self::Other { root, .. } => {
                ("local all all peer map=frontdesk", format!("frontdesk {root} postgres"))
            }
        }
    }

    /// A command that runs as this user and knows nothing of our environment, which has secrets.
    /// It is in a process group of its own, so that Ctrl-C on the terminal is for the program alone.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", SEARCH_PATH)
            .env("LC_ALL", "C")
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::null());
        if let Self::Other { uid, gid, .. } = self {
            command.uid(*uid).gid(*gid);
        }
        command
    }

    /// A shell script that runs as this user on `folder`, which is open as descriptor 5 and named
    /// by `$1`: the user may not be able to reach it by its path. Output goes where errors go.
    pub(super) async fn script(&self, script: &str, folder: &Path) -> io::Result<Command> {
        let by_path = !(self.is_other() && tokio::fs::try_exists("/proc/self/fd").await?);
        let opened = tokio::fs::File::open(folder).await?.into_std().await;
        let name = if by_path { folder.to_owned() } else { PathBuf::from(OPEN_FOLDER) };
        let mut command = self.command(Path::new("/bin/sh"));
        command.arg("-c").arg(format!("{OPEN}{script}")).arg("sh").arg(name).stdout(opened);
        Ok(command)
    }
}

/// Our user, whose rights we have.
async fn effective_user() -> io::Result<u32> {
    if let Ok(ourselves) = tokio::fs::metadata("/proc/self").await {
        return Ok(ourselves.uid());
    }
    let id = process::run(Command::new("id").arg("-u").stdout(Stdio::piped())).await?;
    let text = String::from_utf8_lossy(&id.output);
    text.trim().parse().map_err(|_| io::Error::other("`id -u` does not say who we are"))
}

/// The names, users and groups of `/etc/passwd`.
fn entries(users: &str) -> impl Iterator<Item = (&str, u32, u32)> {
    users.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let (name, _) = (fields.next()?, fields.next()?);
        Some((name, fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    })
}

fn nobody(users: &str) -> (u32, u32) {
    let found = entries(users).find(|(name, uid, _)| *name == "nobody" && *uid != 0);
    found.map_or((NOBODY, NOBODY), |(_, uid, gid)| (uid, gid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_who_the_system_says() {
        let users = "root:x:0:0:root:/root:/bin/sh\nnobody:*:99:98:Nobody:/:/bin/false\n";
        assert_eq!(nobody(users), (99, 98));
        for users in ["", "nobody", "nobody:x:y:z", "nobody:x:0:0::/:"] {
            assert_eq!(nobody(users), (NOBODY, NOBODY), "{users}");
        }
    }

    #[test]
    fn where_another_user_runs_it_only_root_may_connect() {
        let account = Account::other(99, 98, "toor:x:0:0::/:/bin/sh\nroot:x:0:0::/:/bin/sh");
        let (rule, map) = account.rules();
        assert!(rule.contains("peer") && !rule.contains("trust"));
        assert_eq!(map, "frontdesk toor postgres");
    }
}
