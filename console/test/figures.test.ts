import { describe, expect, it } from "vitest";
import { quantile, slope } from "../bench/figures";

describe("figures of the bench", () => {
  it("takes the value below which a share of the series lies", () => {
    const series = [5, 1, 3, 2, 4, Number.NaN];
    expect([0.5, 0.95, 1].map((share) => quantile(series, share))).toEqual([3, 5, 5]);
    expect(quantile([7], 0.5)).toBe(7);
    expect(quantile([], 0.5)).toBeNaN();
    const hundred = Array.from({ length: 100 }, (_, index) => index + 1);
    expect([quantile(hundred, 0.5), quantile(hundred, 0.95)]).toEqual([50, 95]);
  });

  it("gives the change per unit", () => {
    expect(slope([[0, 10], [1, 12], [2, 14]])).toBeCloseTo(2, 10);
    expect(slope([[0, 3], [5, 3]])).toBe(0);
  });
});
