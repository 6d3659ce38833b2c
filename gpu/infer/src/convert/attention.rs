//! The three attention operators of the face mesh, as multiply-adds on 2-vectors and one grid sampling.
//!
//! `Landmarks2TransformMatrix` turns the mesh so that the line between two of its points is level, boxes a subset of the
//! points, and gives the affine map from the cells of a small grid to the feature map. `TransformTensorBilinear` samples
//! the feature map there, `TransformLandmarks` brings the points found in the small grid back. A compiler for older GPUs
//! refuses small 32-bit matrix products, so every product of a point and a matrix is written out.

use super::affine::Affine;
use super::flexbuffer::Options;
use super::lower::{Layout, Lowering, unsupported};
use super::onnx::{Attribute, signed};
use super::tflite::Operator;
use crate::error::ConvertError;

/// Largest side of the sampled grid.
const MAX_GRID: i64 = 256;

impl<'a> Lowering<'_, 'a> {
    /// Points 1×N×3 in the units of the feature map → map from grid cells to the feature map.
    pub(super) fn landmarks_to_matrix(
        &mut self,
        operator: &Operator<'a>,
    ) -> Result<(), ConvertError> {
        let options = Options::parse(operator.custom_options)?;
        if options.float("target_rotation_radians")? != 0.0 {
            return Err(unsupported("attention with a rotation of its own"));
        }
        let (width, height) = grid_size(&options)?;
        let points = operator.input(0)?;
        let [1, count, 3] = self.model.tensor(points)?.shape[..] else {
            return Err(unsupported("mesh that is not 1×N×3"));
        };
        let left = point_index(options.int("left_rotation_idx")?, count)?;
        let right = point_index(options.int("right_rotation_idx")?, count)?;
        let subset = options
            .ints("subset_idxs")?
            .iter()
            .map(|index| point_index(*index, count))
            .collect::<Result<Vec<_>, _>>()?;
        if subset.is_empty() {
            return Err(unsupported("attention to no point"));
        }
        let scale = [
            options.float("scale_x")? / width as f64,
            options.float("scale_y")? / height as f64,
        ];

        let points = self.file_order(points)?;
        let points = self.columns(&points, 0, 2)?;
        let (level, back) = self.levelling_rotation(&points, left, right)?;
        let chosen = self.gather(&points, &subset)?;
        let levelled = self.times(&chosen, &level)?;
        let high = self.reduce("ReduceMax", &levelled);
        let low = self.reduce("ReduceMin", &levelled);
        let sum = self.graph.node("Add", &[&high, &low], &[]);
        let half = self.graph.floats(&[1], &[0.5])?;
        let middle = self.graph.node("Mul", &[&sum, &half], &[]);
        let center = self.times(&middle, &back)?;
        let extent = self.graph.node("Sub", &[&high, &low], &[]);
        let cell = self.scaled(&extent, scale.map(|factor| factor as f32))?;
        let mut rows = back;
        for (k, row) in (0..).zip(&mut rows) {
            let size = self.columns(&cell, k, k + 1)?;
            *row = self.graph.node("Mul", &[row, &size], &[]);
        }
        let half_grid = [width as f32 / 2.0, height as f32 / 2.0];
        let half_grid = self.graph.floats(&[1, 1, 2], &half_grid)?;
        let half_grid = self.times(&half_grid, &rows)?;
        let offset = self.graph.node("Sub", &[&center, &half_grid], &[]);
        self.affines.insert(
            operator.output()?,
            Affine {
                rows,
                offset,
                center,
                subset,
            },
        );
        Ok(())
    }

    /// Multiplies a map element by element with a constant 4×4 matrix (column vectors, hence the turned linear part).
    pub(super) fn scale_affine(
        &mut self,
        operator: &Operator<'a>,
        map: usize,
        factors: usize,
    ) -> Result<(), ConvertError> {
        let map = self.affine(map)?;
        let factors = self.constant_source(factors)?;
        let factors = self.model.tensor(factors)?.floats()?;
        let [a, b, _, x, c, d, _, y, ..] = factors.as_ref() else {
            return Err(unsupported("factors that are no matrix"));
        };
        let rows = [
            self.scaled(&map.rows[0], [*a, *c])?,
            self.scaled(&map.rows[1], [*b, *d])?,
        ];
        let offset = self.scaled(&map.offset, [*x, *y])?;
        let center = self.scaled(&map.center, [*x, *y])?;
        self.affines.insert(
            operator.output()?,
            Affine {
                rows,
                offset,
                center,
                subset: map.subset,
            },
        );
        Ok(())
    }

    /// Samples the feature map at the centres of the grid's cells: bilinear, zero outside.
    pub(super) fn sample_bilinear(&mut self, operator: &Operator<'a>) -> Result<(), ConvertError> {
        let options = Options::parse(operator.custom_options)?;
        let (width, height) = grid_size(&options)?;
        let [_, feature_h, feature_w, channels] = self.image_shape(operator.input(0)?)?;
        let map = self.affine(operator.input(1)?)?;
        // GridSample wants [-1, 1] from the outer edge of the first pixel to the outer edge of the last.
        let per_pixel = [2.0 / feature_w as f32, 2.0 / feature_h as f32];
        let center = self.scaled(&map.center, per_pixel)?;
        let one = self.graph.floats(&[1], &[1.0])?;
        let center = self.graph.node("Sub", &[&center, &one], &[]);
        let shape = [1, height as usize, width as usize, 1];
        let mut terms = [const { String::new() }; 2];
        for (axis, term) in terms.iter_mut().enumerate() {
            let row = self.scaled(&map.rows[axis], per_pixel)?;
            let cells = self
                .graph
                .floats(&shape, &from_middle(width, height, axis))?;
            *term = self.graph.node("Mul", &[&cells, &row], &[]);
        }
        let [across, down] = &terms;
        let turned = self.graph.node("Add", &[across, down], &[]);
        let grid = self.graph.node("Add", &[&turned, &center], &[]);
        let feature = self.planar(operator.input(0)?)?;
        let output = self.graph.node(
            "GridSample",
            &[&feature, &grid],
            &[
                Attribute::Text("mode", "bilinear"),
                Attribute::Text("padding_mode", "zeros"),
                Attribute::Int("align_corners", 0),
            ],
        );
        // A product with 1 in the form of a convolution: the sums that follow stay in the convolutions' layout.
        let output = self.per_channel(&output, &vec![1.0; channels])?;
        self.set(operator.output()?, output, Layout::Planar);
        Ok(())
    }

    /// Points 1×N×2 (or ×3, the third kept) of the grid → points of the picture.
    pub(super) fn transform_landmarks(
        &mut self,
        operator: &Operator<'a>,
    ) -> Result<(), ConvertError> {
        let (points, output) = (operator.input(0)?, operator.output()?);
        let map = self.affine(operator.input(1)?)?;
        let [1, count, columns @ (2 | 3)] = self.model.tensor(points)?.shape[..] else {
            return Err(unsupported("points that are not 1×N×2 or 1×N×3"));
        };
        let points = self.file_order(points)?;
        let plane = self.columns(&points, 0, 2)?;
        let turned = self.times(&plane, &map.rows)?;
        let mut moved = self.graph.node("Add", &[&turned, &map.offset], &[]);
        if columns == 3 {
            let depth = self.columns(&points, 2, 3)?;
            let axis = [Attribute::Int("axis", 2)];
            moved = self.graph.node("Concat", &[&moved, &depth], &axis);
        }
        if count == map.subset.len() {
            self.refined.insert(output, map.subset);
        }
        self.set(output, moved, Layout::FileOrder);
        Ok(())
    }

    /// The rows of the rotation that makes the line from the left to the right point level, and of the one back.
    fn levelling_rotation(
        &mut self,
        points: &str,
        left: i64,
        right: i64,
    ) -> Result<([String; 2], [String; 2]), ConvertError> {
        let right = self.gather(points, &[right])?;
        let left = self.gather(points, &[left])?;
        let line = self.graph.node("Sub", &[&right, &left], &[]);
        let norm_options = [Attribute::Ints("axes", &[2]), Attribute::Int("keepdims", 1)];
        let length = self.graph.node("ReduceL2", &[&line], &norm_options);
        // Cosine and sine, then sine and cosine.
        let unit = self.graph.node("Div", &[&line, &length], &[]);
        let order = self.graph.ints(&[1, 0])?;
        let across = [Attribute::Int("axis", 2)];
        let swapped = self.graph.node("Gather", &[&unit, &order], &across);
        let level = [self.scaled(&unit, [1.0, -1.0])?, swapped.clone()];
        let back = [unit, self.scaled(&swapped, [-1.0, 1.0])?];
        Ok((level, back))
    }

    /// `points · rows` for 1×N×2, as two products and a sum.
    fn times(&mut self, points: &str, rows: &[String; 2]) -> Result<String, ConvertError> {
        let mut terms = [const { String::new() }; 2];
        for ((k, row), term) in (0..).zip(rows).zip(&mut terms) {
            let column = self.columns(points, k, k + 1)?;
            *term = self.graph.node("Mul", &[&column, row], &[]);
        }
        let [first, second] = &terms;
        Ok(self.graph.node("Add", &[first, second], &[]))
    }

    /// A 1×1×2 value times two constants.
    fn scaled(&mut self, value: &str, factors: [f32; 2]) -> Result<String, ConvertError> {
        let factors = self.graph.floats(&[1, 1, 2], &factors)?;
        Ok(self.graph.node("Mul", &[value, &factors], &[]))
    }

    fn columns(&mut self, value: &str, from: i64, to: i64) -> Result<String, ConvertError> {
        let from = self.graph.ints(&[from])?;
        let to = self.graph.ints(&[to])?;
        let axis = self.graph.ints(&[2])?;
        Ok(self.graph.node("Slice", &[value, &from, &to, &axis], &[]))
    }

    fn gather(&mut self, points: &str, indices: &[i64]) -> Result<String, ConvertError> {
        let indices = self.graph.ints(indices)?;
        let axis = [Attribute::Int("axis", 1)];
        Ok(self.graph.node("Gather", &[points, &indices], &axis))
    }

    fn reduce(&mut self, operation: &'static str, points: &str) -> String {
        let options = [Attribute::Ints("axes", &[1]), Attribute::Int("keepdims", 1)];
        self.graph.node(operation, &[points], &options)
    }

    fn affine(&self, index: usize) -> Result<Affine, ConvertError> {
        self.affines
            .get(&index)
            .cloned()
            .ok_or(ConvertError::Malformed {
                what: "attention without its map",
            })
    }
}

/// How far the centre of each cell, row by row, is from the middle of the grid: to the right (axis 0) or down (axis 1).
fn from_middle(width: i64, height: i64, axis: usize) -> Vec<f32> {
    let mut distances = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let (cell, cells) = if axis == 0 { (x, width) } else { (y, height) };
            distances.push(cell as f32 + 0.5 - cells as f32 / 2.0);
        }
    }
    distances
}

fn grid_size(options: &Options) -> Result<(i64, i64), ConvertError> {
    let (width, height) = (options.int("output_width")?, options.int("output_height")?);
    if (1..=MAX_GRID).contains(&width) && (1..=MAX_GRID).contains(&height) {
        return Ok((width, height));
    }
    Err(unsupported("size of the attention grid"))
}

fn point_index(index: i64, count: usize) -> Result<i64, ConvertError> {
    if (0..signed(count)).contains(&index) {
        return Ok(index);
    }
    Err(ConvertError::Malformed {
        what: "index of a mesh point",
    })
}
