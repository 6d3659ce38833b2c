//! Pipelines as documents (pipeline 2.5): TOML and JSON spellings of a graph, checked against a registry of node kinds.
//!
//! ```text
//! text ──parse──▶ Document ──check(Registry)──▶ Checked ──build──▶ Pipeline ──start──▶ PipelineRun
//!        problems            problems, all at once      nodes are made           settings, statistics
//! ```
//!
//! Nothing is opened before `build`. Items between the nodes carry their type with them ([`Item`](crate::Item)); the check
//! compares the types of both ends of every connection.
//!
//! ```
//! use lsie_graph::pipeline::{Document, Registry};
//! use lsie_graph::{NoHooks, Status};
//! use std::time::Duration;
//!
//! let document = Document::parse(r#"
//!     [pipeline]
//!     id = "product"
//!     [[node]]
//!     name = "two"
//!     kind = "const"
//!     value = 2
//!     [[node]]
//!     name = "four"
//!     kind = "const"
//!     value = 4
//!     [[node]]
//!     name = "both"
//!     kind = "merge"
//!     in = ["two", "four"]
//!     how = "all"
//!     [[node]]
//!     name = "product"
//!     kind = "map"
//!     in = "both"
//!     expr = "4 * two * (4 * four)"
//!     [[node]]
//!     name = "seen"
//!     kind = "collect"
//!     in = "product"
//! "#).map_err(|problems| format!("{problems:?}"))?;
//! let checked = document.check(&Registry::basic()).map_err(|problems| format!("{problems:?}"))?;
//! let run = checked.build(true)?.start(NoHooks)?;
//! assert_eq!(run.wait(Duration::from_secs(15))?, Status::Completed);
//! let seen = run.collected("seen").ok_or("nothing is kept")?;
//! assert_eq!(seen.payloads()[0].view(), 128.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod basics;
mod check;
mod connect;
mod document;
mod expr;
mod kind;
mod layers;
mod make;
mod param;
mod parse;
mod problem;
mod settings;

pub use check::Checked;
pub use document::{Clock, Document, EdgeEntry, InputEntry, NodeEntry, ParamEntry};
pub use expr::{Expr, ExprError};
pub use kind::{Gives, Inputs, ItemType, NodeKind, Outputs, Port, Registry, Takes};
pub use make::{MakeError, Maker, Pipeline, PipelineError, PipelineRun};
pub use param::{ParamFault, ParamKind, ParamSpec, Params};
pub use parse::{Fetch, MAX_CAPACITY, MAX_DOCUMENT_BYTES, MAX_INCLUDES, MAX_NODES, MAX_PARALLEL};
pub use problem::{Problem, ProblemKind};
pub use settings::{Live, SetError, Settings};
