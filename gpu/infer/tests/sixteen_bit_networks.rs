//! Networks rewritten to compute in 16-bit floats: same tensors, same bytes every time, damage refused.

#![expect(clippy::unwrap_used, reason = "set-up of a test")]

mod installed;

use installed::{Rig, must, store};
use lsie_infer::convert::to_half;
use lsie_infer::manifest::ModelKind;
use lsie_infer::{ConvertError, TensorInfo};

/// The networks of the manifest that are installed: name and file.
fn networks() -> Vec<(String, Vec<u8>)> {
    let store = store();
    let networks = store.manifest().models.iter();
    let networks = networks.filter(|entry| entry.kind == ModelKind::Network);
    networks
        .map(|entry| {
            let path = must(store.path(&entry.name));
            (entry.name.clone(), std::fs::read(path).unwrap())
        })
        .collect()
}

#[test]
fn inputs_and_outputs_stay_as_they_are() {
    let folder = tempfile::TempDir::new().unwrap();
    let tensors = |infos: &[TensorInfo]| infos.to_vec();
    for (name, bytes) in networks() {
        let half = to_half(&bytes).unwrap();
        assert_eq!(
            half,
            to_half(&bytes).unwrap(),
            "{name}: the same bytes again"
        );
        let path = folder.path().join(format!("{name}.onnx"));
        std::fs::write(&path, half).unwrap();
        let (mut whole, mut half) = (Rig::new(&name), Rig::of_file(&path));
        assert_eq!(
            tensors(half.network.inputs()),
            tensors(whole.network.inputs())
        );
        assert_eq!(
            tensors(half.network.outputs()),
            tensors(whole.network.outputs())
        );
        for rig in [&mut whole, &mut half] {
            for input in &mut rig.inputs {
                let values = input.host_mut::<f32>().unwrap().iter_mut();
                for (place, value) in values.enumerate() {
                    *value = (place % 7) as f32 / 7.0;
                }
            }
            rig.run().unwrap();
        }
        for place in 0..whole.outputs.len() {
            let (whole, half) = (whole.output(place), half.output(place));
            let scale = whole.iter().fold(1.0_f32, |most, x| most.max(x.abs()));
            let worst = whole.iter().zip(half).map(|(a, b)| (a - b).abs() / scale);
            let worst = worst.fold(0.0_f32, f32::max);
            assert!(worst < 0.05, "{name}, output {place}: {worst} of {scale}");
        }
    }
}

#[test]
fn damaged_files_are_refused_and_never_crash() {
    let (_, bytes) = networks().swap_remove(0);
    assert!(matches!(to_half(&[]), Err(ConvertError::Malformed { .. })));
    for end in (0..bytes.len()).step_by(bytes.len() / 60) {
        assert!(to_half(&bytes[..end]).is_err(), "{end}");
    }
    for place in (0..bytes.len()).step_by(bytes.len() / 200) {
        let mut damaged = bytes.clone();
        damaged[place] ^= 0xff;
        // Damage inside weights cannot be seen; anything but a crash is right.
        let _ = to_half(&damaged);
    }
}
