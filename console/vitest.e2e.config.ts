import { defineConfig } from "vitest/config";

// One browser and one server at a time: the machine that runs this may have two cores.
export default defineConfig({
  test: {
    include: ["e2e/**/*.test.ts"],
    environment: "node",
    fileParallelism: false,
    testTimeout: 90_000,
    hookTimeout: 120_000,
  },
});
