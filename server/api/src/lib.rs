//! The loopback HTTP API: state, commands, server-sent events, metrics and the console.
//!
//! The one contract: a request is judged by [`guard`] before its body is read, parsed into a schema type, answered by the
//! supervisor, and refused with a stable code. No handler holds logic, state or a database connection, and nothing here can
//! name a frame or a sample.
//!
//! ```
//! // The document lists every route the server has.
//! let document = lsie_api::openapi::build();
//! assert!(document["paths"]["/api/v2/status"]["get"]["summary"].is_string());
//! ```

mod console;
mod events;
mod extract;
pub mod guard;
mod metrics;
pub mod openapi;
mod page;
mod peer;
mod problem;
mod routes;
mod server;
mod signalling;

pub use server::{ServeError, bind, serve};
