//! Where the attention of the face mesh looks: names of values in the ONNX graph.

/// A map of row vectors, `x · rows[0] + y · rows[1] + offset`; all are 1×1×2 values.
#[derive(Debug, Clone)]
pub(super) struct Affine {
    pub(super) rows: [String; 2],
    pub(super) offset: String,
    /// Where the middle of the grid lands: `offset` plus half the grid.
    pub(super) center: String,
    /// The mesh points that it was made from.
    pub(super) subset: Vec<i64>,
}
