// Reads the number that is painted into the lower left corner of each frame of the demo (64 × 16 px of a picture of 1280 × 720).

export const CELL_PX = 8;
export const COLUMNS = 8;
export const ROWS = 2;

/** The number, from the RGBA pixels of the corner, 64 wide and 16 high; null when there is none. */
export function readNumber(rgba: Uint8ClampedArray): number | null {
  const width = CELL_PX * COLUMNS;
  let word = 0;
  for (let cell = 0; cell < ROWS * COLUMNS; cell += 1) {
    const left = (cell % COLUMNS) * CELL_PX;
    const top = Math.floor(cell / COLUMNS) * CELL_PX;
    let sum = 0;
    for (let y = 2; y < 6; y += 1)
      for (let x = 2; x < 6; x += 1) sum += rgba[((top + y) * width + left + x) * 4 + 1] ?? 0;
    word = (word << 1) | (sum / 16 > 128 ? 1 : 0);
  }
  const number = word >> 5;
  return (word & 0x1f) === ((number % 31) ^ 0b10101) ? number : null;
}
