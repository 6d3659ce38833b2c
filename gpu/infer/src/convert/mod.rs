//! TFLite and BERT weights to ONNX, for the networks of the model manifest: the same bytes in always give the same bytes out.
//!
//! ```text
//! bytes ─▶ flatbuffer ─▶ tflite (tensors, operators) ─▶ lower (+ attention) ─▶ onnx (graph) ─▶ protobuf bytes
//!             flexbuffer ─┘ (options of custom operators)                        ▲
//! bytes ─▶ safetensors (weights) ─▶ bert (the encoder, written out) ────────────┘
//! ```
//!
//! Supported of TFLite: convolution (also depthwise), `PReLU`, `ReLU`, add, multiply, pad, maximum pooling, reshape, concatenation,
//! strided slice, dequantisation of 16-bit weights, and the three attention operators of the face mesh. Anything else is
//! [`ConvertError::Unsupported`]. A foreign file may be cut short or hostile: every read is checked and every size bounded.
//!
//! Images enter as 1×3×height×width (planar), which is what the crop kernels write, so no transpose runs per frame.
//! Outputs keep the order of the original file.

mod affine;
mod attention;
mod bert;
mod flatbuffer;
mod flexbuffer;
mod lower;
mod onnx;
mod precision;
mod protobuf;
mod safetensors;
mod tflite;

use std::collections::BTreeMap;

use lsie_schemas::text::sha256_hex;

use crate::error::ConvertError;

pub use bert::{BERT_CONVERTER_NAME, BERT_CONVERTER_VERSION, TOKENS_AXIS, bert_to_onnx};
pub use precision::to_half;

/// Names this converter in the manifest.
pub const CONVERTER_NAME: &str = "tflite_to_onnx";

/// Changes whenever the bytes it writes change.
pub const CONVERTER_VERSION: &str = "3";

/// Key of the model's metadata entry that maps the name of an output to the mesh indices of its points (JSON object of
/// arrays). Present in the attention face mesh: the lips and eyes are refined copies of those mesh points.
pub const LANDMARK_INDICES_KEY: &str = "lsie.landmark_indices";

/// The least version of the operator set that has `GridSample`.
const OPSET: i64 = 16;
/// Format version of the model file.
const IR_VERSION: i64 = 8;
/// Longest file that is looked at; the networks of the manifest are below 3 MiB.
pub const MAX_INPUT_BYTES: usize = 64 << 20;

/// Converts a TFLite file to ONNX (operator set 16, format version 8).
///
/// Pure and deterministic. 16-bit weights are widened; values of 32-bit weights are copied. The outputs `left_out` by name are
/// not written, nor is anything that only they need; a name that the file does not have is [`ConvertError::Unsupported`].
pub fn tflite_to_onnx(tflite: &[u8], left_out: &[String]) -> Result<Vec<u8>, ConvertError> {
    if tflite.len() > MAX_INPUT_BYTES {
        return Err(ConvertError::TooLarge {
            what: "input file",
            limit: MAX_INPUT_BYTES,
        });
    }
    let model = tflite::Model::parse(tflite)?;
    let lowered = lower::lower(&model, left_out)?;
    let indices =
        serde_json::to_string(&lowered.landmark_indices).map_err(|_| ConvertError::Malformed {
            what: "landmark indices",
        })?;
    let mut metadata = BTreeMap::new();
    metadata.insert(
        "lsie.converter",
        format!("{CONVERTER_NAME} {CONVERTER_VERSION}"),
    );
    metadata.insert("lsie.source_sha256", sha256_hex(tflite));
    if !lowered.landmark_indices.is_empty() {
        metadata.insert(LANDMARK_INDICES_KEY, indices);
    }
    lowered.graph.finish(&onnx::Header {
        ir_version: IR_VERSION,
        opset: OPSET,
        producer: CONVERTER_NAME,
        producer_version: CONVERTER_VERSION,
        metadata,
    })
}
