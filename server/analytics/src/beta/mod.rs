//! The Beta distribution, computed on the log-odds axis.
//!
//! `t = ln(x / (1 - x))` keeps full relative precision next to 0 and next to 1, where arms with tiny or huge
//! parameters live. On that axis density, distribution and survival are log-concave, so Newton's method on
//! the logarithm of a tail converges from every start.

mod distribution;
mod quantile;
mod special;

pub(crate) use distribution::Beta;
pub(crate) use distribution::GAUSS_16;
pub(crate) use quantile::unit;
