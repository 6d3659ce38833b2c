//! The command line: what exists and what `--help` teaches.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use lsie_handset::scrcpy::ServerVersion;
use lsie_handset::simulator::TimedFault;
use lsie_schemas::device::{DeviceChoice, Precision};
use uuid::Uuid;

/// Live Stream Inference Engine: measures a live streamer's face and voice, tries greetings, learns which one works.
#[derive(Debug, Parser)]
#[command(
    name = "lsie",
    version,
    propagate_version = true,
    arg_required_else_help = true
)]
#[command(
    after_help = "First steps:\n  lsie serve                                   start the server and print its address\n  lsie sessions start demo:presenter --experiment greeting_line_v1\n  lsie stimulus submit SESSION                 give the greeting now\n  lsie stimulus attest SESSION --delivered     say that it was delivered\n  lsie live-session readback SESSION           see what was measured and learnt\n\nExit status: 0 done, 1 the request or action failed, 2 the command line is wrong, 3 something must be installed first."
)]
pub(crate) struct Cli {
    /// Address of the running server. Default: the one written by `lsie serve` into its state folder.
    #[arg(long, global = true, env = "LSIE_API_URL", value_name = "URL")]
    pub(crate) api_url: Option<String>,
    /// Seconds to wait for an answer.
    #[arg(
        long,
        global = true,
        env = "LSIE_API_TIMEOUT_S",
        default_value_t = 10.0,
        value_name = "SECONDS"
    )]
    pub(crate) api_timeout: f64,
    /// Configuration file. Default: `lsie/lsie.toml` in the user's configuration folder, when it exists.
    #[arg(long, global = true, env = "LSIE_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Sets one configuration key, e.g. `--set server.port=9000`; may be repeated.
    #[arg(long = "set", global = true, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Prints JSON instead of tables.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start the server: API, console, store, and the media process as its child.
    Serve(ServeArgs),
    /// The media process. Started by `lsie serve`; its link is its standard input.
    #[command(hide = true)]
    Engine {
        /// Compute device, whatever the server says.
        #[arg(long, value_name = "DEVICE")]
        device: Option<DeviceChoice>,
    },
    /// Run one demo session headless and assert that the whole path works.
    Check(CheckArgs),
    /// Measure recordings as fast as the machine allows: a row per frame, a row per 30 s, a data dictionary.
    Analyze(AnalyzeArgs),
    /// What the running server is doing.
    Status,
    /// The overview page as text.
    Overview,
    /// Health of every part, with what to do about it.
    Health,
    /// Newest alerts.
    Alerts(LimitArgs),
    /// Sessions: list, show, start, end.
    #[command(subcommand, visible_alias = "session", arg_required_else_help = true)]
    Sessions(Sessions),
    /// The open session: encounters and readback.
    #[command(subcommand, arg_required_else_help = true)]
    LiveSession(LiveSession),
    /// Stimuli: give one, attest its delivery.
    #[command(subcommand, arg_required_else_help = true)]
    Stimulus(Stimulus),
    /// Experiments and what was learnt about their arms.
    #[command(subcommand, arg_required_else_help = true)]
    Experiments(Experiments),
    /// Wearable data of a session.
    #[command(subcommand, arg_required_else_help = true)]
    Physiology(OfSession),
    /// Co-modulation of streamer and operator, newest window first.
    #[command(subcommand, arg_required_else_help = true)]
    Comodulation(OfSession),
    /// Model files: list, fetch, verify.
    #[command(subcommand, arg_required_else_help = true)]
    Models(Models),
    /// Pipelines of your own: check, draw, run, and what they are made of.
    #[command(
        subcommand,
        arg_required_else_help = true,
        after_help = "A pipeline is a TOML or JSON file:\n\n  [pipeline]\n  id = \"smile\"\n  [[node]]\n  name = \"camera\"\n  kind = \"input\"\n  url = \"demo:presenter\"\n  [[node]]\n  name = \"face\"\n  kind = \"face\"\n  in = \"camera:video\"\n  [[node]]\n  name = \"out\"\n  kind = \"print\"\n  in = \"face\"\n\nFirst steps:\n  lsie pipeline nodes                     the kinds of nodes\n  lsie pipeline nodes face                one of them, with its parameters\n  lsie pipeline check smile.toml          everything that is wrong, at once\n  lsie pipeline run smile.toml --seconds 10"
    )]
    Pipeline(Pipeline),
    /// Semantic scoring: does an utterance do what a rule asks for?
    #[command(subcommand, arg_required_else_help = true)]
    Semantics(Semantics),
    /// Phones: what is attached, what is wrong, what to do about it.
    #[command(subcommand, arg_required_else_help = true)]
    Device(Device),
    /// A phone that is none: plugged in below the real adb server, for trying out sessions, faults and recordings.
    SimulatePhone(SimulatePhoneArgs),
    /// The media process as the server sees it.
    #[command(subcommand, arg_required_else_help = true)]
    EngineControl(EngineControl),
    /// What this machine offers, what is missing and how to get it.
    Doctor,
    /// The effective configuration and where each value came from.
    Config {
        /// Print the commented example file instead.
        #[arg(long)]
        example: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Port to listen on; an explicit port that is taken is an error. Short for `--set server.port=…`.
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// State folder. Short for `--set server.state_dir=…`.
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// Compute device: `auto`, `cpu`, `wgpu[:N]` or `cuda[:N]`. Short for `--set engine.device=…`.
    #[arg(long, value_name = "DEVICE")]
    pub(crate) device: Option<DeviceChoice>,
    /// Floats inside the face networks: `f32`, or `f16` for GPUs that are quicker with them. Short for `--set engine.precision=…`.
    #[arg(long, value_name = "FLOATS")]
    pub(crate) precision: Option<Precision>,
    /// Serve the console from this folder, for work on it. Short for `--set server.console_dir=…`.
    #[arg(long, value_name = "DIR")]
    pub(crate) console_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// State folder to use; default: a fresh one that is removed afterwards.
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct AnalyzeArgs {
    /// Media files, or source addresses such as `demo:presenter`.
    #[arg(required_unless_present = "dictionary", value_name = "FILE")]
    pub(crate) files: Vec<String>,
    /// Form of the table.
    #[arg(long, value_enum, default_value_t = TableForm::Csv)]
    pub(crate) out: TableForm,
    /// Where the table of frames goes; the windows and the data dictionary are written beside it. Default: the frames alone, to
    /// standard output.
    #[arg(long, value_name = "PATH")]
    pub(crate) output: Option<PathBuf>,
    /// Measure only every Nth frame.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) every: u32,
    /// How the neutral baseline is made: the mean of 45 frames as in a session, or their median once they agree.
    #[arg(long, value_enum, default_value_t = Baseline::Mean)]
    pub(crate) calibration: Baseline,
    /// Only so many seconds of each file.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) seconds: Option<f64>,
    /// Compute device: `auto`, `cpu`, `wgpu[:N]` or `cuda[:N]`; else `engine.device` of the configuration.
    #[arg(long, value_name = "DEVICE")]
    pub(crate) device: Option<DeviceChoice>,
    /// Floats inside the face networks: `f32` or `f16`; else `engine.precision` of the configuration.
    #[arg(long, value_name = "FLOATS")]
    pub(crate) precision: Option<Precision>,
    /// Print the data dictionary and exit.
    #[arg(long)]
    pub(crate) dictionary: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum TableForm {
    /// Comma-separated values, empty for missing ones.
    Csv,
    /// One JSON object with `frames`, `windows` and `dictionary`.
    Json,
    /// Apache Parquet; needs `--output`.
    Parquet,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Baseline {
    /// Mean.
    Mean,
    /// Median, once the frames agree.
    Median,
}

#[derive(Debug, Args)]
pub(crate) struct LimitArgs {
    /// Largest number of rows.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=500))]
    pub(crate) limit: u16,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Sessions {
    /// Newest sessions first.
    List(LimitArgs),
    /// One session.
    #[command(visible_alias = "status")]
    Show {
        /// Session id.
        id: Uuid,
    },
    /// Open a source and start measuring. Sources: `demo:presenter`, `file:PATH`, `test:bars`; an unknown scheme lists them.
    Start {
        /// Source address.
        url: String,
        /// Experiment whose arms are tried.
        #[arg(long)]
        experiment: String,
        /// Stimulus known in advance, seconds of media time; `12.5!` also attests it. May be repeated (files, replay).
        #[arg(long = "stimulus-at", value_name = "SECONDS[!]")]
        stimulus_at: Vec<String>,
        /// UTC of media time zero, for replay.
        #[arg(long, value_name = "RFC3339")]
        epoch: Option<String>,
        /// Action id; the session id follows from it, so a repeat is harmless.
        #[arg(long, value_name = "UUID")]
        action: Option<Uuid>,
    },
    /// Close a session.
    End {
        /// Session id.
        id: Uuid,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum LiveSession {
    /// Committed encounters of a session, newest first.
    Encounters {
        /// Session id.
        id: Uuid,
        #[command(flatten)]
        limit: LimitArgs,
    },
    /// What is measured right now and what was learnt last.
    Readback {
        /// Session id.
        id: Uuid,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Stimulus {
    /// Give the stimulus now; the media plane stamps its time.
    #[command(visible_alias = "inject")]
    Submit {
        /// Session id.
        id: Uuid,
        /// Remark, at most 500 characters.
        #[arg(long)]
        note: Option<String>,
    },
    /// Say whether the streamer delivered the stimulus (needed while no speech model is installed).
    Attest {
        /// Session id.
        id: Uuid,
        /// It was delivered (default).
        #[arg(long, conflicts_with = "not_delivered")]
        delivered: bool,
        /// It was not delivered: the encounter counts as a failed try of the arm.
        #[arg(long)]
        not_delivered: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Experiments {
    /// All experiments.
    List,
    /// One experiment with its arms.
    Show {
        /// Experiment code.
        id: String,
    },
    /// What to expect of each arm, and what other policies would have earned on the stored log.
    Readout {
        /// Experiment code.
        id: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum OfSession {
    /// The newest values.
    Show {
        /// Session id.
        id: Uuid,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Pipeline {
    /// Run a pipeline here, without the server. Items that `print` takes go to standard output, progress to standard error.
    Run(PipelineRunArgs),
    /// Say everything that is wrong with a pipeline, with its place and the nearest known word. Opens nothing.
    Check(PipelineFile),
    /// Draw a pipeline.
    Draw {
        #[command(flatten)]
        file: PipelineFile,
        /// Form of the drawing.
        #[arg(long, value_enum, default_value_t = DrawForm::Tree)]
        format: DrawForm,
    },
    /// The kinds of nodes, or one with its inputs, outputs and parameters.
    Nodes {
        /// A kind.
        name: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct PipelineFile {
    /// Pipeline in TOML or JSON.
    pub(crate) file: PathBuf,
    /// Sets a parameter of a node, or a named one of the pipeline; may be repeated. (Configuration keys are set by
    /// file or environment here.)
    #[arg(id = "set", long = "set", value_name = "NODE.PARAM=VALUE")]
    pub(crate) set: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct PipelineRunArgs {
    #[command(flatten)]
    pub(crate) file: PipelineFile,
    /// Take one item per source, then end.
    #[arg(long)]
    pub(crate) once: bool,
    /// Stop after this many seconds.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) seconds: Option<f64>,
    /// Read `NODE.PARAM=VALUE` lines from standard input and set them while it runs.
    #[arg(long)]
    pub(crate) control: bool,
    /// No progress, only the report at the end.
    #[arg(long)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum DrawForm {
    /// Text, from each sink back to its sources.
    Tree,
    /// Graphviz.
    Dot,
    /// Mermaid.
    Mermaid,
}

#[derive(Debug, Subcommand)]
pub(crate) enum EngineControl {
    /// Close the restart circuit and start the media process again.
    Reset,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Models {
    /// Every model of the manifest and its state.
    List,
    /// Fetch, verify and convert what is missing. Safe to repeat.
    Fetch {
        /// Only these; default all.
        names: Vec<String>,
        /// Folder with package files that were fetched before.
        #[arg(long, value_name = "DIR")]
        from: Option<PathBuf>,
    },
    /// Check hashes and run each model's self-test.
    Verify,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Semantics {
    /// Compare one rule with one utterance by every scorer of this machine. Needs no server; both texts stay here.
    #[command(
        after_help = "A probability of at least 0.72 is a match, below 0.58 none; between lies the gray band, which ends as semantic_error while no provider is asked.\nOne scorer decides, the others are shadows: shown, and without influence. Where the deciding one is not installed, shared words decide and the method version ends in +lexical-unavailable-fallback.\nThe sentence embedding's probability is its cosine clamped to [0, 1] (cosine_clamp_v1); it is not fitted to judgements.\n\nExample:\n  lsie semantics score --rule 'Say hello to the stream.' --utterance 'hello, dear stream' --decides sentence-embedding"
    )]
    Score {
        /// What should have been said, at most 4096 bytes.
        #[arg(long, value_name = "TEXT")]
        rule: String,
        /// What was said, at most 65536 bytes.
        #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
        utterance: String,
        /// The scorer that decides.
        #[arg(long, value_enum, default_value_t = DecidingScorer::CrossEncoder)]
        decides: DecidingScorer,
    },
}

/// Which scorer's number leads to the verdict.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum DecidingScorer {
    /// Reads both texts at once; none is in the manifest of this build.
    CrossEncoder,
    /// Compares the vectors of both texts.
    SentenceEmbedding,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Device {
    /// Every attached phone and its state.
    List(DeviceArgs),
    /// What phones need: adb, its server, an accepted key, a scrcpy server.
    Doctor(DeviceArgs),
    /// Write down what a phone sends, headers and timing, so that `lsie simulate-phone --recording` plays it back.
    #[command(
        after_help = "Without --with-media no picture and no sound is written: a recording holds packet headers, arrival times and a hash of each payload. With it, it holds all the phone sent; keep it as you would keep a video.\n\nExample:\n  lsie device record ./pixel-7 --seconds 30\n  lsie simulate-phone --recording ./pixel-7"
    )]
    Record(RecordArgs),
    /// Download the scrcpy server (Apache-2.0) that runs on the phone, check its hash, and put it where it is looked for.
    #[command(
        after_help = "It comes from the releases of Genymobile/scrcpy by curl, so that proxies which you have set up keep working. Nothing is downloaded without this command.\n\nA manifest of your own, for a mirror:\n  version = \"4.1\"\n  url = \"https://mirror.example.org/scrcpy-server-v4.1\"\n  sha256 = \"64 hexadecimal digits\"\n  licence = \"Apache-2.0\""
    )]
    FetchServer(FetchServerArgs),
}

#[derive(Debug, Args)]
pub(crate) struct FetchServerArgs {
    /// Release to fetch; default: the newest that this program knows.
    #[arg(long, value_name = "VERSION", conflicts_with = "manifest")]
    pub(crate) release: Option<ServerVersion>,
    /// Manifest to use in place of the built-in one (TOML).
    #[arg(long, value_name = "FILE")]
    pub(crate) manifest: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct RecordArgs {
    /// Folder to write; it must not hold a recording yet.
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// Phone by serial; default: the only one.
    #[arg(long)]
    pub(crate) serial: Option<String>,
    /// Seconds of streaming to record, at most 3600.
    #[arg(long, default_value_t = 10.0, value_name = "SECONDS")]
    pub(crate) seconds: f64,
    /// Write the pictures and the sound themselves as well.
    #[arg(long)]
    pub(crate) with_media: bool,
    /// What is captured.
    #[arg(long, value_enum, default_value_t = RecordPicture::Camera)]
    pub(crate) source: RecordPicture,
    #[command(flatten)]
    pub(crate) place: DeviceArgs,
}

/// Which pictures of a phone.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum RecordPicture {
    /// Its front camera and its microphone.
    Camera,
    /// Its screen and what it plays.
    Display,
}

#[derive(Debug, Args)]
#[command(
    after_help = simulate_help()
)]
pub(crate) struct SimulatePhoneArgs {
    /// Media file that the phone shows and sounds, at real pace, looped; at most its first 10 minutes. Default: a small ball.
    #[arg(value_name = "FILE", conflicts_with = "recording")]
    pub(crate) file: Option<PathBuf>,
    /// Recording of `lsie device record` to play once, byte for byte and at its own pace.
    #[arg(long, value_name = "DIR")]
    pub(crate) recording: Option<PathBuf>,
    /// Something that happens to the phone so many seconds after it was plugged in; may be repeated. The words stand below.
    #[arg(long, value_name = "SECONDS:FAULT")]
    pub(crate) fault: Vec<TimedFault>,
    /// Version of the scrcpy server that the phone accepts; decides the wire dialect. A recording brings its own.
    #[arg(long, default_value = "4.1", value_name = "VERSION")]
    pub(crate) server_version: ServerVersion,
    /// What the phone says it is.
    #[arg(long, default_value = "LSIE Sim")]
    pub(crate) model: String,
    /// Rate of the phone's clock against ours, millionths.
    #[arg(
        long,
        default_value_t = 80.0,
        allow_negative_numbers = true,
        value_name = "PPM"
    )]
    pub(crate) drift_ppm: f64,
    /// Begin with a phone that has not accepted this computer's key.
    #[arg(long)]
    pub(crate) unauthorised: bool,
    /// Let no clock responder run on it.
    #[arg(long)]
    pub(crate) no_responder: bool,
    /// Unplug it and end after so many seconds; default: until Ctrl-C.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) seconds: Option<f64>,
    /// Port of the adb server below which it is plugged in; else `device.adb_port` of the configuration.
    #[arg(long, env = "ANDROID_ADB_SERVER_PORT", value_name = "PORT")]
    pub(crate) adb_port: Option<u16>,
    /// adb program, which is run only when no server answers on the port.
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) adb: Option<PathBuf>,
}

fn simulate_help() -> String {
    format!(
        "Faults:\n{}\n\nExamples:\n  lsie simulate-phone talk.mp4\n  lsie simulate-phone talk.mp4 --fault 20:unplug --fault 25:replug --fault 40:stall=2000\n  lsie simulate-phone --recording ./pixel-7\n\nWhat it cannot show: a real encoder, real USB timing, camera policy, what vendors do. Record a phone for that: lsie device record --help",
        crate::commands::fault_help()
    )
}

#[derive(Debug, Default, Args)]
pub(crate) struct DeviceArgs {
    /// Port of the adb server on this machine; else `device.adb_port` of the configuration.
    #[arg(long, env = "ANDROID_ADB_SERVER_PORT", value_name = "PORT")]
    pub(crate) adb_port: Option<u16>,
    /// adb program, which is run only when no server answers on the port; else `device.adb`.
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) adb: Option<PathBuf>,
    /// scrcpy server to use; else `device.scrcpy_server`, else the usual places.
    #[arg(long, value_name = "FILE")]
    pub(crate) scrcpy_server: Option<PathBuf>,
    /// Version of that scrcpy server, needed when its content is no known release; else `device.scrcpy_version`.
    #[arg(long, value_name = "VERSION")]
    pub(crate) scrcpy_version: Option<ServerVersion>,
}
