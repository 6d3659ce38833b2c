//! What the operator reads, against numbers computed elsewhere: chances, losses, intervals and floors with mpmath (25 digits) and
//! SciPy 1.x, off-policy estimates with NumPy from the definitions of Dudik, Langford and Li.

use std::collections::BTreeMap;

use lsie_analytics::bandit::{LoggedChoice, Posterior, best_arm, evaluate_policy, read_out};

struct Wanted {
    arm: &'static str,
    posterior: (f64, f64),
    best: f64,
    loss: f64,
    interval: (f64, f64),
    floor: f64,
}

const WANTED: [Wanted; 4] = [
    Wanted {
        arm: "ask",
        posterior: (3.7, 5.1),
        best: 0.134_630_118_509_864,
        loss: 0.258_652_109_741_292,
        interval: (0.137_711_151_874_887_33, 0.737_224_588_585_169_5),
        floor: 0.171_638_984_856_189_97,
    },
    Wanted {
        arm: "nod",
        posterior: (12.25, 9.5),
        best: 0.438_701_503_704_194,
        loss: 0.115_888_264_391_24,
        interval: (0.356_114_456_524_753_26, 0.759_303_852_980_298),
        floor: 0.388_446_694_507_469_27,
    },
    Wanted {
        arm: "show",
        posterior: (1.0, 1.0),
        best: 0.409_271_130_089_313,
        loss: 0.179_106_655_195_838,
        interval: (0.025, 0.975),
        floor: 0.05,
    },
    Wanted {
        arm: "wave",
        posterior: (40.2, 61.9),
        best: 0.017_397_247_696_628_7,
        loss: 0.285_375_019_544_516,
        interval: (0.301_609_014_336_166, 0.489_798_945_363_966_3),
        floor: 0.315_738_970_935_115_66,
    },
];

#[test]
fn chances_losses_intervals_and_floors() {
    let arms: Vec<(String, Posterior)> = WANTED
        .iter()
        .map(|w| {
            let posterior = Posterior::new(w.posterior.0, w.posterior.1).unwrap();
            (w.arm.to_owned(), posterior)
        })
        .collect();
    for (seen, wanted) in read_out(&arms).unwrap().iter().zip(&WANTED) {
        for (got, want) in [
            (seen.probability_best, wanted.best),
            (seen.expected_loss, wanted.loss),
            (seen.interval.0, wanted.interval.0),
            (seen.interval.1, wanted.interval.1),
            (seen.floor, wanted.floor),
        ] {
            assert!((got - want).abs() < 1e-7, "{}: {got} {want}", wanted.arm);
        }
    }
}

#[test]
fn the_propensity_is_not_a_count_of_arms() {
    // Two tight arms and two wide ones, by quadrature to 1e-6: mpmath gives these four.
    let posteriors = WANTED.map(|w| Posterior::new(w.posterior.0, w.posterior.1).unwrap());
    let best = best_arm(&posteriors).unwrap();
    for (got, wanted) in best.probability.iter().zip(&WANTED) {
        assert!((got - wanted.best).abs() < 1e-6);
        assert!((got - 0.25).abs() > 0.1);
    }
    assert!((best.expected_maximum - 0.679_106_655_195_837_9).abs() < 1e-6);
}

#[test]
fn other_policies_on_a_recorded_log() {
    let log: Vec<LoggedChoice> = [
        ("ask", 0.5, 0.2),
        ("nod", 0.3, 0.9),
        ("ask", 0.4, 0.35),
        ("wave", 0.05, 0.6),
        ("nod", 0.6, 0.75),
        ("wave", 0.2, 0.1),
        ("ask", 0.7, 0.05),
    ]
    .map(|(arm, propensity, reward)| LoggedChoice {
        arm_id: arm.to_owned(),
        propensity,
        reward,
    })
    .into();
    let by_arm = |list: [(&str, f64); 3]| -> BTreeMap<String, f64> {
        list.into_iter()
            .map(|(arm, p)| (arm.to_owned(), p))
            .collect()
    };
    let target = by_arm([("ask", 0.2), ("nod", 0.5), ("wave", 0.3)]);
    let model = by_arm([("ask", 0.25), ("nod", 0.8), ("wave", 0.4)]);
    let seen = evaluate_policy(&log, &target, &model).unwrap().unwrap();
    for (got, want) in [
        (seen.inverse_propensity.mean, 0.877_755_102_040_816_3),
        (
            seen.inverse_propensity.standard_error.unwrap(),
            0.494_425_495_073_921_03,
        ),
        (seen.self_normalised.unwrap(), 0.549_297_573_435_504_4),
        (seen.doubly_robust.mean, 0.691_122_448_979_591_9),
        (
            seen.doubly_robust.standard_error.unwrap(),
            0.193_678_960_032_147_77,
        ),
        (seen.effective_decisions, 2.963_960_634_518_872),
        (seen.largest_weight, 6.0),
    ] {
        assert!((got - want).abs() < 1e-12, "{got} {want}");
    }
}
