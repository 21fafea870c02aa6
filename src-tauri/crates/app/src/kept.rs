//! What is remembered between starts without the user's doing: how the window was left, the
//! scrollback of its tabs, and the nodes of each region as they were last read. No secrets.
//!
//! These files are made by the program for itself: one that cannot be read is set aside or, where
//! nothing is lost by it, read anew.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::store::{Store, StoreError, Stored, write};
use crate::view::{NodeView, PaneView, ProfileId, ScopeView, SortView, TerminalId, WorkspaceView};

/// Scrollbacks are at most so long; the UI sends at most a thousand lines.
const LONGEST_SCROLLBACK: usize = 4 * 1024 * 1024;

/// How the window was left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Workspace(pub(crate) WorkspaceView);

#[derive(Serialize, Deserialize)]
struct WorkspaceFile {
    version: u32,
    workspace: WorkspaceView,
}

impl Default for Workspace {
    fn default() -> Self {
        Self(WorkspaceView {
            scope: ScopeView { profile_id: None, region: None },
            sidebar_width: 220,
            sidebar_collapsed: false,
            drawer_open: true,
            columns: Vec::new(),
            sort: SortView { column: "name".to_owned(), descending: false },
            tabs: Vec::new(),
            active_tab: "nodes".to_owned(),
            recent: Vec::new(),
            hints_closed: Vec::new(),
        })
    }
}

impl Stored for Workspace {
    const FILE: &'static str = "workspace.json";

    fn from_text(text: &str) -> Result<Self, String> {
        let file: WorkspaceFile = serde_json::from_str(text).map_err(|error| error.to_string())?;
        match file.version {
            1 => Ok(Self(file.workspace)),
            version => Err(format!("there is no version {version}")),
        }
    }

    fn to_text(&self) -> Result<String, String> {
        let file = WorkspaceFile { version: 1, workspace: self.0.clone() };
        serde_json::to_string(&file).map_err(|error| error.to_string())
    }
}

/// Names the terminals of a workspace.
pub(crate) fn terminals(workspace: &WorkspaceView) -> BTreeSet<TerminalId> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&PaneView> = workspace.tabs.iter().map(|tab| &tab.root).collect();
    while let Some(pane) = open.pop() {
        match pane {
            PaneView::Terminal { id, .. } => drop(found.insert(id.clone())),
            PaneView::Split { first, second, .. } => open.extend([&**first, &**second]),
        }
    }
    found
}

/// The nodes of one region of one profile, as they were last read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RememberedRegion {
    version: u32,
    pub(crate) profile_id: ProfileId,
    pub(crate) region: String,
    pub(crate) read_ms: u64,
    pub(crate) nodes: Vec<NodeView>,
}

impl RememberedRegion {
    pub(crate) fn new(
        profile_id: ProfileId,
        region: String,
        read_ms: u64,
        nodes: Vec<NodeView>,
    ) -> Self {
        Self { version: 1, profile_id, region, read_ms, nodes }
    }
}

/// The folder of what is remembered.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    folder: Option<PathBuf>,
    store: Store,
}

impl Memory {
    /// Remembers in `folder`, which is made with the first file; without one, nothing.
    pub(crate) fn new(folder: Option<PathBuf>) -> Self {
        Self { store: Store::new(folder.clone()), folder }
    }

