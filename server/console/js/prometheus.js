// The text format of /metrics, and what can be worked out from two samples of it. Pure functions.

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;

/** Map of name -> [{labels, value}] */
export function parseMetrics(text) {
  const families = new Map();
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const match = LINE.exec(line);
    if (match === null) continue;
    const labels = {};
    for (const [, name, value] of (match[2] ?? "").matchAll(LABEL)) labels[name] = value;
    const value = match[3] === "+Inf" ? Infinity : Number(match[3]);
    if (!families.has(match[1])) families.set(match[1], []);
    families.get(match[1]).push({labels, value});
  }
  return families;
}

/** The one sample of a family without labels. */
export function single(families, name) {
  return families.get(name)?.[0]?.value;
}

/** How often requests to these endpoints took how long: [{limit, count}], the counts cumulative. */
export function histogramOf(families, name, endpoints) {
  const counts = new Map();
  for (const {labels, value} of families.get(`${name}_bucket`) ?? []) {
    if (!endpoints.includes(labels.endpoint)) continue;
    const limit = labels.le === "+Inf" ? Infinity : Number(labels.le);
    counts.set(limit, (counts.get(limit) ?? 0) + value);
  }
  return [...counts].map(([limit, count]) => ({limit, count})).sort((a, b) => a.limit - b.limit);
}

/** How many there have been in all. */
export function total(histogram) {
  return histogram.at(-1)?.count ?? 0;
}

/** What lies between two looks at a histogram; all of the later one if the counting has begun anew in between. */
export function between(earlier, later) {
  if (total(later) < total(earlier)) return later;
  const before = new Map(earlier.map(({limit, count}) => [limit, count]));
  return later.map(({limit, count}) => ({limit, count: count - (before.get(limit) ?? 0)}));
}

/** An estimate, even within a bucket; undefined if there is nothing in it. */
export function quantile(histogram, share) {
  const wanted = total(histogram) * share;
  if (wanted === 0) return undefined;
  let below = {limit: 0, count: 0};
  for (const bucket of histogram) {
    if (bucket.count >= wanted) {
      if (bucket.limit === Infinity) return below.limit;
      return below.limit + (bucket.limit - below.limit) * ((wanted - below.count) / (bucket.count - below.count));
    }
    below = bucket;
  }
  return below.limit;
}
