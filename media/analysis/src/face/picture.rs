//! Whether the camera sees well: light and sharpness of the face, or of the whole picture while there is none.

use lsie_device::{ColorRange, Frame};
use lsie_kernels::exposure::{Area, Exposure};

use super::subject::FaceBox;

/// Media time between two measurements.
const PERIOD_NS: i64 = 500_000_000;
/// Measurements that a hint looks back on.
const LOOK_BACK: usize = 5;
/// As many of them must agree before a hint is given.
const AGREE: usize = 4;
/// A mean below this share of the range from black to white is too dark.
const DARK_MEAN: f64 = 0.12;
/// A larger share of points at white is too bright.
const BRIGHT_SHARE: f64 = 0.4;
/// Less fine detail than this is out of focus; see [`Exposure::sharpness`].
const MIN_SHARPNESS: f64 = 0.002;
/// A face with a smaller side, pixels, says nothing about the lens.
const MIN_SIDE_PX: u32 = 64;

/// What is wrong with the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PictureHint {
    /// There is too little light.
    TooDark,
    /// Much of it is white.
    TooBright,
    /// There is no fine detail.
    OutOfFocus,
}

impl PictureHint {
    /// Stable code.
    pub const fn code(self) -> &'static str {
        match self {
            PictureHint::TooDark => "too_dark",
            PictureHint::TooBright => "too_bright",
            PictureHint::OutOfFocus => "out_of_focus",
        }
    }

    /// What is wrong, for the operator.
    pub const fn words(self) -> &'static str {
        match self {
            PictureHint::TooDark => "the picture is too dark",
            PictureHint::TooBright => "the picture is too bright",
            PictureHint::OutOfFocus => "the picture is out of focus",
        }
    }

    /// What the operator can do.
    pub const fn advice(self) -> &'static str {
        match self {
            PictureHint::TooDark => "turn a light towards the face, or raise the camera's exposure",
            PictureHint::TooBright => "take light off the face, or lower the camera's exposure",
            PictureHint::OutOfFocus => {
                "wipe the lens and let the camera focus on the face, or move into its range"
            }
        }
    }
}

/// Keeps the last measurements. Pure.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PictureMeter {
    last_ns: Option<i64>,
    faults: [Option<PictureHint>; LOOK_BACK],
    taken: usize,
}

impl PictureMeter {
    /// Whether a frame of this time should be measured. A step back in time begins anew.
    pub fn is_due(&self, pts_ns: i64) -> bool {
        let since = self.last_ns.map(|last| pts_ns.saturating_sub(last));
        since.is_none_or(|since| !(0..PERIOD_NS).contains(&since))
    }

    /// Takes what was measured of a frame.
    pub fn take(&mut self, pts_ns: i64, area: &Area, exposure: &Exposure, range: ColorRange) {
        if self.last_ns.is_some_and(|last| pts_ns < last) {
            *self = PictureMeter::default();
        }
        self.last_ns = Some(pts_ns);
        if let Some(slot) = self.faults.get_mut(self.taken % LOOK_BACK) {
            *slot = fault(area, exposure, range);
        }
        self.taken += 1;
    }

    /// What most of the last measurements find wrong.
    pub fn hint(&self) -> Option<PictureHint> {
        let all = [
            PictureHint::TooDark,
            PictureHint::TooBright,
            PictureHint::OutOfFocus,
        ];
        all.into_iter().find(|hint| {
            let agreeing = self.faults.iter().filter(|fault| **fault == Some(*hint));
            agreeing.count() >= AGREE
        })
    }
}

/// What one measurement finds wrong. In the dark no lens is judged.
fn fault(area: &Area, exposure: &Exposure, range: ColorRange) -> Option<PictureHint> {
    if exposure.mean(range)? < DARK_MEAN {
        return Some(PictureHint::TooDark);
    }
    if exposure.bright_share()? > BRIGHT_SHARE {
        return Some(PictureHint::TooBright);
    }
    let is_blurred = exposure.sharpness()? < MIN_SHARPNESS;
    let is_large = area.width.min(area.height) >= MIN_SIDE_PX;
    (is_blurred && is_large).then_some(PictureHint::OutOfFocus)
}

