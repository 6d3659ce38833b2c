//! From TFLite operators to ONNX nodes: images planar inside, names in order, one branch per operator.

use std::collections::BTreeMap;

use super::affine::Affine;
use super::flatbuffer::Table;
use super::onnx::{Attribute, Graph, signed};
use super::tflite::{Kind, Model, Operator};
use crate::error::ConvertError;

/// Largest kernel, stride or dilation that is accepted.
const MAX_WINDOW: usize = 64;

/// The result: a graph, and which mesh points the outputs refine.
pub(super) struct Lowered {
    pub(super) graph: Graph,
    pub(super) landmark_indices: BTreeMap<String, Vec<i64>>,
}

/// How a value of rank 4 lies in memory; other ranks are always in file order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// 1×H×W×C, as in the TFLite file.
    FileOrder,
    /// 1×C×H×W.
    Planar,
}

/// A value that exists in the ONNX graph.
#[derive(Debug, Clone)]
struct Value {
    name: String,
    layout: Layout,
}

/// How the weights of a tensor are turned around before they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Arrangement {
    AsIs,
    /// O×H×W×I (and 1×H×W×C of images) to O×I×H×W.
    ChannelsSecond,
    /// 1×H×W×C to C×1×H×W.
    ChannelsFirst,
}

/// State of one conversion.
pub(super) struct Lowering<'m, 'a> {
    pub(super) model: &'m Model<'a>,
    pub(super) graph: Graph,
    values: BTreeMap<usize, Value>,
    /// Result of a dequantisation → the constant that it widens.
    widened: BTreeMap<usize, usize>,
    written: BTreeMap<(usize, Arrangement), String>,
    pub(super) affines: BTreeMap<usize, Affine>,
    /// Tensors whose points refine these mesh points.
    pub(super) refined: BTreeMap<usize, Vec<i64>>,
}

/// Lowers a model without the outputs that are `left_out` by name, and without what only they need.
pub(super) fn lower(model: &Model<'_>, left_out: &[String]) -> Result<Lowered, ConvertError> {
    let (outputs, operators) = model.without(left_out)?;
    let mut lowering = Lowering {
        model,
        graph: Graph::default(),
        values: BTreeMap::new(),
        widened: BTreeMap::new(),
        written: BTreeMap::new(),
        affines: BTreeMap::new(),
        refined: BTreeMap::new(),
    };
    for index in &model.inputs {
        let tensor = model.tensor(*index)?;
        let (shape, layout) = match tensor.shape.as_slice() {
            [n, h, w, c] => (vec![*n, *c, *h, *w], Layout::Planar),
            other => (other.to_vec(), Layout::FileOrder),
        };
        lowering.graph.input(tensor.name, &shape);
        lowering.set(*index, tensor.name.to_owned(), layout);
    }
    for operator in operators {
        lowering.operator(operator)?;
    }
    let mut landmark_indices = BTreeMap::new();
    for index in &outputs {
        let tensor = model.tensor(*index)?;
        let value = lowering.file_order(*index)?;
        lowering.graph.output(tensor.name, &tensor.shape, &value);
        if let Some(indices) = lowering.refined.get(index) {
            landmark_indices.insert(tensor.name.to_owned(), indices.clone());
        }
    }
    Ok(Lowered {
        graph: lowering.graph,
        landmark_indices,
    })
}

