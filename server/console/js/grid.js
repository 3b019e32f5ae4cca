// The rows of a result as a table that can be walked with the arrow keys. However many rows there are, only those in
// sight are elements of the page.

import {h, newId, saveFile} from "./dom.js";
import {cell, counted, full, isBlob, whole} from "./format.js";

const ROW_PX = 28;
const HEAD_PX = 29;
const SPARE_ROWS = 10;
/** Beyond this a browser cannot place a row any more. */
export const ROWS_MAX = 500_000;
const MEASURED_ROWS = 200;
const COLUMN_CHARS_MIN = 4;
const COLUMN_CHARS_MAX = 44;

function isNumber(value) {
  return typeof value === "number" || typeof value === "bigint";
}

function widthOf(name, type, column, rows) {
  let chars = name.length + (type ? type.length + 1 : 0);
  for (const row of rows.slice(0, MEASURED_ROWS)) chars = Math.max(chars, cell(row[column]).length);
  return Math.min(COLUMN_CHARS_MAX, Math.max(COLUMN_CHARS_MIN, chars)) + 1;
}

export class Grid {
  #columns;
  #rows;
  #rightAligned;
  #active = {row: 0, column: 0};
  #shown = {first: -1, last: -1};
  #id = newId("grid");
  #window = h("div", {class: "window", role: "rowgroup"});
  #isDue = false;

