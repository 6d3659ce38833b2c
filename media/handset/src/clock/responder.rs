//! The responder: a static executable that answers each 8-byte request with the phone's clocks (device 6.2).
//!
//! ```text
//! request  8 bytes          answer  8 bytes echoed | monotonic s, ns | boottime s, ns | realtime s, ns   (i64, little-endian)
//! ```
//!
//! It needs read, clock_gettime, write and exit only, so its machine code is written here and no cross compiler is needed.

/// Length of an answer, in bytes.
pub const ANSWER_BYTES: usize = 56;

const LOAD_ADDRESS: u64 = 0x1_0000;
/// 64 KiB, so that phones with 16 KiB pages load it too.
const ALIGNMENT: u64 = 0x1_0000;
const HEAD_BYTES: u64 = 64 + 56;

const SYS_READ: u32 = 63;
const SYS_WRITE: u32 = 64;
const SYS_EXIT: u32 = 93;
const SYS_CLOCK_GETTIME: u32 = 113;

const CLOCK_REALTIME: u32 = 0;
const CLOCK_MONOTONIC: u32 = 1;
const CLOCK_BOOTTIME: u32 = 7;

/// `mov x<register>, #value`
fn mov(register: u32, value: u32) -> u32 {
    0xd280_0000 | value << 5 | register
}

/// `add x<register>, sp, #offset`
fn stack_address(register: u32, offset: u32) -> u32 {
    0x9100_0000 | offset << 10 | 31 << 5 | register
}

/// `svc #0` with the call's number in x8.
fn call(number: u32) -> [u32; 2] {
    [mov(8, number), 0xd400_0001]
}

/// The instructions: read 8 bytes to sp, leave unless there were 8, three clocks behind them, write 56 bytes, again.
fn instructions() -> Vec<u32> {
    let mut code = vec![0xd101_03ff]; // sub sp, sp, #64
    let again = code.len();
    code.extend([mov(0, 0), stack_address(1, 0), mov(2, 8)]);
    code.extend(call(SYS_READ));
    code.push(0xf100_0000 | 8 << 10 | 31); // cmp x0, #8
    let leave_at = code.len();
    code.push(0);
    for (clock, offset) in [
        (CLOCK_MONOTONIC, 8),
        (CLOCK_BOOTTIME, 24),
        (CLOCK_REALTIME, 40),
    ] {
        code.extend([mov(0, clock), stack_address(1, offset)]);
        code.extend(call(SYS_CLOCK_GETTIME));
    }
    code.extend([mov(0, 1), stack_address(1, 0), mov(2, ANSWER_BYTES as u32)]);
    code.extend(call(SYS_WRITE));
    let back = (again as u32).wrapping_sub(code.len() as u32);
    code.push(0x1400_0000 | back & 0x03ff_ffff); // b again
    let ahead = (code.len() - leave_at) as u32;
    if let Some(leave) = code.get_mut(leave_at) {
        *leave = 0x5400_0001 | (ahead & 0x7_ffff) << 5; // b.ne
    }
    code.push(mov(0, 0));
    code.extend(call(SYS_EXIT));
    code
}

/// The whole executable for AArch64: ELF head, one loaded segment, code.
#[must_use]
pub fn responder_elf() -> Vec<u8> {
    let code: Vec<u8> = instructions()
        .into_iter()
        .flat_map(u32::to_le_bytes)
        .collect();
    let total = HEAD_BYTES + code.len() as u64;
    let mut elf = Vec::with_capacity(total as usize);
    elf.extend(b"\x7fELF\x02\x01\x01\0"); // 64 bit, little-endian, version 1, System V
    elf.extend([0; 8]);
    for half in [2_u16, 183] {
        elf.extend(half.to_le_bytes()); // executable, AArch64
    }
    elf.extend(1_u32.to_le_bytes());
    for word in [LOAD_ADDRESS + HEAD_BYTES, 64, 0] {
        elf.extend(word.to_le_bytes()); // entry, program heads, no sections
    }
    elf.extend(0_u32.to_le_bytes());
    for half in [64_u16, 56, 1, 0, 0, 0] {
        elf.extend(half.to_le_bytes());
    }
    for word in [1_u32, 5] {
        elf.extend(word.to_le_bytes()); // loaded, readable and executable
    }
    for word in [0, LOAD_ADDRESS, LOAD_ADDRESS, total, total, ALIGNMENT] {
        elf.extend(word.to_le_bytes());
    }
    elf.extend(code);
    elf
}

/// One answer of the responder, nanoseconds of each clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockAnswer {
    /// The request's 8 bytes.
    pub echo: [u8; 8],
    /// Does not run while the phone sleeps.
    pub monotonic_ns: i64,
    /// Runs while the phone sleeps.
    pub boottime_ns: i64,
    /// Wall clock since 1970.
    pub realtime_ns: i64,
}

/// Reads an answer; `None` when a time does not fit or its nanoseconds are none.
#[must_use]
pub fn parse_answer(bytes: &[u8; ANSWER_BYTES]) -> Option<ClockAnswer> {
    let word = |at: usize| -> Option<i64> {
        let bytes = bytes.get(at..at + 8)?;
        Some(i64::from_le_bytes(bytes.try_into().ok()?))
    };
    let time = |at: usize| -> Option<i64> {
        let (secs, nanos) = (word(at)?, word(at + 8)?);
        let nanos = (0..1_000_000_000).contains(&nanos).then_some(nanos)?;
        secs.checked_mul(1_000_000_000)?.checked_add(nanos)
    };
    Some(ClockAnswer {
        echo: bytes.get(..8)?.try_into().ok()?,
        monotonic_ns: time(8)?,
        boottime_ns: time(24)?,
        realtime_ns: time(40)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_is_29_instructions_in_236_bytes() {
        assert_eq!(instructions().len(), 29);
        let elf = responder_elf();
        assert_eq!(elf.len(), 236);
        assert_eq!(&elf[..4], b"\x7fELF");
        assert_eq!(elf[24..32], 0x1_0078_u64.to_le_bytes());
    }

    #[test]
    fn answers_are_read_field_by_field() {
        let mut bytes = [0; ANSWER_BYTES];
        bytes[..8].copy_from_slice(b"request1");
        for (at, word) in [
            (8, 5_i64),
            (16, 7),
            (24, 6),
            (32, 8),
            (40, 1_700_000_000),
            (48, 9),
        ] {
            bytes[at..at + 8].copy_from_slice(&word.to_le_bytes());
        }
        let answer = parse_answer(&bytes).unwrap();
        assert_eq!(&answer.echo, b"request1");
        assert_eq!(answer.monotonic_ns, 5_000_000_007);
        assert_eq!(answer.boottime_ns, 6_000_000_008);
        assert_eq!(answer.realtime_ns, 1_700_000_000_000_000_009);
        bytes[16..24].copy_from_slice(&1_000_000_000_i64.to_le_bytes());
        assert_eq!(parse_answer(&bytes), None);
        bytes[8..16].copy_from_slice(&i64::MAX.to_le_bytes());
        assert_eq!(parse_answer(&bytes), None);
    }
}
