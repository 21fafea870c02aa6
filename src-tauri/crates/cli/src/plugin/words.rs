//! What the official client puts on the screen, word for word (release 1.2.677.0).

/// Said with no argument at all: how installers test for the client.
pub(crate) const INSTALLED: &str = "\nThe Session Manager plugin was installed successfully. \
     Use the AWS CLI to start a session.\n\n";

/// Said when the operation is not `StartSession`.
pub(crate) const INVALID_OPERATION: &str = "Invalid Operation";

/// Said once a forward is ready to be used.
pub(crate) const WAITING_FOR_CONNECTIONS: &str = "\nWaiting for connections...\n";

/// Said when a signal ends a forward.
pub(crate) const TERMINATE_SIGNAL: &str = "Terminate signal received, exiting.\n";

/// Said when the node could not reach the forwarded port.
pub(crate) const DESTINATION_FAILED: &str =
    "\nConnection to destination port failed, check SSM Agent logs.\n";

/// Said for too few arguments.
pub(crate) fn unknown_operation(operation: &str) -> String {
    format!(
        "\nUnknown operation {operation}. \nUse session-manager-plugin --version to check the version.\n\n"
    )
}

/// Said before the session is up.
pub(crate) fn starting(session_id: &str) -> String {
    format!("\nStarting session with SessionId: {session_id}\n")
}

/// Said when nothing can be done with what was asked.
pub(crate) fn cannot_start(reason: &str) -> String {
    format!("Cannot perform start session: {reason}\n")
}

/// Said when a local TCP port listens.
pub(crate) fn port_opened(port: u16, session_id: &str) -> String {
    format!("Port {port} opened for sessionId {session_id}.")
}

/// Said when a local unix socket listens.
pub(crate) fn unix_socket_opened(path: &str, session_id: &str) -> String {
    format!("Unix socket {path} opened for sessionId {session_id}.")
}

/// Said for the first connection of a forward that carries many.
pub(crate) fn connection_accepted(session_id: &str) -> String {
    format!("\nConnection accepted for session [{session_id}]\n")
}

/// Said when the session has ended, with the service's words if it gave any.
pub(crate) fn ended(session_id: &str, output: &str) -> String {
    if output.is_empty() {
        format!("\n\nExiting session with sessionId: {session_id}.\n\n")
    } else {
        format!("\n\nSessionId: {session_id} : {output}\n\n")
    }
}

/// Said when the service no longer knows the session.
pub(crate) fn timed_out(session_id: &str) -> String {
    format!("Session: {session_id} timed out.\n")
}

/// Said for a command whose document asks for its exit status.
pub(crate) fn exit_status(status: i32) -> String {
    format!("EXIT_CODE: {status}")
}
