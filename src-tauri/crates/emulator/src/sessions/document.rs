//! Session documents: what kind of session, with which parameters.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The `allowedPattern` of a destination port, as AWS writes it.
const PORT_PATTERN: &str = "^([1-9]|[1-9][0-9]{1,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])$";
/// The same for a local port, which may be 0 for any.
const LOCAL_PORT_PATTERN: &str = "^(0|[1-9]|[1-9][0-9]{1,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])$";

/// The `sessionType` of a document, and the plugin of the agent that runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SessionType {
    /// A shell on a terminal.
    #[serde(rename = "Standard_Stream")]
    StandardStream,
    /// A command on a terminal.
    InteractiveCommands,
    /// A command without a terminal.
    NonInteractiveCommands,
    /// A way to a TCP port.
    Port,
}

impl SessionType {
    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StandardStream => "Standard_Stream",
            Self::InteractiveCommands => "InteractiveCommands",
            Self::NonInteractiveCommands => "NonInteractiveCommands",
            Self::Port => "Port",
        }
    }
}

/// The preferences of a document that change a session. Logging preferences are not played.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Inputs {
    /// The key that encrypts shells and commands; none when empty.
    pub kms_key_id: String,
    /// Whether a user is named to run as.
    pub run_as_enabled: bool,
    /// That user.
    pub run_as_default_user: String,
    /// A line typed into every new shell.
    pub shell_profile: ShellProfile,
}

/// The line typed into a new shell, by platform.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ShellProfile {
    /// Linux and macOS.
    pub linux: String,
    /// Windows.
    pub windows: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Parameter {
    #[serde(rename = "type")]
    kind: String,
    description: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_pattern: Option<String>,
}

/// A session document.
///
/// ```
/// use emulator::Document;
///
/// let document = Document::named("AWS-StartSSHSession").expect("owned by AWS");
/// assert_eq!(document.content()["sessionType"], "Port");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    name: String,
    body: Body,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    schema_version: String,
    #[serde(default)]
    description: String,
    session_type: SessionType,
    #[serde(default)]
    inputs: Inputs,
    #[serde(default)]
    parameters: BTreeMap<String, Parameter>,
    #[serde(default)]
    properties: Value,
}

/// A document with its parameters filled in: what the agent is told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Filled {
    pub(crate) session_type: SessionType,
    pub(crate) inputs: Inputs,
    pub(crate) properties: Value,
}

/// Parameters that do not fit a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// The document does not know it.
    #[error("{parameter} is not a parameter of {document}.")]
    Unknown {
        /// The parameter.
        parameter: String,
        /// The document.
        document: String,
    },
    /// It has no default and no value was given.
    #[error("Parameter {parameter} is required by {document}.")]
    Missing {
        /// The parameter.
        parameter: String,
        /// The document.
        document: String,
    },
    /// It takes one value.
    #[error("Parameter {parameter} takes one value.")]
    NotOneValue {
        /// The parameter.
        parameter: String,
    },
    /// Its value has the wrong form.
    #[error("Parameter \"{parameter}\" does not match the regular expression: {pattern}")]
    NotAllowed {
        /// The parameter.
        parameter: String,
        /// The form.
        pattern: String,
    },
}

impl Document {
    /// Reads a document of one's own.
    ///
    /// # Errors
    ///
    /// When `content` is not a session document.
    pub fn parse(name: &str, content: Value) -> Result<Self, serde_json::Error> {
        Ok(Self { name: name.to_owned(), body: serde_json::from_value(content)? })
    }

