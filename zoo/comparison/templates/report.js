"use strict";
// A column's head sorts the rows by it: what is better comes first, and once more for the other way round.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  const collator = new Intl.Collator("en", { numeric: true });
  const valueOf = (row, column) => {
    const { value, text } = row.cells[column]?.dataset ?? {};
    return value === undefined ? text : Number(value);
  };
  const compare = (column, sign) => (one, other) => {
    const [a, b] = [valueOf(one, column), valueOf(other, column)];
    // What has no number comes last, whichever way the rest goes.
    if (a === undefined || b === undefined) return (a === undefined) - (b === undefined);
    return sign * (typeof a === "number" ? a - b : collator.compare(a, b));
  };
  heads.forEach((head, column) => {
    const button = head.querySelector("button");
    button.addEventListener("click", () => {
      const first = button.dataset.better === "higher" ? "descending" : "ascending";
      const second = first === "ascending" ? "descending" : "ascending";
      const order = head.getAttribute("aria-sort") === first ? second : first;
      heads.forEach((each) => each.setAttribute("aria-sort", each === head ? order : "none"));
      body.append(...[...body.rows].sort(compare(column, order === "ascending" ? 1 : -1)));
    });
  });
}
// A picture takes the whole width, and gives it back.
for (const button of document.querySelectorAll("button.picture")) {
  button.addEventListener("click", () => {
    const large = button.closest("figure").classList.toggle("large");
    button.setAttribute("aria-pressed", String(large));
  });
}
// Paper cannot be unfolded.
const folded = [];
addEventListener("beforeprint", () => {
  for (const one of document.querySelectorAll("details:not([open])")) {
    one.open = true;
    folded.push(one);
  }
});
addEventListener("afterprint", () => {
  for (const one of folded.splice(0)) one.open = false;
});
