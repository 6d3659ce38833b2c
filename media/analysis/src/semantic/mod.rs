//! Comparing what should have been said with what was said: raw numbers of local networks, no verdict.
//!
//! ```text
//! rule, utterance ─▶ WordPiece ─┬─ each alone ─▶ encoder ─▶ cosine       (sentence embedding)
//!                               └─ as a pair ──▶ encoder ─▶ logit        (cross-encoder, by manifest)
//! ```
//!
//! The registry asks every scorer of the manifest each time. One that is not installed says how to get it, one that fails says
//! why; which of them decides, and how a raw number becomes a probability, is the control plane's business. No text leaves:
//! the result holds numbers and codes.

mod encoder;
mod scorers;
mod wordpiece;

pub use scorers::SemanticScorers;
pub use wordpiece::{Tokens, VocabularyFault, WordPiece};
