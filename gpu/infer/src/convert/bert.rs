//! BERT weights to ONNX: the encoder written out, with a sentence or a pair at its end.
//!
//! ```text
//! input_ids ─▶ embeddings + positions ─▶ norm ─▶ [attention ─▶ + ─▶ norm ─▶ feed-forward ─▶ + ─▶ norm] × layers
//!     ├── no classifier: mean over the tokens ─▶ unit length ─▶ embedding      (sentence)
//!     └── classifier:    first token ─▶ tanh(pooler) ─▶ classifier ─▶ score    (pair, with token_type_ids)
//! ```
//!
//! Devlin et al. 2018 (encoder), Reimers and Gurevych 2019 (sentence). Token ids enter as floats, which hold them exactly; the
//! number of tokens is a free axis. Id 0 is padding: it is masked and takes no part in the mean, so a sentence gives
//! the same numbers whether it is padded or not (up to rounding).

use std::collections::BTreeMap;

use lsie_schemas::text::sha256_hex;

use super::onnx::{Attribute, Axis, Graph, Header, signed};
use super::safetensors::Tensors;
use crate::error::ConvertError;

/// Names this converter in the manifest.
pub const BERT_CONVERTER_NAME: &str = "bert_to_onnx";
/// Changes whenever the bytes it writes change.
pub const BERT_CONVERTER_VERSION: &str = "1";
/// Name of the free axis of the inputs: how many tokens there are.
pub const TOKENS_AXIS: &str = "tokens";

/// The least version of the operator set that has `LayerNormalization`.
const OPSET: i64 = 17;
const IR_VERSION: i64 = 8;
/// As every published BERT has it.
const NORM_EPSILON: f32 = 1e-12;
/// Added to the scores of padding; large enough to vanish behind the softmax, small enough to stay finite.
const MASKED: f32 = 1e9;
const MAX_LAYERS: usize = 48;
const MAX_WIDTH: usize = 8192;

/// Converts BERT weights (safetensors) to ONNX (operator set 17, format version 8).
///
/// Pure and deterministic. `heads` is what the weights themselves do not say: into how many heads attention is cut. Weights with
/// a `classifier` of one number become a network for pairs, others one for sentences.
pub fn bert_to_onnx(safetensors: &[u8], heads: usize) -> Result<Vec<u8>, ConvertError> {
    let weights = Tensors::parse(safetensors)?;
    let mut encoder = Encoder::new(weights, heads)?;
    let is_pair = encoder.weights.has("classifier.weight");
    let (state, mask) = encoder.embed(is_pair)?;
    let mut state = state;
    let bias = encoder.attention_bias(&mask)?;
    for layer in 0..encoder.layers {
        state = encoder.layer(layer, &state, &bias)?;
    }
    if is_pair {
        encoder.classify(&state)?;
    } else {
        encoder.pool(&state, &mask)?;
    }
    let mut metadata = BTreeMap::new();
    metadata.insert(
        "lsie.converter",
        format!("{BERT_CONVERTER_NAME} {BERT_CONVERTER_VERSION}"),
    );
    metadata.insert("lsie.source_sha256", sha256_hex(safetensors));
    encoder.graph.finish(&Header {
        ir_version: IR_VERSION,
        opset: OPSET,
        producer: BERT_CONVERTER_NAME,
        producer_version: BERT_CONVERTER_VERSION,
        metadata,
    })
}

/// The graph under construction and what it is built from.
struct Encoder<'a> {
    graph: Graph,
    weights: Tensors<'a>,
    /// What stands before the encoder's names.
    prefix: &'static str,
    vocabulary: usize,
    positions: usize,
    width: usize,
    inner: usize,
    heads: usize,
    layers: usize,
}

