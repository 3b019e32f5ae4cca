// Statements in, tables out: the editor, the schema beside it, and one block for the result of each statement.

import {runSql} from "./api.js";
import {h, saveFile, setText} from "./dom.js";
import {Editor} from "./editor.js";
import {counted, csv, duration, jsonRows, whole} from "./format.js";
import {Grid, ROWS_MAX} from "./grid.js";
import {remember} from "./history.js";
import {Schema} from "./schema.js";
import {changesSchema, splitStatements, verb} from "./sql_text.js";

const CHANGES_ROWS = new Set(["INSERT", "UPDATE", "DELETE", "REPLACE", "WITH"]);

function writeSummary(statement, result) {
  if (!CHANGES_ROWS.has(verb(statement))) return "Done.";
  const rows = counted(result.rows_affected ?? 0, "row");
  const isInsert = ["INSERT", "REPLACE"].includes(verb(statement)) && result.last_insert_id !== undefined;
  return `${rows} affected${isInsert ? `; the last row id is ${result.last_insert_id}` : ""}.`;
}

/** One statement and what came of it. `result` is undefined if it was not run. */
export function resultBlock(statement, result, number) {
  const title = h("code", {class: "statement", title: statement}, statement.replaceAll(/\s+/g, " "));
  const head = h("header", {}, title);
  const block = h("section", {class: "result card", "aria-label": `Result of statement ${number}`}, head);
  const figures = (text) => head.append(h("span", {class: "figures"}, text));
  if (result === undefined) {
    block.append(h("p", {class: "message"}, "Not run: a statement before it has failed."));
  } else if (result.error !== undefined) {
    block.classList.add("failed");
    block.append(h("p", {class: "message bad"}, result.error));
  } else if (result.columns !== undefined) {
    const rows = result.values ?? [];
    figures(`${counted(rows.length, "row")} · ${duration(result.time ?? 0)}`);
    if (rows.length > 0) {
      head.append(
        h("button", {type: "button", class: "quiet", onclick: () =>
          saveFile("result.csv", "text/csv", csv(result.columns, rows))}, "CSV"),
        h("button", {type: "button", class: "quiet", onclick: () =>
          saveFile("result.json", "application/json", jsonRows(result.columns, rows))}, "JSON"));
    }
    block.append(new Grid({columns: result.columns, types: result.types, rows,
      label: `${counted(rows.length, "row")} of statement ${number}`}).element);
    if (rows.length > ROWS_MAX)
      block.append(h("p", {class: "message"}, `The first ${whole(ROWS_MAX)} rows are shown; the files have all.`));
  } else {
    figures(duration(result.time ?? 0));
    block.append(h("p", {class: "message good"}, writeSummary(statement, result)));
  }
  return block;
}

export class SqlView {
  #outcome = h("p", {class: "outcome", role: "status"});
  #results = h("div", {class: "results"});
  #waiting = null;

  constructor(element) {
    this.editor = new Editor({onrun: (wish) => this.#run(wish), onstop: () => this.#waiting?.abort()});
    this.schema = new Schema({
      oninsert: (words) => this.editor.insert(words),
      onshow: (statement) => this.#run({text: statement, level: "weak", transaction: false}),
    });
    element.append(
      h("header", {}, h("h1", {id: "title-sql", tabindex: "-1"}, "SQL")),
      h("div", {class: "workbench"}, this.schema.element,
        h("div", {}, this.editor.element, this.#outcome, this.#results)));
  }

  shown() {
    this.schema.load();
  }

  async #run({text, level, transaction}) {
    if (this.#waiting !== null) return;
    const statements = splitStatements(text).map((statement) => statement.text);
    if (statements.length === 0) {
      setText(this.#outcome, "There is no statement to run.");
      return;
    }
    this.#waiting = new AbortController();
    this.editor.isRunning = true;
    this.#results.setAttribute("aria-busy", "true");
    setText(this.#outcome, "Running…");
    let isGood = false;
    try {
      const answer = await runSql(statements, {level, transaction, signal: this.#waiting.signal});
      isGood = this.#show(statements, answer, transaction);
    } catch (error) {
      setText(this.#outcome, "");
      this.#results.replaceChildren(h("p", {class: "message bad", role: "alert"}, error.message));
    }
    this.#waiting = null;
    this.editor.isRunning = false;
    this.#results.removeAttribute("aria-busy");
    remember(text.trim(), isGood);
    if (statements.some(changesSchema)) this.schema.load();
  }

  /** Whether all went well. */
  #show(statements, answer, transaction) {
    const results = answer.results ?? [];
    const failed = results.filter((result) => result.error !== undefined).length;
    const blocks = statements.map((statement, i) => resultBlock(statement, results[i], i + 1));
    const isGood = failed === 0 && answer.error === undefined;
    let outcome = `${counted(statements.length, "statement")} in ${duration(answer.time ?? 0)}`;
    if (failed > 0) outcome += transaction ? "; rolled back: nothing has changed" : `; ${failed} failed`;
    setText(this.#outcome, `${outcome}.`);
    this.#results.replaceChildren(...blocks);
    if (answer.error !== undefined)
      this.#results.prepend(h("p", {class: "message bad", role: "alert"}, answer.error));
    return isGood;
  }
}
