/** What the operator's page makes of the figures: its modules without a page. Prints what they say, as JSON. */

import { mock } from "node:test";
import { pathToFileURL } from "node:url";

const folder = `${pathToFileURL(process.argv[2]).href}/`;
const { History } = await import(new URL("history.js", folder));
const { quantile, since } = await import(new URL("quantiles.js", folder));
const formats = await import(new URL("formats.js", folder));

/** A history in which a counter has these values, at these seconds. */
function counted(points) {
  const history = new History();
  for (const [time, value] of points)
    history.add({ time, models: value === null ? null : { m: { c: value, whole: 2 * value } }, failures: {}, streamsOpen: 0, requests: 0 });
  return history;
}

/** How often a page has asked after each of these moments: opened, 4 s later, hidden for a minute, seen again, paused. */
async function polled() {
  const page = Object.assign(new EventTarget(), { visibilityState: "visible" });
  globalThis.document = page;
  mock.timers.enable({ apis: ["setTimeout"] });
  const { Poll } = await import(new URL("poll.js", folder));
  let numAsked = 0;
  const counts = [];
  const poll = new Poll(async () => void (numAsked += 1), 2000);
  const settle = async (seconds) => {
    for (let passed = 0; passed < seconds; passed += 1) {
      mock.timers.tick(1000);
      await new Promise(setImmediate);
    }
    counts.push(numAsked);
  };
  const see = (visibilityState) => {
    page.visibilityState = visibilityState;
    page.dispatchEvent(new Event("visibilitychange"));
  };
  poll.run();
  await settle(0);
  await settle(4);
  see("hidden");
  await settle(60);
  see("visible");
  await settle(0);
  poll.isPaused = true;
  await settle(60);
  return counts;
}

const read = (sample) => sample.models?.m.c;
const whole = (sample) => sample.models?.m.whole;
const histogram = { count: 10, sum: 5, buckets: [[0.1, 2], [0.5, 6], [1, 10], [null, 10]] };
const slow = { count: 4, sum: 40, buckets: [[1, 1], [null, 4]] };

const long = counted(Array.from({ length: 1000 }, (_, place) => [1000 + 2 * place, place]));

console.log(
  JSON.stringify({
    polled: await polled(),
    rates: counted([[0, 10], [2, 14], [4, 14]]).rates(read),
    ratesOverRestart: counted([[0, 10], [2, 4]]).rates(read),
    ratesOverGap: counted([[0, 10], [60, 40], [62, 42]]).rates(read),
    ratesWithoutFigures: counted([[0, 10], [2, null], [4, 12]]).rates(read),
    rate: counted([[0, 0], [10, 100], [15, 105], [20, 110]]).rate(read),
    rateOfOne: counted([[0, 1]]).rate(read),
    rateOfNone: new History().rate(read),
    increase: counted([[0, 10], [2, 14], [4, 3], [6, null], [8, 5]]).increase(read),
    shares: counted([[0, 10], [2, 10], [4, 20]]).shares(read, whole),
    kept: [long.samples.length, long.spanS],
    setBack: counted([[10, 1], [5, 2]]).samples.length,
    quantiles: [0, 0.2, 0.5, 0.9, 1].map((q) => quantile(histogram, q)),
    quantileAboveAllBounds: quantile(slow, 0.99),
    quantileOfNothing: quantile({ count: 0, sum: 0, buckets: [] }, 0.5),
    since: since(histogram, { count: 4, sum: 2, buckets: [[0.1, 2], [0.5, 2], [1, 4], [null, 4]] }),
    sinceRestart: since(slow, histogram).count,
    durations: [0.0123, 0.5, 1.234, 250, null].map(formats.duration),
    percents: [0, 0.004, 0.5, 1, null].map(formats.percent),
    rates_: [0, 0.04, 3.456, 1234.5, null].map(formats.rate),
    progress: ["loading: 4.2 of 13.5 GB", "compiling: 3 of 3", "it died", "0 of 0"].map(formats.progress),
  }),
);
