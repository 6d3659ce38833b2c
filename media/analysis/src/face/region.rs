//! Where to look next: from a detection, or from the landmarks of the last frame.

use lsie_kernels::detect::Detection;
use lsie_kernels::region::Region;

use super::subject::FaceBox;

/// A region is this much larger than the face's box.
const GROWTH: f32 = 1.5;
/// The outer corners of the eyes, which tell the tilt.
const EYE_CORNERS: (usize, usize) = (33, 263);

/// The region of a face that the detector saw in `crop` (the letterbox), turned so that its eyes are level: a square of 1.5
/// times the box's longer side. `None` when a number is not finite or the box is empty.
pub fn region_from_detection(detection: &Detection, crop: &Region) -> Option<Region> {
    let [right_eye, left_eye, ..] = detection
        .key_points
        .map(|point| crop.frame_from_crop(point));
    let size = [
        detection.size[0] * crop.size[0],
        detection.size[1] * crop.size[1],
    ];
    square(
        crop.frame_from_crop(detection.center),
        size,
        tilt(right_eye, left_eye),
    )
}

/// The region of a face from its landmarks in frame pixels: turned so that points 33 and 263 are level, around the upright box
/// of all points, a square of 1.5 times its longer side. `None` when a number is not finite or all points coincide.
pub fn region_from_landmarks(landmarks: &[[f32; 3]]) -> Option<Region> {
    let face = box_of(landmarks)?;
    let corner = |index: usize| landmarks.get(index).map(|point| [point[0], point[1]]);
    let rotation_rad = tilt(corner(EYE_CORNERS.0)?, corner(EYE_CORNERS.1)?);
    square(face.center(), face.size, rotation_rad)
}

/// The upright box of all points. `None` when there is none or a coordinate is not finite.
pub fn box_of(landmarks: &[[f32; 3]]) -> Option<FaceBox> {
    let (mut low, mut high) = ([f32::INFINITY; 2], [f32::NEG_INFINITY; 2]);
    for point in landmarks {
        if !point.iter().all(|coordinate| coordinate.is_finite()) {
            return None;
        }
        for axis in 0..2 {
            low[axis] = low[axis].min(point[axis]);
            high[axis] = high[axis].max(point[axis]);
        }
    }
    let size = [high[0] - low[0], high[1] - low[1]];
    (!landmarks.is_empty()).then_some(FaceBox { corner: low, size })
}

fn tilt(from: [f32; 2], to: [f32; 2]) -> f32 {
    (to[1] - from[1]).atan2(to[0] - from[0])
}

fn square(center: [f32; 2], size: [f32; 2], rotation_rad: f32) -> Option<Region> {
    let side = size[0].max(size[1]) * GROWTH;
    let region = Region {
        center,
        size: [side, side],
        rotation_rad,
    };
    region.is_valid().then_some(region)
}

#[cfg(test)]
mod tests {
    use std::f32::consts::FRAC_PI_2;

    use super::*;

    fn face() -> Vec<[f32; 3]> {
        let mut points = vec![[50.0, 40.0, 0.0]; 478];
        (points[0], points[1]) = ([10.0, 20.0, 5.0], [90.0, 120.0, -5.0]);
        (points[33], points[263]) = ([30.0, 50.0, 0.0], [70.0, 50.0, 0.0]);
        points
    }

    #[test]
    fn landmarks_give_a_level_square_of_one_and_a_half_sides() {
        let region = region_from_landmarks(&face()).unwrap();
        assert_eq!(
            region,
            Region {
                center: [50.0, 70.0],
                size: [150.0, 150.0],
                rotation_rad: 0.0
            }
        );

        let mut tilted = face();
        tilted[263] = [30.0, 80.0, 0.0];
        let rotation_rad = region_from_landmarks(&tilted).unwrap().rotation_rad;
        assert!(
            (rotation_rad - FRAC_PI_2).abs() < 1e-6,
            "clockwise in the picture is positive"
        );
    }

    #[test]
    fn a_detection_is_mapped_out_of_the_letterbox() {
        let letterbox = Region::letterbox(640, 480);
        let mut detection = Detection {
            score: 0.9,
            center: [0.5, 0.5],
            size: [0.25, 0.125],
            ..Detection::default()
        };
        detection.key_points[0] = [0.4, 0.45];
        detection.key_points[1] = [0.6, 0.45];
        let region = region_from_detection(&detection, &letterbox).unwrap();
        assert_eq!(region.center, [320.0, 240.0]);
        assert_eq!(region.size, [240.0, 240.0]);
        assert_eq!(region.rotation_rad, 0.0);
    }

    #[test]
    fn broken_faces_have_no_region() {
        let mut points = face();
        points[400][2] = f32::NAN;
        assert_eq!(region_from_landmarks(&points), None);
        assert_eq!(
            region_from_landmarks(&[[1.0; 3]; 478]),
            None,
            "all points coincide"
        );
        assert_eq!(region_from_landmarks(&[]), None);
        assert_eq!(region_from_landmarks(&face()[..100]), None);
        let empty = Detection {
            score: 1.0,
            ..Detection::default()
        };
        assert_eq!(
            region_from_detection(&empty, &Region::letterbox(10, 10)),
            None
        );
        let infinite = Detection {
            center: [f32::INFINITY, 0.0],
            size: [1.0, 1.0],
            ..empty
        };
        assert_eq!(
            region_from_detection(&infinite, &Region::letterbox(10, 10)),
            None
        );
    }
}
