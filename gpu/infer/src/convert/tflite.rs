//! The parts of a TFLite file that a conversion needs, checked once: after `Model::parse` every index is in range.

use std::borrow::Cow;
use std::collections::BTreeSet;

use half::f16;
use half::slice::HalfFloatSliceExt;

use super::flatbuffer::Table;
use crate::error::ConvertError;

/// Most elements of one tensor.
const MAX_ELEMENTS: usize = 1 << 24;
const MAX_RANK: usize = 6;

/// A model with one graph.
#[derive(Debug)]
pub(super) struct Model<'a> {
    pub(super) tensors: Vec<Tensor<'a>>,
    pub(super) operators: Vec<Operator<'a>>,
    pub(super) inputs: Vec<usize>,
    pub(super) outputs: Vec<usize>,
}

/// A tensor, constant where it has data.
#[derive(Debug)]
pub(super) struct Tensor<'a> {
    pub(super) name: &'a str,
    pub(super) shape: Vec<usize>,
    element: Element,
    data: &'a [u8],
}

/// Kinds of elements that appear in the supported networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    F32,
    F16,
    I32,
    Other(u8),
}

/// One step of the graph.
#[derive(Debug)]
pub(super) struct Operator<'a> {
    pub(super) kind: Kind<'a>,
    pub(super) inputs: Vec<usize>,
    pub(super) outputs: Vec<usize>,
    /// The options of a stock operator.
    pub(super) options: Option<Table<'a>>,
    /// The options of a custom operator.
    pub(super) custom_options: &'a [u8],
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    Add,
    Concatenation,
    Conv2d,
    DepthwiseConv2d,
    Dequantize,
    MaxPool2d,
    Mul,
    Relu,
    Reshape,
    Pad,
    StridedSlice,
    Prelu,
    Custom(&'a str),
    Unknown(i32),
}

impl<'a> Model<'a> {
    /// Reads the tables and checks every index.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, ConvertError> {
        if bytes.get(4..8) != Some(b"TFL3") {
            return Err(ConvertError::Malformed {
                what: "file that is no TFLite model",
            });
        }
        let root = Table::root(bytes)?;
        let codes = root.table_vector(1)?;
        let codes = codes.iter().map(kind).collect::<Result<Vec<_>, _>>()?;
        let buffers = root
            .table_vector(4)?
            .iter()
            .map(|buffer| buffer.byte_vector(0))
            .collect::<Result<Vec<_>, _>>()?;
        let graphs = root.table_vector(2)?;
        let [graph] = graphs.as_slice() else {
            return Err(ConvertError::Unsupported {
                what: format!("{} graphs in one file", graphs.len()),
            });
        };
        let tensors = graph
            .table_vector(0)?
            .iter()
            .map(|table| Tensor::parse(table, &buffers))
            .collect::<Result<Vec<_>, _>>()?;
        let operators = graph
            .table_vector(3)?
            .iter()
            .map(|table| Operator::parse(table, &codes, tensors.len()))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Model {
            inputs: indices(graph.i32_vector(1)?, tensors.len())?,
            outputs: indices(graph.i32_vector(2)?, tensors.len())?,
            tensors,
            operators,
        })
    }

    /// The tensor; an index that the file's tables did not give is an error.
    pub(super) fn tensor(&self, index: usize) -> Result<&Tensor<'a>, ConvertError> {
        self.tensors.get(index).ok_or(ConvertError::Malformed {
            what: "tensor index",
        })
    }

    /// The outputs but for those `left_out` by name, and the operators that they need, in the file's order.
    pub(super) fn without(
        &self,
        left_out: &[String],
    ) -> Result<(Vec<usize>, Vec<&Operator<'a>>), ConvertError> {
        let mut outputs = Vec::new();
        for index in &self.outputs {
            let name = self.tensor(*index)?.name;
            if !left_out.iter().any(|left| left == name) {
                outputs.push(*index);
            }
        }
        if outputs.is_empty() || outputs.len() + left_out.len() != self.outputs.len() {
            return Err(ConvertError::Unsupported {
                what: "outputs to leave out that the file does not have".to_owned(),
            });
        }
        let mut wanted: BTreeSet<usize> = outputs.iter().copied().collect();
        let mut operators = Vec::new();
        for operator in self.operators.iter().rev() {
            if wanted.contains(&operator.output()?) {
                wanted.extend(&operator.inputs);
                operators.push(operator);
            }
        }
        operators.reverse();
        Ok((outputs, operators))
    }
}

