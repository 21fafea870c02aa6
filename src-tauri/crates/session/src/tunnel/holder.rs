//! Who has the port that we wanted, where the system lets us see.

/// Names the program that listens on `port`, as `nginx (process 4711)`.
#[cfg(target_os = "linux")]
pub(super) fn holder_of(port: u16) -> Option<String> {
    let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| std::fs::read_to_string(table).ok())
        .flat_map(|table| {
            table.lines().filter_map(|line| listener_inode(line, port)).collect::<Vec<_>>()
        })
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    if inodes.is_empty() {
        return None;
    }
    let processes = std::fs::read_dir("/proc").ok()?;
    processes.flatten().find_map(|process| {
        let name = process.file_name();
        let id: u32 = name.to_str()?.parse().ok()?;
        let holds = std::fs::read_dir(process.path().join("fd")).ok()?.flatten().any(|entry| {
            std::fs::read_link(entry.path())
                .is_ok_and(|link| inodes.iter().any(|inode| link.as_os_str() == inode.as_str()))
        });
        let program = std::fs::read_to_string(process.path().join("comm")).ok()?;
        holds.then(|| format!("{} (process {id})", program.trim()))
    })
}

#[cfg(not(target_os = "linux"))]
pub(super) fn holder_of(_port: u16) -> Option<String> {
    None
}

/// Reads one line of the kernel's table: address, remote address, state `0A` for listening, and
/// the inode as the tenth column.
#[cfg(target_os = "linux")]
fn listener_inode(line: &str, port: u16) -> Option<String> {
    let columns: Vec<&str> = line.split_ascii_whitespace().collect();
    let (_, local_port) = columns.get(1)?.rsplit_once(':')?;
    let is_match = u16::from_str_radix(local_port, 16).ok()? == port && *columns.get(3)? == "0A";
    is_match.then(|| columns.get(9).map(|inode| (*inode).to_owned())).flatten()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_port_of_ours_is_held_by_this_process() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let holder = holder_of(listener.local_addr().unwrap().port()).expect("a holder");
        assert!(holder.ends_with(&format!("(process {})", std::process::id())), "{holder}");
    }

    #[test]
    fn the_kernels_table_is_read_by_column() {
        let line = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 \
                    1000 0 12345 1 0000000000000000 100 0 0 10 0";
        assert_eq!(listener_inode(line, 8080).as_deref(), Some("12345"));
        assert_eq!(listener_inode(line, 8081), None);
    }
}
