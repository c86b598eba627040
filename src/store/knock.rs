//! Whether a database is there, asked without a connection to it: the first thing that a client says,
//! before anything counts as a connection, is whether it may encrypt, and a server answers that at
//! once. So a database whose connections are all at work is told apart from one that is lost.

use std::io;
use std::path::Path;

use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::outage::io_words;
use super::{Result, StoreError};

/// `SSLRequest` of PostgreSQL's protocol: its length, and 1234 and 5679.
const MAY_I_ENCRYPT: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
/// Yes, no, and an error of a server that has no place for one more client.
const ANSWERS: [u8; 3] = *b"SNE";

/// Asks whoever listens at this address, and waits for an answer as long as it takes.
///
/// # Errors
/// [`StoreError::Away`]: nobody listens there, or what answers is no database.
pub(super) async fn knock(options: &PgConnectOptions) -> Result<()> {
    let (host, port) = (options.get_host(), options.get_port());
    // A host that is a path is the socket's folder, as everywhere with PostgreSQL.
    let folder = options.get_socket().map(|folder| folder.as_path());
    let folder = folder.or_else(|| host.starts_with('/').then(|| Path::new(host)));
    let answered = match folder {
        Some(folder) => ask_in(folder, port).await,
        None => match TcpStream::connect((host, port)).await {
            Ok(stream) => ask(stream).await,
            Err(error) => Err(error),
        },
    };
    answered.map_err(|error| StoreError::Away(io_words(&error)))
}

#[cfg(unix)]
async fn ask_in(folder: &Path, port: u16) -> io::Result<()> {
    let socket = folder.join(format!(".s.PGSQL.{port}"));
    ask(tokio::net::UnixStream::connect(socket).await?).await
}

#[cfg(not(unix))]
async fn ask_in(_folder: &Path, _port: u16) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    stream.write_all(&MAY_I_ENCRYPT).await?;
    let answer = stream.read_u8().await?;
    if ANSWERS.contains(&answer) { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use tokio::net::UnixListener;

    use super::*;
    use crate::clock;

    /// What knocking at a socket gives whose server answers this.
    async fn knocked(answer: &'static [u8]) -> Result<()> {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join(".s.PGSQL.5432")).unwrap();
        let serving = clock::spawn(async move {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut asked = [0; 8];
            client.read_exact(&mut asked).await.unwrap();
            client.write_all(answer).await.unwrap();
            asked
        });
        let options = PgConnectOptions::new_without_pgpass().socket(folder.path()).port(5432);
        let knocked = knock(&options).await;
        assert_eq!(serving.await.unwrap(), MAY_I_ENCRYPT);
        knocked
    }

    #[tokio::test]
    async fn a_database_answers_and_nobody_else_does() {
        for answer in [&b"S"[..], b"N", b"E"] {
            assert_eq!(knocked(answer).await, Ok(()), "{answer:?}");
        }
        for answer in [&b""[..], b"HTTP/1.1 400 Bad Request"] {
            assert!(knocked(answer).await.is_err(), "{answer:?}");
        }
        let folder = tempfile::tempdir().unwrap();
        let nobody = PgConnectOptions::new_without_pgpass().socket(folder.path());
        assert!(knock(&nobody).await.is_err());
    }
}
