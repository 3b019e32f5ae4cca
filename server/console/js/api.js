// Asking the node that has served this page. Every failure is an Error whose message can be shown as it is.

import {parseJson} from "./json.js";

/** What a browser can reasonably show; there are other tools for more. */
export const ANSWER_BYTES_MAX = 48 * 1024 * 1024;

export class RequestError extends Error {
  constructor(message, {status = 0, outcome = ""} = {}) {
    super(message);
    this.status = status;
    this.outcome = outcome;
  }
}

async function textOf(response) {
  const reader = response.body?.getReader();
  if (reader === undefined) return response.text();
  const decoder = new TextDecoder();
  let text = "";
  let size = 0;
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
    size += piece.value.length;
    if (size > ANSWER_BYTES_MAX) {
      await reader.cancel();
      throw new RequestError("The answer is larger than 48 MiB: add a LIMIT, or use quorate sql for it.");
    }
    text += decoder.decode(piece.value, {stream: true});
  }
  return text + decoder.decode();
}

/** What an answer that is no success says. */
export function refusal(status, text) {
  let message = text.trim();
  let outcome = "";
  try {
    const body = JSON.parse(text);
    message = body.error ?? body.results?.find((result) => result.error)?.error ?? message;
    outcome = body.outcome ?? "";
  } catch {
    // Most refusals are plain text.
  }
  if (status === 401) message = message || "The node does not permit it: log in as somebody who may.";
  if (outcome === "unknown") message += " – it is not known whether it has taken effect.";
  return new RequestError(message || `The node answers with HTTP ${status}.`, {status, outcome});
}

/** Without the name and password that may stand in the address of the page: a browser refuses to ask such addresses. */
export function urlOf(path) {
  return location.origin + path;
}

async function ask(path, options, timeoutMs) {
  const giveUp = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs);
  const signal = [options.signal, giveUp].filter((one) => one !== undefined);
  let response;
  let text;
  try {
    response = await fetch(urlOf(path), {...options, signal: signal.length > 0 ? AbortSignal.any(signal) : undefined});
    text = await textOf(response);
  } catch (error) {
    if (error instanceof RequestError) throw error;
    if (options.signal?.aborted) throw new RequestError("Not waited for any longer.", {outcome: "unknown"});
    if (giveUp?.aborted) throw new RequestError("The node does not answer in time.");
    throw new RequestError("The node cannot be reached.");
  }
  if (!response.ok) throw refusal(response.status, text);
  return text;
}

export const getText = (path, timeoutMs) => ask(path, {cache: "no-store"}, timeoutMs);
export const getJson = async (path, timeoutMs) => parseJson(await getText(path, timeoutMs));

/** All of the statements in one request: {results, time}. */
export async function runSql(statements, {level = "weak", transaction = false, signal = undefined} = {}) {
  const path = `/db/request?timings&blob_array&level=${level}${transaction ? "&transaction" : ""}`;
  const headers = {"Content-Type": "application/json"};
  return parseJson(await ask(path, {method: "POST", headers, body: JSON.stringify(statements), signal}));
}

/** The rows of one statement that reads. */
export async function rowsOf(sql) {
  const headers = {"Content-Type": "application/json"};
  const answer = parseJson(await ask("/db/query", {method: "POST", headers, body: JSON.stringify([sql])}));
  const result = answer.results?.[0] ?? {};
  if (answer.error ?? result.error) throw new RequestError(answer.error ?? result.error);
  return result.values ?? [];
}
