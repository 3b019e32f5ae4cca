// What there is in the database: tables, views, their columns, indexes and triggers. A click writes a name into the
// editor.

import {rowsOf} from "./api.js";
import {h, newId, setText} from "./dom.js";
import {counted} from "./format.js";
import {nameInSql} from "./sql_text.js";

const OBJECTS_MAX = 2000;
const COLUMNS_MAX = 20_000;
const OBJECTS = `SELECT type, name, tbl_name FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
  ORDER BY name LIMIT ${OBJECTS_MAX}`;
const COLUMNS = `SELECT m.name, c.name, c.type, c."notnull", c.pk, c.hidden
  FROM sqlite_schema AS m, pragma_table_xinfo(m.name) AS c
  WHERE m.type IN ('table', 'view') AND m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
  ORDER BY m.name, c.cid LIMIT ${COLUMNS_MAX}`;
const HIDDEN = 1;

export class Schema {
  #tree = h("div", {class: "tree"});
  #filter;
  #note;
  #tables = [];
  #isLoading = false;
  #isStale = false;

  /** `oninsert` gets a piece of SQL for the editor; `onshow` a statement that is to be run. */
  constructor({oninsert, onshow}) {
    this.oninsert = oninsert;
    this.onshow = onshow;
    const id = newId("schema");
    this.#note = h("p", {class: "soft small", role: "status"});
    this.#filter = h("input", {type: "search", "aria-label": "Only tables whose name contains",
      placeholder: "Filter…", oninput: () => this.#draw()});
    this.element = h("section", {class: "schema card", "aria-labelledby": id},
      h("div", {class: "head"}, h("h2", {id}, "Schema"),
        h("button", {type: "button", class: "quiet", onclick: () => this.load()}, "Refresh")),
      this.#filter, this.#tree, this.#note);
  }

  async load() {
    if (this.#isLoading) {
      this.#isStale = true; // what is being read may be of before
      return;
    }
    this.#isLoading = true;
    try {
      const [objects, columns] = await Promise.all([rowsOf(OBJECTS), rowsOf(COLUMNS)]);
      this.#tables = tablesOf(objects, columns);
      setText(this.#note, objects.length < OBJECTS_MAX ? "" : `Only the first ${OBJECTS_MAX} are shown.`);
      this.#draw();
    } catch (error) {
      setText(this.#note, `The schema cannot be read: ${error.message}`);
    }
    this.#isLoading = false;
    if (this.#isStale) {
      this.#isStale = false;
      await this.load();
    }
  }

  #draw() {
    const wanted = this.#filter.value.toLowerCase();
    const open = new Set([...this.#tree.querySelectorAll("details[open]")].map((one) => one.dataset.name));
    const shown = this.#tables.filter((table) => table.name.toLowerCase().includes(wanted));
    this.#tree.replaceChildren(...shown.map((table) => this.#table(table, open.has(table.name))));
    if (this.#tables.length === 0) this.#tree.append(h("p", {class: "soft"}, "There are no tables yet."));
  }

  #table(table, isOpen) {
    const name = nameInSql(table.name);
    const names = table.columns.map((column) => nameInSql(column.name));
    const insert = `INSERT INTO ${name}(${names.join(", ")}) VALUES(${names.map(() => "?").join(", ")})`;
    const act = (words, what, run) => h("button", {type: "button", onclick: run, "aria-label": what}, words);
    const entry = (column) => h("li", {}, h("button", {type: "button", title: "Write the name into the editor",
      onclick: () => this.oninsert(nameInSql(column.name))}, column.name), h("span", {}, column.about));
    return h("details", {data: {name: table.name}, open: isOpen},
      h("summary", {}, table.name, " ", h("small", {}, table.type === "view" ? "view"
        : counted(table.columns.length, "column"))),
      h("div", {class: "acts"},
        act("Browse", `Show the first rows of ${table.name}`, () => this.onshow(`SELECT * FROM ${name} LIMIT 100;`)),
        act("Name", `Write ${table.name} into the editor`, () => this.oninsert(name)),
        table.type === "table" && act("Insert", `Write an INSERT into ${table.name} into the editor`,
          () => this.oninsert(`${insert};`))),
      h("ul", {"aria-label": `Columns of ${table.name}`}, table.columns.map(entry)),
      table.others.length > 0 && h("ul", {"aria-label": `Indexes and triggers of ${table.name}`},
        table.others.map(entry)));
  }
}

/** The answers of the two questions above, put together by table. */
export function tablesOf(objects, columns) {
  const tables = new Map();
  for (const [type, name] of objects)
    if (type === "table" || type === "view") tables.set(name, {type, name, columns: [], others: []});
  for (const [table, name, type, isNotNull, key, hidden] of columns) {
    if (hidden === HIDDEN) continue;
    const about = [type.toLowerCase(), key > 0 && "primary key", isNotNull === 1 && key === 0 && "not null",
      hidden > HIDDEN && "generated"];
    tables.get(table)?.columns.push({name, about: about.filter(Boolean).join(", ")});
  }
  for (const [type, name, table] of objects)
    if (type === "index" || type === "trigger") tables.get(table)?.others.push({name, about: type});
  return [...tables.values()];
}
