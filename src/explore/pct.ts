// Probabilistic concurrency testing (Burckhardt, Kothari, Musuvathi, Nagarakatte, ASPLOS 2010): threads
// have random priorities, the highest that can go on does, and at d - 1 random steps the running thread
// falls below all others. A clean result proves nothing, but says more than a random walk does: an
// execution shows a bug of depth d (one that d ordered steps make) with probability at least
// 1 / (n * k^(d-1)), for n threads and k steps. How many steps there are is not known before; the longest execution
// so far stands for k, so the first few executions promise less.
import { type Dice, Sampling } from "./sampling.ts";
import { asStrategy, type Strategy } from "./strategy.ts";

/**
 * @param seed  The same seed gives the same executions; it stands in the notes of the result.
 * @param depth How many ordered steps a bug may need; 3 finds nearly all that were ever studied.
 */
export const pct = (seed: number, depth = 3): Strategy =>
  asStrategy(
    "pct",
    (prepared, bounds) =>
      new Sampling(prepared, bounds, {
        name: "pct",
        seed,
        chooser(dice, threads, longest) {
          const priorities = shuffled(threads, dice).map((p) => p + depth);
          const changes = Array.from({ length: depth - 1 }, () => dice.roll(longest));
          return {
            next(able, step) {
              const highest = (): number =>
                able.reduce((a, b) => ((priorities[b] ?? 0) > (priorities[a] ?? 0) ? b : a));
              changes.forEach((at, i) => {
                if (at === step) priorities[highest()] = i;
              });
              return highest();
            },
          };
        },
      }),
  );

function shuffled(n: number, dice: Dice): number[] {
  const order = Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = dice.roll(i + 1);
    [order[i], order[j]] = [order[j] as number, order[i] as number];
  }
  return order;
}
