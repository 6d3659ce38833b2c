//! `lsie pipeline`: check, draw and run pipelines that users write, and list what they may be made of.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use lsie_engine::pipeline::{
    Checked, Document, Draw, Inputs, NodeKind, Outputs, Problem, Registry,
};
use lsie_engine::{PipelineContext, node_registry};
use lsie_schemas::config::Config;
use serde_json::{Value, json};

use crate::cli::{DrawForm, Pipeline, PipelineFile};
use crate::commands::Output;
use crate::commands::pipeline_run::run;
use crate::render::table;
use crate::settings;

/// Carries out one of the pipeline commands. Problems of a document are printed and exit with 1.
pub(crate) fn pipeline(
    config: &Config,
    command: Pipeline,
    out: &mut Output<'_>,
) -> Result<ExitCode> {
    let cache_dir = settings::cache_dir(&config.engine.cache_dir)?;
    let mut context = PipelineContext::new(cache_dir.clone(), std::io::stdout())
        .with_precision(config.engine.precision)
        .with_phones(&config.device);
    if matches!(command, Pipeline::Run(_)) {
        context = context.on(lsie_engine::choose_device(config.engine.device, &cache_dir)?.device);
    }
    let registry = node_registry(&context);
    match command {
        Pipeline::Nodes { name } => nodes(&registry, name.as_deref(), out),
        Pipeline::Check(file) => match load(&file, &registry)? {
            Ok(checked) => {
                let answer = json!({
                    "ok": true,
                    "pipeline": checked.document().id,
                    "hash": checked.hash(),
                    "nodes": checked.document().nodes.len(),
                    "warnings": told(checked.warnings()),
                });
                out.show(&answer, |_| describe(&checked))?;
                Ok(ExitCode::SUCCESS)
            }
            Err(problems) => refuse(&problems, out),
        },
        Pipeline::Draw { file, format } => match load(&file, &registry)? {
            Ok(checked) => {
                let form = match format {
                    DrawForm::Tree => Draw::Tree,
                    DrawForm::Dot => Draw::Dot,
                    DrawForm::Mermaid => Draw::Mermaid,
                };
                let drawing = checked.draw(form);
                out.show(&json!({ "drawing": drawing }), |_| drawing.clone())?;
                Ok(ExitCode::SUCCESS)
            }
            Err(problems) => refuse(&problems, out),
        },
        Pipeline::Run(args) => match load(&args.file, &registry)? {
            Ok(checked) => run(&checked, &args, out),
            Err(problems) => refuse(&problems, out),
        },
    }
}

/// Reads, composes and checks a file with the values of `--set`.
fn load(file: &PipelineFile, registry: &Registry) -> Result<Result<Checked, Vec<Problem>>> {
    let path = &file.file;
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("reading pipeline {}", path.display()))?;
    let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
    let mut fetch = |name: &str| {
        let path: PathBuf = folder.join(name);
        std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let mut document = match Document::parse_with(&text, &mut fetch) {
        Ok(document) => document,
        Err(problems) => return Ok(Err(problems)),
    };
    for pair in &file.set {
        let (path, value) = setting(pair)?;
        document.set(path, value)?;
    }
    Ok(document.check(registry))
}

/// `node.parameter=value`; the value is JSON, or text where it is none.
pub(crate) fn setting(pair: &str) -> Result<(&str, Value)> {
    let (path, value) = pair
        .split_once('=')
        .with_context(|| format!("--set wants NODE.PARAM=VALUE, got `{pair}`"))?;
    let value = value.trim();
    let value = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
    Ok((path.trim(), value))
}

fn told(problems: &[Problem]) -> Vec<Value> {
    let told = problems.iter().map(|problem| {
        json!({
            "code": problem.code(),
            "place": problem.place,
            "message": problem.kind.to_string(),
        })
    });
    told.collect()
}

fn refuse(problems: &[Problem], out: &mut Output<'_>) -> Result<ExitCode> {
    let answer = json!({ "ok": false, "problems": told(problems) });
    out.show(&answer, |_| {
        let plural = if problems.len() == 1 { "" } else { "s" };
        let mut text = format!("{} problem{plural}:\n", problems.len());
        for problem in problems {
            let _ = writeln!(text, "  {problem}");
        }
        text
    })?;
    Ok(ExitCode::from(1))
}

