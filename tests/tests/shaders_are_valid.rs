//! Every WGSL text is valid, keeps the limits of all devices and is what its launcher says, without any GPU.

use std::path::Path;

use lsie_device::MAX_GROUP_THREADS;
use lsie_kernels::text::ALL;
use lsie_tests::house::tree;
use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{AddressSpace, Module, ShaderStage};

/// Storage buffers that every device binds at once.
const MAX_STORAGE_BUFFERS: usize = 8;
/// Bytes of shared memory that every device has.
const MAX_SHARED_BYTES: u32 = 16_384;

fn checked(text: &str) -> Result<Module, String> {
    let module = naga::front::wgsl::parse_str(text).map_err(|e| e.emit_to_string(text))?;
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::empty());
    validator
        .validate(&module)
        .map_err(|e| e.emit_to_string(text))?;
    Ok(module)
}

#[test]
fn every_shader_is_valid_without_optional_features() -> anyhow::Result<()> {
    let files = tree::files()?;
    let shaders: Vec<_> = files
        .iter()
        .filter(|file| {
            Path::new(&file.path)
                .extension()
                .is_some_and(|end| end == "wgsl")
        })
        .collect();
    assert!(shaders.len() > ALL.len(), "only {} shaders", shaders.len());
    for file in shaders {
        let text = file.text.as_deref().unwrap_or_default();
        // Part of a kernel that is checked as a whole below.
        if ALL.iter().any(|kernel| kernel.source.wgsl.contains(text)) {
            continue;
        }
        if let Err(words) = checked(text) {
            panic!("{}: {words}", file.path);
        }
    }
    Ok(())
}

#[test]
fn every_kernel_is_what_its_launcher_says() {
    for kernel in ALL {
        let source = kernel.source;
        let module = checked(source.wgsl).unwrap();
        let [entry] = &module.entry_points[..] else {
            panic!("{} has not one entry point", kernel.folder)
        };
        assert_eq!(entry.stage, ShaderStage::Compute);
        assert_eq!(entry.name, source.name);
        assert_eq!(entry.workgroup_size, source.group, "{}", kernel.folder);
        let threads: u32 = source.group.iter().product();
        assert!(threads <= MAX_GROUP_THREADS, "{}", kernel.folder);

        let mut bindings: Vec<u32> = Vec::new();
        let (mut storage, mut shared_bytes) = (0, 0);
        for (_, variable) in module.global_variables.iter() {
            if let Some(binding) = variable.binding {
                assert_eq!(binding.group, 0);
                bindings.push(binding.binding);
            }
            storage += usize::from(matches!(variable.space, AddressSpace::Storage { .. }));
            if variable.space == AddressSpace::WorkGroup {
                shared_bytes += module.types[variable.ty].inner.size(module.to_ctx());
            }
        }
        bindings.sort_unstable();
        let wanted: Vec<u32> = (0..=source.arguments as u32).collect();
        assert_eq!(bindings, wanted, "{}", kernel.folder);
        assert!(
            storage <= MAX_STORAGE_BUFFERS,
            "{}: {storage}",
            kernel.folder
        );
        assert!(
            shared_bytes <= MAX_SHARED_BYTES,
            "{}: {shared_bytes}",
            kernel.folder
        );
    }
}

#[test]
fn a_broken_shader_is_noticed() {
    let good = ALL[0].source.wgsl;
    assert!(checked(good).is_ok());
    assert!(checked(&good.replace("vec2<f32>", "vec2<f31>")).is_err());
    assert!(
        checked(&good.replacen("tensor[start] = value.x;", "tensor[start] = value;", 1)).is_err()
    );
    let half = format!("enable f16;\n{}", good.replace("f32", "f16"));
    assert!(checked(&half).is_err(), "not every device has half floats");
}
