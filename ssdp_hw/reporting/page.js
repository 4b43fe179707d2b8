"use strict";
// A click on a column's title, or Enter or the space bar on it, sorts its table; once more turns the order around.
for (const table of document.querySelectorAll("table.sortable")) {
  const titles = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  titles.forEach((title, column) => {
    title.querySelector("button").addEventListener("click", () => {
      const descending = title.getAttribute("aria-sort") === "ascending";
      titles.forEach((other) => other.removeAttribute("aria-sort"));
      title.setAttribute("aria-sort", descending ? "descending" : "ascending");
      const value = (row) => {
        const number = row.cells[column].querySelector("data");
        return number ? Number(number.value) : row.cells[column].textContent.trim();
      };
      const compare = (left, right) => {
        const [a, b] = [value(left), value(right)];
        if (typeof a === "number" && typeof b === "number") {
          return a - b;
        }
        if (typeof a === typeof b) {
          return a.localeCompare(b, "en", { numeric: true });
        }
        return typeof a === "number" ? -1 : 1; // what is not known comes last
      };
      const rows = [...body.rows].sort(compare);
      body.append(...(descending ? rows.reverse() : rows));
    });
  });
}
