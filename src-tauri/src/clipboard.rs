//! The system clipboard.

use std::sync::{Arc, Mutex, PoisonError};

use app::{AppError, ErrorCode};

/// The clipboard, opened when first used and kept: on some systems what was copied lives only as
/// long as the program that offers it.
#[derive(Clone, Default)]
pub(crate) struct Clipboard {
    opened: Arc<Mutex<Option<arboard::Clipboard>>>,
}

impl Clipboard {
    /// Its text; empty when it holds none.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::Internal`] when the system gives no clipboard.
    pub(crate) async fn read(&self) -> Result<String, AppError> {
        self.with(|clipboard| match clipboard.get_text() {
            Err(arboard::Error::ContentNotAvailable) => Ok(String::new()),
            answer => answer,
        })
        .await
    }

    /// Puts a text there.
    ///
    /// # Errors
    ///
    /// As [`Clipboard::read`].
    pub(crate) async fn write(&self, text: String) -> Result<(), AppError> {
        self.with(move |clipboard| clipboard.set_text(text)).await
    }

    /// Uses it on a thread that may wait: the other side may be any program.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut arboard::Clipboard) -> Result<T, arboard::Error> + Send + 'static,
    ) -> Result<T, AppError> {
        let opened = Arc::clone(&self.opened);
        let used = tokio::task::spawn_blocking(move || {
            let mut opened = opened.lock().unwrap_or_else(PoisonError::into_inner);
            let clipboard = match opened.take() {
                Some(clipboard) => clipboard,
                None => arboard::Clipboard::new()?,
            };
            work(opened.insert(clipboard))
        });
        match used.await {
            Ok(done) => done.map_err(|error| failed(&error.to_string())),
            Err(error) => Err(failed(&error.to_string())),
        }
    }
}

fn failed(why: &str) -> AppError {
    AppError {
        code: ErrorCode::Internal,
        message: "The clipboard can't be used.".to_owned(),
        detail: Some(why.to_owned()),
    }
}