/// The part of a frame that is measured: the face, or everything.
pub(super) fn area_of(frame: &Frame, face: Option<&FaceBox>) -> Area {
    let whole = Area::whole(frame);
    let Some(face) = face else {
        return whole;
    };
    let span = |axis: usize, size: u32| {
        let within = |at: f32| at.clamp(0.0, size as f32) as u32;
        let first = within(face.corner[axis]).min(size.saturating_sub(1));
        let end = within(face.corner[axis] + face.size[axis]);
        (first, end.saturating_sub(first).max(1))
    };
    let ((left, width), (top, height)) = (span(0, whole.width), span(1, whole.height));
    Area {
        left,
        top,
        width,
        height,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AREA: Area = Area {
        left: 0,
        top: 0,
        width: 200,
        height: 200,
    };

    /// Sums of a picture with this mean code and sharpness.
    fn picture(mean: u32, bright: u32, edge_power: u32) -> Exposure {
        Exposure {
            points: 1000,
            luma: 1000 * mean,
            luma_square: 1000 * (mean * mean + 400),
            bright,
            edges: 1000,
            edge_power,
            ..Exposure::default()
        }
    }

    fn told(pictures: &[Exposure]) -> Option<PictureHint> {
        let mut meter = PictureMeter::default();
        for (number, exposure) in (0..).zip(pictures) {
            let pts_ns = number * PERIOD_NS;
            assert!(meter.is_due(pts_ns));
            meter.take(pts_ns, &AREA, exposure, ColorRange::Full);
            assert!(!meter.is_due(pts_ns + PERIOD_NS - 1));
        }
        meter.hint()
    }

    #[test]
    fn each_fault_has_its_hint_and_a_good_picture_none() {
        assert_eq!(told(&[picture(120, 10, 5000); 5]), None);
        assert_eq!(told(&[picture(20, 0, 5000); 5]), Some(PictureHint::TooDark));
        assert_eq!(
            told(&[picture(220, 600, 5000); 5]),
            Some(PictureHint::TooBright)
        );
        assert_eq!(
            told(&[picture(120, 10, 20); 5]),
            Some(PictureHint::OutOfFocus)
        );
        // No light, no judgement of the lens; no contrast, none either.
        assert_eq!(told(&[picture(20, 0, 0); 5]), Some(PictureHint::TooDark));
        let flat = Exposure {
            luma_square: 1000 * 120 * 120,
            ..picture(120, 0, 0)
        };
        assert_eq!(told(&[flat; 5]), None);
        assert_eq!(told(&[Exposure::default(); 5]), None);
    }

    #[test]
    fn one_bad_picture_is_no_hint_and_one_good_one_takes_none_away() {
        let (good, dark) = (picture(120, 10, 5000), picture(20, 0, 5000));
        assert_eq!(told(&[good, good, dark, good, good]), None);
        assert_eq!(
            told(&[dark, dark, good, dark, dark]),
            Some(PictureHint::TooDark)
        );
        assert_eq!(told(&[dark, dark, dark]), None, "too few to say");
        assert_eq!(told(&[dark, dark, dark, dark, dark, good, good]), None);
    }

    #[test]
    fn a_small_face_says_nothing_about_the_lens() {
        let mut meter = PictureMeter::default();
        let small = Area { width: 63, ..AREA };
        for number in 0..5 {
            meter.take(
                number * PERIOD_NS,
                &small,
                &picture(120, 0, 0),
                ColorRange::Full,
            );
        }
        assert_eq!(meter.hint(), None);
        assert!(meter.is_due(i64::MIN), "a step back in time is measured");
    }
}
