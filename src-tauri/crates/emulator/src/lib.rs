//! A small AWS on loopback: the sandbox account, and what the tests run against.
//!
//! [`Emulator::start`] opens one address on 127.0.0.1 that answers for SSM, EC2, STS, KMS and IAM
//! Identity Center, holds the data channels of sessions, and plays the agent of every node of its
//! [`Scenario`].
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use emulator::{Emulator, EmulatorConfig};
//!
//! let emulator = Emulator::start(EmulatorConfig::default()).await?;
//! let prod = emulator.credentials("prod").expect("the sandbox has a production account");
//! println!("AWS_ENDPOINT_URL={} AWS_ACCESS_KEY_ID={}", emulator.url(), prod.access_key);
//! emulator.faults().throttle("StartSession", 2);
//! emulator.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! It shares nothing with a client above the wire. It accepts only its own made-up credentials,
//! binds loopback only, and refuses what it does not know the way the real services do; it never
//! answers an unknown request with success.

mod agent;
mod clock;
mod data_channel;
mod destinations;
mod emulator;
pub mod faults;
mod gateway;
mod http;
mod keyring;
mod profiles;
mod random;
mod region;
pub mod scenario;
#[cfg(test)]
mod scripted;
mod services;
pub mod sessions;
mod sigv4;
mod tally;

pub use emulator::{Credentials, Emulator, EmulatorConfig};
pub use faults::Faults;
pub use gateway::serve_data_channel;
pub use keyring::Secret;
pub use scenario::Scenario;
pub use services::kms::{DecryptedKey, EncryptionContext, GeneratedKey, Kms, KmsError, KmsKey};
pub use sessions::{Document, Sessions};
pub use tally::Counts;
