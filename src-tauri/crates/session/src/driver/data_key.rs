//! The data key of an encrypted session: asked of KMS when the agent wants one, in the time it
//! gives.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use protocol::DataKey;
use tokio::time::timeout;

use super::{Driver, Role};
use crate::control_plane::{ControlError, DataKeyReply};
use crate::error::Error;

/// The agent gives up 15 s after it asked for a data key.
const DATA_KEY_LIMIT: Duration = Duration::from_secs(10);

/// A call under way.
pub(super) struct DataKeyRequest {
    key_id: String,
    call: BoxFuture<'static, Result<DataKeyReply, ControlError>>,
}

impl<R: Role> Driver<R> {
    pub(super) fn ask_data_key(&mut self, key_id: String, challenge: Option<String>) {
        let mut context = BTreeMap::from([
            ("aws:ssm:SessionId".to_owned(), self.session_id.as_str().to_owned()),
            ("aws:ssm:TargetId".to_owned(), self.setting.target.clone()),
        ]);
        if let Some(challenge) = challenge {
            context.insert("aws:ssm:RandomChallenge".to_owned(), challenge);
        }
        let (control, key) = (Arc::clone(&self.setting.control), key_id.clone());
        let call = Box::pin(async move {
            timeout(DATA_KEY_LIMIT, control.data_key(&key, &context)).await.unwrap_or_else(|_| {
                let reason = format!("no data key within {} s", DATA_KEY_LIMIT.as_secs());
                Err(ControlError::Unreachable { endpoint: "KMS".to_owned(), reason })
            })
        });
        self.data_key = Some(DataKeyRequest { key_id, call });
    }

    pub(super) fn poll_data_key(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(request) = &mut self.data_key else { return false };
        let Poll::Ready(answer) = request.call.as_mut().poll(cx) else { return false };
        let key_id = std::mem::take(&mut request.key_id);
        self.data_key = None;
        let key = answer.and_then(|reply| {
            DataKey::from_bytes(&reply.plaintext).map(|key| (key, reply.ciphertext)).map_err(
                |error| ControlError::Unsupported { reason: format!("KMS gave no key: {error}") },
            )
        });
        match key {
            Ok((key, ciphertext)) => self.channel.provide_data_key(&key, &ciphertext),
            Err(source) => {
                // The agent ends the session with these words; ours are kept for the user.
                self.channel.refuse_data_key(&source.to_string());
                let session_id = self.session_id.clone();
                let source = Box::new(source);
                self.refused_key = Some(Error::DataKey { session_id, key_id, source });
            }
        }
        true
    }
}