    /// Shows the store of how the window was left.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Keeps a terminal's scrollback.
    pub(crate) fn keep_scrollback(&self, id: &TerminalId, text: &str) -> Result<(), StoreError> {
        let Some(file) = self.scrollback(id) else { return Err(StoreError::Nowhere) };
        let cut = text.len().saturating_sub(LONGEST_SCROLLBACK);
        let start = (cut..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or_default();
        put(&file, text.get(start..).unwrap_or_default())
    }

    /// Answers a terminal's scrollback; empty when there is none.
    pub(crate) fn scrollback_of(&self, id: &TerminalId) -> String {
        let read = self.scrollback(id).map(fs::read_to_string);
        read.and_then(Result::ok).unwrap_or_default()
    }

    /// Forgets a terminal's scrollback.
    pub(crate) fn forget_scrollback(&self, id: &TerminalId) {
        if let Some(file) = self.scrollback(id) {
            remove(&file);
        }
    }

    /// Forgets the scrollback of every terminal but these.
    pub(crate) fn forget_scrollbacks_but(&self, kept: &BTreeSet<TerminalId>) {
        let Some(folder) = &self.folder else { return };
        let Ok(entries) = fs::read_dir(folder.join("scrollback")) else { return };
        for entry in entries.filter_map(Result::ok) {
            let path = entry.path();
            let id = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            if !kept.contains(&TerminalId(id.to_owned())) {
                remove(&path);
            }
        }
    }

    /// Remembers the nodes of a region.
    pub(crate) fn keep_region(&self, region: &RememberedRegion) {
        let Some(file) = self.region_file(&region.profile_id, &region.region) else { return };
        let text = match serde_json::to_string(region) {
            Ok(text) => text,
            Err(error) => return tracing::warn!(%error, "nodes cannot be remembered"),
        };
        if let Err(error) = put(&file, &text) {
            tracing::warn!(%error, "nodes are not remembered");
        }
    }

    /// Answers the nodes of a region as they were last read. What cannot be read is read anew
    /// from the service, so it is no loss.
    pub(crate) fn region(&self, profile_id: &ProfileId, region: &str) -> Option<RememberedRegion> {
        let text = fs::read_to_string(self.region_file(profile_id, region)?).ok()?;
        let read: Result<RememberedRegion, _> = serde_json::from_str(&text);
        let found = read
            .inspect_err(
                |error| tracing::debug!(%error, region, "remembered nodes are passed over"),
            )
            .ok()?;
        let fits = found.version == 1 && found.profile_id == *profile_id && found.region == region;
        fits.then_some(found)
    }

    fn scrollback(&self, id: &TerminalId) -> Option<PathBuf> {
        // The id becomes a file's name: nothing but a UUID may.
        let id = Uuid::parse_str(&id.0).ok()?;
        Some(self.folder.as_ref()?.join("scrollback").join(format!("{id}.txt")))
    }

    fn region_file(&self, profile_id: &ProfileId, region: &str) -> Option<PathBuf> {
        let mut digest = Sha256::new();
        digest.update(profile_id.0.as_bytes());
        digest.update([0]);
        digest.update(region.as_bytes());
        let name: String =
            digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Some(self.folder.as_ref()?.join("inventory").join(format!("{name}.json")))
    }
}

fn put(file: &Path, text: &str) -> Result<(), StoreError> {
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).and_then(|()| write(folder, file, text)).map_err(|error| {
        StoreError::Unwritable { file: file.to_owned(), reason: error.to_string() }
    })
}

fn remove(file: &Path) {
    match fs::remove_file(file) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => tracing::warn!(%error, file = %file.display(), "a file cannot be removed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::{SplitDirection, TabView, TargetView};

    fn id(digit: u8) -> TerminalId {
        TerminalId(format!("00000000-0000-4000-8000-00000000000{digit}"))
    }

    fn pane(digit: u8) -> PaneView {
        let target = TargetView {
            profile_id: ProfileId("p".to_owned()),
            region: "r".to_owned(),
            node_id: "i-01234567".to_owned(),
            node_name: "web".to_owned(),
        };
        PaneView::Terminal { id: id(digit), target }
    }

    #[test]
    fn a_workspace_is_found_as_it_was_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let memory = Memory::new(Some(folder.path().to_owned()));
        let split = PaneView::Split {
            direction: SplitDirection::Right,
            ratio_percent: 50,
            first: Box::new(pane(1)),
            second: Box::new(pane(2)),
        };
        let tab = TabView { id: "t".to_owned(), title: None, root: split };
        let change = |kept: &mut Workspace| kept.0.tabs = vec![tab.clone()];
        memory.store().update::<Workspace>(change).expect("kept");
        let read = memory.store().load::<Workspace>().value;
        assert_eq!(terminals(&read.0), BTreeSet::from([id(1), id(2)]));
    }

    #[test]
    fn scrollback_is_kept_until_nobody_names_its_tab() {
        let folder = tempfile::tempdir().expect("a folder");
        let memory = Memory::new(Some(folder.path().to_owned()));
        assert_eq!(memory.scrollback_of(&id(1)), "");
        memory.keep_scrollback(&id(1), "one\r\n").expect("kept");
        memory.keep_scrollback(&id(2), "two\r\n").expect("kept");
        memory.forget_scrollbacks_but(&BTreeSet::from([id(1)]));
        assert_eq!(
            (memory.scrollback_of(&id(1)), memory.scrollback_of(&id(2))),
            ("one\r\n".into(), String::new())
        );
        memory.forget_scrollback(&id(1));
        assert_eq!(memory.scrollback_of(&id(1)), "");
        let elsewhere = TerminalId("../settings".to_owned());
        assert!(memory.keep_scrollback(&elsewhere, "x").is_err());
    }

    #[test]
    fn nodes_are_remembered_by_profile_and_region() {
        let folder = tempfile::tempdir().expect("a folder");
        let memory = Memory::new(Some(folder.path().to_owned()));
        let profile = ProfileId("p".to_owned());
        let kept = RememberedRegion::new(profile.clone(), "r".to_owned(), 7, Vec::new());
        memory.keep_region(&kept);
        assert_eq!(memory.region(&profile, "r"), Some(kept));
        assert_eq!(memory.region(&profile, "other"), None);
    }
}
