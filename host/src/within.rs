//! A deadline for a call.

use std::time::Duration;

use crate::error::Error;

/// Does a call, and ends it, with every process that it started, when it is not done within `limit`. Every command of an
/// engine has a time of its own beside (`timeout` in the grants).
///
/// ```no_run
/// # async fn doc(portreeve: portreeve::Portreeve, image: portreeve::Reference) -> Result<(), portreeve::Error> {
/// portreeve::within(std::time::Duration::from_secs(300), portreeve.pull(&image)).await?;
/// # Ok(()) }
/// ```
///
/// # Errors
/// [`Error::Timeout`] when the time is over; what the call ends with otherwise.
pub async fn within<T>(limit: Duration, call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let late = |_| Error::Timeout(format!("the call was not done within {limit:?}, and is ended"));
    tokio::time::timeout(limit, call).await.unwrap_or_else(|elapsed| Err(late(elapsed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_call_that_takes_too_long_is_dropped() {
        let never = std::future::pending::<Result<(), Error>>();
        assert!(matches!(within(Duration::from_millis(1), never).await, Err(Error::Timeout(_))));
        assert!(matches!(within(Duration::from_secs(9), async { Ok(1) }).await, Ok(1)));
    }
}
