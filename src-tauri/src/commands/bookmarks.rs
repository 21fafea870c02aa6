//! Bookmarks.

use app::view::BookmarksView;

use super::{Answer, Product};

#[tauri::command]
#[specta::specta]
pub(crate) async fn bookmarks_save(product: Product<'_>, bookmarks: BookmarksView) -> Answer<()> {
    product.bookmarks_save(bookmarks).await
}
