//! Closes a connection such that its peer can still read the last bytes.

use std::io;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Ends the way out, and reads what still comes until the peer has ended, too: closed with something unread, the connection
/// would be reset, and the reset can overtake what was said last. The caller sets a limit to it.
pub(crate) async fn close(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    stream.shutdown().await?;
    drain(stream).await
}

/// The same once the way out has ended.
pub(crate) async fn drain(mut stream: impl AsyncRead + Unpin) -> io::Result<()> {
    let mut scratch = [0; 1024];
    while stream.read(&mut scratch).await? > 0 {}
    Ok(())
}
