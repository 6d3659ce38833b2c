//! 16-bit floats: rewrites an ONNX file so that everything inside is computed in half precision.
//!
//! ```text
//! input (f32) ──▶ Cast ──▶ the same nodes, constants rounded to f16 ──▶ Cast ──▶ output (f32)
//! ```
//!
//! An input that is cast to whole numbers (pieces of a vocabulary) goes there as it came. Names and shapes of inputs and outputs stay. Constants beyond the range of a half (65504) become its ends. Deterministic.

use std::collections::BTreeSet;

use half::f16;

use super::protobuf::{fields, put_bytes, put_int};
use crate::error::ConvertError;

const FLOAT: u64 = 1;
const HALF: u64 = 10;
/// Longest file that is looked at.
const MAX_INPUT_BYTES: usize = 256 << 20;
/// Behind the name of a value whose f32 form keeps it.
const SUFFIX: &str = ".half";

/// Rewrites a network of 32-bit floats. Networks with branches or with weights in other files are
/// [`ConvertError::Unsupported`].
pub fn to_half(onnx: &[u8]) -> Result<Vec<u8>, ConvertError> {
    if onnx.len() > MAX_INPUT_BYTES {
        return Err(ConvertError::TooLarge {
            what: "input file",
            limit: MAX_INPUT_BYTES,
        });
    }
    let mut model = Vec::with_capacity(onnx.len());
    let mut has_graph = false;
    for field in fields(onnx) {
        let field = field?;
        if field.number == 7 {
            let graph = Graph::read(field.bytes()?)?.write()?;
            put_bytes(&mut model, 7, &graph);
            has_graph = true;
        } else {
            model.extend_from_slice(field.raw);
        }
    }
    if has_graph {
        Ok(model)
    } else {
        Err(ConvertError::Malformed { what: "no graph" })
    }
}

/// A graph's parts, by their field numbers.
#[derive(Default)]
struct Graph<'a> {
    nodes: Vec<&'a [u8]>,
    initializers: Vec<&'a [u8]>,
    inputs: Vec<&'a [u8]>,
    outputs: Vec<&'a [u8]>,
    rest: Vec<&'a [u8]>,
    /// Values whose plain name stays 32-bit: inputs and outputs.
    border: BTreeSet<&'a [u8]>,
    /// Constants that an operation wants as 32-bit floats.
    kept: BTreeSet<&'a [u8]>,
}

impl<'a> Graph<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, ConvertError> {
        let mut graph = Graph::default();
        for field in fields(bytes) {
            let field = field?;
            match field.number {
                1 => graph.nodes.push(field.bytes()?),
                5 => graph.initializers.push(field.bytes()?),
                11 => graph.inputs.push(field.bytes()?),
                12 => graph.outputs.push(field.bytes()?),
                // Types of the values between, which are other ones now; a reader infers them.
                13 => {}
                _ => graph.rest.push(field.raw),
            }
        }
        let constants = graph.initializers.iter().map(|tensor| text(tensor, 8));
        let constants = constants.collect::<Result<BTreeSet<_>, _>>()?;
        // Older files list constants among the inputs too.
        let mut inputs = Vec::new();
        for input in &graph.inputs {
            if !constants.contains(text(input, 1)?) {
                inputs.push(*input);
            }
        }
        graph.inputs = inputs;
        for value in graph.inputs.iter().chain(&graph.outputs) {
            if element_type(value)? == FLOAT {
                graph.border.insert(text(value, 1)?);
            }
        }
        for node in &graph.nodes {
            if text(node, 4)? == b"Resize" {
                let scales = fields(node).filter_map(Result::ok);
                let scales = scales.filter(|field| field.number == 1).nth(2);
                graph
                    .kept
                    .extend(scales.and_then(|field| field.bytes().ok()));
            }
        }
        Ok(graph)
    }

    fn write(&self) -> Result<Vec<u8>, ConvertError> {
        let mut bytes = Vec::new();
        for input in &self.inputs {
            let name = text(input, 1)?;
            if self.border.contains(name) {
                put_bytes(&mut bytes, 1, &cast(name, &inner(name), HALF));
            }
        }
        for node in &self.nodes {
            put_bytes(&mut bytes, 1, &self.node(node)?);
        }
        for output in &self.outputs {
            let name = text(output, 1)?;
            if self.border.contains(name) {
                put_bytes(&mut bytes, 1, &cast(&inner(name), name, FLOAT));
            }
        }
        for tensor in &self.initializers {
            if self.kept.contains(text(tensor, 8)?) {
                put_bytes(&mut bytes, 5, tensor);
            } else {
                put_bytes(&mut bytes, 5, &half_tensor(tensor)?);
            }
        }
        for (number, values) in [(11, &self.inputs), (12, &self.outputs)] {
            for value in values {
                put_bytes(&mut bytes, number, value);
            }
        }
        for raw in &self.rest {
            bytes.extend_from_slice(raw);
        }
        Ok(bytes)
    }

    fn is_input(&self, name: &[u8]) -> bool {
        let mut inputs = self.inputs.iter();
        inputs.any(|input| text(input, 1).is_ok_and(|known| known == name))
    }

    /// A node between the casts, with its constants and its own casts in half.
    fn node(&self, node: &[u8]) -> Result<Vec<u8>, ConvertError> {
        let is_cast = text(node, 4)? == b"Cast";
        let reads_numbers = is_cast && cast_target(node)? != FLOAT;
        let mut bytes = Vec::with_capacity(node.len());
        for field in fields(node) {
            let field = field?;
            match field.number {
                1 if reads_numbers && self.is_input(field.bytes()?) => {
                    bytes.extend_from_slice(field.raw);
                }
                1 | 2 if self.border.contains(field.bytes()?) => {
                    put_bytes(&mut bytes, field.number, &inner(field.bytes()?));
                }
                5 => put_bytes(&mut bytes, 5, &attribute(field.bytes()?, is_cast)?),
                _ => bytes.extend_from_slice(field.raw),
            }
        }
        Ok(bytes)
    }
}

