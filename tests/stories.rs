//! Promises to the user, and rules of the house, in one test binary.

mod account;
mod architecture;
mod desktop;
mod store;
