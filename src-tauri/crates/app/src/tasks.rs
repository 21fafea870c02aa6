//! The tasks of one desktop: they end with it.

use std::future::Future;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::store::StoreError;

/// Starts tasks and ends them. Clones speak for the same tasks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Tasks {
    /// Starts a task, which is dropped when all are to end.
    pub(crate) fn start(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tracker.spawn(self.stop.clone().run_until_cancelled_owned(task));
    }

    /// Does what may block beside the tasks, and waits for it.
    pub(crate) async fn off<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        self.tracker.spawn_blocking(work).await.map_err(|_| StoreError::Nowhere)
    }

    /// Ends all tasks and waits until they have ended.
    pub(crate) async fn end(&self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}