    /// The documents every account has: the default shell and those owned by AWS.
    #[must_use]
    pub fn built_in() -> Vec<Self> {
        let port = || {
            BTreeMap::from([
                parameter("portNumber", Some("80"), Some(PORT_PATTERN)),
                parameter("localPortNumber", Some("0"), Some(LOCAL_PORT_PATTERN)),
            ])
        };
        let forward = |more: &[(&str, &str)]| {
            let mut properties = json!({
                "portNumber": "{{ portNumber }}",
                "type": "LocalPortForwarding",
                "localPortNumber": "{{ localPortNumber }}",
            });
            for (key, value) in more {
                properties[*key] = Value::from(*value);
            }
            properties
        };
        let per_platform =
            |block: &Value| json!({"windows": block, "linux": block, "macos": block});
        let mut to_host = port();
        to_host.extend([parameter("host", Some("localhost"), None)]);
        let mut to_socket =
            BTreeMap::from([parameter("portNumber", Some("80"), Some(PORT_PATTERN))]);
        to_socket.extend([parameter("localUnixSocket", None, None)]);
        let command = BTreeMap::from([parameter("command", None, None)]);
        let mut separable = command.clone();
        separable.extend([
            parameter("separateOutputStream", Some("false"), None),
            parameter("stdOutSeparatorPrefix", Some(""), None),
            parameter("stdErrSeparatorPrefix", Some(""), None),
        ]);
        vec![
            document(
                "SSM-SessionManagerRunShell",
                "Document to hold regional settings for Session Manager",
                SessionType::StandardStream,
                BTreeMap::new(),
                Value::Null,
            ),
            document(
                "AWS-StartInteractiveCommand",
                "Document to run single interactive command on an instance",
                SessionType::InteractiveCommands,
                command,
                per_platform(&json!({"commands": "{{ command }}", "runAsElevated": false})),
            ),
            document(
                "AWS-StartNonInteractiveCommand",
                "Document to run single command on an instance without a terminal",
                SessionType::NonInteractiveCommands,
                separable,
                per_platform(&json!({
                    "commands": "{{ command }}",
                    "runAsElevated": false,
                    "separateOutputStream": "{{ separateOutputStream }}",
                    "stdOutSeparatorPrefix": "{{ stdOutSeparatorPrefix }}",
                    "stdErrSeparatorPrefix": "{{ stdErrSeparatorPrefix }}",
                })),
            ),
            document(
                "AWS-StartPortForwardingSession",
                "Document to start port forwarding session over Session Manager",
                SessionType::Port,
                port(),
                forward(&[]),
            ),
            document(
                "AWS-StartPortForwardingSessionToRemoteHost",
                "Document to start port forwarding session over Session Manager to remote host",
                SessionType::Port,
                to_host,
                forward(&[("host", "{{ host }}")]),
            ),
            document(
                "AWS-StartPortForwardingSessionToSocket",
                "Document to start port forwarding session over Session Manager to a unix socket",
                SessionType::Port,
                to_socket,
                json!({
                    "portNumber": "{{ portNumber }}",
                    "type": "LocalPortForwarding",
                    "localConnectionType": "unix",
                    "localUnixSocket": "{{ localUnixSocket }}",
                }),
            ),
            document(
                "AWS-StartSSHSession",
                "Document to start SSH session over Session Manager",
                SessionType::Port,
                BTreeMap::from([parameter("portNumber", Some("22"), Some(PORT_PATTERN))]),
                json!({"portNumber": "{{ portNumber }}"}),
            ),
        ]
    }

    /// The built-in document of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::built_in().into_iter().find(|document| document.name == name)
    }

    /// The document with these preferences.
    #[must_use]
    pub fn with_inputs(mut self, inputs: Inputs) -> Self {
        self.body.inputs = inputs;
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What kind of session it starts.
    #[must_use]
    pub fn session_type(&self) -> SessionType {
        self.body.session_type
    }

    /// Its text, as `GetDocument` shows it.
    #[must_use]
    pub fn content(&self) -> Value {
        serde_json::to_value(&self.body).unwrap_or_default()
    }

    /// Fills in the parameters.
    pub(crate) fn fill(
        &self,
        given: &BTreeMap<String, Vec<String>>,
    ) -> Result<Filled, DocumentError> {
        if let Some(unknown) = given.keys().find(|key| !self.body.parameters.contains_key(*key)) {
            return Err(DocumentError::Unknown {
                parameter: unknown.clone(),
                document: self.name.clone(),
            });
        }
        let mut values = BTreeMap::new();
        for (name, parameter) in &self.body.parameters {
            let value = match given.get(name).map(Vec::as_slice) {
                Some([value]) => value.clone(),
                Some(_) => return Err(DocumentError::NotOneValue { parameter: name.clone() }),
                None => parameter.default.clone().ok_or_else(|| DocumentError::Missing {
                    parameter: name.clone(),
                    document: self.name.clone(),
                })?,
            };
            if let Some(pattern) = &parameter.allowed_pattern
                && !is_allowed(&value, pattern)
            {
                return Err(DocumentError::NotAllowed {
                    parameter: name.clone(),
                    pattern: pattern.clone(),
                });
            }
            values.insert(name.as_str(), value);
        }
        let mut properties = self.body.properties.clone();
        fill_in(&mut properties, &values);
        Ok(Filled {
            session_type: self.body.session_type,
            inputs: self.body.inputs.clone(),
            properties,
        })
    }
}

