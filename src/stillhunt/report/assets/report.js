"use strict";
// Draws the charts when they come near, lists members beyond the first rows, and marks the place in the contents.
// Text from the log is only ever set as text.
(() => {
  const data = JSON.parse(document.getElementById("report-data").textContent);

  // --- charts
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.setAttribute("role", "tooltip");
  tip.hidden = true;
  document.body.append(tip);

  function showTip(_handler, event, item, value) {
    if (value === null || value === undefined || value === "") {
      tip.hidden = true;
      return;
    }
    const head = document.createElement("p");
    const row = item.datum.datum ?? item.datum;
    head.textContent = row.when;
    const list = document.createElement("dl");
    for (const [name, text] of Object.entries(value)) {
      const term = document.createElement("dt");
      const told = document.createElement("dd");
      term.textContent = name;
      told.textContent = String(text);
      list.append(term, told);
    }
    tip.replaceChildren(head, list);
    tip.hidden = false;
    const room = document.documentElement.clientWidth;
    const left = event.clientX + 14 + tip.offsetWidth > room ? event.clientX - 14 - tip.offsetWidth : event.clientX + 14;
    tip.style.left = `${Math.max(4, left)}px`;
    tip.style.top = `${Math.max(4, event.clientY - tip.offsetHeight - 10)}px`;
  }

  function rowsOf(columns) {
    const named = Object.entries(columns).map(([name, place]) => [name, data.columns[place]]);
    return named[0][1].map((_, at) => Object.fromEntries(named.map(([name, values]) => [name, values[at]])));
  }

  async function draw(box) {
    const chart = data.charts[box.id];
    const spec = structuredClone(data.specs[chart.spec]);
    spec.data.find((set) => set.name === "rows").values = rowsOf(chart.columns);
    try {
      await window.drawChart(box, spec, {
        mode: "vega", ast: true, renderer: "svg", actions: false, defaultStyle: false, tooltip: showTip,
      });
      box.querySelector("svg").setAttribute("aria-hidden", "true");
      box.dataset.drawn = "yes";
    } catch (error) {
      box.textContent = "This chart could not be drawn here; the numbers stand in the table below.";
      console.error(error);
    }
  }

  const waiting = new Set(document.querySelectorAll(".chart"));
  const near = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting && waiting.delete(entry.target)) {
        near.unobserve(entry.target);
        draw(entry.target);
      }
    }
  }, { rootMargin: "800px" });
  waiting.forEach((box) => near.observe(box));

  // The rest is drawn when nothing else is to be done, so that a print holds every chart; what is folded away has no
  // width yet, and is drawn when it is opened.
  const later = window.requestIdleCallback || ((work) => setTimeout(work, 200));
  function drawNext() {
    const box = [...waiting].find((one) => !one.closest("details:not([open])"));
    if (box) {
      waiting.delete(box);
      near.unobserve(box);
      draw(box).then(() => later(drawNext));
    }
  }
  later(drawNext);
  document.addEventListener("toggle", () => later(drawNext), true);
  window.addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });

  // --- members
  const AT_ONCE = 200;

  function cell(text, className) {
    const td = document.createElement("td");
    td.textContent = text;
    if (className) td.className = className;
    return td;
  }

  function rowFor(member, table) {
    const [account, membership, standing, licence, others] = member;
    const row = document.createElement("tr");
    const name = document.createElement("th");
    name.scope = "row";
    const code = document.createElement("bdi");
    code.className = "id";
    code.textContent = account;
    name.append(code);
    let said = table.dataset[standing];
    if (licence) said += `: ${licence.replaceAll("_", " ")}`;
    if (others.length) said += `; also in ${others.join(", ")}`;
    row.append(name, cell(membership.toFixed(2), "num"), cell(said));
    return row;
  }

  for (const table of document.querySelectorAll("table[data-members]")) {
    const members = data.members[table.dataset.members];
    if (!members) continue;
    const tools = document.getElementById(`${table.dataset.members}-tools`);
    const field = tools.querySelector("input");
    const state = tools.querySelector("[role=status]");
    const more = document.getElementById(`${table.dataset.members}-more`);
    const body = table.tBodies[0];
    const box = table.parentElement;
    let fitting = members;
    let shown = body.rows.length;

    const tell = () => {
      const of = fitting.length === members.length ? "" : ` that fit, of ${members.length.toLocaleString("en")}`;
      state.textContent = `${shown.toLocaleString("en")} of ${fitting.length.toLocaleString("en")} accounts shown${of}`;
      more.hidden = shown >= fitting.length;
      more.textContent = `Show ${Math.min(AT_ONCE, fitting.length - shown)} more`;
    };
    const add = () => {
      const next = fitting.slice(shown, shown + AT_ONCE).map((member) => rowFor(member, table));
      body.append(...next);
      shown += next.length;
      tell();
    };
    field.addEventListener("input", () => {
      const wanted = field.value.trim().toLowerCase();
      fitting = wanted
        ? members.filter((m) => `${m[0]} ${table.dataset[m[2]]} ${m[3].replaceAll("_", " ")}`.toLowerCase().includes(wanted))
        : members;
      body.replaceChildren();
      shown = 0;
      box.scrollTop = 0;
      add();
    });
    more.addEventListener("click", add);
    box.addEventListener("scroll", () => {
      if (shown < fitting.length && box.scrollTop + box.clientHeight > box.scrollHeight - 200) add();
    }, { passive: true });
    tell();
  }

  // --- a link to something folded opens it
  function reveal() {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    let folded = false;
    for (let part = target.closest("details"); part; part = part.parentElement.closest("details")) {
      folded ||= !part.open;
      part.open = true;
    }
    if (folded) target.scrollIntoView();
  }
  window.addEventListener("hashchange", reveal);
  reveal();

  // --- contents
  const links = new Map([...document.querySelectorAll(".contents a")].map((a) => [a.hash.slice(1), a]));
  const passed = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) {
        links.forEach((link) => link.removeAttribute("aria-current"));
        links.get(entry.target.id).setAttribute("aria-current", "true");
      }
    }
  }, { rootMargin: "-10% 0px -80% 0px" });
  for (const id of links.keys()) {
    const section = document.getElementById(id);
    if (section) passed.observe(section);
  }
})();
