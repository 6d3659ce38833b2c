//! Where a source's media leave for viewers, beside the decoder.

use std::sync::Arc;

use crate::pull::AccessUnit;

/// Takes a source's encoded media as they pass. Called on the threads of the source, so it must not wait.
pub trait MediaTap: Send + Sync {
    /// Whether anybody watches. Encoders run only then.
    fn is_watched(&self) -> bool;

    /// The next encoded picture: H.264 without B-frames, in order.
    fn picture(&self, unit: &AccessUnit);

    /// Whether a key frame is wanted of whoever encodes; says so once per request.
    fn take_key_request(&self) -> bool;

    /// What comes next does not follow what was before.
    fn restart(&self);
}

/// A tap that may be absent.
pub(crate) type Tap = Option<Arc<dyn MediaTap>>;
