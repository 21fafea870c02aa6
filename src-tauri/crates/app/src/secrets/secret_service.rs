//! The Secret Service of the desktop session, as GNOME, KDE and KeePassXC offer it.
//!
//! Secrets cross the session bus as they are (the `plain` algorithm): whoever may listen there is
//! the user, who may ask the service as well.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use zbus::blocking::{Connection, Proxy};
use zbus::zvariant::{Dict, OwnedObjectPath, OwnedValue, Type, Value};
use zeroize::Zeroizing;

use super::{FILED_UNDER, Secrets, SecretsError};

const BUS_NAME: &str = "org.freedesktop.secrets";
const SERVICE_PATH: &str = "/org/freedesktop/secrets";
const SERVICE: &str = "org.freedesktop.Secret.Service";
const COLLECTION: &str = "org.freedesktop.Secret.Collection";
const ITEM: &str = "org.freedesktop.Secret.Item";
const PROMPT: &str = "org.freedesktop.Secret.Prompt";
/// Stands for no object.
const NOTHING: &str = "/";
/// The attributes an entry is found by.
const APPLICATION: &str = "application";
const NAME: &str = "name";

/// The system's own keyring.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemKeyring;

/// A secret as it crosses the bus.
#[derive(Debug, Serialize, Deserialize, Type)]
struct Secret {
    session: OwnedObjectPath,
    parameters: Vec<u8>,
    value: Vec<u8>,
    content_type: String,
}

/// A conversation with the service.
struct Talk {
    bus: Connection,
    session: OwnedObjectPath,
}

impl From<zbus::Error> for SecretsError {
    fn from(error: zbus::Error) -> Self {
        Self { reason: error.to_string() }
    }
}

impl Talk {
    fn begin() -> Result<Self, SecretsError> {
        let bus = Connection::session()?;
        let service = Proxy::new(&bus, BUS_NAME, SERVICE_PATH, SERVICE)?;
        let (_, session): (OwnedValue, OwnedObjectPath) =
            service.call("OpenSession", &("plain", Value::from("")))?;
        drop(service);
        Ok(Self { bus, session })
    }

    fn service(&self) -> Result<Proxy<'_>, SecretsError> {
        Ok(Proxy::new(&self.bus, BUS_NAME, SERVICE_PATH, SERVICE)?)
    }

    fn at<'a>(
        &'a self,
        path: &OwnedObjectPath,
        interface: &'static str,
    ) -> Result<Proxy<'a>, SecretsError> {
        Ok(Proxy::new(&self.bus, BUS_NAME, path.clone(), interface)?)
    }

    /// Finds an entry, unlocked.
    fn find(&self, name: &str) -> Result<Option<OwnedObjectPath>, SecretsError> {
        let (unlocked, locked): (Vec<OwnedObjectPath>, Vec<OwnedObjectPath>) =
            self.service()?.call("SearchItems", &(attributes(name),))?;
        if let Some(found) = unlocked.into_iter().next() {
            return Ok(Some(found));
        }
        let Some(found) = locked.into_iter().next() else { return Ok(None) };
        self.unlock(&found)?;
        Ok(Some(found))
    }

    /// Unlocks something; the user may be asked for it.
    fn unlock(&self, what: &OwnedObjectPath) -> Result<(), SecretsError> {
        let (_, prompt): (Vec<OwnedObjectPath>, OwnedObjectPath) =
            self.service()?.call("Unlock", &(vec![what],))?;
        self.prompt(&prompt)
    }

    /// Has the user asked, if the service wants that.
    fn prompt(&self, prompt: &OwnedObjectPath) -> Result<(), SecretsError> {
        if prompt.as_str() == NOTHING {
            return Ok(());
        }
        let asking = self.at(prompt, PROMPT)?;
        let mut done = asking.receive_signal("Completed")?;
        asking.call::<_, _, ()>("Prompt", &("",))?;
        let dismissed = match done.next() {
            Some(told) => {
                let (dismissed, _): (bool, OwnedValue) = told.body().deserialize()?;
                dismissed
            }
            None => true,
        };
        match dismissed {
            true => Err(SecretsError { reason: "it stayed locked".to_owned() }),
            false => Ok(()),
        }
    }
}

fn attributes(name: &str) -> HashMap<&'static str, String> {
    HashMap::from([(APPLICATION, FILED_UNDER.to_owned()), (NAME, name.to_owned())])
}

impl Secrets for SystemKeyring {
    fn read(&self, name: &str) -> Result<Option<Zeroizing<String>>, SecretsError> {
        let talk = Talk::begin()?;
        let Some(item) = talk.find(name)? else { return Ok(None) };
        let secret: Secret = talk.at(&item, ITEM)?.call("GetSecret", &(&talk.session,))?;
        let text = String::from_utf8(secret.value);
        let text = text.map_err(|_| SecretsError { reason: "the entry is no text".to_owned() })?;
        Ok(Some(Zeroizing::new(text)))
    }

    fn keep(&self, name: &str, secret: &str) -> Result<(), SecretsError> {
        let talk = Talk::begin()?;
        let collection: OwnedObjectPath = talk.service()?.call("ReadAlias", &("default",))?;
        if collection.as_str() == NOTHING {
            let reason = "there is no default keyring".to_owned();
            return Err(SecretsError { reason });
        }
        talk.unlock(&collection)?;
        let properties = HashMap::from([
            ("org.freedesktop.Secret.Item.Label", Value::from(format!("{FILED_UNDER}: {name}"))),
            ("org.freedesktop.Secret.Item.Attributes", Value::from(Dict::from(attributes(name)))),
        ]);
        let kept = Secret {
            session: talk.session.clone(),
            parameters: Vec::new(),
            value: secret.as_bytes().to_vec(),
            content_type: "text/plain".to_owned(),
        };
        let replaces = true;
        let (_, prompt): (OwnedObjectPath, OwnedObjectPath) =
            talk.at(&collection, COLLECTION)?.call("CreateItem", &(properties, kept, replaces))?;
        talk.prompt(&prompt)
    }
}
