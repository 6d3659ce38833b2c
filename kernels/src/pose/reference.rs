//! The convention of the angles, both ways: what the fit is tested against.

use super::Pose;

/// The rotation R = Ry·Rx·Rz of a head with these angles in degrees. Axes: x to the picture's right, y down, z away.
pub fn rotation(yaw_deg: f64, pitch_deg: f64, roll_deg: f64) -> [[f64; 3]; 3] {
    // With y down and z away, turning right is a negative turn about y, and looking up one about x.
    let (sin_yaw, cos_yaw) = (-yaw_deg).to_radians().sin_cos();
    let (sin_pitch, cos_pitch) = (-pitch_deg).to_radians().sin_cos();
    let (sin_roll, cos_roll) = roll_deg.to_radians().sin_cos();
    let about_y = [
        [cos_yaw, 0.0, sin_yaw],
        [0.0, 1.0, 0.0],
        [-sin_yaw, 0.0, cos_yaw],
    ];
    let about_x = [
        [1.0, 0.0, 0.0],
        [0.0, cos_pitch, -sin_pitch],
        [0.0, sin_pitch, cos_pitch],
    ];
    let about_z = [
        [cos_roll, -sin_roll, 0.0],
        [sin_roll, cos_roll, 0.0],
        [0.0, 0.0, 1.0],
    ];
    product(&about_y, &product(&about_x, &about_z))
}

/// The angles of a rotation, by where it takes the line of sight (0, 0, -1) and how it turns about it.
pub fn angles(rotation: &[[f64; 3]; 3]) -> Pose {
    let sight = rotation.map(|row| -row[2]);
    let yaw = sight[0].atan2(-sight[2]);
    let pitch = (-sight[1]).atan2(sight[0].hypot(sight[2]));
    let roll = rotation[1][0].atan2(rotation[1][1]);
    Pose {
        yaw_deg: yaw.to_degrees() as f32,
        pitch_deg: pitch.to_degrees() as f32,
        roll_deg: roll.to_degrees() as f32,
        is_measured: 1,
    }
}

fn product(a: &[[f64; 3]; 3], b: &[[f64; 3]; 3]) -> [[f64; 3]; 3] {
    a.map(|row| [0, 1, 2].map(|column| (0..3).map(|k| row[k] * b[k][column]).sum()))
}
