//! The suite of [`lsie_tests::signalling`] against any server: name it by `LSIE_WHEP_URL` and `LSIE_WHIP_URL`.
//!
//! Without them nothing is asked here; our own server goes through the whole suite in the tests of the binary.

#![expect(clippy::print_stderr, reason = "what was not run is said")]

use lsie_tests::signalling::{Protocol, run};

#[test]
fn a_whep_server_conforms() {
    against("LSIE_WHEP_URL", Protocol::Whep);
}

#[test]
fn a_whip_server_conforms() {
    against("LSIE_WHIP_URL", Protocol::Whip);
}

fn against(variable: &str, protocol: Protocol) {
    let Ok(endpoint) = std::env::var(variable) else {
        eprintln!("not run: {variable} names no server");
        return;
    };
    let faults: Vec<String> = run(&endpoint, protocol)
        .into_iter()
        .filter_map(|check| check.fault.map(|fault| format!("{}: {fault}", check.name)))
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
