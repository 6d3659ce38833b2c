//! Measurements as nodes.

use std::sync::Arc;

use lsie_analysis::face::{FaceControl, FaceLayer, FaceTracker, SessionPhase, SubjectRules};
use lsie_analysis::voice::{VoiceSettings, VoiceStream};
use lsie_graph::pipeline::{Gives, MakeError, NodeKind, Takes};
use lsie_infer::NetworkOpener;

use super::{FACE, PipelineContext, VOICE, unavailable, unusable};
use crate::device::face_networks;
use crate::sound::SoundLayer;

const DETECTOR: &str = "face_detector";
const MESH: &str = "face_mesh";
const VOICE_MODEL: &str = "silero_vad";

/// Faces in pictures.
pub(super) fn face(context: &PipelineContext) -> NodeKind {
    let (looks, makes) = (context.clone(), context.clone());
    NodeKind::layer(
        "face",
        "Finds and follows a face in each picture: landmarks, head rotation, AU12 ratio; after 45 neutral frames a score.",
        Takes::Types(&["video"]),
        Gives::Type(FACE.name()),
    )
    .warn(move |_| {
        let missing = [DETECTOR, MESH].iter().filter_map(|model| looks.missing(model));
        missing.map(|why| format!("{why}; the pipeline cannot run without it")).collect()
    })
    .make(move |maker| {
        let models = makes.models().map_err(unavailable)?;
        let device = &makes.device;
        let opener = NetworkOpener::find(device, &models, None).map_err(unavailable)?;
        let opener = opener.with_precision(makes.precision);
        let stream = device.stream("face").map_err(MakeError::failed)?;
        let networks = face_networks(&models, &opener, device.as_ref(), stream, MESH);
        let networks = networks.map_err(unusable)?;
        let control = FaceControl::default();
        control.set_phase(SessionPhase::Open);
        let tracker = FaceTracker::new(networks, SubjectRules::default());
        maker.layer(&FACE, FaceLayer::new(tracker, control))
    })
}

/// Voices in sound.
pub(super) fn voice(context: &PipelineContext) -> NodeKind {
    let (looks, makes) = (context.clone(), context.clone());
    NodeKind::layer(
        "voice",
        "Says for each piece of sound whether somebody speaks, and how loud it is.",
        Takes::Types(&["audio"]),
        Gives::Type(VOICE.name()),
    )
    .warn(move |_| {
        let missing = looks.missing(VOICE_MODEL).into_iter();
        missing
            .map(|why| format!("{why}; only the level is measured without it"))
            .collect()
    })
    .make(move |maker| {
        let models = makes.models().map_err(unavailable)?;
        let stream = VoiceStream::open(&models, makes.device.as_ref(), VoiceSettings::default());
        let layer =
            SoundLayer::new(stream, Arc::default(), &makes.device).map_err(MakeError::failed)?;
        maker.layer(&VOICE, layer)
    })
}
