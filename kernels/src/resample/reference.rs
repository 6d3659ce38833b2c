//! One output in `f64`, term after term.

use super::Filter;

/// The output whose window begins at sample `first + (phase + output · down) / up`; `None` when the samples end within it.
pub fn output(
    samples: &[f64],
    filter: &Filter,
    [first, phase]: [usize; 2],
    output: usize,
) -> Option<f64> {
    let at = phase as u64 + output as u64 * filter.down();
    let taps = filter.taps(at % filter.up());
    let window = samples.get(first + usize::try_from(at / filter.up()).ok()?..)?;
    let is_whole = window.len() >= taps.len();
    is_whole.then(|| window.iter().zip(taps).map(|(x, h)| x * h).sum())
}
