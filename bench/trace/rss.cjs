// Preloaded by bench/trace/readers.mjs: says at the end how much memory and CPU time the process took.
process.on("exit", () => {
  const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage();
  require("node:fs").writeSync(
    2,
    `\n{"rssMiB":${Math.round(maxRSS / 1024)},"cpuSeconds":${(userCPUTime + systemCPUTime) / 1e6}}\n`,
  );
});
