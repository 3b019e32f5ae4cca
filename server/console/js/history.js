// The statements that were run, newest first, in the browser's own storage: nobody else gets them.

const KEY = "quorate.history";
const ENTRIES_MAX = 200;
const ENTRY_CHARS_MAX = 20_000;

export function pastStatements() {
  try {
    const stored = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(stored) ? stored.filter((entry) => typeof entry?.sql === "string") : [];
  } catch {
    return [];
  }
}

function store(entries) {
  try {
    localStorage.setItem(KEY, JSON.stringify(entries));
  } catch {
    // The storage is full or forbidden: there is no history then.
  }
}

/** The same text run again moves to the front. */
export function remember(sql, isGood) {
  if (sql.length > ENTRY_CHARS_MAX) return;
  const others = pastStatements().filter((entry) => entry.sql !== sql);
  store([{sql, at: new Date().toISOString(), isGood}, ...others].slice(0, ENTRIES_MAX));
}

export function forgetPast() {
  store([]);
}
