//! The demo's picture: the portrait enlarged to a video frame, and each frame of it warped as the truth says.

use std::f64::consts::TAU;

use crate::demo::number;
use crate::demo::portrait::{BasePicture, Plane8};
use crate::demo::truth::{
    LEFT_CORNER_IN_PORTRAIT, LOOP_SECS, RIGHT_CORNER_IN_PORTRAIT, eye_axis, truth,
};

/// Picture width, pixels.
pub(crate) const WIDTH_PX: u32 = 1280;
/// Picture height, pixels.
pub(crate) const HEIGHT_PX: u32 = 720;
/// Frame pixels per portrait pixel.
pub(crate) const SCALE: f64 = 2.6;
/// Portrait x of the frame's left edge: the portrait's middle is the frame's middle.
pub(crate) const CROP_LEFT: f64 = 256.0 - WIDTH_PX as f64 / SCALE / 2.0;
/// Portrait y of the frame's upper edge.
pub(crate) const CROP_TOP: f64 = 10.0;

/// Width of the mouth warp, standard deviation in inter-ocular distances.
const WARP_SIGMA: f64 = 0.26;
/// The head turns and moves about this point of the portrait, pixels.
const HEAD_IN_PORTRAIT: [f64; 2] = [224.0, 112.0];
/// Within this radius the head is rigid, portrait pixels.
const HEAD_RIGID_PX: f64 = 70.0;
/// Beyond this radius nothing moves, portrait pixels.
const HEAD_STILL_PX: f64 = 108.0;
/// Greatest shift of the head, portrait pixels, and greatest roll, radians.
const HEAD_SHIFT_PX: f64 = 1.4;
const HEAD_ROLL: f64 = 0.018;
/// The mask: an ellipse over the face; centre and half axes in portrait pixels.
const MASK_IN_PORTRAIT: [f64; 2] = [224.5, 124.0];
const MASK_HALF_AXES: [f64; 2] = [56.0, 68.0];
/// Y, U, V of the mask (a dull blue-grey).
const MASK_COLOUR: [u8; 3] = [96, 136, 122];

/// Draws the demo's frames in I420, BT.709 limited range.
pub(crate) struct Presenter {
    base: BasePicture,
    frame: BasePicture,
    /// How much each frame pixel of the head's box follows the head, 0 to 1.
    follow: Vec<f32>,
    head_box: HeadBox,
    mask: bool,
}

/// The part of the frame that can change, even pixels.
#[derive(Clone, Copy)]
struct HeadBox {
    left: usize,
    top: usize,
    width: usize,
    height: usize,
}

/// Everything of one instant that the warp needs, in frame pixels.
struct Pose {
    head: [f32; 2],
    shift: [f32; 2],
    cos: f32,
    sin: f32,
    /// Displaced corner and displacement, twice.
    corners: [([f32; 2], [f32; 2]); 2],
    inverse_two_sigma_squared: f32,
    reach: f32,
}

impl Presenter {
    pub(crate) fn new(base: BasePicture, mask: bool) -> Self {
        let head_box = HeadBox::around_head();
        let follow = follow_weights(head_box);
        Presenter {
            frame: base.clone(),
            base,
            follow,
            head_box,
            mask,
        }
    }

    /// Draws the frame of media time `t_secs` and lends its planes Y, U, V.
    pub(crate) fn draw(&mut self, t_secs: f64) -> &BasePicture {
        let pose = Pose::at(t_secs);
        let area = self.head_box;
        for row in 0..area.height {
            let v = area.top + row;
            let weights = self
                .follow
                .get(row * area.width..(row + 1) * area.width)
                .unwrap_or_default();
            for (column, weight) in weights.iter().enumerate() {
                if *weight <= 0.0 {
                    continue;
                }
                let u = area.left + column;
                let (source, in_head) = pose.source_of([u as f32, v as f32], *weight);
                let masked = self.mask && inside_mask(in_head);
                let luma = if masked {
                    MASK_COLOUR[0]
                } else {
                    self.base.y.sample(source)
                };
                self.frame.y.set(u, v, luma);
                if u.is_multiple_of(2) && v.is_multiple_of(2) {
                    let half = [source[0] / 2.0, source[1] / 2.0];
                    let (cb, cr) = if masked {
                        (MASK_COLOUR[1], MASK_COLOUR[2])
                    } else {
                        (self.base.u.sample(half), self.base.v.sample(half))
                    };
                    self.frame.u.set(u / 2, v / 2, cb);
                    self.frame.v.set(u / 2, v / 2, cr);
                }
            }
        }
        &self.frame
    }

