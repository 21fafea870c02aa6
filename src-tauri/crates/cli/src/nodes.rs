//! `adit nodes`

use std::io::IsTerminal as _;

use app::Account;

use crate::failure::{Failure, say};
use crate::print;

/// Prints the nodes that fit, by name.
///
/// # Errors
/// What kept the inventory from being read, or standard output from being written.
pub(crate) async fn list(
    account: &Account,
    filter: &[String],
    as_json: bool,
) -> Result<(), Failure> {
    let nodes = account.fitting(&filter.join(" ")).await?;
    let mut text = String::new();
    if as_json {
        for node in &nodes {
            let line =
                serde_json::to_string(node).map_err(|error| Failure::Output(error.into()))?;
            text.push_str(&line);
            text.push('\n');
        }
    } else {
        let rows = nodes.iter().map(|node| {
            let known = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
            [
                node.label().to_owned(),
                node.id.to_string(),
                node.ping.words().to_owned(),
                node.private_ip.map_or_else(|| "-".to_owned(), |address| address.to_string()),
                known(&node.availability_zone),
                known(&node.platform_name),
                known(&node.agent_version),
            ]
        });
        let headings = ["NAME", "ID", "STATE", "PRIVATE IP", "ZONE", "PLATFORM", "AGENT"];
        // A program that reads the table wants nothing but nodes.
        let is_watched = std::io::stdout().is_terminal();
        text = table(is_watched.then_some(headings), rows.collect());
    }
    print(&text)?;
    if nodes.is_empty() {
        say(&format!("No managed node in {} fits.", account.region()));
    }
    Ok(())
}

/// Lines up columns with two blanks between them.
fn table<const N: usize>(headings: Option<[&str; N]>, rows: Vec<[String; N]>) -> String {
    let rows: Vec<_> =
        headings.map(|words| words.map(str::to_owned)).into_iter().chain(rows).collect();
    let mut widths = [0; N];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_by_characters() {
        let rows = vec![["wéb".to_owned(), "1".to_owned()], ["a".to_owned(), "22".to_owned()]];
        assert_eq!(table(Some(["N", "ID"]), rows.clone()), "N    ID\nwéb  1\na    22\n");
        assert_eq!(table(None, rows), "wéb  1\na    22\n");
    }
}
