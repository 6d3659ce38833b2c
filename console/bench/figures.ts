// Series of figures as rows of a Markdown table.

const sorted = (values: readonly number[]): number[] => values.filter(Number.isFinite).sort((a, b) => a - b);

/** The value below which `share` of the series lies; none for an empty one. */
export function quantile(values: readonly number[], share: number): number {
  const all = sorted(values);
  return all[Math.min(all.length - 1, Math.ceil(all.length * share) - 1)] ?? all[0] ?? Number.NaN;
}

/** Change of `y` per unit of `x`, by least squares. */
export function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const mean = (index: 0 | 1) => points.reduce((sum, point) => sum + point[index], 0) / points.length;
  const [mx, my] = [mean(0), mean(1)];
  const over = points.reduce((sum, [x, y]) => sum + (x - mx) * (y - my), 0);
  return over / points.reduce((sum, [x]) => sum + (x - mx) ** 2, 0);
}

/** Rows of one table, printed as they come: a run that is cut off has said what it measured. */
export class Table {
  constructor() {
    console.log("| what | n | p50 | p95 | most |\n|---|---|---|---|---|");
  }

  /** A series of measurements. */
  series(what: string, values: readonly number[], unit: string, digits = 0): void {
    const at = (share: number) => (values.length > 0 ? `${quantile(values, share).toFixed(digits)} ${unit}` : "none");
    console.log(`| ${what} | ${values.length} | ${at(0.5)} | ${at(0.95)} | ${at(1)} |`);
  }

  /** A single figure, with what it was taken from. */
  single(what: string, n: number | string, value: string): void {
    console.log(`| ${what} | ${n} | ${value} | | |`);
  }
}
