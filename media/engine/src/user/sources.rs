//! Sources by address.

use std::sync::{Arc, Mutex, PoisonError};

use lsie_graph::pipeline::{Gives, NodeKind, Outputs, ParamKind, ParamSpec, Params};
use lsie_graph::{Liveness, NodeError, Packet, Source, SourceContext};
use lsie_ingest::{
    AudioSource, IngestError, Input, OpenSettings, SourceAddress, VideoSource, known_schemes, open,
};

use super::{AUDIO, PipelineContext, VIDEO};

/// A source of pictures and sound by its address.
pub(super) fn input(context: &PipelineContext) -> NodeKind {
    let outputs = vec![
        ("video", Gives::Type(VIDEO.name())),
        ("audio", Gives::Type(AUDIO.name())),
    ];
    let context = context.clone();
    NodeKind::source(
        "input",
        "Opens a source of pictures and sound by its address; only what is taken is decoded.",
        Outputs::Named(outputs),
        liveness,
    )
    .param(ParamSpec::required(
        "url",
        ParamKind::Text { max_bytes: 4096 },
        "The address: demo:presenter, file:PATH, test:bars; ?pace=live|paced|fast, ?start=seconds.",
    ))
    .check(|params, _| match SourceAddress::parse(params.text("url")) {
        Ok(_) => Vec::new(),
        Err(error) => vec![("url", told(&error))],
    })
    .make(move |maker| {
        let opener = Arc::new(Opener {
            url: maker.params().text("url").to_owned(),
            context: context.clone(),
            wants: (maker.wants("video"), maker.wants("audio")),
            first: Mutex::default(),
        });
        let liveness = liveness(maker.params());
        if maker.wants("video") {
            let node = Part::new(&opener, liveness, Opener::video);
            maker.source_of("video", &VIDEO, node);
        }
        if maker.wants("audio") {
            let node = Part::new(&opener, liveness, Opener::audio);
            maker.source_of("audio", &AUDIO, node);
        }
        Ok(())
    })
}

fn liveness(params: &Params) -> Liveness {
    SourceAddress::parse(params.text("url")).map_or(Liveness::Live, |address| address.pace().into())
}

fn told(error: &IngestError) -> String {
    let schemes: Vec<_> = known_schemes().iter().map(|known| known.form).collect();
    format!(
        "{error}; {}; known forms: {}",
        error.hint(),
        schemes.join(" | ")
    )
}

/// Opens the source once for both parts; a part that is restarted opens it again for itself alone.
struct Opener {
    url: String,
    context: PipelineContext,
    wants: (bool, bool),
    first: Mutex<First>,
}

#[derive(Default)]
struct First {
    is_over: bool,
    video: Option<VideoSource>,
    audio: Option<AudioSource>,
}

impl Opener {
    fn open(&self, video: bool, audio: bool) -> Result<Input, NodeError> {
        let context = &self.context;
        let mut settings =
            OpenSettings::new(Arc::clone(&context.device), context.cache_dir.join("demo"));
        settings.wants_video = video;
        settings.wants_audio = audio;
        settings.phones = context.phones.clone();
        open(&self.url, &settings)
            .map_err(|error| NodeError::new(format!("{error}; {}", error.hint())))
    }

    fn video(&self) -> Result<VideoSource, NodeError> {
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        if !first.is_over {
            self.open_first(&mut first)?;
        }
        let found = match first.video.take() {
            Some(video) => Some(video),
            None if self.wants.0 && first.is_over => self.open(true, false)?.video.take(),
            None => None,
        };
        found.ok_or_else(|| NodeError::new("the source has no picture"))
    }

    fn audio(&self) -> Result<AudioSource, NodeError> {
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        if !first.is_over {
            self.open_first(&mut first)?;
        }
        let found = match first.audio.take() {
            Some(audio) => Some(audio),
            None if self.wants.1 && first.is_over => self.open(false, true)?.audio.take(),
            None => None,
        };
        found.ok_or_else(|| NodeError::new("the source has no sound"))
    }

    fn open_first(&self, first: &mut First) -> Result<(), NodeError> {
        let mut input = self.open(self.wants.0, self.wants.1)?;
        first.video = input.video.take();
        first.audio = input.audio.take();
        first.is_over = true;
        Ok(())
    }
}

/// Picture or sound of a source, opened when the run starts.
struct Part<S> {
    opener: Arc<Opener>,
    liveness: Liveness,
    take: fn(&Opener) -> Result<S, NodeError>,
    source: Option<S>,
}

impl<S> Part<S> {
    fn new(
        opener: &Arc<Opener>,
        liveness: Liveness,
        take: fn(&Opener) -> Result<S, NodeError>,
    ) -> Self {
        Self {
            opener: Arc::clone(opener),
            liveness,
            take,
            source: None,
        }
    }
}

impl<S: Source> Source for Part<S> {
    type Out = S::Out;

    fn liveness(&self) -> Liveness {
        self.liveness
    }

    fn start(&mut self, _ctx: &SourceContext) -> Result<(), NodeError> {
        // The old one goes first: a device opens once.
        self.source = None;
        self.source = Some((self.take)(&self.opener)?);
        Ok(())
    }

    fn next(&mut self, ctx: &SourceContext) -> Result<Option<Packet<S::Out>>, NodeError> {
        match &mut self.source {
            Some(source) => Source::next(source, ctx),
            None => Ok(None),
        }
    }

    fn stop(&mut self) {
        if let Some(source) = &mut self.source {
            Source::stop(source);
        }
    }
}
