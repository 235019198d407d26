// @ts-check
/** Quantiles of histograms, as Prometheus's `histogram_quantile` has them. */

/** @typedef {{count: number, sum: number, buckets: [number | null, number][]}} Histogram The last bucket's bound is null. */

/**
 * What a histogram has seen since it was an earlier one.
 * @param {Histogram} now
 * @param {Histogram | undefined} before Undefined for nothing yet; one that has seen more was another process's.
 * @returns {Histogram}
 */
export function since(now, before) {
  if (!before || before.count > now.count || before.buckets.length !== now.buckets.length) return now;
  return {
    count: now.count - before.count,
    sum: now.sum - before.sum,
    buckets: now.buckets.map(([bound, seen], place) => [bound, seen - before.buckets[place][1]]),
  };
}

/**
 * An estimate of a quantile: values are taken to lie evenly within their bucket.
 * @param {Histogram} histogram
 * @param {number} q From 0 to 1.
 * @returns {number | null} Null if it has seen nothing. At most the highest bound, above which nothing is known.
 */
export function quantile(histogram, q) {
  const { buckets } = histogram;
  const total = buckets.at(-1)?.[1] ?? 0;
  if (!total) return null;
  const rank = q * total;
  let below = 0;
  let lower = 0;
  for (const [upper, seen] of buckets) {
    if (upper === null) return lower;
    if (seen >= rank && seen > below) return lower + ((upper - lower) * (rank - below)) / (seen - below);
    below = seen;
    lower = upper;
  }
  return lower;
}
