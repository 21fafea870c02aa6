//! Who a profile is, as AWS sees it.

use crate::client::Client;
use crate::endpoints::Service;
use crate::error::CallError;

/// The caller's identity (`sts:GetCallerIdentity`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The account, twelve digits.
    pub account_id: String,
    /// The full name of the user or of the assumed role.
    pub arn: String,
}

impl Identity {
    /// Shows the identity in a few letters: `ana`, `ana@acme (Admin)` for a role, `root`.
    pub fn label(&self) -> String {
        let resource = self.arn.splitn(6, ':').nth(5).unwrap_or(&self.arn);
        let parts: Vec<&str> = resource.split('/').collect();
        match parts.as_slice() {
            ["assumed-role", role, name] => format!("{name} ({})", short_role(role)),
            [.., name] => (*name).to_owned(),
            [] => self.arn.clone(),
        }
    }
}

/// Identity Center wraps the permission set's name: `AWSReservedSSO_Admin_0123456789abcdef`.
fn short_role(role: &str) -> &str {
    role.strip_prefix("AWSReservedSSO_")
        .and_then(|rest| rest.rsplit_once('_'))
        .map_or(role, |(name, _)| name)
}

impl Client {
    /// Asks AWS who this profile is. Needs no permission. Safe to drop.
    ///
    /// # Errors
    ///
    /// [`CallError`] when there are no credentials or AWS does not know them.
    pub async fn identity(&self) -> Result<Identity, CallError> {
        let call = self.call(Service::Sts, "GetCallerIdentity");
        let output = call.run(|| self.sts().get_caller_identity().send()).await?;
        Ok(Identity {
            account_id: output.account().unwrap_or_default().to_owned(),
            arn: output.arn().unwrap_or_default().to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_short_and_say_the_role() {
        for (arn, label) in [
            ("arn:aws:iam::123456789012:user/ops/ana", "ana"),
            ("arn:aws:iam::123456789012:root", "root"),
            ("arn:aws:sts::123456789012:assumed-role/Admin/ana@acme", "ana@acme (Admin)"),
            (
                "arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_Dev_Ops_0123456789abcdef/ana",
                "ana (Dev_Ops)",
            ),
        ] {
            let identity = Identity { account_id: "123456789012".into(), arn: arn.into() };
            assert_eq!(identity.label(), label);
        }
    }
}
