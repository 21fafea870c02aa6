//! Runs one API call: reads its error, and tries again only what surely did nothing or may be
//! done twice.

use std::error::Error;
use std::future::Future;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::client::{ATTEMPT_PATIENCE, Client};
use crate::endpoints::Service;
use crate::error::{CallError, Reason, RefusedKind, call_error};

/// How hard a call is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Persistence {
    /// Tries in all when the service is busy or failing.
    tries: u32,
    /// Whether a connection that broke may be tried once more: the call may be done twice.
    repeatable: bool,
}

/// One operation of one service, about to be called.
#[derive(Clone, Debug)]
pub(crate) struct Call<'a> {
    client: &'a Client,
    service: Service,
    operation: &'static str,
    persistence: Persistence,
}

/// The first wait; doubled for each further try.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// The longest wait: beyond it the services' buckets are full again anyway.
const LONGEST_WAIT: Duration = Duration::from_secs(8);

impl Client {
    /// Prepares a call that may be repeated.
    pub(crate) fn call(&self, service: Service, operation: &'static str) -> Call<'_> {
        let persistence = Persistence { tries: 3, repeatable: true };
        Call { client: self, service, operation, persistence }
    }
}

impl Call<'_> {
    /// Keeps trying for about a minute while the service throttles: for long listings.
    pub(crate) fn patient(mut self) -> Self {
        self.persistence.tries = 10;
        self
    }

    /// Never repeats a request that may have been carried out.
    pub(crate) fn once(mut self) -> Self {
        self.persistence.repeatable = false;
        self
    }

    /// Calls `send` until it succeeds or trying again is no use. Safe to drop.
    ///
    /// # Errors
    ///
    /// The last try's [`CallError`].
    pub(crate) async fn run<T, E, F, Sent>(&self, send: F) -> Result<T, CallError>
    where
        F: Fn() -> Sent,
        Sent: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + Error + 'static,
    {
        let mut tried = 0;
        let mut mending_tried = false;
        loop {
            let error = match send().await {
                Ok(output) => return Ok(output),
                Err(error) => self.read(&error),
            };
            tried += 1;
            let mended = !mending_tried && self.mend(&error);
            mending_tried |= mended;
            let wait = match mended {
                true => Duration::ZERO,
                false => match self.persistence.wait(&error, tried, random()) {
                    Some(wait) => wait,
                    None => return Err(error),
                },
            };
            tracing::debug!(
                service = %self.service, operation = self.operation, tried,
                wait_ms = wait.as_millis(), %error, "the call is tried again"
            );
            tokio::time::sleep(wait).await;
        }
    }

    /// Says whether the same request, signed anew, may be taken.
    fn mend(&self, error: &CallError) -> bool {
        let Reason::Refused(refused) = &error.reason else { return false };
        match refused.kind {
            // Keys may have been replaced in their file, or rotated where they come from.
            RefusedKind::CredentialsExpired | RefusedKind::CredentialsUnknown => {
                self.client.forget_credentials();
                true
            }
            // The answer has told the SDK what time it is.
            RefusedKind::ClockSkew => true,
            RefusedKind::AccessDenied
            | RefusedKind::Throttled
            | RefusedKind::ServiceFailure
            | RefusedKind::Invalid
            | RefusedKind::Other => false,
        }
    }

    fn read<E>(&self, error: &SdkError<E, HttpResponse>) -> CallError
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let endpoint = self.client.endpoint(self.service);
        call_error(self.service, self.operation, endpoint, ATTEMPT_PATIENCE, error)
    }
}

impl Persistence {
    /// Says how long to wait before the next try, if there is to be one. `random` lies in 0..1.
    fn wait(self, error: &CallError, tried: u32, random: f64) -> Option<Duration> {
        match &error.reason {
            Reason::Refused(refused) => {
                let busy =
                    matches!(refused.kind, RefusedKind::Throttled | RefusedKind::ServiceFailure);
                if !busy || tried >= self.tries {
                    return None;
                }
                let most = FIRST_WAIT.saturating_mul(1 << tried.min(10)).min(LONGEST_WAIT);
                // Half fixed, half random: callers throttled together come back apart.
                Some(most.mul_f64(0.5 + random / 2.0))
            }
            // Most often a kept connection that the other side had just closed.
            Reason::Unreachable { .. } if self.repeatable && tried == 1 => Some(Duration::ZERO),
            Reason::Unreachable { .. }
            | Reason::TimedOut { .. }
            | Reason::Credentials(_)
            | Reason::Malformed { .. } => None,
        }
    }
}

fn random() -> f64 {
    let bits = RandomState::new().build_hasher().finish() >> 32;
    bits as f64 / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Refused;

    fn refused(kind: RefusedKind) -> CallError {
        let (code, message) = (String::new(), String::new());
        let reason = Reason::Refused(Refused { kind, code, message, request_id: None });
        CallError { service: Service::Ssm, operation: "StartSession", reason }
    }

    fn unreachable() -> CallError {
        let reason = Reason::Unreachable { endpoint: "e".into(), detail: "d".into() };
        CallError { reason, ..refused(RefusedKind::Other) }
    }

    #[test]
    fn a_busy_service_is_asked_again_later_and_later_up_to_a_limit() {
        let persistence = Persistence { tries: 10, repeatable: true };
        let wait = |tried| persistence.wait(&refused(RefusedKind::Throttled), tried, 1.0);
        assert_eq!(wait(1), Some(Duration::from_millis(500)));
        assert_eq!(wait(3), Some(Duration::from_secs(2)));
        assert_eq!(wait(9), Some(LONGEST_WAIT));
        assert_eq!(wait(10), None);
    }

    #[test]
    fn a_refusal_is_final() {
        let persistence = Persistence { tries: 10, repeatable: true };
        for kind in [RefusedKind::AccessDenied, RefusedKind::Invalid, RefusedKind::Other] {
            assert_eq!(persistence.wait(&refused(kind), 1, 0.0), None);
        }
    }

    #[test]
    fn a_broken_connection_is_tried_once_more_unless_that_could_do_it_twice() {
        let persistence = Persistence { tries: 3, repeatable: true };
        assert_eq!(persistence.wait(&unreachable(), 1, 0.0), Some(Duration::ZERO));
        assert_eq!(persistence.wait(&unreachable(), 2, 0.0), None);
        let once = Persistence { tries: 3, repeatable: false };
        assert_eq!(once.wait(&unreachable(), 1, 0.0), None);
    }
}
