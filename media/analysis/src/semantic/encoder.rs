//! One text network with its buffers: token ids in, numbers out.

use lsie_device::{Buffer, Device, Stream};
use lsie_infer::convert::TOKENS_AXIS;
use lsie_infer::{InferError, Network, TensorInfo};

use super::wordpiece::Tokens;

/// A loaded text network. Buffers are made once, for the longest text.
pub(super) struct Encoder {
    network: Box<dyn Network>,
    stream: Stream,
    ids: Buffer,
    types: Option<Buffer>,
    output: Buffer,
    numbers: usize,
    max_tokens: usize,
}

impl Encoder {
    /// Takes a network of one output, and of one input of ids (with `takes_types` a second one of types) whose second axis
    /// is free. The reason of a refusal is for the operator.
    pub(super) fn new(
        network: Box<dyn Network>,
        device: &dyn Device,
        max_tokens: usize,
        takes_types: bool,
    ) -> Result<Self, String> {
        let mut network = network;
        network
            .set_axis(TOKENS_AXIS, max_tokens)
            .map_err(|error| error.to_string())?;
        let wanted = if takes_types { 2 } else { 1 };
        let fits = |info: &TensorInfo| info.shape == [1, max_tokens];
        if network.inputs().len() != wanted || !network.inputs().iter().all(fits) {
            return Err("the network has other inputs than a text network".to_owned());
        }
        let [output] = network.outputs() else {
            return Err("the network has more than one output".to_owned());
        };
        let numbers = output.elements();
        let alloc = |numbers: usize, label: &str| {
            device
                .alloc(numbers * size_of::<f32>(), label)
                .map_err(|error| error.to_string())
        };
        Ok(Encoder {
            stream: device
                .stream("semantic")
                .map_err(|error| error.to_string())?,
            ids: alloc(max_tokens, "token ids")?,
            types: takes_types
                .then(|| alloc(max_tokens, "token types"))
                .transpose()?,
            output: alloc(numbers, "text output")?,
            network,
            numbers,
            max_tokens,
        })
    }

    /// Most tokens that one run takes.
    pub(super) fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    /// How many numbers one run gives.
    pub(super) fn numbers(&self) -> usize {
        self.numbers
    }

    /// Runs once. The numbers are as the network gave them: the caller judges whether they are finite.
    pub(super) fn run(&mut self, tokens: &Tokens) -> Result<Vec<f32>, InferError> {
        self.network.set_axis(TOKENS_AXIS, tokens.ids.len())?;
        upload(&mut self.ids, &self.stream, &tokens.ids)?;
        let mut inputs = vec![&self.ids];
        if let Some(types) = &mut self.types {
            upload(types, &self.stream, &tokens.types)?;
            inputs.push(types);
        }
        self.network
            .run(&self.stream, &inputs, &mut [&mut self.output])?;
        let mut numbers = vec![0.0_f32; self.numbers];
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut numbers);
        self.output.copy_to_host(&self.stream, 0, bytes)?;
        Ok(numbers)
    }
}

/// Ids are below 2^24, so floats hold them exactly.
fn upload(buffer: &mut Buffer, stream: &Stream, ids: &[u32]) -> Result<(), InferError> {
    let numbers: Vec<f32> = ids.iter().map(|id| *id as f32).collect();
    Ok(buffer.upload(stream, 0, bytemuck::cast_slice(&numbers))?)
}
