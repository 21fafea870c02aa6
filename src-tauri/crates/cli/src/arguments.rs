//! The command line of `adit`.

use std::collections::BTreeMap;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand};

use crate::forwarding::{Another, Forwarding};

/// Reach every machine an AWS account manages, through Session Manager.
#[derive(Debug, Parser)]
#[command(name = "adit", version, max_term_width = 100, propagate_version = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) scope: Scope,
    /// Log more to standard error: -v changes, -vv decisions, -vvv every message
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Which account and region a command is about.
#[derive(Args, Clone, Debug)]
pub(crate) struct Scope {
    /// The profile of the shared AWS config files [default: $AWS_PROFILE, then `default`]
    #[arg(long, short, global = true, value_name = "NAME", help_heading = "Scope")]
    pub(crate) profile: Option<String>,
    /// The region [default: the profile's]
    #[arg(long, short, global = true, value_name = "REGION", help_heading = "Scope")]
    pub(crate) region: Option<String>,
    /// Use the built-in sandbox: a made-up account with real shells on this computer
    #[arg(long, global = true, help_heading = "Scope")]
    pub(crate) sandbox: bool,
}

/// What a session is started with, beside its node.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Start {
    /// A session document other than the usual one
    #[arg(long, value_name = "NAME")]
    pub(crate) document: Option<String>,
    /// A parameter of the document
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = parameter)]
    pub(crate) parameters: Vec<(String, String)>,
    /// Why, for the account's audit log
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

impl Start {
    /// The parameters as the service takes them.
    pub(crate) fn parameters(&self) -> BTreeMap<String, Vec<String>> {
        let mut parameters = BTreeMap::<_, Vec<_>>::new();
        for (name, value) in &self.parameters {
            parameters.entry(name.clone()).or_default().push(value.clone());
        }
        parameters
    }
}

fn parameter(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("a parameter is written NAME=VALUE".to_owned()),
    }
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List the managed nodes
    Nodes {
        /// Words and key:value terms that a node must match: web platform:linux tag:Env=prod
        filter: Vec<String>,
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Open a shell on a node
    Shell {
        /// The node's id, name, or a filter that fits exactly one
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        node: String,
        #[command(flatten)]
        start: Start,
    },
    /// Run a command on a node, with its output, errors and exit status here
    ///
    /// Several words run as they are given, without a shell in between; a single one that is more
    /// than a word is a line for the node's sh (on Windows, PowerShell reads the words). The
    /// command has no input. 255 is the exit status of a session that failed.
    Run {
        /// The node's id, name, or a filter that fits exactly one
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        node: String,
        /// Run it on a terminal: with input and colours, without an exit status
        #[arg(short, long)]
        tty: bool,
        #[command(flatten)]
        start: Start,
        /// The command and its arguments
        #[arg(trailing_var_arg = true, required_unless_present = "document")]
        command: Vec<String>,
    },
    /// Join standard input and output to a port on a node, as OpenSSH's ProxyCommand
    Proxy {
        /// The node's id, name, or a filter that fits exactly one
        #[arg(required_unless_present = "print_config", value_parser = NonEmptyStringValueParser::new())]
        node: Option<String>,
        /// The port on the node
        #[arg(default_value_t = 22, value_parser = clap::value_parser!(u16).range(1..))]
        port: u16,
        /// Print lines for ~/.ssh/config instead, for the profile and region given
        #[arg(long)]
        print_config: bool,
        /// Seconds the node has for its last words once the input has ended
        #[arg(long, value_name = "SECONDS", default_value_t = 30)]
        linger: u64,
        /// Why, for the account's audit log
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Forward a local port to a node, or through it to another host
    ///
    /// Where the output is not a terminal, the addresses it listens on are printed there, one a
    /// line.
    Forward {
        /// The node's id, name, or a filter that fits exactly one
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        node: String,
        /// The port on the node, or HOST:PORT as seen from it; an IPv6 address stands in brackets
        #[arg(value_name = "[HOST:]PORT", value_parser = Forwarding::parse)]
        to: Forwarding,
        /// The local port [default: the same number if it is free, else any]
        #[arg(value_name = "LOCAL")]
        local_port: Option<u16>,
        /// Forward another port through the same node, from a local port of its own
        #[arg(long, value_name = "[HOST:]PORT[=LOCAL]", value_parser = Another::parse)]
        also: Vec<Another>,
        /// The local address to listen on [default: 127.0.0.1 and ::1]
        #[arg(long, value_name = "ADDRESS")]
        bind: Vec<std::net::IpAddr>,
        /// Sessions to spread parallel connections over, 1 to 16
        #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
        lanes: u8,
        /// Why, for the account's audit log
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// List the sessions that killed processes of adit left at the service
    Leftovers {
        /// End them
        #[arg(long)]
        end: bool,
    },
    /// Print a shell's completions for adit, to be sourced or installed
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Serve the sandbox for other programs until interrupted
    Sandbox {
        /// The port on 127.0.0.1 [default: any free one]
        #[arg(long, default_value_t = 0)]
        port: u16,
        /// Write AWS config files for it into this folder
        #[arg(long, value_name = "FOLDER")]
        profiles: Option<std::path::PathBuf>,
        /// Let a node's own ports lead to this computer's where the sandbox has nothing there
        #[arg(long)]
        pass_through: bool,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_forward_is_read_whole() {
        let words = ["adit", "forward", "web-1", "db.internal:5432", "15432", "--sandbox"];
        let arguments = Arguments::try_parse_from(words).expect("a good command line");
        assert!(arguments.scope.sandbox);
        let Verb::Forward { node, to, local_port, .. } = arguments.verb else { panic!("verb") };
        assert_eq!((node.as_str(), local_port), ("web-1", Some(15432)));
        assert_eq!(to, Forwarding { host: Some("db.internal".to_owned()), port: 5432 });
    }

    fn run(words: &[&str]) -> Result<(bool, Vec<String>), clap::Error> {
        let words = ["adit", "run"].iter().chain(words);
        let Verb::Run { tty, command, .. } = Arguments::try_parse_from(words)?.verb else {
            panic!("verb");
        };
        Ok((tty, command))
    }

    #[test]
    fn a_command_keeps_its_own_options() {
        let plain = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        let read = run(&["web-1", "-t", "--", "ls", "-l"]).expect("good");
        assert_eq!(read, (true, plain(&["ls", "-l"])));
        let read = run(&["web-1", "ls", "-t", "--json", "--", "x"]).expect("good");
        assert_eq!(read, (false, plain(&["ls", "-t", "--json", "--", "x"])));
        run(&["web-1"]).expect_err("no command");
        run(&["web-1", "--document", "Report", "--parameter", "a=b"]).expect("good");
        run(&["web-1", "--document", "Report", "--parameter", "=b"]).expect_err("no name");
    }
}
