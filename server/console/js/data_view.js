// The database as a whole: a copy of it for the user, and a file of the user's in its place.

import {refusal, urlOf} from "./api.js";
import {h, newId, setText} from "./dom.js";
import {bytes} from "./format.js";

const SQLITE_MAGIC = "SQLite format 3\0";

const FORMS = [
  {value: "file", words: "SQLite file", about: "A copy of this moment, page by page", query: "", suffix: "db"},
  {value: "compact", words: "SQLite file, compacted", about: "Without the room that deleted rows have left",
    query: "vacuum", suffix: "db"},
  {value: "sql", words: "SQL text", about: "The statements that make the database anew", query: "fmt=sql",
    suffix: "sql"},
];

/** Where a backup comes from and what its file is called. */
export function backupLink(form, isCompressed, now) {
  const {query, suffix} = FORMS.find((one) => one.value === form);
  const parameters = [query, isCompressed && "compress"].filter(Boolean).join("&");
  const stamp = now.toISOString().slice(0, 19).replaceAll(":", "").replace("T", "-");
  return {
    href: `/db/backup${parameters ? `?${parameters}` : ""}`,
    name: `quorate-${stamp}.${suffix}${isCompressed ? ".gz" : ""}`,
  };
}

function choices(name, options, onchange) {
  return options.map(({value, words, about}, i) => h("label", {class: "choice"},
    h("input", {type: "radio", name, value, checked: i === 0, onchange}),
    h("span", {}, words, h("small", {}, about))));
}

class Backup {
  #form = h("form", {class: "stack"});
  #link;

  constructor() {
    this.#link = h("a", {class: "button primary", download: "", onclick: () => this.#refresh()}, "Download");
    const refresh = () => this.#refresh();
    this.#form.append(
      h("fieldset", {}, h("legend", {}, "Form"), choices("form", FORMS, refresh)),
      h("label", {class: "choice"}, h("input", {type: "checkbox", name: "compress", onchange: refresh}),
        h("span", {}, "Compressed (gzip)")),
      this.#link);
    this.element = h("section", {class: "card", "aria-labelledby": "backup"}, h("h2", {id: "backup"}, "Backup"),
      h("p", {class: "soft small"}, "Has everything that was acknowledged before. Writing goes on meanwhile."),
      this.#form);
    this.#refresh();
  }

  #refresh() {
    const {href, name} = backupLink(this.#form.elements.form.value, this.#form.elements.compress.checked, new Date());
    this.#link.setAttribute("href", href);
    this.#link.setAttribute("download", name);
  }
}

class Restore {
  #way;
  #file;
  #button;
  #message = h("p", {class: "message", role: "status", hidden: true});
  #progress = h("progress", {max: 1, value: 0, hidden: true, "aria-label": "Sent so far"});

  /** `ondone` is called when the database is another one. */
  constructor(ondone) {
    this.ondone = ondone;
    const id = newId("file");
    this.#file = h("input", {type: "file", id, onchange: () => this.#fileChosen()});
    this.#button = h("button", {type: "button", class: "danger", disabled: true, onclick: () => this.#confirm()},
      "Restore…");
    this.#way = h("form", {class: "stack"},
      h("fieldset", {}, h("legend", {}, "How"), choices("way", [
        {value: "/db/load", words: "Load", about: "A SQLite file replaces the database on all nodes; SQL text is "
          + "executed in it. All or nothing."},
        {value: "/boot", words: "Boot", about: "The same of a SQLite file, for a node that is alone."},
      ])),
      h("label", {for: id, class: "small soft"}, "SQLite file or SQL text"), this.#file, this.#button,
      this.#progress, this.#message);
    this.element = h("section", {class: "card", "aria-labelledby": "restore"}, h("h2", {id: "restore"}, "Restore"),
      h("p", {class: "soft small"}, "The file is checked before anything is changed."), this.#way);
  }

  #fileChosen() {
    this.#button.disabled = this.#file.files.length === 0;
    this.#message.hidden = true;
  }

  #say(text, kind = "") {
    this.#message.className = `message ${kind}`;
    this.#message.hidden = false;
    setText(this.#message, text);
  }

  async #confirm() {
    const file = this.#file.files[0];
    const isFile = (await file.slice(0, SQLITE_MAGIC.length).text()) === SQLITE_MAGIC;
    const path = this.#way.elements.way.value;
    if (!isFile && path === "/boot") return this.#say(`${file.name} is no SQLite file; load it instead.`, "bad");
    const what = isFile
      ? `Everything that is in the database now will be gone. ${file.name} (${bytes(file.size)}) takes its place, on `
        + "all nodes."
      : `The statements of ${file.name} (${bytes(file.size)}) will be executed in the database as it is now, in one `
        + "transaction.";
    const dialog = h("dialog", {"aria-labelledby": "restore-question", onclose: () => dialog.remove()},
      h("h2", {id: "restore-question"}, isFile ? "Replace the database?" : "Execute the file?"), h("p", {}, what),
      h("div", {class: "row"},
        h("button", {type: "button", autofocus: true, onclick: () => dialog.close()}, "Cancel"),
        h("button", {type: "button", class: "danger", onclick: () => {
          dialog.close();
          this.#send(path, file);
        }}, isFile ? "Replace it" : "Execute it")));
    document.body.append(dialog);
    dialog.showModal();
  }

  /** XMLHttpRequest, because fetch() does not say how much has been sent. */
  #send(path, file) {
    const request = new XMLHttpRequest();
    request.upload.onprogress = (event) => {
      this.#progress.value = event.loaded / event.total;
      if (event.loaded === event.total) this.#say("Sent. The cluster checks it and takes it over…");
    };
    request.onerror = () =>
      this.#finish("The node cannot be reached – it is not known whether it has taken the file.");
    request.onload = () => this.#finish(complaintOf(request.status, request.responseText));
    request.open("POST", urlOf(path));
    request.setRequestHeader("Content-Type", "application/octet-stream");
    this.#button.disabled = true;
    this.#progress.hidden = false;
    this.#say(`Sending ${file.name}…`);
    request.send(file);
  }

  #finish(complaint) {
    this.#progress.hidden = true;
    this.#button.disabled = false;
    if (complaint !== "") return this.#say(complaint, "bad");
    this.#say("Done. This is the database now.", "good");
    this.ondone();
  }
}

/** What is wrong according to the answer to a load; empty if nothing is. */
export function complaintOf(status, text) {
  if (status < 200 || status > 299) return refusal(status, text).message;
  try {
    const answer = JSON.parse(text || "{}");
    return answer.error ?? answer.results?.find((result) => result.error !== undefined)?.error ?? "";
  } catch {
    return `The node answers with something else: ${text.slice(0, 200)}`;
  }
}

export class DataView {
  constructor(element, ondone) {
    element.append(h("header", {}, h("h1", {id: "title-data", tabindex: "-1"}, "Data"),
      h("p", {}, "The database as a whole, in and out.")),
      h("div", {class: "pair"}, new Backup().element, new Restore(ondone).element));
  }
}