    /// Paints the frame's number into its corner and lends the planes.
    pub(crate) fn number(&mut self, frame: u64) -> &BasePicture {
        number::paint(&mut self.frame, frame);
        &self.frame
    }
}

impl HeadBox {
    fn around_head() -> Self {
        let [x, y] = in_frame(HEAD_IN_PORTRAIT);
        let radius = HEAD_STILL_PX * SCALE;
        let even = |value: f64, most: u32| (value.clamp(0.0, f64::from(most)) as usize) & !1;
        let (left, top) = (even(x - radius, WIDTH_PX), even(y - radius, HEIGHT_PX));
        let (right, bottom) = (
            even(x + radius + 2.0, WIDTH_PX),
            even(y + radius + 2.0, HEIGHT_PX),
        );
        HeadBox {
            left,
            top,
            width: right - left,
            height: bottom - top,
        }
    }
}

impl Pose {
    fn at(t_secs: f64) -> Self {
        let truth = truth(t_secs);
        let (_, iod_px) = eye_axis();
        let turn = |per_loop: f64| (TAU * per_loop * t_secs / LOOP_SECS).sin();
        let roll = HEAD_ROLL * turn(7.0);
        let shift = [
            (HEAD_SHIFT_PX * SCALE * turn(5.0)) as f32,
            (HEAD_SHIFT_PX * SCALE * 0.6 * turn(11.0)) as f32,
        ];
        let corner = |corner: [f64; 2], offset: [f64; 2]| {
            let [x, y] = in_frame(corner);
            let [dx, dy] = offset.map(|part| part * iod_px * SCALE);
            ([(x + dx) as f32, (y + dy) as f32], [dx as f32, dy as f32])
        };
        let sigma = WARP_SIGMA * iod_px * SCALE;
        Pose {
            head: in_frame(HEAD_IN_PORTRAIT).map(|part| part as f32),
            shift,
            cos: roll.cos() as f32,
            sin: roll.sin() as f32,
            corners: [
                corner(LEFT_CORNER_IN_PORTRAIT, truth.left_corner),
                corner(RIGHT_CORNER_IN_PORTRAIT, truth.right_corner),
            ],
            inverse_two_sigma_squared: (1.0 / (2.0 * sigma * sigma)) as f32,
            reach: (4.0 * sigma) as f32,
        }
    }

    /// Where the picture at `point` comes from, and `point` as the resting head sees it. All in frame pixels.
    ///
    /// A corner that has moved by d is found at corner + d exactly: the bell stands on its new place.
    fn source_of(&self, point: [f32; 2], follow: f32) -> ([f32; 2], [f32; 2]) {
        let x = point[0] - self.head[0] - self.shift[0];
        let y = point[1] - self.head[1] - self.shift[1];
        let rigid = [
            self.head[0] + self.cos * x + self.sin * y,
            self.head[1] - self.sin * x + self.cos * y,
        ];
        let in_head = [
            point[0] + follow * (rigid[0] - point[0]),
            point[1] + follow * (rigid[1] - point[1]),
        ];
        let mut source = in_head;
        for (centre, moved) in &self.corners {
            let (dx, dy) = (in_head[0] - centre[0], in_head[1] - centre[1]);
            if dx.abs() < self.reach && dy.abs() < self.reach {
                let bell = (-(dx * dx + dy * dy) * self.inverse_two_sigma_squared).exp();
                source[0] -= bell * moved[0];
                source[1] -= bell * moved[1];
            }
        }
        (source, in_head)
    }
}

/// Frame pixels of a portrait point.
fn in_frame(in_portrait: [f64; 2]) -> [f64; 2] {
    [
        (in_portrait[0] - CROP_LEFT) * SCALE,
        (in_portrait[1] - CROP_TOP) * SCALE,
    ]
}

