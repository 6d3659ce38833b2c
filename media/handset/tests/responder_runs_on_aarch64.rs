//! The responder's machine code, run where an AArch64 emulator is installed; says loudly when it is not.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use lsie_handset::clock::{ANSWER_BYTES, parse_answer, responder_elf};

#[test]
fn every_request_is_answered_with_rising_clocks_and_the_end_of_input_ends_it() {
    let emulator = "qemu-aarch64-static";
    if cfg!(not(target_arch = "aarch64"))
        && Command::new(emulator).arg("--version").output().is_err()
    {
        eprintln!(
            "SKIPPED: {emulator} is not installed (Debian: qemu-user-static), the responder was not run"
        );
        return;
    }
    let path = std::env::temp_dir().join(format!("lsie-responder-{}", std::process::id()));
    std::fs::write(&path, responder_elf()).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    let mut command = if cfg!(target_arch = "aarch64") {
        Command::new(&path)
    } else {
        let mut command = Command::new(emulator);
        command.arg(&path);
        command
    };
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = pipes.spawn().unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut last = 0;
    for number in 0_u64..50 {
        stdin.write_all(&number.to_le_bytes()).unwrap();
        let mut bytes = [0; ANSWER_BYTES];
        stdout.read_exact(&mut bytes).unwrap();
        let answer = parse_answer(&bytes).unwrap();
        assert_eq!(answer.echo, number.to_le_bytes());
        assert!(answer.monotonic_ns > last);
        assert!(answer.boottime_ns >= answer.monotonic_ns);
        assert!(answer.realtime_ns > 1_600_000_000_000_000_000);
        last = answer.monotonic_ns;
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
    std::fs::remove_file(path).unwrap();
}
