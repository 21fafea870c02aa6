//! The command line of `adit`.

use clap::{Args, Parser, Subcommand};

use crate::forwarding::Forwarding;

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
        node: String,
        /// A session document other than the account's default shell
        #[arg(long, value_name = "NAME")]
        document: Option<String>,
        /// Why, for the account's audit log
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Forward a local port to a node, or through it to another host
    Forward {
        /// The node's id, name, or a filter that fits exactly one
        node: String,
        /// The port on the node, or HOST:PORT as seen from it; an IPv6 address stands in brackets
        #[arg(value_name = "[HOST:]PORT", value_parser = Forwarding::parse)]
        to: Forwarding,
        /// The local port [default: the same number if it is free, else any]
        #[arg(value_name = "LOCAL")]
        local_port: Option<u16>,
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
}
