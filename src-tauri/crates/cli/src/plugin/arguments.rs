//! The official client's command line: six words in a fixed order.
//!
//! `session-manager-plugin <response> <region> StartSession [<profile> [<request> [<endpoint>]]]`

use serde::Deserialize;

/// A response that stands in an environment variable has a name that begins so.
const RESPONSE_VARIABLE_PREFIX: &str = "AWS_SSM_START_SESSION_RESPONSE";

/// What the official client was asked to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// No argument: say that it is installed.
    Installed,
    /// `--version`.
    Version,
    /// Too few arguments: name the first.
    Unknown(String),
    /// An operation other than `StartSession`.
    InvalidOperation,
    /// The response or the request cannot be read.
    Malformed(String),
    /// Carry out a session that the caller has started.
    StartSession(Box<Started>),
}

/// A session that the caller has started at the service.
#[derive(PartialEq, Eq)]
pub(crate) struct Started {
    pub(crate) response: Response,
    pub(crate) region: String,
    pub(crate) profile: Option<String>,
    /// The node, needed for the encryption context; absent with callers too old to pass the request.
    pub(crate) target: Option<String>,
    /// Where Resume and Terminate go, if not the region's own endpoint.
    pub(crate) endpoint: Option<String>,
}

impl std::fmt::Debug for Started {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Started").field("session_id", &self.response.session_id).finish()
    }
}

/// The answer of StartSession as the service words it, and as `ecs execute-command` does.
#[derive(Deserialize, PartialEq, Eq)]
pub(crate) struct Response {
    #[serde(rename = "SessionId", alias = "sessionId")]
    pub(crate) session_id: String,
    #[serde(rename = "StreamUrl", alias = "streamUrl")]
    pub(crate) stream_url: String,
    #[serde(rename = "TokenValue", alias = "tokenValue")]
    pub(crate) token: String,
}

#[derive(Deserialize)]
struct Request {
    #[serde(rename = "Target")]
    target: Option<String>,
}

/// Reads the arguments behind the program's name. `variable` looks up an environment variable.
pub(crate) fn read(arguments: &[String], variable: impl Fn(&str) -> Option<String>) -> Asked {
    let [response, rest @ ..] = arguments else { return Asked::Installed };
    if rest.is_empty() && response == "--version" {
        return Asked::Version;
    }
    let [region, operation, optional @ ..] = rest else { return Asked::Unknown(response.clone()) };
    if operation != "StartSession" {
        return Asked::InvalidOperation;
    }
    let response = if response.starts_with(RESPONSE_VARIABLE_PREFIX) {
        match variable(response) {
            Some(value) => value,
            None => {
                let reason = format!("the environment variable {response} is not set");
                return Asked::Malformed(reason);
            }
        }
    } else {
        response.clone()
    };
    // The value is not echoed: it holds the token.
    let response = match serde_json::from_str::<Response>(&response) {
        Ok(response) => response,
        Err(error) => return Asked::Malformed(describe("the StartSession response", &error)),
    };
    let filled = |at: usize| optional.get(at).filter(|value| !value.is_empty());
    let target = match filled(1).map(|request| serde_json::from_str::<Request>(request)) {
        None => None,
        Some(Ok(request)) => request.target,
        Some(Err(error)) => return Asked::Malformed(describe("the StartSession request", &error)),
    };
    Asked::StartSession(Box::new(Started {
        response,
        region: region.clone(),
        profile: filled(0).cloned(),
        target,
        endpoint: filled(2).cloned(),
    }))
}

/// Says where the text is wrong and in what way, without its content.
fn describe(what: &str, error: &serde_json::Error) -> String {
    let (line, column) = (error.line(), error.column());
    let problem = match error.classify() {
        serde_json::error::Category::Io => "cannot be read",
        serde_json::error::Category::Syntax => "is not JSON",
        serde_json::error::Category::Eof => "ends too early",
        serde_json::error::Category::Data => {
            "lacks SessionId, StreamUrl or TokenValue, or has one of the wrong type"
        }
    };
    format!("{what} {problem} (line {line}, column {column})")
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESPONSE: &str =
        r#"{"SessionId":"dev-1","StreamUrl":"wss://x/v1","TokenValue":"secret-token"}"#;

    fn asked(arguments: &[&str]) -> Asked {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        read(&arguments, |name| {
            (name == "AWS_SSM_START_SESSION_RESPONSE_7").then(|| RESPONSE.to_owned())
        })
    }

    fn started(arguments: &[&str]) -> Started {
        let asked = asked(arguments);
        let Asked::StartSession(started) = asked else { panic!("not a session: {asked:?}") };
        *started
    }

    #[test]
    fn everything_the_aws_command_passes() {
        let request = r#"{"Target":"i-1","DocumentName":"D"}"#;
        let all = [RESPONSE, "eu-west-1", "StartSession", "dev", request, "http://127.0.0.1:1"];
        let started = started(&all);
        assert_eq!(started.response.session_id, "dev-1");
        assert_eq!(started.region, "eu-west-1");
        assert_eq!(started.profile.as_deref(), Some("dev"));
        assert_eq!(started.target.as_deref(), Some("i-1"));
        assert_eq!(started.endpoint.as_deref(), Some("http://127.0.0.1:1"));
        assert!(!format!("{started:?}").contains("secret-token"));
    }

    #[test]
    fn the_response_may_stand_in_a_variable() {
        let started = started(&["AWS_SSM_START_SESSION_RESPONSE_7", "eu-west-1", "StartSession"]);
        assert_eq!(started.response.token, "secret-token");
        assert_eq!((started.profile, started.target), (None, None));
    }

    #[test]
    fn ecs_spells_it_otherwise() {
        let ecs = r#"{"sessionId":"ecs-1","streamUrl":"wss://x","tokenValue":"t"}"#;
        assert_eq!(started(&[ecs, "r", "StartSession", ""]).response.session_id, "ecs-1");
    }

    #[test]
    fn odd_command_lines() {
        assert_eq!(asked(&[]), Asked::Installed);
        assert_eq!(asked(&["--version"]), Asked::Version);
        assert_eq!(asked(&["ls"]), Asked::Unknown("ls".to_owned()));
        assert_eq!(asked(&[RESPONSE, "r", "Stop"]), Asked::InvalidOperation);
    }

    #[test]
    fn malformed_input_is_named_and_not_echoed() {
        let broken = r#"{"SessionId":"dev-1","TokenValue":"secret-token"}"#;
        let Asked::Malformed(reason) = asked(&[broken, "r", "StartSession"]) else {
            panic!("taken");
        };
        assert!(reason.contains("StartSession response") && !reason.contains("secret-token"));
        let Asked::Malformed(reason) = asked(&[RESPONSE, "r", "StartSession", "p", "{"]) else {
            panic!("taken");
        };
        assert!(reason.contains("StartSession request"), "{reason}");
    }
}
