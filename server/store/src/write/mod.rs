//! What the writer thread does, by subject. Each function runs inside one transaction of the writer.

pub(crate) mod attribution;
pub(crate) mod encounter;
pub(crate) mod experiment;
pub(crate) mod operation;
pub(crate) mod physiology;
pub(crate) mod segment;
pub(crate) mod session;
pub(crate) mod stimulus;