impl<'a> Encoder<'a> {
    fn new(weights: Tensors<'a>, heads: usize) -> Result<Self, ConvertError> {
        let prefix = if weights.has("bert.embeddings.word_embeddings.weight") {
            "bert."
        } else {
            ""
        };
        let shape = |name: &str| -> Result<[usize; 2], ConvertError> {
            let shape = weights.shape(&format!("{prefix}{name}.weight"))?;
            <[usize; 2]>::try_from(shape).map_err(|_| ConvertError::Malformed {
                what: "rank of a weight",
            })
        };
        let [vocabulary, width] = shape("embeddings.word_embeddings")?;
        let [positions, _] = shape("embeddings.position_embeddings")?;
        let [inner, _] = shape("encoder.layer.0.intermediate.dense")?;
        if width > MAX_WIDTH || inner > MAX_WIDTH {
            return Err(ConvertError::TooLarge {
                what: "width of the encoder",
                limit: MAX_WIDTH,
            });
        }
        if heads == 0 || width == 0 || !width.is_multiple_of(heads) {
            return Err(ConvertError::Unsupported {
                what: format!("{heads} heads over a width of {width}"),
            });
        }
        let layers = (0..=MAX_LAYERS)
            .find(|layer| {
                let name = format!("{prefix}encoder.layer.{layer}.output.dense.weight");
                !weights.has(&name)
            })
            .ok_or(ConvertError::TooLarge {
                what: "count of layers",
                limit: MAX_LAYERS,
            })?;
        Ok(Encoder {
            graph: Graph::default(),
            prefix,
            vocabulary,
            positions,
            width,
            inner,
            heads,
            layers,
            weights,
        })
    }

