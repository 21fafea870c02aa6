//! `adit nodes`

use std::io::{IsTerminal as _, Write as _};

use app::Account;

use crate::failure::{Failure, say};

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
        text = table(headings, rows.collect());
    }
    let mut output = std::io::stdout().lock();
    output.write_all(text.as_bytes()).and_then(|()| output.flush()).map_err(Failure::Output)?;
    if nodes.is_empty() && std::io::stderr().is_terminal() {
        say(&format!("No managed node in {} fits.", account.region()));
    }
    Ok(())
}

/// Lines up columns with two blanks between them.
fn table<const N: usize>(headings: [&str; N], rows: Vec<[String; N]>) -> String {
    let mut widths = headings.map(|heading| heading.chars().count());
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in std::iter::once(headings.map(str::to_owned)).chain(rows) {
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
        assert_eq!(table(["N", "ID"], rows), "N    ID\nwéb  1\na    22\n");
    }
}
