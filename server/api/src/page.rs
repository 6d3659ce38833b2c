//! The plain status page that is served until the console is built in.

use std::fmt::Write as _;

use axum::extract::State;
use axum::response::Html;
use lsie_supervisor::Supervisor;

use crate::problem::Refusal;

const STYLE: &str = "body{font:16px/1.5 system-ui;margin:2rem auto;max-width:60rem;padding:0 1rem;color-scheme:light dark}\
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.3rem .8rem;border-bottom:1px solid #8884}\
code{background:#8882;padding:.1rem .3rem;border-radius:.2rem}.ok{color:#2a7}.error{color:#d33}.degraded,.recovering{color:#c80}";

/// `GET /`.
pub(crate) async fn index(State(supervisor): State<Supervisor>) -> Result<Html<String>, Refusal> {
    let status = supervisor.status().await?;
    let health = supervisor.health().await?;
    let mut rows = String::new();
    for part in &health.subsystems {
        let state = serde_json::to_value(part.state).unwrap_or_default();
        let state = state.as_str().unwrap_or_default();
        let _ = write!(
            rows,
            "<tr><td>{}</td><td class=\"{state}\">{state}</td><td>{}</td><td>{}</td></tr>",
            escape(&part.label),
            escape(part.detail.as_deref().unwrap_or("")),
            escape(part.operator_action_hint.as_deref().unwrap_or("")),
        );
    }
    let session = status
        .session_id
        .map_or_else(|| "none".to_owned(), |id| id.to_string());
    Ok(Html(format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"5\"><title>LSIE</title>\
         <style>{STYLE}</style><h1>LSIE {}</h1><p>Open session: <code>{session}</code> · frames analysed: {} · encounters stored: {}</p>\
         <table><thead><tr><th>Part</th><th>State</th><th>Detail</th><th>What to do</th></tr></thead><tbody>{rows}</tbody></table>\
         <p>Start a session: <code>lsie sessions start demo:presenter --experiment greeting_line_v1</code></p>\
         <p><a href=\"/api/v2/status\">status</a> · <a href=\"/api/v1/operator/overview\">overview</a> · \
         <a href=\"/openapi.json\">API document</a> · <a href=\"/metrics\">metrics</a></p></html>",
        escape(&status.version),
        status.engine.counters.frames_analysed,
        status.rows.get("encounters").copied().unwrap_or_default(),
    )))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
