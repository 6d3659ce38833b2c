//! The CLI's side of the loopback API: one request, one typed answer, errors that name address, endpoint and next step.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use lsie_schemas::api::Problem;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A server to talk to.
#[derive(Debug)]
pub(crate) struct Client {
    base: String,
    token: Option<String>,
    agent: ureq::Agent,
}

impl Client {
    /// Talks to `base`; `token` is sent where the server might ask for one.
    pub(crate) fn new(base: &str, token: Option<String>, timeout_secs: f64) -> Result<Self> {
        if !(timeout_secs.is_finite() && timeout_secs > 0.0) {
            bail!("--api-timeout must be a positive number of seconds");
        }
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs_f64(timeout_secs.min(86_400.0))))
            .http_status_as_error(false)
            .build();
        Ok(Self {
            base: base.trim_end_matches('/').to_owned(),
            token,
            agent: config.into(),
        })
    }

    /// Address in use.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// GET `path`.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let mut request = self.agent.get(format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        self.read("GET", path, request.call())
    }

    /// POST `body` to `path`.
    pub(crate) fn post<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<T> {
        let mut request = self.agent.post(format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        self.read("POST", path, request.send_json(body))
    }

    fn read<T: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<T> {
        let mut answer = answer.map_err(|error| {
            anyhow!(
                "{method} {}{path}: {error}\n  is the server running? start it with `lsie serve`",
                self.base
            )
        })?;
        let status = answer.status();
        let text = answer
            .body_mut()
            .read_to_string()
            .with_context(|| format!("reading {method} {}{path}", self.base))?;
        if status.is_success() {
            return serde_json::from_str(&text).with_context(|| {
                format!("{method} {}{path} answered something unexpected", self.base)
            });
        }
        bail!(
            "{method} {}{path} answered {}: {}",
            self.base,
            status.as_u16(),
            explain(&text)
        )
    }
}

fn explain(text: &str) -> String {
    let Ok(problem) = serde_json::from_str::<Problem>(text) else {
        return text.chars().take(300).collect();
    };
    let detail = match &problem.detail {
        serde_json::Value::String(words) => words.clone(),
        serde_json::Value::Array(faults) => faults.iter().map(fault).collect::<Vec<_>>().join("; "),
        other => other.to_string(),
    };
    match problem.hint {
        Some(hint) => format!("{detail} [{}]\n  {hint}", problem.code),
        None => format!("{detail} [{}]", problem.code),
    }
}

/// One field error of a 422: where, and what is wrong there.
fn fault(fault: &serde_json::Value) -> String {
    let place = fault["loc"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(serde_json::Value::as_str)
        .collect::<Vec<_>>();
    let words = fault["msg"].as_str().unwrap_or("not acceptable");
    format!("{}: {words}", place.join("."))
}
