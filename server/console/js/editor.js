// The text of the statements, and how they are to be run. Tab leaves it as it leaves every other field.

import {h, newId} from "./dom.js";
import {clock} from "./format.js";
import {forgetPast, pastStatements} from "./history.js";

const LEVELS = {
  weak: "weak – what the leader has acknowledged",
  linearizable: "linearizable – certainly current",
  strong: "strong – through the log",
  none: "none – whatever this node has",
  auto: "auto – none on read replicas, else weak",
};
const DRAFT = "quorate.draft";

export class Editor {
  #text;
  #level;
  #transaction;
  #run;
  #stop;
  #past = -1; // which entry of the history is shown; -1: what is being written

  /** `onrun` gets {text, level, transaction}; `onstop` ends the wait for it. */
  constructor({onrun, onstop}) {
    const id = newId("sql");
    this.onrun = onrun;
    this.#text = h("textarea", {
      id, spellcheck: "false", autocapitalize: "off", autocomplete: "off", "aria-describedby": `${id}-hint`,
      placeholder: "SELECT * FROM sqlite_schema;", onkeydown: (event) => this.#onKey(event),
      oninput: () => this.#keepDraft(),
    });
    this.#text.value = sessionStorage.getItem(DRAFT) ?? "";
    this.#level = h("select", {id: `${id}-level`, title: "How current reads are"},
      Object.entries(LEVELS).map(([level, what]) => h("option", {value: level}, what)));
    this.#transaction = h("input", {type: "checkbox", id: `${id}-transaction`});
    this.#run = h("button", {type: "button", class: "primary", onclick: () => this.run(), title: "Ctrl+Enter"}, "Run");
    this.#stop = h("button", {type: "button", hidden: true, onclick: onstop}, "Stop waiting");
    this.element = h("div", {class: "editor card"},
      h("div", {class: "label"}, h("label", {for: id}, h("strong", {}, "Statements")),
        h("span", {class: "small", id: `${id}-hint`}, h("kbd", {}, "Ctrl"), " ", h("kbd", {}, "Enter"),
          " runs all of them, or what is selected")),
      this.#text,
      h("div", {class: "row"}, this.#run, this.#stop,
        h("label", {class: "choice"}, this.#transaction, "In one transaction"),
        h("label", {class: "choice"}, h("span", {class: "soft"}, "Level"), this.#level),
        h("button", {type: "button", class: "quiet push", onclick: () => this.#showHistory()}, "History…")));
  }

  focus() {
    this.#text.focus();
  }

  get text() {
    return this.#text.value;
  }

  set text(value) {
    this.#text.value = value;
    this.#keepDraft();
  }

  /** Where the text cursor is, with blanks around it where they are needed. */
  insert(words) {
    const {selectionStart: begin, selectionEnd: end, value} = this.#text;
    const before = begin > 0 && !/[\s(.]$/.test(value.slice(0, begin)) ? " " : "";
    this.#text.setRangeText(before + words, begin, end, "end");
    this.#keepDraft();
    this.focus();
  }

  run() {
    const {selectionStart: begin, selectionEnd: end, value} = this.#text;
    const text = begin === end ? value : value.slice(begin, end);
    this.#past = -1;
    this.onrun({text, level: this.#level.value, transaction: this.#transaction.checked});
  }

  set isRunning(value) {
    this.#run.disabled = value;
    this.#stop.hidden = !value;
  }

  #keepDraft() {
    sessionStorage.setItem(DRAFT, this.#text.value);
  }

  #onKey(event) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      if (!this.#run.disabled) this.run();
    } else if (event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
      event.preventDefault();
      this.#walkHistory(event.key === "ArrowUp" ? 1 : -1);
    }
  }

  #walkHistory(step) {
    const past = pastStatements();
    const next = this.#past + step;
    if (next < 0 || next >= past.length) return;
    this.#past = next;
    this.text = past[next].sql;
  }

  #showHistory() {
    const list = h("ul", {class: "past"});
    const fill = (wanted) => {
      const past = pastStatements().filter((entry) => entry.sql.toLowerCase().includes(wanted.toLowerCase()));
      list.replaceChildren(...past.map((entry) => h("li", {}, h("button", {type: "button", onclick: () => {
        this.text = entry.sql;
        dialog.close();
        this.focus();
      }}, h("code", {}, entry.sql), h("small", {}, this.#whenOf(entry))))));
      if (past.length === 0) list.append(h("li", {class: "soft small"}, "There is nothing."));
    };
    const dialog = h("dialog", {"aria-label": "What was run before", onclose: () => dialog.remove()},
      h("h2", {}, "History"),
      h("input", {type: "search", "aria-label": "Only what contains", placeholder: "Only what contains…",
        oninput: (event) => fill(event.target.value)}),
      list,
      h("div", {class: "row"},
        h("button", {type: "button", class: "quiet", onclick: () => {
          forgetPast();
          fill("");
        }}, "Forget all"),
        h("button", {type: "button", onclick: () => dialog.close()}, "Close")));
    fill("");
    document.body.append(dialog);
    dialog.showModal();
  }

  #whenOf(entry) {
    const at = new Date(entry.at);
    const day = at.toDateString() === new Date().toDateString() ? "" : `${at.toISOString().slice(0, 10)} `;
    return `${day}${clock(at)}${entry.isGood ? "" : " – failed"}`;
  }
}
