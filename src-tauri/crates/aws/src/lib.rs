//! The account side: profiles, regions, the inventory, and the calls an engine needs.
//!
//! [`Client`] is the entry: one profile in one region, opened from an [`Environment`] without
//! sending anything. This room alone knows the AWS SDK. It reads the shared config files and
//! never writes them; it never logs or shows a secret; it repeats a call only where repeating
//! cannot do something twice that matters.

mod call;
mod client;
mod clock;
mod config_file;
mod control_plane;
mod credentials;
mod endpoints;
mod environment;
mod error;
mod http;
mod identity;
mod inventory;
mod network;
mod node;
mod profile;
mod region;
mod sessions;
mod sign;
mod sign_in;

pub use client::{Client, Clients};
pub use config_file::Problem;
pub use control_plane::ControlPlane;
pub use endpoints::{Endpoints, Service};
pub use environment::Environment;
pub use error::{CallError, CredentialsError, Reason, Refused, RefusedKind, SetupError};
pub use identity::Identity;
pub use inventory::{Inventory, InventoryEvent};
pub use network::WayOut;
pub use node::{ManagedNode, NodeId, NotANodeId, PingStatus, Platform};
pub use profile::{Profile, ProfileKind, Profiles, RoleSource, SignInSettings};
pub use region::{Partition, Region, Regions};
pub use sessions::{SessionPreferences, SessionRecord};
pub use sign_in::{Asking, Portal, Role, SignInError, SignInToken, SignIns};
