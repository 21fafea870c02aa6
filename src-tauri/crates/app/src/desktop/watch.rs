//! The user's files, looked at again and again: they may be edited by hand while nobody looks at
//! the window.

use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::accounts::Accounts;
use crate::saved::Saved;
use crate::stamps::Haste;
use crate::tasks::Tasks;

/// How often files are looked at, which takes no more than asking for their dates. A change is
/// taken over at the second look that finds it.
const EVERY: Duration = Duration::from_secs(1);

/// Looks for as long as the desktop lives.
pub(super) async fn watch(saved: Saved, accounts: Accounts, tasks: Tasks) {
    let mut looks = tokio::time::interval(EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        look(saved.clone(), accounts.clone(), &tasks, Haste::WhenSettled).await;
    }
}

/// Looks once.
pub(super) async fn look(saved: Saved, accounts: Accounts, tasks: &Tasks, haste: Haste) {
    let look = move || {
        saved.look(haste);
        accounts.reload(haste);
    };
    // It fails only when the program is ending.
    let _ = tasks.off(look).await;
}