fn attribute(attribute: &[u8], of_cast: bool) -> Result<Vec<u8>, ConvertError> {
    let is_target = of_cast && text(attribute, 1)? == b"to";
    let mut bytes = Vec::with_capacity(attribute.len());
    for field in fields(attribute) {
        let field = field?;
        match field.number {
            3 if is_target && field.int()? == FLOAT => put_int(&mut bytes, 3, HALF),
            5 => put_bytes(&mut bytes, 5, &half_tensor(field.bytes()?)?),
            6 | 11 => {
                return Err(ConvertError::Unsupported {
                    what: "a network with branches, in 16 bits".to_owned(),
                });
            }
            _ => bytes.extend_from_slice(field.raw),
        }
    }
    Ok(bytes)
}

/// The element type that a `Cast` node makes; 0 when it does not say.
fn cast_target(node: &[u8]) -> Result<u64, ConvertError> {
    let mut target = 0;
    for field in fields(node) {
        let field = field?;
        if field.number == 5 && text(field.bytes()?, 1)? == b"to" {
            for part in fields(field.bytes()?) {
                let part = part?;
                if part.number == 3 {
                    target = part.int()?;
                }
            }
        }
    }
    Ok(target)
}

/// A tensor of 32-bit floats rounded to halves; others as they are.
fn half_tensor(tensor: &[u8]) -> Result<Vec<u8>, ConvertError> {
    let mut data_type = 0;
    let mut numbers = Vec::new();
    let mut bytes = Vec::with_capacity(tensor.len());
    let mut push = |words: &[u8]| {
        let (words, rest) = words.as_chunks::<4>();
        numbers.extend(words.iter().map(|word| f32::from_le_bytes(*word)));
        rest.is_empty()
    };
    for field in fields(tensor) {
        let field = field?;
        let is_whole = match field.number {
            2 => {
                data_type = field.int()?;
                true
            }
            4 | 9 => push(field.payload),
            13 | 14 => {
                return Err(ConvertError::Unsupported {
                    what: "weights in another file".to_owned(),
                });
            }
            _ => {
                bytes.extend_from_slice(field.raw);
                true
            }
        };
        if !is_whole && data_type == FLOAT {
            return Err(ConvertError::Malformed { what: "a tensor" });
        }
    }
    if data_type != FLOAT {
        return Ok(tensor.to_vec());
    }
    let (least, most) = (f16::MIN.to_f32(), f16::MAX.to_f32());
    let halves = numbers
        .iter()
        .flat_map(|number| f16::from_f32(number.clamp(least, most)).to_le_bytes());
    let halves: Vec<u8> = halves.collect();
    put_int(&mut bytes, 2, HALF);
    put_bytes(&mut bytes, 9, &halves);
    Ok(bytes)
}

/// A `Cast` node.
fn cast(from: &[u8], to: &[u8], data_type: u64) -> Vec<u8> {
    let mut target = Vec::new();
    put_bytes(&mut target, 1, b"to");
    put_int(&mut target, 3, data_type);
    put_int(&mut target, 20, 2);
    let mut node = Vec::new();
    put_bytes(&mut node, 1, from);
    put_bytes(&mut node, 2, to);
    put_bytes(&mut node, 4, b"Cast");
    put_bytes(&mut node, 5, &target);
    node
}

/// The name of the half form of a value at the border.
fn inner(name: &[u8]) -> Vec<u8> {
    [name, SUFFIX.as_bytes()].concat()
}

/// The last text field with this number; empty when there is none.
fn text(message: &[u8], number: u32) -> Result<&[u8], ConvertError> {
    let mut found: &[u8] = &[];
    for field in fields(message) {
        let field = field?;
        if field.number == number {
            found = field.bytes()?;
        }
    }
    Ok(found)
}

/// Element type of an input or output; 0 for what is no tensor.
fn element_type(value: &[u8]) -> Result<u64, ConvertError> {
    let tensor_type = text(text(value, 2)?, 1)?;
    let mut found = 0;
    for field in fields(tensor_type) {
        let field = field?;
        if field.number == 1 {
            found = field.int()?;
        }
    }
    Ok(found)
}