/// Only the two patterns of AWS's own documents are checked; any other allows everything.
fn is_allowed(value: &str, pattern: &str) -> bool {
    let port = value.parse::<u16>().ok().filter(|port| port.to_string() == value);
    match pattern {
        PORT_PATTERN => port.is_some_and(|port| port > 0),
        LOCAL_PORT_PATTERN => port.is_some(),
        _ => true,
    }
}

fn fill_in(value: &mut Value, values: &BTreeMap<&str, String>) {
    match value {
        Value::String(text) => {
            for (name, value) in values {
                for form in [format!("{{{{ {name} }}}}"), format!("{{{{{name}}}}}")] {
                    if text.contains(&form) {
                        *text = text.replace(&form, value);
                    }
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| fill_in(item, values)),
        Value::Object(fields) => fields.values_mut().for_each(|field| fill_in(field, values)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn parameter(name: &str, default: Option<&str>, pattern: Option<&str>) -> (String, Parameter) {
    (
        name.to_owned(),
        Parameter {
            kind: "String".to_owned(),
            description: String::new(),
            default: default.map(str::to_owned),
            allowed_pattern: pattern.map(str::to_owned),
        },
    )
}

fn document(
    name: &str,
    description: &str,
    session_type: SessionType,
    parameters: BTreeMap<String, Parameter>,
    properties: Value,
) -> Document {
    Document {
        name: name.to_owned(),
        body: Body {
            schema_version: "1.0".to_owned(),
            description: description.to_owned(),
            session_type,
            inputs: Inputs::default(),
            parameters,
            properties,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(pairs: &[(&str, &str)]) -> BTreeMap<String, Vec<String>> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), vec![(*value).to_owned()])).collect()
    }

    #[test]
    fn parameters_are_filled_in_with_their_defaults() {
        let document = Document::named("AWS-StartPortForwardingSession").unwrap();
        let filled = document.fill(&given(&[("portNumber", "8080")])).unwrap();
        assert_eq!(
            filled.properties,
            json!({"portNumber": "8080", "type": "LocalPortForwarding", "localPortNumber": "0"})
        );
    }

    #[test]
    fn parameters_that_do_not_fit_are_named() {
        let document = Document::named("AWS-StartPortForwardingSession").unwrap();
        assert!(matches!(
            document.fill(&given(&[("host", "db")])),
            Err(DocumentError::Unknown { .. })
        ));
        for wrong in ["0", "65536", "080", "x", ""] {
            assert!(matches!(
                document.fill(&given(&[("portNumber", wrong)])),
                Err(DocumentError::NotAllowed { .. })
            ));
        }
        let command = Document::named("AWS-StartInteractiveCommand").unwrap();
        assert!(matches!(command.fill(&given(&[])), Err(DocumentError::Missing { .. })));
    }

    #[test]
    fn a_document_of_ones_own_is_read_back() {
        let shell = Document::named("SSM-SessionManagerRunShell").unwrap();
        let own = Document::parse("Own", shell.content()).unwrap();
        assert_eq!(own.body, shell.body);
        assert!(Document::parse("Own", json!({"schemaVersion": "1.0"})).is_err());
    }
}
