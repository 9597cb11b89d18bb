//! The commands, one module each, and their shared helpers.

pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod config;
mod database;
pub(crate) mod device;
mod explain;
pub(crate) mod healthcheck;
pub(crate) mod instance;
pub(crate) mod key;
pub(crate) mod manual;
pub(crate) mod migrate;
pub(crate) mod openapi;
pub(crate) mod token;
