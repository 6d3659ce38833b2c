//! Copies the console's files beside this build and writes down their names, so that the binary holds them: none when the
//! console was not built. They are copied because the console may be built anew while the compiler reads them.

use std::fmt::Write as _;
use std::io::Result;
use std::path::{Path, PathBuf};

fn main() -> Result<()> {
    // As it is now, not as it was when this was compiled: a target folder may move to another checkout.
    let here = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
    let root = Path::new(&here).join("../../console");
    let built = root.join("dist");
    // Before there is a build, its folder cannot be watched: the one around it tells when it appears.
    let watched = if built.is_dir() { &built } else { &root };
    println!("cargo::rerun-if-changed={}", watched.display());
    let out = std::env::var_os("OUT_DIR")
        .map(PathBuf::from)
        .unwrap_or_default();
    let kept = out.join("console");
    std::fs::create_dir_all(kept.join("assets"))?;
    let mut list = String::from("static FILES: &[(&str, &[u8])] = &[\n");
    for name in names(&built)? {
        std::fs::copy(built.join(&name), kept.join(&name))?;
        let path = kept.join(&name).display().to_string();
        let _ = writeln!(list, "    ({name:?}, include_bytes!({path:?})),");
    }
    list.push_str("];\n");
    std::fs::write(out.join("console_files.rs"), list)
}

/// The page and what lies in `assets`, by their paths below the build.
fn names(built: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    if !built.join("index.html").is_file() {
        return Ok(names);
    }
    names.push("index.html".to_owned());
    for entry in std::fs::read_dir(built.join("assets"))? {
        names.push(format!("assets/{}", entry?.file_name().to_string_lossy()));
    }
    names.sort();
    Ok(names)
}
