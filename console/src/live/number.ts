// Reads what sources paint into the lower left corner of their pictures: the number of each frame of the demo (two rows of
// cells), and the time of day of `test:bars?clock=1` (four rows). Cells are 8 × 8 px; the last five carry a check.

export const CELL_PX = 8;
export const COLUMNS = 8;
export const ROWS = 2;
/** The painted time is milliseconds of UTC modulo this. */
export const TIME_WRAP_MS = 2 ** 27;

/** The number, from the RGBA pixels of the corner, 64 wide and 16 high; null when there is none. */
export function readNumber(rgba: Uint8ClampedArray): number | null {
  const width = CELL_PX * COLUMNS;
  let all = 0;
  for (let cell = 0; cell < ROWS * COLUMNS; cell += 1) {
    const left = (cell % COLUMNS) * CELL_PX;
    const top = Math.floor(cell / COLUMNS) * CELL_PX;
    let sum = 0;
    for (let y = 2; y < 6; y += 1)
      for (let x = 2; x < 6; x += 1) sum += rgba[((top + y) * width + left + x) * 4 + 1] ?? 0;
    all = all * 2 + (sum / 16 > 128 ? 1 : 0);
  }
  return checked(all);
}

/** The value of all cells together, first cell in the highest place, 16 or 32 of them; null when its check fails. */
export function checked(all: number): number | null {
  const value = Math.floor(all / 32);
  return all % 32 === ((value % 31) ^ 0b10101) ? value : null;
}

/** How old a painted time is at an instant of UTC, milliseconds. */
export const ageOf = (paintedMs: number, utcMs: number): number => {
  const age = (utcMs - paintedMs) % TIME_WRAP_MS;
  return age > TIME_WRAP_MS / 2 ? age - TIME_WRAP_MS : age;
};