    fn weight(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ConvertError> {
        self.weights
            .floats(&format!("{}{name}", self.prefix), shape)
    }

    fn scalar(&mut self, value: f32) -> Result<String, ConvertError> {
        self.graph.floats(&[], &[value])
    }

    /// Word, position and type, normalised; and the mask: 1 for a token, 0 for padding.
    fn embed(&mut self, is_pair: bool) -> Result<(String, String), ConvertError> {
        let axes = [Axis::Fixed(1), Axis::Free(TOKENS_AXIS)];
        let width = self.width;
        let words = self.weight(
            "embeddings.word_embeddings.weight",
            &[self.vocabulary, width],
        )?;
        let mut positions = self.weight(
            "embeddings.position_embeddings.weight",
            &[self.positions, width],
        )?;
        let types = self.weight("embeddings.token_type_embeddings.weight", &[2, width])?;
        self.graph.input_with_axes("input_ids", &axes);
        let ids = self.cast("input_ids", 7);
        let words = self.graph.floats(&[self.vocabulary, width], &words)?;
        let word = self
            .graph
            .node("Gather", &[&words, &ids], &[Attribute::Int("axis", 0)]);
        if !is_pair {
            // All tokens are of the first type, so it becomes part of the positions.
            for row in positions.chunks_exact_mut(width) {
                for (position, first_type) in row.iter_mut().zip(&types) {
                    *position += first_type;
                }
            }
        }
        let positions = self.graph.floats(&[self.positions, width], &positions)?;
        let shape = self.graph.node("Shape", &[&ids], &[]);
        let (zero, one) = (self.graph.ints(&[0])?, self.graph.ints(&[1])?);
        let count = self
            .graph
            .node("Gather", &[&shape, &one], &[Attribute::Int("axis", 0)]);
        let position = self
            .graph
            .node("Slice", &[&positions, &zero, &count, &zero], &[]);
        let mut sum = self.graph.node("Add", &[&word, &position], &[]);
        if is_pair {
            self.graph.input_with_axes("token_type_ids", &axes);
            let kinds = self.cast("token_type_ids", 7);
            let types = self.graph.floats(&[2, width], &types)?;
            let kind = self
                .graph
                .node("Gather", &[&types, &kinds], &[Attribute::Int("axis", 0)]);
            sum = self.graph.node("Add", &[&sum, &kind], &[]);
        }
        let state = self.norm(&sum, "embeddings.LayerNorm")?;
        let half = self.scalar(0.5)?;
        let is_token = self.graph.node("Greater", &["input_ids", &half], &[]);
        Ok((state, self.cast(&is_token, 1)))
    }

    /// What is added to attention scores so that padding gets no weight.
    fn attention_bias(&mut self, mask: &str) -> Result<String, ConvertError> {
        let (one, large) = (self.scalar(1.0)?, self.scalar(MASKED)?);
        let below = self.graph.node("Sub", &[mask, &one], &[]);
        let bias = self.graph.node("Mul", &[&below, &large], &[]);
        let axes = self.graph.ints(&[1, 2])?;
        Ok(self.graph.node("Unsqueeze", &[&bias, &axes], &[]))
    }

    fn layer(&mut self, layer: usize, state: &str, bias: &str) -> Result<String, ConvertError> {
        let name = |part: &str| format!("encoder.layer.{layer}.{part}");
        let context = self.attend(&name("attention.self"), state, bias)?;
        let (width, inner) = (self.width, self.inner);
        let mixed = self.linear(&context, &name("attention.output.dense"), width, width)?;
        let sum = self.graph.node("Add", &[&mixed, state], &[]);
        let state = self.norm(&sum, &name("attention.output.LayerNorm"))?;
        let wide = self.linear(&state, &name("intermediate.dense"), width, inner)?;
        let wide = self.gelu(&wide)?;
        let narrow = self.linear(&wide, &name("output.dense"), inner, width)?;
        let sum = self.graph.node("Add", &[&narrow, &state], &[]);
        self.norm(&sum, &name("output.LayerNorm"))
    }

    /// Softmax(Q K^T / sqrt(d) + bias) V over all heads. One product makes Q, K and V; the scale is part of Q's weights.
    fn attend(&mut self, name: &str, state: &str, bias: &str) -> Result<String, ConvertError> {
        let (width, heads) = (self.width, self.heads);
        let head_width = width / heads;
        let scale = (head_width as f32).sqrt().recip();
        let mut columns = Vec::with_capacity(3);
        let mut offsets = Vec::with_capacity(3 * width);
        for (part, factor) in [("query", scale), ("key", 1.0), ("value", 1.0)] {
            let weight = self.weight(&format!("{name}.{part}.weight"), &[width, width])?;
            let offset = self.weight(&format!("{name}.{part}.bias"), &[width])?;
            let scaled: Vec<f32> = weight.iter().map(|number| number * factor).collect();
            columns.push(transposed(&scaled, width, width));
            offsets.extend(offset.iter().map(|number| number * factor));
        }
        let mut joined = Vec::with_capacity(3 * width * width);
        for row in 0..width {
            for column in &columns {
                joined.extend(column.iter().skip(row * width).take(width));
            }
        }
        let joined = self.graph.floats(&[width, 3 * width], &joined)?;
        let offsets = self.graph.floats(&[3 * width], &offsets)?;
        let product = self.graph.node("MatMul", &[state, &joined], &[]);
        let all = self.graph.node("Add", &[&product, &offsets], &[]);
        // 1 × tokens × 3 × heads × head width, then 3 × 1 × heads × tokens × head width.
        let split = [0, 0, 3, signed(heads), signed(head_width)];
        let split = self.graph.ints(&split)?;
        let all = self.graph.node("Reshape", &[&all, &split], &[]);
        let order = [Attribute::Ints("perm", &[2, 0, 3, 1, 4])];
        let all = self.graph.node("Transpose", &[&all], &order);
        let mut parts = Vec::with_capacity(3);
        for part in 0..3 {
            let index = self.graph.int(part)?;
            let axis = [Attribute::Int("axis", 0)];
            parts.push(self.graph.node("Gather", &[&all, &index], &axis));
        }
        let [query, key, value] = parts.as_slice() else {
            return Err(ConvertError::Malformed {
                what: "attention parts",
            });
        };
        let order = [Attribute::Ints("perm", &[0, 1, 3, 2])];
        let key = self.graph.node("Transpose", &[key], &order);
        let scores = self.graph.node("MatMul", &[query, &key], &[]);
        let scores = self.graph.node("Add", &[&scores, bias], &[]);
        let last = [Attribute::Int("axis", -1)];
        let shares = self.graph.node("Softmax", &[&scores], &last);
        let context = self.graph.node("MatMul", &[&shares, value], &[]);
        let order = [Attribute::Ints("perm", &[0, 2, 1, 3])];
        let context = self.graph.node("Transpose", &[&context], &order);
        let flat = self.graph.ints(&[0, 0, signed(width)])?;
        Ok(self.graph.node("Reshape", &[&context, &flat], &[]))
    }

    /// Mean over the tokens, then unit length. Without any token: zeros.
    fn pool(&mut self, state: &str, mask: &str) -> Result<(), ConvertError> {
        let (one, two) = (self.graph.ints(&[1])?, self.graph.ints(&[2])?);
        let column = self.graph.node("Unsqueeze", &[mask, &two], &[]);
        let kept = self.graph.node("Mul", &[state, &column], &[]);
        let dropped = [Attribute::Int("keepdims", 0)];
        let sum = self.graph.node("ReduceSum", &[&kept, &one], &dropped);
        let count = self.graph.node("ReduceSum", &[mask, &one], &[]);
        let least = self.scalar(1.0)?;
        let count = self.graph.node("Max", &[&count, &least], &[]);
        let mean = self.graph.node("Div", &[&sum, &count], &[]);
        let squares = self.graph.node("Mul", &[&mean, &mean], &[]);
        let length = self.graph.node("ReduceSum", &[&squares, &one], &[]);
        let length = self.graph.node("Sqrt", &[&length], &[]);
        let least = self.scalar(1e-12)?;
        let length = self.graph.node("Max", &[&length, &least], &[]);
        let unit = self.graph.node("Div", &[&mean, &length], &[]);
        self.graph.output("embedding", &[1, self.width], &unit);
        Ok(())
    }

    /// One number for the pair, from the state of the first token.
    fn classify(&mut self, state: &str) -> Result<(), ConvertError> {
        let first = self.graph.int(0)?;
        let axis = [Attribute::Int("axis", 1)];
        let first = self.graph.node("Gather", &[state, &first], &axis);
        let pooled = self.linear(&first, "pooler.dense", self.width, self.width)?;
        let pooled = self.graph.node("Tanh", &[&pooled], &[]);
        self.prefix = "";
        let score = self.linear(&pooled, "classifier", self.width, 1)?;
        self.graph.output("score", &[1, 1], &score);
        Ok(())
    }

    /// x W^T + b.
    fn linear(
        &mut self,
        input: &str,
        name: &str,
        columns: usize,
        rows: usize,
    ) -> Result<String, ConvertError> {
        let weight = self.weight(&format!("{name}.weight"), &[rows, columns])?;
        let offset = self.weight(&format!("{name}.bias"), &[rows])?;
        let turned = transposed(&weight, rows, columns);
        let weight = self.graph.floats(&[columns, rows], &turned)?;
        let offset = self.graph.floats(&[rows], &offset)?;
        let product = self.graph.node("MatMul", &[input, &weight], &[]);
        Ok(self.graph.node("Add", &[&product, &offset], &[]))
    }

    fn norm(&mut self, input: &str, name: &str) -> Result<String, ConvertError> {
        let scale = self.weight(&format!("{name}.weight"), &[self.width])?;
        let offset = self.weight(&format!("{name}.bias"), &[self.width])?;
        let scale = self.graph.floats(&[self.width], &scale)?;
        let offset = self.graph.floats(&[self.width], &offset)?;
        let attributes = [
            Attribute::Int("axis", -1),
            Attribute::Float("epsilon", NORM_EPSILON),
        ];
        Ok(self
            .graph
            .node("LayerNormalization", &[input, &scale, &offset], &attributes))
    }

    /// x (1 + erf(x / sqrt 2)) / 2, the exact form.
    fn gelu(&mut self, input: &str) -> Result<String, ConvertError> {
        let root = self.scalar(std::f32::consts::SQRT_2)?;
        let (one, half) = (self.scalar(1.0)?, self.scalar(0.5)?);
        let scaled = self.graph.node("Div", &[input, &root], &[]);
        let erf = self.graph.node("Erf", &[&scaled], &[]);
        let shifted = self.graph.node("Add", &[&erf, &one], &[]);
        let product = self.graph.node("Mul", &[input, &shifted], &[]);
        Ok(self.graph.node("Mul", &[&product, &half], &[]))
    }

    fn cast(&mut self, input: &str, to: i64) -> String {
        self.graph
            .node("Cast", &[input], &[Attribute::Int("to", to)])
    }
}

/// Rows become columns.
fn transposed(numbers: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let mut turned = Vec::with_capacity(numbers.len());
    for column in 0..columns {
        turned.extend(
            numbers
                .iter()
                .skip(column)
                .step_by(columns.max(1))
                .take(rows),
        );
    }
    turned
}
