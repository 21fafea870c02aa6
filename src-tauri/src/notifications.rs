//! Notifications of the desktop, each with a button that acts. Where nobody shows them, nothing
//! breaks: the window says the same.

use app::Desktop;
use app::view::IntentView;
use notify_rust::Notification;
use tauri::{AppHandle, Manager as _};

use crate::attention::{About, Message};
use crate::tasks::Tasks;
use crate::window;

/// Says once that closing the window does not end the tunnels.
pub(crate) fn still_up() -> Message {
    Message {
        about: About::Tray,
        title: "Adit keeps your tunnels up".to_owned(),
        text: "It goes on in the tray. Settings can change that.".to_owned(),
    }
}

/// Shows a message, and does what its button says when it is pressed.
pub(crate) fn show(app: &AppHandle, message: Message) {
    let shown_by = app.clone();
    app.state::<Tasks>().spawn(async move {
        match pressed(&message).await {
            Ok(true) => act(&shown_by, &message.about),
            Ok(false) => {}
            Err(error) => tracing::debug!(%error, "nobody shows notifications"),
        }
    });
}

/// The words on the button.
fn button(about: &About) -> &'static str {
    match about {
        About::Lost(_) => "Retry now",
        About::Regained(_) => "Show",
        About::SignIn(_) => "Sign in",
        About::Tray => "Settings",
    }
}

fn act(app: &AppHandle, about: &About) {
    let intent = match about {
        About::Lost(id) => {
            let (desktop, id) = (app.state::<Desktop>().inner().clone(), id.clone());
            app.state::<Tasks>().spawn(async move {
                if let Err(error) = desktop.tunnel_retry(id).await {
                    tracing::warn!(error = error.message, "the tunnel is as it was");
                }
            });
            return;
        }
        About::Regained(id) => IntentView::ShowTunnel { id: id.clone() },
        About::SignIn(id) => IntentView::SignIn { profile_id: id.clone() },
        About::Tray => IntentView::ShowSettings,
    };
    window::show_with(app, intent);
}

fn notification(message: &Message) -> Notification {
    let mut notification = Notification::new();
    notification.appname("Adit").summary(&message.title).body(&message.text);
    notification
}

/// Shows it and waits until it is gone; says whether its button, or itself, was pressed.
#[cfg(all(unix, not(target_os = "macos")))]
async fn pressed(message: &Message) -> notify_rust::error::Result<bool> {
    use notify_rust::NotificationResponse;

    let mut notification = notification(message);
    notification
        .icon("adit-desktop")
        .action("default", "Show")
        .action("act", button(&message.about));
    let shown = notification.show_async().await?;
    let mut was_pressed = false;
    shown
        .wait_for_action_async(|response: &NotificationResponse| {
            was_pressed =
                matches!(response, NotificationResponse::Default | NotificationResponse::Action(_));
        })
        .await;
    Ok(was_pressed)
}

/// Shows it. The button is told in words: this system gives none to programs without a
/// registration of their own.
#[cfg(not(all(unix, not(target_os = "macos"))))]
async fn pressed(message: &Message) -> notify_rust::error::Result<bool> {
    let mut notification = notification(message);
    notification.body(&format!("{} ({} in Adit)", message.text, button(&message.about)));
    tokio::task::spawn_blocking(move || notification.show().map(|_| false))
        .await
        .unwrap_or(Ok(false))
}
