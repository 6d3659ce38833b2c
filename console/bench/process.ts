// What a process uses, from /proc.

import { readdirSync, readFileSync } from "node:fs";
import { execFileSync } from "node:child_process";

const TICKS_PER_SEC = Number(execFileSync("getconf", ["CLK_TCK"]).toString().trim());

/** Seconds of processor time of a `stat` line, and the thread's name. */
function statOf(path: string): { name: string; secs: number } {
  const text = readFileSync(path, "utf8");
  const end = text.lastIndexOf(")");
  const fields = text.slice(end + 2).split(" ");
  return { name: text.slice(text.indexOf("(") + 1, end), secs: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SEC };
}

/** Processor seconds that a process, and of it the threads that serve peers, have used so far. */
export function cpuOf(pid: number): { whole: number; peers: number } {
  let peers = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      const { name, secs } = statOf(`/proc/${pid}/task/${thread}/stat`);
      if (name === "peers") peers += secs;
    } catch {
      // It ended between the listing and the look.
    }
  }
  return { whole: statOf(`/proc/${pid}/stat`).secs, peers };
}

/** Resident memory, MiB, open files and threads. */
export function holdings(pid: number): { mib: number; files: number; threads: number } {
  const kib = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
  return { mib: kib / 1024, files: readdirSync(`/proc/${pid}/fd`).length, threads: readdirSync(`/proc/${pid}/task`).length };
}
