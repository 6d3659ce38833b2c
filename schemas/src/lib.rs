//! Words that every other crate shares: payload contracts, identifiers, canonical text, instants and privacy tiers.
//!
//! **The contract.** What enters from outside goes through [`contract::Contract::from_json`], which accepts exactly
//! what the data contracts allow and otherwise names every defect at once. What identifies something is a pure
//! function of it ([`id`]), over canonical text ([`text`], [`time`]), so replays and retries meet the same names.
//!
//! **What it never does.** No input or output, no clock, no randomness, no threads. It cannot name a frame, a sample
//! block or a device. Error messages never repeat a payload's content.
//!
//! ```
//! use lsie_schemas::contract::{Contract, ErrorCode, SemanticResult};
//! use lsie_schemas::time::UtcMicros;
//! use serde_json::json;
//!
//! let good = json!({"reasoning": "cross_encoder_high_match", "is_match": true, "confidence_score": 0.84});
//! assert!(SemanticResult::from_json(&good).is_ok());
//!
//! // All defects are reported, sorted by path; nothing is coerced.
//! let bad = json!({"reasoning": "because", "is_match": 1, "note": "x"});
//! let errors = SemanticResult::from_json(&bad).unwrap_err();
//! let found: Vec<_> = errors.iter().map(|error| (error.path.as_str(), error.code)).collect();
//! assert_eq!(found, [
//!     ("confidence_score", ErrorCode::Required),
//!     ("is_match", ErrorCode::BadType),
//!     ("note", ErrorCode::UnknownField),
//!     ("reasoning", ErrorCode::BadEnum),
//! ]);
//!
//! // A segment is named by its session and window.
//! let session = uuid::Uuid::nil();
//! let start = UtcMicros::parse("2026-01-01T01:00:00+01:00")?;
//! let id = lsie_schemas::id::segment_id(&session, start, start.plus_secs(30));
//! assert_eq!(id.as_str().len(), 64);
//! # Ok::<(), lsie_schemas::time::TimeError>(())
//! ```

pub mod api;
pub mod bundle;
pub mod config;
pub mod contract;
pub mod id;
pub mod link;
pub mod live;
pub mod observation;
pub mod privacy;
pub mod semantic;
pub mod text;
pub mod time;
pub mod window;