impl<'a> Tensor<'a> {
    fn parse(table: &Table<'a>, buffers: &[&'a [u8]]) -> Result<Self, ConvertError> {
        let shape = table
            .i32_vector(0)?
            .into_iter()
            .map(usize::try_from)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| ConvertError::Malformed {
                what: "negative tensor size",
            })?;
        if shape.len() > MAX_RANK {
            return Err(ConvertError::TooLarge {
                what: "tensor rank",
                limit: MAX_RANK,
            });
        }
        let elements = shape
            .iter()
            .try_fold(1_usize, |product, size| product.checked_mul(*size))
            .filter(|elements| *elements <= MAX_ELEMENTS)
            .ok_or(ConvertError::TooLarge {
                what: "tensor",
                limit: MAX_ELEMENTS,
            })?;
        let element = match table.u8(1, 0)? {
            0 => Element::F32,
            1 => Element::F16,
            2 => Element::I32,
            other => Element::Other(other),
        };
        let data = *buffers
            .get(table.u32(2, 0)? as usize)
            .ok_or(ConvertError::Malformed {
                what: "buffer index",
            })?;
        let wanted_bytes = match element {
            Element::F32 | Element::I32 => elements * 4,
            Element::F16 => elements * 2,
            Element::Other(_) => data.len(),
        };
        if !data.is_empty() && data.len() != wanted_bytes {
            return Err(ConvertError::Malformed {
                what: "constant whose data do not fit its shape",
            });
        }
        Ok(Tensor {
            name: table.text(3)?,
            shape,
            element,
            data,
        })
    }

    pub(super) fn is_constant(&self) -> bool {
        !self.data.is_empty()
    }

    /// The constant's values, 16-bit ones widened.
    pub(super) fn floats(&self) -> Result<Cow<'a, [f32]>, ConvertError> {
        match self.element {
            Element::F32 if self.is_constant() => {
                let (chunks, _) = self.data.as_chunks::<4>();
                Ok(chunks.iter().copied().map(f32::from_le_bytes).collect())
            }
            Element::F16 if self.is_constant() => {
                let (chunks, _) = self.data.as_chunks::<2>();
                let narrow: Vec<f16> = chunks.iter().copied().map(f16::from_le_bytes).collect();
                Ok(Cow::Owned(narrow.to_f32_vec()))
            }
            _ => Err(self.not_a_constant("floats")),
        }
    }

    /// The constant's whole numbers.
    pub(super) fn ints(&self) -> Result<Vec<i64>, ConvertError> {
        match self.element {
            Element::I32 if self.is_constant() => {
                let (chunks, _) = self.data.as_chunks::<4>();
                let numbers = chunks.iter().copied().map(i32::from_le_bytes);
                Ok(numbers.map(i64::from).collect())
            }
            _ => Err(self.not_a_constant("whole numbers")),
        }
    }

    fn not_a_constant(&self, wanted: &str) -> ConvertError {
        ConvertError::Unsupported {
            what: format!("{:?} elements where constant {wanted} belong", self.element),
        }
    }
}

impl<'a> Operator<'a> {
    fn parse(
        table: &Table<'a>,
        codes: &[Kind<'a>],
        tensor_count: usize,
    ) -> Result<Self, ConvertError> {
        let kind = *codes
            .get(table.u32(0, 0)? as usize)
            .ok_or(ConvertError::Malformed {
                what: "operator code index",
            })?;
        Ok(Operator {
            kind,
            inputs: indices(table.i32_vector(1)?, tensor_count)?,
            outputs: indices(table.i32_vector(2)?, tensor_count)?,
            options: table.table(4)?,
            custom_options: table.byte_vector(5)?,
        })
    }

    /// The input at `position`.
    pub(super) fn input(&self, position: usize) -> Result<usize, ConvertError> {
        self.inputs
            .get(position)
            .copied()
            .ok_or(ConvertError::Malformed {
                what: "operator without its inputs",
            })
    }

    /// The first output.
    pub(super) fn output(&self) -> Result<usize, ConvertError> {
        self.outputs
            .first()
            .copied()
            .ok_or(ConvertError::Malformed {
                what: "operator without output",
            })
    }

    /// The options table of a stock operator.
    pub(super) fn option_table(&self) -> Result<Table<'a>, ConvertError> {
        self.options.ok_or(ConvertError::Malformed {
            what: "operator without options",
        })
    }
}

/// An older file keeps the code in the first field, a newer one in the fourth; the greater one counts.
fn kind<'a>(table: &Table<'a>) -> Result<Kind<'a>, ConvertError> {
    let code = i32::from(table.u8(0, 0)?.cast_signed()).max(table.i32(3, 0)?);
    Ok(match code {
        0 => Kind::Add,
        2 => Kind::Concatenation,
        3 => Kind::Conv2d,
        4 => Kind::DepthwiseConv2d,
        6 => Kind::Dequantize,
        17 => Kind::MaxPool2d,
        18 => Kind::Mul,
        19 => Kind::Relu,
        22 => Kind::Reshape,
        32 => Kind::Custom(table.text(1)?),
        34 => Kind::Pad,
        45 => Kind::StridedSlice,
        54 => Kind::Prelu,
        other => Kind::Unknown(other),
    })
}

fn indices(numbers: Vec<i32>, count: usize) -> Result<Vec<usize>, ConvertError> {
    numbers
        .into_iter()
        .map(|number| usize::try_from(number).ok().filter(|index| *index < count))
        .collect::<Option<Vec<_>>>()
        .ok_or(ConvertError::Malformed {
            what: "tensor index",
        })
}
