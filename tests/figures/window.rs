//! What the window is measured against.

use crate::ground::{Ground, median};
use crate::{Figure, Measured, bare, echo};

/// The far end's and the engine's own shares: what the window adds is what remains.
pub(crate) async fn beside() -> Measured<()> {
    let ground = Ground::start().await?;
    let mut prompts = Vec::new();
    for _ in 0..9 {
        prompts.push(bare::first_output(&ground).await?.as_secs_f64() * 1000.0);
    }
    ground.stop().await;
    Figure::new("bare_prompt_ms", median(&mut prompts), "ms").print()?;
    let echo = echo::round_trips(300).await?;
    Figure::new("engine_echo_ms", echo.p50, "ms").print()?;
    Ok(())
}