impl<'a> Lowering<'_, 'a> {
    fn operator(&mut self, operator: &Operator<'a>) -> Result<(), ConvertError> {
        match operator.kind {
            Kind::Dequantize => {
                let (from, to) = (operator.input(0)?, operator.output()?);
                if !self.model.tensor(from)?.is_constant() {
                    return Err(unsupported("dequantisation of a value that is no constant"));
                }
                self.widened.insert(to, from);
                Ok(())
            }
            Kind::Conv2d => self.convolution(operator, false),
            Kind::DepthwiseConv2d => self.convolution(operator, true),
            Kind::MaxPool2d => self.max_pool(operator),
            Kind::Prelu => self.prelu(operator),
            Kind::Relu => {
                let input = self.planar(operator.input(0)?)?;
                let output = self.graph.node("Relu", &[&input], &[]);
                self.set_like(operator.output()?, output)
            }
            Kind::Add => self.add(operator),
            Kind::Mul => self.multiply(operator),
            Kind::Pad => self.pad(operator),
            Kind::Reshape => self.reshape(operator),
            Kind::Concatenation => self.concatenation(operator),
            Kind::StridedSlice => self.strided_slice(operator),
            Kind::Custom("Landmarks2TransformMatrix") => self.landmarks_to_matrix(operator),
            Kind::Custom("TransformTensorBilinear") => self.sample_bilinear(operator),
            Kind::Custom("TransformLandmarks") => self.transform_landmarks(operator),
            Kind::Custom(name) => Err(unsupported(&format!("custom operator {name:?}"))),
            Kind::Unknown(code) => Err(unsupported(&format!("operator code {code}"))),
        }
    }

    fn convolution(
        &mut self,
        operator: &Operator<'a>,
        depthwise: bool,
    ) -> Result<(), ConvertError> {
        let options = operator.option_table()?;
        // Field numbers: the depthwise options have the channel multiplier at 3.
        let shift = usize::from(depthwise);
        let (input, weights, bias) = (operator.input(0)?, operator.input(1)?, operator.input(2)?);
        let [_, in_h, in_w, in_c] = self.image_shape(input)?;
        let [_, out_h, out_w, out_c] = self.image_shape(operator.output()?)?;
        let [first, kernel_h, kernel_w, last] = self.image_shape(weights)?;
        let consistent = if depthwise {
            first == 1 && last == in_c && out_c == in_c
        } else {
            last == in_c && first == out_c
        };
        if !consistent {
            return Err(unsupported("convolution whose channels do not match"));
        }
        let window_h = Window::new(&options, [0, 2, 5 + shift], kernel_h, in_h, out_h)?;
        let window_w = Window::new(&options, [0, 1, 4 + shift], kernel_w, in_w, out_w)?;
        let arrangement = if depthwise {
            Arrangement::ChannelsFirst
        } else {
            Arrangement::ChannelsSecond
        };
        let input = self.planar(input)?;
        let weights = self.constant(weights, arrangement)?;
        let bias = self.constant(bias, Arrangement::AsIs)?;
        let group = if depthwise { signed(in_c) } else { 1 };
        let output = self.graph.node(
            "Conv",
            &[&input, &weights, &bias],
            &[
                Attribute::Ints("kernel_shape", &[signed(kernel_h), signed(kernel_w)]),
                Attribute::Ints("strides", &[window_h.stride, window_w.stride]),
                Attribute::Ints("dilations", &[window_h.dilation, window_w.dilation]),
                Attribute::Int("group", group),
                Attribute::Ints("pads", &pads(&window_h, &window_w)),
            ],
        );
        let output = self.activation(output, options.u8(3 + shift, 0)?)?;
        self.set(operator.output()?, output, Layout::Planar);
        Ok(())
    }

    fn max_pool(&mut self, operator: &Operator<'a>) -> Result<(), ConvertError> {
        let options = operator.option_table()?;
        let [_, in_h, in_w, _] = self.image_shape(operator.input(0)?)?;
        let [_, out_h, out_w, _] = self.image_shape(operator.output()?)?;
        let kernel_h = usize::try_from(options.i32(4, 0)?).unwrap_or(0);
        let kernel_w = usize::try_from(options.i32(3, 0)?).unwrap_or(0);
        // Pooling has no dilation: a field number that no table has gives the default of 1.
        let window_h = Window::new(&options, [0, 2, 99], kernel_h, in_h, out_h)?;
        let window_w = Window::new(&options, [0, 1, 99], kernel_w, in_w, out_w)?;
        let input = self.planar(operator.input(0)?)?;
        let output = self.graph.node(
            "MaxPool",
            &[&input],
            &[
                Attribute::Ints("kernel_shape", &[signed(kernel_h), signed(kernel_w)]),
                Attribute::Ints("strides", &[window_h.stride, window_w.stride]),
                Attribute::Ints("pads", &pads(&window_h, &window_w)),
            ],
        );
        let output = self.activation(output, options.u8(5, 0)?)?;
        self.set(operator.output()?, output, Layout::Planar);
        Ok(())
    }

    /// `x + (1 - a) · max(-x, 0)`, the products as depthwise 1×1 convolutions: on a CPU the runtime keeps images in blocks of
    /// channels, a layout that its own `PRelu` and a product with one number per channel would leave and enter again, and fuses
    /// the maximum and the sum with the convolution before them.
    fn prelu(&mut self, operator: &Operator<'a>) -> Result<(), ConvertError> {
        let [_, _, _, channels] = self.image_shape(operator.input(0)?)?;
        let slopes = self.constant_source(operator.input(1)?)?;
        let slopes = self.model.tensor(slopes)?.floats()?;
        if slopes.len() != channels {
            return Err(unsupported("slopes that are not one per channel"));
        }
        let rest: Vec<f32> = slopes.iter().map(|slope| 1.0 - slope).collect();
        let input = self.planar(operator.input(0)?)?;
        let negated = self.per_channel(&input, &vec![-1.0; channels])?;
        let negative = self.graph.node("Relu", &[&negated], &[]);
        let lifted = self.per_channel(&negative, &rest)?;
        let output = self.graph.node("Add", &[&lifted, &input], &[]);
        self.set(operator.output()?, output, Layout::Planar);
        Ok(())
    }

    /// Multiplies each channel of a planar image with its own number.
    pub(super) fn per_channel(
        &mut self,
        image: &str,
        factors: &[f32],
    ) -> Result<String, ConvertError> {
        let weights = self.graph.floats(&[factors.len(), 1, 1, 1], factors)?;
        let options = [
            Attribute::Ints("kernel_shape", &[1, 1]),
            Attribute::Int("group", signed(factors.len())),
        ];
        Ok(self.graph.node("Conv", &[image, &weights], &options))
    }

    fn add(&mut self, operator: &Operator<'a>) -> Result<(), ConvertError> {
        let (left, right) = (operator.input(0)?, operator.input(1)?);
        if self.model.tensor(left)?.shape != self.model.tensor(right)?.shape {
            return Err(unsupported("sum of two shapes"));
        }
        let (left, right) = (self.planar(left)?, self.planar(right)?);
        let sum = self.graph.node("Add", &[&left, &right], &[]);
        let activation = match operator.options {
            Some(options) => options.u8(0, 0)?,
            None => 0,
        };
        let sum = self.activation(sum, activation)?;
        self.set_like(operator.output()?, sum)
    }

    /// A value times one constant number, or an affine map times constants.
    fn multiply(&mut self, operator: &Operator<'a>) -> Result<(), ConvertError> {
        let (value, factor) = (operator.input(0)?, operator.input(1)?);
        if self.affines.contains_key(&value) {
            return self.scale_affine(operator, value, factor);
        }
        let factor = self.constant_source(factor)?;
        let factor = self.model.tensor(factor)?.floats()?;
        let [factor] = factor.as_ref() else {
            return Err(unsupported("product with more than one constant number"));
        };
        let factor = self.graph.floats(&[1], &[*factor])?;
        let value = self.planar(value)?;
        let output = self.graph.node("Mul", &[&value, &factor], &[]);
        self.set_like(operator.output()?, output)
    }

    fn pad(&mut self, operator: &Operator<'a>) -> Result<(), ConvertError> {
        let [_, _, _, channels] = self.image_shape(operator.input(0)?)?;
        let amounts = self.model.tensor(operator.input(1)?)?.ints()?;
        let [n0, n1, h0, h1, w0, w1, c0, c1] = amounts.as_slice() else {
            return Err(unsupported("padding that is not of rank 4"));
        };
        let amounts = [*n0, *c0, *h0, *w0, *n1, *c1, *h1, *w1];
        if amounts.iter().any(|amount| !(0..=4096).contains(amount)) {
            return Err(unsupported("padding amount"));
        }
        let input = self.planar(operator.input(0)?)?;
        let output = if let Some(times) = new_channels(amounts, channels) {
            // Zeros that the runtime makes in its own layout, where it can also put images on top of each other.
            let zeros = self.per_channel(&input, &vec![0.0; channels])?;
            let rest = std::iter::repeat_n(zeros.as_str(), times);
            let parts: Vec<&str> = std::iter::once(input.as_str()).chain(rest).collect();
            let axis = [Attribute::Int("axis", 1)];
            self.graph.node("Concat", &parts, &axis)
        } else {
            let amounts = self.graph.ints(&amounts)?;
            self.graph.node("Pad", &[&input, &amounts], &[])
        };
        self.set(operator.output()?, output, Layout::Planar);
        Ok(())
    }

    fn reshape(&mut self, operator: &Operator<'a>) -> Result<(), ConvertError> {
        let (input, output) = (operator.input(0)?, operator.output()?);
        let shape = &self.model.tensor(output)?.shape;
        let elements: usize = shape.iter().product();
        if self.model.tensor(input)?.shape.iter().product::<usize>() != elements {
            return Err(ConvertError::Malformed {
                what: "reshape to another number of elements",
            });
        }
        let shape: Vec<i64> = shape.iter().map(|size| signed(*size)).collect();
        let shape = self.graph.ints(&shape)?;
        let value = self.same_element_order(input)?;
        let reshaped = self.graph.node("Reshape", &[&value, &shape], &[]);
        if let Some(indices) = self.refined.get(&input).cloned() {
            self.refined.insert(output, indices);
        }
        self.set(output, reshaped, Layout::FileOrder);
        Ok(())
    }

    fn concatenation(&mut self, operator: &Operator<'a>) -> Result<(), ConvertError> {
        let options = operator.option_table()?;
        let axis = i64::from(options.i32(0, 0)?);
        let values = operator
            .inputs
            .iter()
            .map(|index| self.file_order(*index))
            .collect::<Result<Vec<_>, _>>()?;
        let names: Vec<&str> = values.iter().map(String::as_str).collect();
        let output = self
            .graph
            .node("Concat", &names, &[Attribute::Int("axis", axis)]);
        let output = self.activation(output, options.u8(1, 0)?)?;
        self.set(operator.output()?, output, Layout::FileOrder);
        Ok(())
    }

    fn strided_slice(&mut self, operator: &Operator<'a>) -> Result<(), ConvertError> {
        let options = operator.option_table()?;
        let (begin_mask, end_mask) = (options.i32(0, 0)?, options.i32(1, 0)?);
        for removed in 2..5 {
            if options.i32(removed, 0)? != 0 {
                return Err(unsupported("slice that changes the rank"));
            }
        }
        let input = operator.input(0)?;
        let mut numbers = [const { Vec::new() }; 3];
        for (position, slot) in numbers.iter_mut().enumerate() {
            *slot = self.model.tensor(operator.input(position + 1)?)?.ints()?;
        }
        let [mut begin, mut end, stride] = numbers;
        let shape = &self.model.tensor(input)?.shape;
        if [&begin, &end, &stride]
            .iter()
            .any(|list| list.len() != shape.len())
        {
            return Err(unsupported("slice of some axes"));
        }
        let bounds = begin.iter_mut().zip(end.iter_mut()).zip(shape);
        for (axis, ((begin, end), size)) in bounds.enumerate() {
            if begin_mask >> axis & 1 == 1 {
                *begin = 0;
            }
            if end_mask >> axis & 1 == 1 {
                *end = signed(*size);
            }
        }
        let axes: Vec<i64> = (0..signed(shape.len())).collect();
        let value = self.file_order(input)?;
        let [begin, end, axes, stride] = [
            self.graph.ints(&begin)?,
            self.graph.ints(&end)?,
            self.graph.ints(&axes)?,
            self.graph.ints(&stride)?,
        ];
        let output = self
            .graph
            .node("Slice", &[&value, &begin, &end, &axes, &stride], &[]);
        self.set(operator.output()?, output, Layout::FileOrder);
        Ok(())
    }

    fn activation(&mut self, value: String, code: u8) -> Result<String, ConvertError> {
        match code {
            0 => Ok(value),
            1 => Ok(self.graph.node("Relu", &[&value], &[])),
            3 => {
                let (low, high) = (
                    self.graph.floats(&[], &[0.0])?,
                    self.graph.floats(&[], &[6.0])?,
                );
                Ok(self.graph.node("Clip", &[&value, &low, &high], &[]))
            }
            other => Err(unsupported(&format!("fused activation {other}"))),
        }
    }

    /// The value with images planar.
    pub(super) fn planar(&mut self, index: usize) -> Result<String, ConvertError> {
        let value = self.value(index)?;
        let is_image = self.model.tensor(index)?.shape.len() == 4;
        if is_image && value.layout == Layout::FileOrder {
            let order = [Attribute::Ints("perm", &[0, 3, 1, 2])];
            return Ok(self.graph.node("Transpose", &[&value.name], &order));
        }
        Ok(value.name)
    }

    /// The value exactly as the file shapes it.
    pub(super) fn file_order(&mut self, index: usize) -> Result<String, ConvertError> {
        let value = self.value(index)?;
        match value.layout {
            Layout::FileOrder => Ok(value.name),
            Layout::Planar => {
                let order = [Attribute::Ints("perm", &[0, 2, 3, 1])];
                Ok(self.graph.node("Transpose", &[&value.name], &order))
            }
        }
    }

    /// The value with its elements in the file's order, in any shape: an image of one pixel or one channel needs no move.
    fn same_element_order(&mut self, index: usize) -> Result<String, ConvertError> {
        match self.model.tensor(index)?.shape.as_slice() {
            [_, 1, 1, _] | [_, _, _, 1] => Ok(self.value(index)?.name),
            _ => self.file_order(index),
        }
    }

    fn value(&self, index: usize) -> Result<Value, ConvertError> {
        self.values
            .get(&index)
            .cloned()
            .ok_or(ConvertError::Malformed {
                what: "use of a value before it is computed",
            })
    }

    pub(super) fn set(&mut self, index: usize, name: String, layout: Layout) {
        self.values.insert(index, Value { name, layout });
    }

    /// Sets the result of an element-wise step on planar images.
    fn set_like(&mut self, index: usize, name: String) -> Result<(), ConvertError> {
        let layout = match self.model.tensor(index)?.shape.len() {
            4 => Layout::Planar,
            _ => Layout::FileOrder,
        };
        self.set(index, name, layout);
        Ok(())
    }

    /// The constant that a tensor is, or that its dequantisation widens.
    pub(super) fn constant_source(&self, index: usize) -> Result<usize, ConvertError> {
        let source = self.widened.get(&index).copied().unwrap_or(index);
        if self.model.tensor(source)?.is_constant() {
            return Ok(source);
        }
        Err(unsupported("computed value where a constant belongs"))
    }

    /// Writes a constant once per arrangement.
    fn constant(&mut self, index: usize, arrangement: Arrangement) -> Result<String, ConvertError> {
        let source = self.constant_source(index)?;
        if let Some(name) = self.written.get(&(source, arrangement)) {
            return Ok(name.clone());
        }
        let tensor = self.model.tensor(source)?;
        let values = tensor.floats()?;
        let name = match (arrangement, tensor.shape.as_slice()) {
            (Arrangement::AsIs, shape) => self.graph.floats(shape, &values)?,
            (Arrangement::ChannelsSecond, [n, h, w, c]) => {
                let moved = channels_outside_pixels(&values, h * w, *c);
                self.graph.floats(&[*n, *c, *h, *w], &moved)?
            }
            (Arrangement::ChannelsFirst, [1, h, w, c]) => {
                let moved = channels_outside_pixels(&values, h * w, *c);
                self.graph.floats(&[*c, 1, *h, *w], &moved)?
            }
            _ => return Err(unsupported("weights of this rank")),
        };
        self.written.insert((source, arrangement), name.clone());
        Ok(name)
    }

    /// The four sizes of an image (or of weights) in file order, all above zero.
    pub(super) fn image_shape(&self, index: usize) -> Result<[usize; 4], ConvertError> {
        let shape = &self.model.tensor(index)?.shape;
        <[usize; 4]>::try_from(shape.as_slice())
            .ok()
            .filter(|sizes| !sizes.contains(&0))
            .ok_or_else(|| unsupported("value that is no image"))
    }
}

