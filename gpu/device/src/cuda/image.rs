//! From a kernel's text to what the driver loads: read from the folder of kept kernels, or compiled and kept there.

use std::path::Path;

use super::cache::{self, Key};
use super::nvrtc::{Compiler, Target};
use crate::error::DeviceError;

/// A kernel as the driver loads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// What the driver loads.
    pub bytes: Vec<u8>,
    /// It was read and not compiled.
    pub is_kept: bool,
}

impl Compiler {
    /// The image of `text`, whose entry point is `name`: from `folder` where a file of it was made from this text, for this target, by
    /// this version, and is whole; else compiled and kept there. A folder that cannot be written to costs time, nothing else.
    pub fn image(
        &self,
        folder: Option<&Path>,
        name: &str,
        text: &str,
        target: Target,
    ) -> Result<Image, DeviceError> {
        if let Some(bytes) = self.kept(folder, name, text, target) {
            return Ok(Image {
                bytes,
                is_kept: true,
            });
        }
        self.fresh_image(folder, name, text, target)
    }

    /// As [`Compiler::image`], whatever the folder holds.
    pub(super) fn fresh_image(
        &self,
        folder: Option<&Path>,
        name: &str,
        text: &str,
        target: Target,
    ) -> Result<Image, DeviceError> {
        let bytes = self.compile(name, text, target)?.image;
        if let Some(folder) = folder {
            let compiler = self.version();
            let key = Key {
                name,
                text,
                target,
                compiler: &compiler,
            };
            let _ = cache::store(folder, &key, &bytes);
        }
        Ok(Image {
            bytes,
            is_kept: false,
        })
    }

    fn kept(
        &self,
        folder: Option<&Path>,
        name: &str,
        text: &str,
        target: Target,
    ) -> Option<Vec<u8>> {
        let compiler = self.version();
        let key = Key {
            name,
            text,
            target,
            compiler: &compiler,
        };
        cache::load(folder?, &key)
    }
}