  /** `types` are those that the server names; both lists have one element per column. */
  constructor({columns, types, rows, label}) {
    this.#columns = columns;
    this.#rows = rows.slice(0, ROWS_MAX);
    this.#rightAligned = columns.map((_, i) => {
      const first = this.#rows.slice(0, MEASURED_ROWS).find((row) => row[i] !== null);
      return first !== undefined && isNumber(first[i]);
    });
    const digits = String(this.#rows.length).length;
    const widths = columns.map((name, i) => `${widthOf(name, types[i], i, this.#rows)}ch`);
    const head = h("div", {role: "row", class: "line head", "aria-rowindex": 1},
      h("div", {class: "order", role: "columnheader"}, h("span", {class: "unseen"}, "Number")),
      columns.map((name, i) => h("div", {role: "columnheader", class: this.#rightAligned[i] && "right", title: name},
        name, types[i] ? h("small", {}, types[i]) : null)));
    const canvas = h("div", {class: "canvas", role: "presentation"}, head, this.#window);
    const tracks = [`${digits}ch`, ...widths].map((width) => `calc(${width} + 24px)`);
    canvas.style.setProperty("--columns", tracks.join(" "));
    canvas.style.height = `${HEAD_PX + this.#rows.length * ROW_PX}px`;
    this.element = h("div", {
      class: "grid", role: "grid", tabindex: "0",
      "aria-label": `${label}. Arrow keys move, Enter shows a value in full.`,
      "aria-rowcount": this.#rows.length + 1, "aria-colcount": columns.length + 1,
      onscroll: () => this.#renderSoon(), onkeydown: (event) => this.#onKey(event),
      onclick: (event) => this.#onClick(event), ondblclick: () => this.#showValue(),
    }, canvas);
    this.#window.style.top = `${HEAD_PX}px`;
    new ResizeObserver(() => this.#renderSoon()).observe(this.element);
    this.#render();
  }

  #renderSoon() {
    if (this.#isDue) return;
    this.#isDue = true;
    requestAnimationFrame(() => {
      this.#isDue = false;
      this.#render();
    });
  }

  #render() {
    const visible = Math.ceil((this.element.clientHeight || 450) / ROW_PX);
    const top = Math.floor(this.element.scrollTop / ROW_PX);
    const first = Math.max(0, top - SPARE_ROWS);
    const last = Math.min(this.#rows.length, top + visible + SPARE_ROWS);
    if (first === this.#shown.first && last === this.#shown.last) return;
    this.#shown = {first, last};
    this.#window.style.transform = `translateY(${first * ROW_PX}px)`;
    const lines = [];
    for (let row = first; row < last; row += 1) lines.push(this.#line(row));
    this.#window.replaceChildren(...lines);
    this.#mark();
  }

  #line(row) {
    const cells = this.#columns.map((_, column) => {
      const value = this.#rows[row][column] ?? null;
      const kind = [this.#rightAligned[column] && "right", value === null && "null", isBlob(value) && "blob"];
      return h("div", {role: "gridcell", id: this.#cellId(row, column), class: kind.filter(Boolean).join(" ") || null,
        data: {row, column}}, cell(value));
    });
    return h("div", {role: "row", class: "line", "aria-rowindex": row + 2},
      h("div", {role: "rowheader", class: "order"}, whole(row + 1)), cells);
  }

  #cellId(row, column) {
    return `${this.#id}-${row}-${column}`;
  }

  /** Shows which cell the keys are at. */
  #mark() {
    this.#window.querySelector(".active")?.classList.remove("active");
    const {row, column} = this.#active;
    const id = this.#cellId(row, column);
    const element = this.#window.querySelector(`#${id}`);
    element?.classList.add("active");
    if (element) this.element.setAttribute("aria-activedescendant", id);
    else this.element.removeAttribute("aria-activedescendant");
    return element;
  }

  #moveTo(row, column) {
    this.#active = {
      row: Math.min(this.#rows.length - 1, Math.max(0, row)),
      column: Math.min(this.#columns.length - 1, Math.max(0, column)),
    };
    const top = this.#active.row * ROW_PX;
    const room = this.element.clientHeight - HEAD_PX - ROW_PX;
    if (top < this.element.scrollTop) this.element.scrollTop = top;
    else if (top > this.element.scrollTop + room) this.element.scrollTop = top - room;
    this.#render();
    this.#mark()?.scrollIntoView({block: "nearest", inline: "nearest"});
  }

  #onKey(event) {
    if (this.#rows.length === 0) return;
    const {row, column} = this.#active;
    const page = Math.max(1, Math.floor(this.element.clientHeight / ROW_PX) - 2);
    const end = this.#columns.length - 1;
    const moves = {
      ArrowUp: [row - 1, column], ArrowDown: [row + 1, column],
      ArrowLeft: [row, column - 1], ArrowRight: [row, column + 1],
      PageUp: [row - page, column], PageDown: [row + page, column],
      Home: event.ctrlKey ? [0, 0] : [row, 0], End: event.ctrlKey ? [this.#rows.length - 1, end] : [row, end],
    };
    if (event.key === "Enter") this.#showValue();
    else if (event.key === "c" && (event.ctrlKey || event.metaKey) && String(getSelection()) === "") this.#copy();
    else if (event.key in moves) this.#moveTo(...moves[event.key]);
    else return;
    event.preventDefault();
  }

  #onClick(event) {
    const {row, column} = event.target.closest("[role=gridcell]")?.dataset ?? {};
    if (row !== undefined) this.#moveTo(Number(row), Number(column));
  }

  #value() {
    return this.#rows[this.#active.row][this.#active.column] ?? null;
  }

  #copy() {
    const value = this.#value();
    navigator.clipboard?.writeText(value === null ? "" : full(value));
  }

  #showValue() {
    if (this.#rows.length === 0) return;
    const value = this.#value();
    const {row, column} = this.#active;
    const what = value === null ? "NULL" : isBlob(value) ? counted(value.length, "byte")
      : isNumber(value) ? "a number" : counted(String(value).length, "character");
    const dialog = h("dialog", {"aria-label": "A value in full", onclose: () => dialog.remove()},
      h("h2", {}, this.#columns[column]), h("p", {class: "soft small"}, `Row ${whole(row + 1)}, ${what}`),
      h("pre", {tabindex: "0"}, value === null ? "NULL" : full(value)),
      h("div", {class: "row"},
        isBlob(value) && h("button", {type: "button", onclick: () =>
          saveFile("value.bin", "application/octet-stream", [new Uint8Array(value)])}, "Save the bytes"),
        h("button", {type: "button", onclick: () => this.#copy()}, "Copy"),
        h("button", {type: "button", class: "primary", onclick: () => dialog.close()}, "Close")));
    document.body.append(dialog);
    dialog.showModal();
  }
}
