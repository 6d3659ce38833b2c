//! Writing ONNX: a graph that grows node by node, and its protobuf encoding.

use std::collections::BTreeMap;

use crate::error::ConvertError;

/// Most bytes of weights and nodes that are written.
const MAX_BYTES: usize = 256 << 20;

const FLOAT: i64 = 1;
const INT64: i64 = 7;

/// An attribute of a node.
#[derive(Debug, Clone)]
pub(super) enum Attribute<'a> {
    Int(&'static str, i64),
    Float(&'static str, f32),
    Ints(&'static str, &'a [i64]),
    Text(&'static str, &'static str),
}

/// The size of one axis of an input.
#[derive(Debug, Clone, Copy)]
pub(super) enum Axis {
    Fixed(usize),
    /// Chosen at each run, under this name.
    Free(&'static str),
}

/// What stands around the graph.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) ir_version: i64,
    pub(super) opset: i64,
    pub(super) producer: &'static str,
    pub(super) producer_version: &'static str,
    pub(super) metadata: BTreeMap<&'static str, String>,
}

/// A graph under construction. Values are named in order of appearance, so equal calls give equal bytes.
#[derive(Debug, Default)]
pub(super) struct Graph {
    nodes: Message,
    initializers: Message,
    inputs: Message,
    outputs: Message,
    node_count: usize,
    initializer_count: usize,
}

impl Graph {
    /// Adds a node with one output and returns that output's name.
    pub(super) fn node(
        &mut self,
        operation: &'static str,
        inputs: &[&str],
        attributes: &[Attribute<'_>],
    ) -> String {
        let output = format!("t{}", self.node_count);
        self.named_node(operation, inputs, &output, attributes);
        output
    }

    fn named_node(
        &mut self,
        operation: &'static str,
        inputs: &[&str],
        output: &str,
        attributes: &[Attribute<'_>],
    ) {
        let mut node = Message::default();
        for input in inputs {
            node.text(1, input);
        }
        node.text(2, output);
        node.text(4, operation);
        for attribute in attributes {
            node.message(5, &attribute.encode());
        }
        self.nodes.message(1, &node);
        self.node_count += 1;
    }

    /// Adds constant floats and returns their name.
    pub(super) fn floats(
        &mut self,
        shape: &[usize],
        values: &[f32],
    ) -> Result<String, ConvertError> {
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        self.initializer(FLOAT, shape, &bytes)
    }

    /// Adds a constant list of whole numbers and returns its name.
    pub(super) fn ints(&mut self, values: &[i64]) -> Result<String, ConvertError> {
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        self.initializer(INT64, &[values.len()], &bytes)
    }

    /// Adds one constant whole number without axes and returns its name.
    pub(super) fn int(&mut self, value: i64) -> Result<String, ConvertError> {
        self.initializer(INT64, &[], &value.to_le_bytes())
    }

    fn initializer(
        &mut self,
        data_type: i64,
        shape: &[usize],
        bytes: &[u8],
    ) -> Result<String, ConvertError> {
        let written_bytes = self.initializers.len_bytes() + self.nodes.len_bytes();
        if written_bytes.saturating_add(bytes.len()) > MAX_BYTES {
            return Err(ConvertError::TooLarge {
                what: "converted model",
                limit: MAX_BYTES,
            });
        }
        let name = format!("c{}", self.initializer_count);
        let mut tensor = Message::default();
        for size in shape {
            tensor.int(1, signed(*size));
        }
        tensor.int(2, data_type);
        tensor.text(8, &name);
        tensor.bytes(9, bytes);
        self.initializers.message(5, &tensor);
        self.initializer_count += 1;
        Ok(name)
    }

    /// Declares an input of the model.
    pub(super) fn input(&mut self, name: &str, shape: &[usize]) {
        self.inputs.message(11, &float_tensor(name, &fixed(shape)));
    }

    /// Declares an input of the model some of whose axes are chosen at each run.
    pub(super) fn input_with_axes(&mut self, name: &str, axes: &[Axis]) {
        self.inputs.message(11, &float_tensor(name, axes));
    }

    /// Declares an output of the model that repeats `value`.
    pub(super) fn output(&mut self, name: &str, shape: &[usize], value: &str) {
        self.named_node("Identity", &[value], name, &[]);
        self.outputs.message(12, &float_tensor(name, &fixed(shape)));
    }

    /// Encodes the whole model.
    pub(super) fn finish(self, header: &Header) -> Result<Vec<u8>, ConvertError> {
        let mut graph = self.nodes;
        graph.text(2, "main");
        graph.append(&self.initializers);
        graph.append(&self.inputs);
        graph.append(&self.outputs);
        if graph.len_bytes() > MAX_BYTES {
            return Err(ConvertError::TooLarge {
                what: "converted model",
                limit: MAX_BYTES,
            });
        }
        let mut model = Message::default();
        model.int(1, header.ir_version);
        model.text(2, header.producer);
        model.text(3, header.producer_version);
        model.message(7, &graph);
        let mut opset = Message::default();
        opset.text(1, "");
        opset.int(2, header.opset);
        model.message(8, &opset);
        for (key, value) in &header.metadata {
            let mut entry = Message::default();
            entry.text(1, key);
            entry.text(2, value);
            model.message(14, &entry);
        }
        Ok(model.0)
    }
}

impl Attribute<'_> {
    fn encode(&self) -> Message {
        let mut message = Message::default();
        match self {
            Attribute::Int(name, value) => {
                message.text(1, name);
                message.int(3, *value);
                message.int(20, 2);
            }
            Attribute::Float(name, value) => {
                message.text(1, name);
                message.float(2, *value);
                message.int(20, 1);
            }
            Attribute::Text(name, value) => {
                message.text(1, name);
                message.text(4, value);
                message.int(20, 3);
            }
            Attribute::Ints(name, values) => {
                message.text(1, name);
                for value in *values {
                    message.int(8, *value);
                }
                message.int(20, 7);
            }
        }
        message
    }
}

/// A size as ONNX writes it. Sizes are bounded far below where this could saturate.
pub(super) fn signed(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

fn fixed(shape: &[usize]) -> Vec<Axis> {
    shape.iter().map(|size| Axis::Fixed(*size)).collect()
}

fn float_tensor(name: &str, axes: &[Axis]) -> Message {
    let mut dimensions = Message::default();
    for axis in axes {
        let mut dimension = Message::default();
        match axis {
            Axis::Fixed(size) => dimension.int(1, signed(*size)),
            Axis::Free(name) => dimension.text(2, name),
        }
        dimensions.message(1, &dimension);
    }
    let mut tensor = Message::default();
    tensor.int(1, FLOAT);
    tensor.message(2, &dimensions);
    let mut kind = Message::default();
    kind.message(1, &tensor);
    let mut value = Message::default();
    value.text(1, name);
    value.message(2, &kind);
    value
}

/// A protobuf message: fields in the order in which they are added.
#[derive(Debug, Default)]
struct Message(Vec<u8>);

impl Message {
    fn int(&mut self, field: u32, value: i64) {
        self.varint(u64::from(field) << 3);
        self.varint(value.cast_unsigned());
    }

    fn float(&mut self, field: u32, value: f32) {
        self.varint(u64::from(field) << 3 | 5);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn text(&mut self, field: u32, value: &str) {
        self.bytes(field, value.as_bytes());
    }

    fn message(&mut self, field: u32, value: &Message) {
        self.bytes(field, &value.0);
    }

    fn bytes(&mut self, field: u32, value: &[u8]) {
        self.varint(u64::from(field) << 3 | 2);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    fn append(&mut self, other: &Message) {
        self.0.extend_from_slice(&other.0);
    }

    fn len_bytes(&self) -> usize {
        self.0.len()
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value as u8 & 0x7f) | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_encoded_as_protobuf_says() {
        let mut message = Message::default();
        message.int(1, 150);
        message.text(2, "testing");
        message.int(20, -1);
        let expected: &[u8] = &[
            0x08, 0x96, 0x01, 0x12, 7, b't', b'e', b's', b't', b'i', b'n', b'g', 0xa0, 0x01, 0xff,
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01,
        ];
        assert_eq!(message.0, expected);
    }

    #[test]
    fn an_oversized_constant_is_refused() {
        let mut graph = Graph::default();
        let bytes = vec![0; MAX_BYTES + 1];
        assert!(matches!(
            graph.initializer(FLOAT, &[bytes.len() / 4], &bytes),
            Err(ConvertError::TooLarge { .. })
        ));
    }
}