/// Stride, dilation and padding along one axis.
struct Window {
    stride: i64,
    dilation: i64,
    before: i64,
    after: i64,
}

impl Window {
    /// `fields`: the numbers of the options for padding, stride and dilation.
    fn new(
        options: &Table<'_>,
        fields: [usize; 3],
        kernel: usize,
        input: usize,
        output: usize,
    ) -> Result<Self, ConvertError> {
        let [padding, stride, dilation] = fields;
        let stride = window_number(options.i32(stride, 0)?)?;
        let dilation = window_number(options.i32(dilation, 1)?)?;
        if kernel == 0 || kernel > MAX_WINDOW {
            return Err(unsupported("kernel size"));
        }
        let reach = (kernel - 1) * dilation + 1;
        let total = match options.u8(padding, 0)? {
            0 => ((output - 1) * stride + reach).saturating_sub(input),
            1 => 0,
            _ => return Err(unsupported("padding rule")),
        };
        let before = total / 2;
        Ok(Window {
            stride: signed(stride),
            dilation: signed(dilation),
            before: signed(before),
            after: signed(total - before),
        })
    }
}

/// How many times the channels of an image follow as zeros, where a padding (planar, all starts, then all ends) does just that.
fn new_channels(amounts: [i64; 8], channels: usize) -> Option<usize> {
    let [0, 0, 0, 0, 0, added, 0, 0] = amounts else {
        return None;
    };
    let added = usize::try_from(added).ok()?;
    (added > 0 && added.is_multiple_of(channels)).then_some(added / channels)
}

fn window_number(value: i32) -> Result<usize, ConvertError> {
    usize::try_from(value)
        .ok()
        .filter(|value| (1..=MAX_WINDOW).contains(value))
        .ok_or_else(|| unsupported("stride or dilation"))
}

fn pads(h: &Window, w: &Window) -> [i64; 4] {
    [h.before, w.before, h.after, w.after]
}

/// Turns every block of `pixels`×`channels` into `channels`×`pixels`.
fn channels_outside_pixels(values: &[f32], pixels: usize, channels: usize) -> Vec<f32> {
    let mut moved = Vec::with_capacity(values.len());
    for block in values.chunks_exact((pixels * channels).max(1)) {
        for channel in 0..channels {
            moved.extend(block.iter().skip(channel).step_by(channels));
        }
    }
    moved
}

pub(super) fn unsupported(what: &str) -> ConvertError {
    ConvertError::Unsupported {
        what: what.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_move_outside_the_pixels() {
        let values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let moved = channels_outside_pixels(&values, 3, 2);
        assert_eq!(moved, [1.0, 3.0, 5.0, 2.0, 4.0, 6.0]);
    }
}
