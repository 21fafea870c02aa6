//! Other programs: the browser, the file manager, remote desktop.

use std::path::Path;

use app::{AppError, Browser, ErrorCode, Program};
use tauri::{AppHandle, Url};
use tauri_plugin_opener::OpenerExt as _;
use tokio::process::Command;

/// Opens pages for the product.
pub(crate) struct Opener {
    app: AppHandle,
}

impl Opener {
    pub(crate) fn new(app: AppHandle) -> Self {
        Self { app }
    }
}

impl Browser for Opener {
    fn open(&self, url: &str) {
        if let Err(error) = open_page(&self.app, url) {
            tracing::warn!(error = error.message, "the browser does not open");
        }
    }
}

/// Opens an `http` or `https` address in the browser.
///
/// # Errors
///
/// [`ErrorCode::Invalid`] for any other address, [`ErrorCode::Internal`] without a browser.
pub(crate) fn open_page(app: &AppHandle, url: &str) -> Result<(), AppError> {
    let page = Url::parse(url).ok().filter(|page| matches!(page.scheme(), "http" | "https"));
    let Some(page) = page else {
        return Err(error(ErrorCode::Invalid, "Only http and https addresses are opened.", url));
    };
    app.opener().open_url(page, None::<&str>).map_err(|failed| {
        error(ErrorCode::Internal, "The browser can't be opened.", &failed.to_string())
    })
}

/// Shows a file in the system's file manager.
///
/// # Errors
///
/// [`ErrorCode::Internal`] without a file manager.
pub(crate) async fn reveal(app: &AppHandle, file: &Path) -> Result<(), AppError> {
    let (app, file) = (app.clone(), file.to_owned());
    let shown = tokio::task::spawn_blocking(move || {
        let opener = app.opener();
        // Without a file manager that can point at a file, its folder has to do.
        opener.reveal_item_in_dir(&file).or_else(|failed| match file.parent() {
            Some(folder) => opener.open_path(folder.to_string_lossy(), None::<&str>),
            None => Err(failed),
        })
    });
    let why = match shown.await {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(failed)) => failed.to_string(),
        Err(failed) => failed.to_string(),
    };
    Err(error(ErrorCode::Internal, "The file manager can't be opened.", &why))
}

/// Opens what speaks a tunnel's protocol.
///
/// # Errors
///
/// [`ErrorCode::Internal`] when there is no such program.
pub(crate) fn open_program(app: &AppHandle, program: &Program) -> Result<(), AppError> {
    match program {
        Program::Browser { url } => open_page(app, url),
        Program::RemoteDesktop { address } => remote_desktop(address),
    }
}

/// Starts the first remote desktop program there is.
fn remote_desktop(address: &str) -> Result<(), AppError> {
    for (program, arguments) in remote_desktops(address) {
        let mut command = Command::new(program);
        command.args(arguments).stdin(std::process::Stdio::null());
        match command.spawn() {
            // It goes on by itself; the runtime sees it out.
            Ok(_) => return Ok(()),
            Err(error) => tracing::debug!(%error, program, "is not there"),
        }
    }
    let known: Vec<_> = remote_desktops(address).into_iter().map(|(program, _)| program).collect();
    let message = format!(
        "No remote desktop program was found. Connect one to {address}, which leads to the node."
    );
    Err(error(ErrorCode::Internal, &message, &format!("Looked for {}.", known.join(", "))))
}

/// Programs that show a remote desktop, with what they are given.
fn remote_desktops(address: &str) -> Vec<(&'static str, Vec<String>)> {
    if cfg!(windows) {
        return vec![("mstsc.exe", vec![format!("/v:{address}")])];
    }
    if cfg!(target_os = "macos") {
        let link = format!("rdp://full%20address=s:{address}");
        return vec![("open", vec![link])];
    }
    let (link, free) = (format!("rdp://{address}"), format!("/v:{address}"));
    vec![
        ("remmina", vec!["-c".to_owned(), link.clone()]),
        ("xfreerdp3", vec![free.clone()]),
        ("xfreerdp", vec![free]),
        ("krdc", vec![link]),
    ]
}

fn error(code: ErrorCode, message: &str, detail: &str) -> AppError {
    AppError { code, message: message.to_owned(), detail: Some(detail.to_owned()) }
}
