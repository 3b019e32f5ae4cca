// Cutting SQL text into statements, and writing names into it. Not a parser: strings, comments and the bodies of
// triggers are recognised, as the SQLite shell does it. Pure functions.

const TOKEN = new RegExp(
  [
    String.raw`(?<blank>\s+|--[^\n]*|/\*(?:[^*]|\*(?!/))*(?:\*/|$))`,
    "(?<quoted>" + ["'", '"', "`"].map((mark) => `${mark}(?:[^${mark}]|${mark}${mark})*(?:${mark}|$)`).join("|")
      + String.raw`|\[[^\]]*(?:\]|$))`,
    String.raw`(?<word>[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*)`,
    String.raw`(?<end>;)`,
    String.raw`(?<other>[^])`,
  ].join("|"), "gy");

/** The statements of a text: [{text, begin, end}]; what is nothing but blanks and comments is left out. */
export function splitStatements(text) {
  const statements = [];
  let begin = -1; // of the statement's first token
  let words = []; // its first ones
  let behindSemicolon = false; // inside of a trigger: its body's last statement has ended
  let sawEnd = false; // ... and END has come after that
  const finish = (end) => {
    if (begin >= 0) statements.push({text: text.slice(begin, end).trim(), begin, end});
    begin = -1;
    words = [];
    behindSemicolon = sawEnd = false;
  };
  TOKEN.lastIndex = 0;
  for (let match = TOKEN.exec(text); match !== null && match[0] !== ""; match = TOKEN.exec(text)) {
    const {blank, word, end} = match.groups;
    if (blank !== undefined) continue;
    if (end !== undefined) {
      if (isTrigger(words) && !sawEnd) behindSemicolon = true;
      else finish(match.index);
      continue;
    }
    if (begin < 0) begin = match.index;
    const name = word?.toUpperCase() ?? "";
    if (words.length < 6) words.push(name);
    sawEnd = behindSemicolon && name === "END";
    behindSemicolon = false;
  }
  finish(text.length);
  return statements;
}

function isTrigger(words) {
  const own = words[0] === "EXPLAIN" ? words.slice(words[1] === "QUERY" ? 3 : 1) : words;
  if (own[0] !== "CREATE") return false;
  return own[own[1] === "TEMP" || own[1] === "TEMPORARY" ? 2 : 1] === "TRIGGER";
}

/** The first word of a statement, in capitals. */
export function verb(statement) {
  TOKEN.lastIndex = 0;
  for (let match = TOKEN.exec(statement); match !== null && match[0] !== ""; match = TOKEN.exec(statement)) {
    if (match.groups.blank === undefined) return match.groups.word?.toUpperCase() ?? "";
  }
  return "";
}

const CHANGES_SCHEMA = new Set(["CREATE", "DROP", "ALTER", "ATTACH", "DETACH"]);
export const changesSchema = (statement) => CHANGES_SCHEMA.has(verb(statement));

/** A name as it can stand anywhere in SQL. */
export function quoteName(name) {
  return `"${name.replaceAll('"', '""')}"`;
}

const PLAIN = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** Quoted only if it must be. Words that SQL uses itself are quoted, too. */
export function nameInSql(name) {
  return PLAIN.test(name) && !KEYWORDS.has(name.toUpperCase()) ? name : quoteName(name);
}

const KEYWORDS = new Set((
  "ADD ALL ALTER ANALYZE AND AS ASC BETWEEN BY CASE CHECK COLLATE COLUMN COMMIT CONSTRAINT CREATE CROSS DEFAULT DELETE "
  + "DESC DISTINCT DROP ELSE END ESCAPE EXCEPT EXISTS FILTER FOREIGN FROM FULL GROUP HAVING IN INDEX INNER INSERT "
  + "INTERSECT INTO IS ISNULL JOIN LEFT LIMIT NATURAL NOT NOTNULL NULL ON OR ORDER OUTER OVER PRIMARY REFERENCES "
  + "REPLACE RETURNING RIGHT SELECT SET TABLE THEN TO TRANSACTION UNION UNIQUE UPDATE USING VALUES WHEN WHERE WITH"
).split(" "));
