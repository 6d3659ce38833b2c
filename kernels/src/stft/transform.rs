//! The transform on the processor: Stockham's radix 2 in `f64`, on the stack.

use super::{BINS, LENGTH};

const HALF: usize = LENGTH / 2;

type Complex = [f64; 2];

/// Power of each bin of up to [`LENGTH`] real samples. `turns` are cosine and sine of every 1024th of a turn.
pub(super) fn powers(samples: impl Iterator<Item = f64>, turns: &[f32], row: &mut [f32]) {
    let turn = |k: usize| -> Complex {
        let at = |part| turns.get(2 * (k % LENGTH) + part).copied();
        [0, 1].map(|part| f64::from(at(part).unwrap_or(0.0)))
    };
    let mut now: [Complex; HALF] = [[0.0; 2]; HALF];
    for (number, sample) in samples.take(LENGTH).enumerate() {
        now[number / 2][number % 2] = sample;
    }
    let mut next = now;
    let mut done = 1;
    while done < HALF {
        for number in 0..HALF / 2 {
            let (pass, place) = (number % done, number / done * 2 * done + number % done);
            let a = now[number];
            let b = turned_back(now[number + HALF / 2], turn(pass * (HALF / done)));
            next[place] = [a[0] + b[0], a[1] + b[1]];
            next[place + done] = [a[0] - b[0], a[1] - b[1]];
        }
        std::mem::swap(&mut now, &mut next);
        done *= 2;
    }
    for (bin, power) in row.iter_mut().take(BINS).enumerate() {
        // What the even samples and what the odd ones give; the ends meet.
        let (z, mirrored) = (now[bin % HALF], now[(HALF - bin) % HALF]);
        let even = [0.5 * (z[0] + mirrored[0]), 0.5 * (z[1] - mirrored[1])];
        let odd = [0.5 * (z[1] + mirrored[1]), 0.5 * (mirrored[0] - z[0])];
        let odd = turned_back(odd, turn(bin));
        let sum = [even[0] + odd[0], even[1] + odd[1]];
        *power = (sum[0] * sum[0] + sum[1] * sum[1]) as f32;
    }
}

/// `z` times cos - i sin.
fn turned_back([re, im]: Complex, [cos, sin]: Complex) -> Complex {
    [re * cos + im * sin, im * cos - re * sin]
}
