//! What the page may call. Each command forwards to the product; those of [`own`] that are about
//! this computer are answered here.

pub(crate) mod accounts;
pub(crate) mod bookmarks;
pub(crate) mod nodes;
pub(crate) mod own;
pub(crate) mod terminal;
pub(crate) mod tunnels;

use app::{AppError, Desktop};
use tauri::State;

/// What every command answers.
type Answer<T> = Result<T, AppError>;

/// The product, as commands are given it.
type Product<'a> = State<'a, Desktop>;
