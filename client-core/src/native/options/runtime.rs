//! The tokio runtime of a task. Refuses a runtime on which the task could not run.

use super::error::BuildError;
use std::net::{Ipv4Addr, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use tokio::runtime::Handle;

/// The runtime of the caller, if it has timers and I/O.
///
/// # Errors
/// [`BuildError::NoRuntime`] outside of one, [`BuildError::RuntimeWithout`] on one that was built without `enable_all()`.
pub(crate) fn runtime() -> Result<Handle, BuildError> {
    let runtime = Handle::try_current().map_err(|_| BuildError::NoRuntime)?;
    // tokio tells this by a panic only. In the task it would end the client without a word.
    let panics = |attempt: &dyn Fn()| catch_unwind(AssertUnwindSafe(attempt)).is_err();
    if panics(&|| drop(tokio::time::sleep(Duration::ZERO))) {
        return Err(BuildError::RuntimeWithout("timers"));
    }
    let registers = || {
        let bound = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0));
        let socket = bound.and_then(|socket| socket.set_nonblocking(true).map(|()| socket));
        // Where no socket can be bound, the dial will say so.
        drop(socket.and_then(tokio::net::UdpSocket::from_std));
    };
    if panics(&registers) {
        return Err(BuildError::RuntimeWithout("I/O"));
    }
    Ok(runtime)
}

#[cfg(test)]
mod tests {
    use crate::Client;
    #[cfg(feature = "sse")]
    use crate::follow;
    use tokio::runtime::Builder;

    #[test]
    fn a_runtime_without_timers_or_io_is_refused_with_what_it_lacks() {
        let without_timers = Builder::new_current_thread().enable_io().build().unwrap();
        let without_io = Builder::new_current_thread().enable_time().build().unwrap();
        for (runtime, lacks) in [(without_timers, "no timers"), (without_io, "no I/O")] {
            let client = runtime.block_on(async { Client::builder("ws://127.0.0.1:1/ws").connect().err() });
            assert!(client.unwrap().to_string().contains(lacks));
            #[cfg(feature = "sse")]
            {
                let feed = runtime.block_on(async { follow("http://127.0.0.1:1", "lobby").connect().err() });
                assert!(feed.unwrap().to_string().contains(lacks));
            }
        }
    }
}
