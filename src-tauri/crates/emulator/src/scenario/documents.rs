//! The session documents of every account: AWS's own, and the company's.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::company::{DATA, PROD, REGIONS};
use crate::services::kms::KmsKey;
use crate::sessions::{Document, Inputs};

/// The documents an account and region see.
#[derive(Clone, Debug)]
pub(super) struct Documents {
    everywhere: BTreeMap<String, Document>,
    /// What a place has of its own, or in another form.
    places: BTreeMap<(String, String), BTreeMap<String, Document>>,
}

impl Documents {
    pub(super) fn new(keys: &[KmsKey]) -> Self {
        let named = |document: Document| (document.name().to_owned(), document);
        let mut everywhere: BTreeMap<_, _> = Document::built_in().into_iter().map(named).collect();
        everywhere.extend(company_documents().map(named));

        let mut places: BTreeMap<(String, String), BTreeMap<_, _>> = BTreeMap::new();
        for key in keys.iter().filter(|key| key.enabled) {
            let own = places.entry((key.account.clone(), key.region.clone())).or_default();
            let encrypted = Inputs { kms_key_id: key.arn(), ..Inputs::default() };
            own.extend([named(
                parsed("Feldspar-EncryptedShell", shell("A shell sealed with the account's key"))
                    .with_inputs(encrypted.clone()),
            )]);
            if key.account == DATA
                && let Some(shell) = Document::named("SSM-SessionManagerRunShell")
            {
                // The data account's preferences seal every shell.
                own.extend([named(shell.with_inputs(encrypted))]);
            }
        }
        // A key that is not there any more: sessions start and then fail at the handshake.
        let lost = Inputs {
            kms_key_id: format!("arn:aws:kms:{}:{PROD}:alias/gone", REGIONS[0]),
            ..Inputs::default()
        };
        places.entry((PROD.to_owned(), REGIONS[0].to_owned())).or_default().extend([named(
            parsed("Feldspar-LostKeyShell", shell("A shell whose key was deleted"))
                .with_inputs(lost),
        )]);
        Self { everywhere, places }
    }

    /// Puts a document everywhere, also where a place had one of that name of its own.
    pub(super) fn add(&mut self, document: Document) {
        for own in self.places.values_mut() {
            own.remove(document.name());
        }
        self.everywhere.insert(document.name().to_owned(), document);
    }

    pub(super) fn find(&self, account: &str, region: &str, name: &str) -> Option<&Document> {
        self.places
            .get(&(account.to_owned(), region.to_owned()))
            .and_then(|own| own.get(name))
            .or_else(|| self.everywhere.get(name))
    }
}

fn company_documents() -> impl Iterator<Item = Document> {
    let report = json!({
        "schemaVersion": "1.0",
        "description": "Run a command, its output and its errors apart",
        "sessionType": "NonInteractiveCommands",
        "parameters": {"command": {"type": "String", "description": "The command line"}},
        "properties": per_platform(&json!({
            "commands": "{{ command }}",
            "runAsElevated": false,
            "separateOutputStream": true,
        })),
    });
    let tail = json!({
        "schemaVersion": "1.0",
        "description": "Follow a log of one service",
        "sessionType": "InteractiveCommands",
        "parameters": {
            "service": {
                "type": "String",
                "description": "The service",
                "allowedPattern": "^[a-z-]{1,40}$",
                "default": "storefront",
            },
            "lines": {
                "type": "String",
                "description": "How many lines to begin with",
                "allowedPattern": "^[0-9]{1,4}$",
                "default": "20",
            },
        },
        "properties": per_platform(&json!({
            "commands": "echo \"{{ service }}: last {{ lines }} lines\"",
            "runAsElevated": false,
        })),
    });
    let orders = json!({
        "schemaVersion": "1.0",
        "description": "The orders database, and nothing else",
        "sessionType": "Port",
        "parameters": {
            "localPortNumber": {"type": "String", "description": "", "default": "0"},
        },
        "properties": {
            "portNumber": "5432",
            "host": "orders-db.internal",
            "type": "LocalPortForwarding",
            "localPortNumber": "{{ localPortNumber }}",
        },
    });
    [
        ("Feldspar-RunReport", report),
        ("Feldspar-TailLog", tail),
        ("Feldspar-OrdersDatabase", orders),
    ]
    .into_iter()
    .map(|(name, content)| parsed(name, content))
}

fn per_platform(block: &Value) -> Value {
    json!({"windows": block, "linux": block, "macos": block})
}

fn shell(description: &str) -> Value {
    json!({
        "schemaVersion": "1.0",
        "description": description,
        "sessionType": "Standard_Stream",
        "inputs": {},
    })
}

fn parsed(name: &str, content: Value) -> Document {
    Document::parse(name, content).expect("the documents above are session documents")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scenario;

    #[test]
    fn places_see_their_own_documents_before_those_of_all() {
        let scenario = Scenario::sandbox();
        let kms = |account: &str, name: &str| {
            let document = scenario.document(account, REGIONS[0], name).unwrap();
            document.content()["inputs"]["kmsKeyId"].as_str().unwrap().to_owned()
        };
        assert_eq!(kms(PROD, "SSM-SessionManagerRunShell"), "");
        assert!(kms(DATA, "SSM-SessionManagerRunShell").contains(DATA));
        assert!(kms(PROD, "Feldspar-EncryptedShell").contains(PROD));
        assert!(scenario.document(PROD, "us-east-1", "Feldspar-LostKeyShell").is_none());
        assert!(scenario.document(PROD, "us-east-1", "Feldspar-OrdersDatabase").is_some());
        assert!(scenario.document(PROD, "us-east-1", "Nothing").is_none());

        let own = parsed("SSM-SessionManagerRunShell", shell("Everybody's"));
        let scenario = scenario.with_document(own.clone());
        for account in [PROD, DATA] {
            assert_eq!(scenario.document(account, REGIONS[0], own.name()), Some(&own));
        }
    }
}
