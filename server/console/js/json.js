// JSON with whole numbers of 64 bits: those that a Number cannot hold become BigInt, where the browser can tell.

const LONG_NUMBER = /[0-9]{16}/;

function exact(key, value, context) {
  if (typeof value !== "number" || Number.isSafeInteger(value) || context === undefined) return value;
  return /^-?[0-9]+$/.test(context.source) ? BigInt(context.source) : value;
}

export function parseJson(text) {
  return LONG_NUMBER.test(text) ? JSON.parse(text, exact) : JSON.parse(text);
}
