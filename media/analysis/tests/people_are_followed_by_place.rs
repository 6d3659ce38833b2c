//! Whom the tracker follows: a pure state machine, driven with boxes and times.

use lsie_analysis::face::{Candidate, FaceBox, Loss, Plan, Subject, SubjectRules};
use lsie_kernels::region::Region;
use proptest::prelude::{Strategy, prop_assert, proptest};

const SEC: i64 = 1_000_000_000;

fn face(x: f32, y: f32, side: f32) -> FaceBox {
    FaceBox {
        corner: [x, y],
        size: [side, side],
    }
}

fn region(face: &FaceBox) -> Region {
    Region {
        center: face.center(),
        size: [face.size[0] * 1.5; 2],
        rotation_rad: 0.0,
    }
}

fn candidate(x: f32, y: f32, side: f32) -> Candidate {
    let face = face(x, y, side);
    Candidate {
        face,
        region: region(&face),
    }
}

/// Somebody of side 100 at (100, 100), followed since time 0.
#[expect(clippy::unwrap_used, reason = "set-up of a test")]
fn followed() -> Subject {
    let mut subject = Subject::new(SubjectRules::default());
    subject
        .choose(0, &[candidate(100.0, 100.0, 100.0)])
        .unwrap();
    subject
}

#[test]
fn the_largest_face_is_taken_first_whatever_the_order() {
    let faces = [
        candidate(0.0, 0.0, 50.0),
        candidate(300.0, 0.0, 90.0),
        candidate(600.0, 0.0, 90.0),
    ];
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let mut subject = Subject::new(SubjectRules::default());
        assert_eq!(subject.plan(), Plan::Detect);
        let chosen = subject.choose(0, &order.map(|index| faces[index])).unwrap();
        assert_eq!(chosen, faces[1].region, "of equal ones the leftmost");
        assert_eq!(subject.number(), 1);
        assert_eq!(subject.plan(), Plan::Follow(chosen));
    }
}

#[test]
fn no_face_is_nobody() {
    let mut subject = Subject::new(SubjectRules::default());
    assert_eq!(subject.choose(0, &[]), Err(Loss::Nobody));
    assert_eq!(subject.number(), 0);
}

#[test]
fn small_steps_are_followed_and_a_jump_is_a_loss() {
    let mut subject = followed();
    for step in 1..20 {
        let next = face(100.0 + 30.0 * step as f32, 100.0, 100.0);
        assert!(subject.follow(step * SEC / 30, next, region(&next)));
        assert_eq!(subject.plan(), Plan::Follow(region(&next)));
    }
    let elsewhere = face(100.0, 100.0, 100.0);
    assert!(!subject.follow(SEC, elsewhere, region(&elsewhere)));
    assert_eq!(subject.plan(), Plan::Detect);
}

#[test]
fn a_lost_person_returns_with_the_same_number() {
    let mut subject = followed();
    subject.lose(SEC);
    assert_eq!(subject.choose(SEC + 1, &[]), Err(Loss::Waiting));
    let returned = candidate(140.0, 110.0, 90.0);
    assert_eq!(
        subject.choose(SEC + SEC / 2, &[candidate(600.0, 0.0, 300.0), returned]),
        Ok(returned.region)
    );
    assert_eq!(subject.number(), 1);
}

#[test]
fn somebody_else_takes_over_only_after_the_hold_time() {
    let mut subject = followed();
    subject.lose(10 * SEC);
    let other = candidate(800.0, 100.0, 200.0);
    assert_eq!(subject.choose(10 * SEC, &[other]), Err(Loss::Waiting));
    assert_eq!(
        subject.choose(11 * SEC, &[other]),
        Err(Loss::Waiting),
        "the hold time's end still waits"
    );
    assert_eq!(subject.choose(11 * SEC + 1, &[other]), Ok(other.region));
    assert_eq!(subject.number(), 2);
}

#[test]
fn who_returns_to_the_own_place_is_the_same_person_even_after_somebody_else() {
    let mut subject = followed();
    subject.lose(10 * SEC);
    let other = candidate(800.0, 100.0, 200.0);
    subject.choose(12 * SEC, &[other]).unwrap();
    assert_eq!(subject.number(), 2);
    subject.lose(20 * SEC);
    // A little to the side of where the first person was.
    subject
        .choose(70 * SEC, &[candidate(130.0, 110.0, 100.0)])
        .unwrap();
    assert_eq!(subject.number(), 1);
    subject.lose(71 * SEC);
    subject.choose(80 * SEC, &[other]).unwrap();
    assert_eq!(subject.number(), 2);
}

