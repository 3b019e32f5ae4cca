// Numbers, sizes, times and database values as a person reads them. Pure functions.

const WHOLE = new Intl.NumberFormat("en-US", {maximumFractionDigits: 0});

/** 1234567 -> "1,234,567" */
export function whole(number) {
  return number === undefined || number === null ? "–" : WHOLE.format(number);
}

/** Three figures: 0.0123 -> "0.012", 4.56 -> "4.6", 1234 -> "1,234" */
export function rough(number) {
  if (number === undefined || number === null || Number.isNaN(number)) return "–";
  if (Number.isInteger(number) || Math.abs(number) >= 100) return WHOLE.format(number);
  if (Math.abs(number) >= 10) return number.toFixed(0);
  if (Math.abs(number) >= 1) return number.toFixed(1);
  return number.toPrecision(2);
}

const SIZES = ["B", "KiB", "MiB", "GiB", "TiB"];
export function bytes(count) {
  if (count === undefined || count === null || Number.isNaN(count)) return "–";
  let unit = 0;
  let size = count;
  while (size >= 1024 && unit + 1 < SIZES.length) {
    size /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? size : rough(size)} ${SIZES[unit]}`;
}

/** Of seconds: "850 µs", "12 ms", "1.5 s" */
export function duration(seconds) {
  if (seconds === undefined || seconds === null || Number.isNaN(seconds)) return "–";
  if (seconds === 0) return "0 ms";
  if (seconds < 0.001) return `${rough(seconds * 1e6)} µs`;
  if (seconds < 1) return `${rough(seconds * 1e3)} ms`;
  return `${rough(seconds)} s`;
}

/** One thing, two things. */
export function counted(number, one, many = `${one}s`) {
  return `${whole(number)} ${number === 1 || number === 1n ? one : many}`;
}

/** Of a Date: "14:03:07" */
export function clock(date) {
  return date.toTimeString().slice(0, 8);
}

export const isBlob = (value) => Array.isArray(value);

export function hex(octets) {
  return octets.map((octet) => octet.toString(16).padStart(2, "0")).join("");
}

const CELL_MAX = 200;
const CELL_BLOB_MAX = 12;
/** A value in one line of a table. */
export function cell(value) {
  if (value === null) return "NULL";
  if (isBlob(value)) {
    const dots = value.length > CELL_BLOB_MAX ? "…" : "";
    return `x'${hex(value.slice(0, CELL_BLOB_MAX))}${dots}' ${counted(value.length, "byte")}`;
  }
  const text = String(value);
  const line = text.slice(0, CELL_MAX).replaceAll("\r", "").replaceAll("\n", "↵").replaceAll("\t", "⇥");
  return text.length > CELL_MAX ? `${line}…` : line;
}

/** A value in full. */
export function full(value) {
  return isBlob(value) ? `x'${hex(value)}'` : String(value);
}

/** Rows as RFC 4180 has them; NULL is an empty field. */
export function csv(columns, rows) {
  const field = (value) => {
    if (value === null) return "";
    const text = isBlob(value) ? full(value) : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [columns, ...rows].map((row) => `${row.map(field).join(",")}\r\n`);
}

/** Rows as an array of objects; BLOBs as hexadecimal text, numbers beyond a double's whole ones with all digits. */
export function jsonRows(columns, rows) {
  const value = (item) => {
    if (typeof item === "bigint") return item.toString();
    return JSON.stringify(isBlob(item) ? full(item) : item);
  };
  const object = (row) => `{${columns.map((name, i) => `${JSON.stringify(name)}:${value(row[i])}`).join(",")}}`;
  return ["[", ...rows.map((row, i) => `${i > 0 ? ",\n" : ""}${object(row)}`), "]\n"];
}
