//! The number of each frame of the demo, painted into the lower left corner, where no face is: whoever shows the picture can
//! read from the pixels which frame it is.
//!
//! ```text
//! 8 cells of 8 × 8 px  │ n10 n9 n8 n7 n6 n5 n4 n3 │      light = 1, dark = 0
//! twice                │ n2  n1 n0 c4 c3 c2 c1 c0 │      c = (n mod 31) xor 10101
//! ```

use crate::demo::picture::HEIGHT_PX;
use crate::demo::portrait::{BasePicture, Plane8};

/// Edge of a cell, pixels.
const CELL_PX: usize = 8;
/// Cells side by side.
const COLUMNS: usize = 8;
/// Rows of cells.
const ROWS: usize = 2;
const DARK: u8 = 24;
const LIGHT: u8 = 216;
const COLOURLESS: u8 = 128;

/// Paints the `number` of a frame of the clip, below 2048.
pub(crate) fn paint(frame: &mut BasePicture, number: u64) {
    let word = word(number);
    let top = HEIGHT_PX as usize - ROWS * CELL_PX;
    for cell in 0..ROWS * COLUMNS {
        let light = word >> (ROWS * COLUMNS - 1 - cell) & 1 == 1;
        let (x, y) = (cell % COLUMNS * CELL_PX, top + cell / COLUMNS * CELL_PX);
        fill(
            &mut frame.y,
            (x, y),
            CELL_PX,
            if light { LIGHT } else { DARK },
        );
        for plane in [&mut frame.u, &mut frame.v] {
            fill(plane, (x / 2, y / 2), CELL_PX / 2, COLOURLESS);
        }
    }
}

/// The 16 cells, first cell in the highest bit.
fn word(number: u64) -> u16 {
    let number = number & 0x7ff;
    let check = (number % 31) ^ 0b10101;
    (number << 5 | check) as u16
}

fn fill(plane: &mut Plane8, corner: (usize, usize), edge_px: usize, value: u8) {
    for row in corner.1..corner.1 + edge_px {
        let start = row * plane.width + corner.0;
        if let Some(pixels) = plane.data.get_mut(start..start + edge_px) {
            pixels.fill(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frame_of_the_clip_has_its_own_word_and_a_flat_picture_has_none() {
        let mut words: Vec<u16> = (0..1980).map(word).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), 1980);
        assert!(!words.contains(&0) && !words.contains(&u16::MAX));
    }

    #[test]
    fn only_the_corner_is_painted() {
        let base = BasePicture::load().unwrap();
        let mut frame = base.clone();
        paint(&mut frame, 0b101_0000_0001);
        let at = |x: usize, y: usize| frame.y.data[y * frame.y.width + x];
        assert_eq!((at(4, 708), at(12, 708), at(20, 708)), (LIGHT, DARK, LIGHT));
        assert_eq!(frame.u.data[354 * frame.u.width + 2], COLOURLESS);
        let above = 704 * frame.y.width;
        assert_eq!(frame.y.data[..above], base.y.data[..above]);
        assert_eq!(at(64, 708), base.y.data[708 * base.y.width + 64]);
    }
}