#[test]
fn a_place_is_forgotten_after_its_time_and_by_a_new_source() {
    let own = candidate(100.0, 100.0, 100.0);
    let mut subject = followed();
    subject.lose(0);
    subject.choose(120 * SEC, &[own]).unwrap();
    assert_eq!(subject.number(), 1);
    subject.lose(130 * SEC);
    subject.choose(251 * SEC, &[own]).unwrap();
    assert_eq!(subject.number(), 2);
    subject.lose(252 * SEC);
    subject.reset();
    subject.choose(253 * SEC, &[own]).unwrap();
    assert_eq!(subject.number(), 3);
}

#[test]
fn a_crowd_leaves_a_bounded_memory_of_places() {
    let mut subject = followed();
    let at = |k: i64| candidate(300.0 * k as f32, 1000.0, 100.0);
    for k in 0..50 {
        subject.lose(2 * k * SEC);
        subject.choose(2 * k * SEC + SEC + 1, &[at(k)]).unwrap();
        assert_eq!(i64::from(subject.number()), k + 2);
    }
    subject.lose(100 * SEC);
    subject.choose(102 * SEC, &[at(45)]).unwrap();
    assert_eq!(subject.number(), 47);
    subject.lose(103 * SEC);
    subject.choose(105 * SEC, &[at(10)]).unwrap();
    assert_eq!(subject.number(), 52, "long forgotten");
}

#[test]
fn after_the_hold_time_there_is_nobody() {
    let mut subject = followed();
    subject.lose(0);
    assert_eq!(subject.choose(2 * SEC, &[]), Err(Loss::Nobody));
}

#[test]
fn of_two_near_faces_the_better_overlap_wins() {
    let mut subject = followed();
    subject.lose(0);
    let (near, nearer) = (
        candidate(160.0, 100.0, 100.0),
        candidate(110.0, 105.0, 100.0),
    );
    for faces in [[near, nearer], [nearer, near]] {
        let mut subject = subject;
        assert_eq!(subject.choose(1, &faces), Ok(nearer.region));
    }
}

#[test]
fn time_that_steps_back_waits_for_nobody() {
    let mut subject = followed();
    subject.lose(100 * SEC);
    let other = candidate(800.0, 100.0, 200.0);
    assert_eq!(subject.choose(0, &[other]), Ok(other.region));
    assert_eq!(subject.number(), 2);
}

#[test]
fn a_reset_keeps_counting() {
    let mut subject = followed();
    subject.reset();
    assert_eq!(subject.plan(), Plan::Detect);
    subject.choose(0, &[candidate(0.0, 0.0, 10.0)]).unwrap();
    assert_eq!(subject.number(), 2);
}

#[test]
fn overlap_is_that_of_the_areas() {
    assert_eq!(face(0.0, 0.0, 10.0).overlap(&face(0.0, 0.0, 10.0)), 1.0);
    assert_eq!(face(0.0, 0.0, 10.0).overlap(&face(10.0, 0.0, 10.0)), 0.0);
    assert!((face(0.0, 0.0, 10.0).overlap(&face(5.0, 0.0, 10.0)) - 1.0 / 3.0).abs() < 1e-6);
    assert_eq!(face(0.0, 0.0, 0.0).overlap(&face(0.0, 0.0, 0.0)), 0.0);
}

/// Two people walking, each at most a quarter of a face per frame, in two lanes.
fn walk() -> impl Strategy<Value = Vec<(f32, f32, bool)>> {
    proptest::collection::vec(
        (-25.0..25.0_f32, -25.0..25.0_f32, proptest::bool::ANY),
        1..60,
    )
}

proptest! {
    #[test]
    fn the_order_of_the_list_never_changes_the_person(steps in walk()) {
        let mut subject = followed();
        let (mut own, mut other) = (100.0, 100.0);
        for (index, (own_step, other_step, is_own_first)) in (0_i64..).zip(steps) {
            own += own_step;
            other += other_step;
            let (own_face, other_face) = (candidate(own, 100.0, 100.0), candidate(other, 400.0, 120.0));
            let faces = if is_own_first { [own_face, other_face] } else { [other_face, own_face] };
            let pts_ns = index * SEC / 30;
            subject.lose(pts_ns);
            prop_assert!(subject.choose(pts_ns, &faces) == Ok(own_face.region));
            prop_assert!(subject.number() == 1);
        }
    }

    #[test]
    fn broken_boxes_do_not_panic(numbers in proptest::array::uniform8(proptest::num::f32::ANY), pts_ns in proptest::num::i64::ANY) {
        let mut subject = Subject::new(SubjectRules::default());
        let [a, b, c, d, e, f, g, h] = numbers;
        let boxes = [FaceBox { corner: [a, b], size: [c, d] }, FaceBox { corner: [e, f], size: [g, h] }];
        let faces = boxes.map(|face| Candidate { face, region: region(&face) });
        let _ = subject.choose(pts_ns, &faces);
        let _ = subject.follow(pts_ns, faces[1].face, faces[1].region);
        subject.lose(pts_ns);
        let _ = subject.choose(i64::MIN, &faces);
    }
}
