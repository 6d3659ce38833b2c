//! Logarithms of the Gamma and Beta functions without cancellation (DLMF 5.11, Didonato and Morris 1992).

use std::f64::consts::PI;

/// From here on Stirling's series with six terms is exact to rounding.
pub(super) const STIRLING_FROM: f64 = 10.0;

/// `ln Gamma(z) - [(z - 1/2) ln z - z + ln(2 pi) / 2]` for `z >= STIRLING_FROM`.
pub(super) fn stirling_rest(z: f64) -> f64 {
    let r = 1.0 / z;
    let r2 = r * r;
    r * (1.0 / 12.0
        - r2 * (1.0 / 360.0
            - r2 * (1.0 / 1260.0
                - r2 * (1.0 / 1680.0 - r2 * (1.0 / 1188.0 - r2 * (691.0 / 360360.0))))))
}

/// `ln Gamma(z)` for `z > 0`.
pub(super) fn ln_gamma(z: f64) -> f64 {
    let mut z = z;
    let mut log_product = 0.0;
    while z < STIRLING_FROM {
        log_product += z.ln();
        z += 1.0;
    }
    (z - 0.5) * z.ln() - z + 0.5 * (2.0 * PI).ln() + stirling_rest(z) - log_product
}

/// `ln B(a, b)` for `a, b > 0`.
pub(super) fn ln_beta(a: f64, b: f64) -> f64 {
    let (small, large) = if a <= b { (a, b) } else { (b, a) };
    if large < STIRLING_FROM {
        return ln_gamma(small) + ln_gamma(large) - ln_gamma(small + large);
    }
    let sum = small + large;
    let ratio_log = (small / large).ln_1p();
    if small < STIRLING_FROM {
        // ln Gamma(large) - ln Gamma(sum), the large terms cancelled by hand.
        return ln_gamma(small) - small * large.ln() - (sum - 0.5) * ratio_log
            + small
            + stirling_rest(large)
            - stirling_rest(sum);
    }
    0.5 * (2.0 * PI).ln() + (small - 0.5) * (small / sum).ln()
        - (large - 0.5) * ratio_log
        - 0.5 * sum.ln()
        + stirling_rest(small)
        + stirling_rest(large)
        - stirling_rest(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ln_gamma_of_known_values() {
        for (z, expected) in [
            (1.0, 0.0),
            (2.0, 0.0),
            (0.5, 0.572_364_942_924_700_1),
            (10.5, 13.940_625_219_403_763),
            (1e-10, 23.025_850_929_882_736),
            (100.0, 359.134_205_369_575_4),
        ] {
            assert!(
                (ln_gamma(z) - expected).abs() < 1e-13 * (1.0 + expected.abs()),
                "{z}"
            );
        }
    }

    #[test]
    fn ln_beta_of_known_values() {
        for (a, b, expected) in [
            (1.0, 1.0, 0.0),
            (2.0, 5.0, -(30.0_f64).ln()),
            (0.5, 0.5, PI.ln()),
            (1.0, 1e12, -(1e12_f64).ln()),
            (12.0, 1.0, -(12.0_f64).ln()),
            (20.0, 1.0, -(20.0_f64).ln()),
        ] {
            assert!((ln_beta(a, b) - expected).abs() < 1e-12, "{a} {b}");
            assert_eq!(ln_beta(a, b), ln_beta(b, a));
        }
        // B(20, 30) = 19! 29! / 49!
        let factorial_log = |n: u32| (1..=n).map(|k| f64::from(k).ln()).sum::<f64>();
        let expected = factorial_log(19) + factorial_log(29) - factorial_log(49);
        assert!((ln_beta(20.0, 30.0) - expected).abs() < 1e-12);
    }
}
