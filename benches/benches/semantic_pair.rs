//! How long does it take to compare a rule with what was said?
//!
//! The sentence embedding on one thread, through the registry as the engine asks it: once with a rule that is new each time
//! (two runs of the network) and once with a rule that is known (one run), for utterances of three lengths.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use lsie_analysis::semantic::{SemanticScorers, WordPiece};
use lsie_benches::{Call, Series, cache_dir, run};
use lsie_device::CpuDevice;
use lsie_infer::ModelStore;
use lsie_schemas::semantic::{ScoreOutcome, SemanticQuestion, SemanticScorer};
use uuid::Uuid;

const RULE: &str = "Say hello to the creator and welcome them to the stream.";
const GREETING: &str = "hello and welcome to the stream, it is great to see you live today";

fn main() -> ExitCode {
    run("semantic_pair", &[], measure)
}

fn measure(call: &Call) -> Result<()> {
    let models = ModelStore::open(&cache_dir(call)?)?;
    let vocabulary = std::fs::read_to_string(models.check("sentence_vocabulary")?)?;
    let pieces = WordPiece::parse(&vocabulary)?;
    let mut opening = Series::new("open and check the models").waiting();
    let start = Instant::now();
    let mut scorers = SemanticScorers::open(&models, &CpuDevice::new());
    opening.push(start.elapsed().as_secs_f64() * 1000.0);
    let rule_tokens = pieces.sentence(RULE, 256).ids.len();
    call.say(format_args!(
        "input    a rule of {rule_tokens} tokens, utterances by their tokens; peak is not meaningful here\n\n{}",
        Series::HEAD
    ));
    call.say(format_args!("{}", opening.row(f64::NAN)));
    for repeats in [1, 4, 16] {
        let utterance = vec![GREETING; repeats].join(", ");
        let tokens = pieces.sentence(&utterance, 256).ids.len();
        let mut known = Series::new(format!("known rule, {tokens} tokens"));
        let mut new = Series::new(format!("new rule, {tokens} tokens"));
        for round in 0..call.count(60, 1) {
            // The first run makes the library's memory and does not count.
            ask(&mut scorers, RULE, &utterance)?;
            let start = Instant::now();
            ask(&mut scorers, RULE, &utterance)?;
            known.push(start.elapsed().as_secs_f64() * 1000.0);
            let rule = format!("{RULE} {round} {repeats}");
            let start = Instant::now();
            ask(&mut scorers, &rule, &utterance)?;
            new.push(start.elapsed().as_secs_f64() * 1000.0);
        }
        call.say(format_args!(
            "{}\n{}",
            known.row(f64::NAN),
            new.row(f64::NAN)
        ));
    }
    Ok(())
}

fn ask(scorers: &mut SemanticScorers, rule: &str, utterance: &str) -> Result<f64> {
    let question = SemanticQuestion::new(Uuid::nil(), rule, utterance)?;
    let scores = scorers.score(&question);
    let mut all = scores.scores.as_slice().iter();
    let found = all.find(|score| score.scorer == SemanticScorer::SentenceEmbedding);
    match &found.context("no sentence embedding")?.outcome {
        ScoreOutcome::Raw { value, .. } => Ok(*value),
        other => bail!("{other:?}"),
    }
}