fn inside_mask(point: [f32; 2]) -> bool {
    let [x, y] = in_frame(MASK_IN_PORTRAIT);
    let dx = (f64::from(point[0]) - x) / (MASK_HALF_AXES[0] * SCALE);
    let dy = (f64::from(point[1]) - y) / (MASK_HALF_AXES[1] * SCALE);
    dx * dx + dy * dy < 1.0
}

fn follow_weights(area: HeadBox) -> Vec<f32> {
    let [x, y] = in_frame(HEAD_IN_PORTRAIT);
    let mut weights = Vec::with_capacity(area.width * area.height);
    for row in 0..area.height {
        for column in 0..area.width {
            let dx = (area.left + column) as f64 - x;
            let dy = (area.top + row) as f64 - y;
            let radius_px = dx.hypot(dy) / SCALE;
            let fade =
                ((HEAD_STILL_PX - radius_px) / (HEAD_STILL_PX - HEAD_RIGID_PX)).clamp(0.0, 1.0);
            weights.push((fade * fade * (3.0 - 2.0 * fade)) as f32);
        }
    }
    weights
}

impl Plane8 {
    /// Bilinear sample at a point in this plane's pixels; beyond the edge the edge goes on.
    #[inline]
    fn sample(&self, point: [f32; 2]) -> u8 {
        let x = point[0].clamp(0.0, (self.width - 1) as f32);
        let y = point[1].clamp(0.0, (self.height - 1) as f32);
        let (left, top) = (x as usize, y as usize);
        let (fx, fy) = (x - left as f32, y - top as f32);
        let right = (left + 1).min(self.width - 1);
        let bottom = (top + 1).min(self.height - 1);
        let above = self.at(left, top) * (1.0 - fx) + self.at(right, top) * fx;
        let below = self.at(left, bottom) * (1.0 - fx) + self.at(right, bottom) * fx;
        (above + (below - above) * fy + 0.5) as u8
    }

    #[inline]
    fn at(&self, x: usize, y: usize) -> f32 {
        self.data
            .get(y * self.width + x)
            .copied()
            .map_or(0.0, f32::from)
    }

    #[inline]
    fn set(&mut self, x: usize, y: usize, value: u8) {
        if let Some(pixel) = self.data.get_mut(y * self.width + x) {
            *pixel = value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moved_corner_shows_the_resting_corner() {
        // 7.5 s: in the hold of the first smile.
        let pose = Pose {
            shift: [0.0; 2],
            cos: 1.0,
            sin: 0.0,
            ..Pose::at(7.2)
        };
        let [x, y] = in_frame(LEFT_CORNER_IN_PORTRAIT).map(|part| part as f32);
        let (moved_to, moved) = pose.corners[0];
        assert!(moved[0] < -5.0, "{moved:?}");
        let (source, _) = pose.source_of(moved_to, 1.0);
        assert!(
            (source[0] - x).abs() < 0.2 && (source[1] - y).abs() < 0.2,
            "{source:?} {x} {y}"
        );
    }

    #[test]
    fn only_the_head_moves_and_the_loop_closes() {
        let base = BasePicture::load().unwrap();
        let mut presenter = Presenter::new(base.clone(), false);
        let early = presenter.draw(7.2).clone();
        let late = presenter.draw(67.2).clone();
        assert_eq!(early.y.data, late.y.data);
        assert_ne!(early.y.data, base.y.data);
        assert_eq!(early.y.data[..200], base.y.data[..200]);
        assert_eq!(
            presenter.draw(0.0).y.data,
            base.y.data,
            "time 0 is the portrait itself"
        );
    }

    #[test]
    fn the_mask_covers_the_face() {
        let base = BasePicture::load().unwrap();
        let mut presenter = Presenter::new(base, true);
        let frame = presenter.draw(0.0);
        let [x, y] = in_frame(LEFT_CORNER_IN_PORTRAIT);
        assert_eq!(
            frame.y.data[y as usize * WIDTH_PX as usize + x as usize],
            MASK_COLOUR[0]
        );
    }
}
