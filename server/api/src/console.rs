//! The console: its files lie inside the binary, or in a folder for work on them; without either, the plain status page.

use std::borrow::Cow;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use lsie_supervisor::Supervisor;

use crate::extract::TextPath;
use crate::page;
use crate::problem::problem;

include!(concat!(env!("OUT_DIR"), "/console_files.rs"));

/// What the page may do: run and draw its own files and talk to its own server, nothing else (design 8).
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
                      media-src 'self' blob:; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";
/// The page itself is asked for each time: it names the files of this build.
const ASK_AGAIN: &str = "no-cache";
/// A file whose name holds its hash never changes.
const KEEP: &str = "public, max-age=31536000, immutable";

/// Where the console's files come from.
#[derive(Debug)]
pub(crate) enum Console {
    /// Inside the binary; empty when it was built without them.
    Embedded,
    /// A folder, read at each request.
    Folder(PathBuf),
}

impl Console {
    /// Files of `folder`, or those of the binary when it is empty.
    pub(crate) fn new(folder: &str) -> Self {
        if folder.is_empty() {
            Self::Embedded
        } else {
            Self::Folder(folder.into())
        }
    }

    /// The bytes of a file below the console's root; `None` for whatever does not lie there.
    async fn file(&self, path: &str) -> Option<Cow<'static, [u8]>> {
        match self {
            Self::Embedded => {
                let found = FILES.iter().find(|(name, _)| *name == path)?;
                Some(Cow::Borrowed(found.1))
            }
            Self::Folder(folder) => {
                let inside = Path::new(path)
                    .components()
                    .all(|part| matches!(part, Component::Normal(_)));
                let file = inside.then(|| folder.join(path))?;
                let read = tokio::task::spawn_blocking(move || std::fs::read(file)).await;
                read.ok()?.ok().map(Cow::Owned)
            }
        }
    }

    const fn keeping(&self, kept: &'static str) -> &'static str {
        match self {
            Self::Embedded => kept,
            Self::Folder(_) => "no-store",
        }
    }
}

/// `GET /`.
pub(crate) async fn index(
    Extension(console): Extension<Arc<Console>>,
    State(supervisor): State<Supervisor>,
) -> Response {
    match console.file("index.html").await {
        Some(bytes) => answer("index.html", bytes, console.keeping(ASK_AGAIN)),
        None => page::index(State(supervisor)).await.into_response(),
    }
}

/// `GET /assets/{name}`.
pub(crate) async fn asset(
    Extension(console): Extension<Arc<Console>>,
    TextPath(name): TextPath,
) -> Response {
    let path = format!("assets/{name}");
    match console.file(&path).await {
        Some(bytes) => answer(&path, bytes, console.keeping(KEEP)),
        None => problem(
            StatusCode::NOT_FOUND,
            "console_file_not_found",
            "this file does not belong to the console of this build",
            Some("load the page again"),
        )
        .into_response(),
    }
}

fn answer(path: &str, bytes: Cow<'static, [u8]>, keeping: &'static str) -> Response {
    let fixed = [
        (header::CONTENT_TYPE, content_type(path)),
        (header::CACHE_CONTROL, keeping),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
    ];
    let headers: HeaderMap = fixed
        .into_iter()
        .map(|(name, value)| (name, HeaderValue::from_static(value)))
        .collect();
    (headers, bytes.into_owned()).into_response()
}

fn content_type(path: &str) -> &'static str {
    match Path::new(path).extension().and_then(|end| end.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json") => "application/json",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_gives_its_own_files_and_nothing_above_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("assets")).unwrap();
        std::fs::write(folder.path().join("assets/a.js"), "1").unwrap();
        let console = Console::new(folder.path().join("assets").to_str().unwrap());
        assert_eq!(console.file("a.js").await.as_deref(), Some(&b"1"[..]));
        std::fs::write(folder.path().join("secret"), "2").unwrap();
        for path in ["../secret", "/etc/passwd", "./../secret", "b.js", ""] {
            assert_eq!(console.file(path).await, None, "{path}");
        }
    }

    #[tokio::test]
    async fn what_was_not_built_in_is_not_there() {
        let console = Console::new("");
        assert_eq!(console.file("../Cargo.toml").await, None);
        assert_eq!(
            console.file("index.html").await.is_some(),
            !FILES.is_empty()
        );
    }

    #[test]
    fn browsers_are_told_what_a_file_is() {
        assert_eq!(
            content_type("assets/x-1.js"),
            "text/javascript; charset=utf-8"
        );
        assert_eq!(content_type("assets/x"), "application/octet-stream");
    }
}