fn describe(checked: &Checked) -> String {
    let mut text = format!(
        "pipeline {} is usable: {} nodes\nhash {}\n",
        checked.document().id,
        checked.document().nodes.len(),
        checked.hash()
    );
    for warning in checked.warnings() {
        let _ = writeln!(text, "warning: {warning}");
    }
    text
}

fn nodes(registry: &Registry, name: Option<&str>, out: &mut Output<'_>) -> Result<ExitCode> {
    let Some(name) = name else {
        let all: Vec<Value> = registry.kinds().map(kind_value).collect();
        out.show(&all, |_| {
            let rows: Vec<Vec<String>> = registry
                .kinds()
                .map(|kind| vec![kind.name.into(), kind.role().into(), kind.doc.into()])
                .collect();
            table(&["KIND", "ROLE", "WHAT IT DOES"], &rows)
        })?;
        return Ok(ExitCode::SUCCESS);
    };
    let kind = registry.get(name).with_context(|| {
        let nearest = registry.nearest(name);
        let meant = nearest.map_or_else(String::new, |word| format!(", did you mean `{word}`?"));
        format!("no kind `{name}`{meant} `lsie pipeline nodes` lists them")
    })?;
    out.show(&kind_value(kind), |_| kind_text(kind))?;
    Ok(ExitCode::SUCCESS)
}

fn kind_value(kind: &NodeKind) -> Value {
    json!({
        "name": kind.name,
        "role": kind.role(),
        "doc": kind.doc,
        "inputs": kind.inputs,
        "outputs": kind.outputs,
        "parallel": kind.parallel,
        "params": kind.params,
    })
}

fn kind_text(kind: &NodeKind) -> String {
    let mut text = format!("{} ({})\n{}\n\n", kind.name, kind.role(), kind.doc);
    let takes = match &kind.inputs {
        Inputs::None => "nothing".to_owned(),
        Inputs::Many(takes) => format!("any number of inputs, each {takes}"),
        Inputs::Ports(ports) => {
            let ports = ports
                .iter()
                .map(|port| format!("{}: {}", port.name, port.takes));
            ports.collect::<Vec<_>>().join(", ")
        }
    };
    let gives = match &kind.outputs {
        Outputs::None => "nothing".to_owned(),
        Outputs::One(gives) => gives_text(*gives),
        Outputs::Fields => "one output per field of the row".to_owned(),
        Outputs::Named(outputs) => {
            let outputs = outputs
                .iter()
                .map(|(name, gives)| format!("{name}: {}", gives_text(*gives)));
            outputs.collect::<Vec<_>>().join(", ")
        }
    };
    let _ = writeln!(text, "takes  {takes}\ngives  {gives}\n");
    let rows: Vec<Vec<String>> = kind
        .params
        .iter()
        .map(|spec| {
            let default = match &spec.default {
                None => "required".to_owned(),
                Some(Value::Null) => "may be left out".to_owned(),
                Some(value) => value.to_string(),
            };
            let live = if spec.live { "yes" } else { "" };
            vec![
                spec.name.into(),
                spec.kind.to_string(),
                default,
                live.into(),
                spec.doc.into(),
            ]
        })
        .collect();
    text + &table(
        &[
            "PARAMETER",
            "VALUE",
            "DEFAULT",
            "WHILE RUNNING",
            "WHAT IT DOES",
        ],
        &rows,
    )
}

fn gives_text(gives: lsie_engine::pipeline::Gives) -> String {
    use lsie_engine::pipeline::Gives;
    match gives {
        Gives::Type(name) => name.to_owned(),
        Gives::Same => "what comes in".to_owned(),
        Gives::Row => "a row with a field per input".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_json_where_they_can_be() {
        assert_eq!(setting("a.fps = 5").unwrap(), ("a.fps", json!(5)));
        assert_eq!(
            setting("s.url=test:bars?pace=fast").unwrap(),
            ("s.url", json!("test:bars?pace=fast"))
        );
        assert!(setting("nothing").is_err());
    }
}
