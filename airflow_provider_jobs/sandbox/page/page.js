// Draws what /sandbox/status tells, every second. All of it is set as text: nothing from outside becomes markup.
const POLL_MS = 1000, PATIENCE_MS = 10000, TICKS = 5, LEAST_SPAN = 4;
const SYMBOLS = { pending: "◌", running: "▶", done: "✓", failed: "✕", cancelled: "■" };
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];
const $ = (id) => document.getElementById(id);
const main = document.querySelector("main"), states = new Set();
let status = null, before = null, selected = "", turn = 0, timer = 0;

function text(element, value) { // untouched where it is the same: a selection in it stays
  if (element.textContent !== String(value)) element.textContent = value;
}

function make(tag, className = "", ...children) {
  const element = Object.assign(document.createElement(tag), { className });
  element.append(...children);
  return element;
}

function sync(parent, items, keyOf, create, update) { // one element an item, in order; those that stay are kept
  const old = new Map([...parent.children].map((child) => [child.dataset.key, child])), kept = new Set();
  let place = parent.firstElementChild;
  for (const item of items) {
    const found = old.get(String(keyOf(item))), child = found && !kept.has(found) ? found : create();
    child.dataset.key = keyOf(item);
    kept.add(child);
    update(child, item);
    if (child === place) place = place.nextElementSibling;
    else parent.insertBefore(child, place);
  }
  for (const child of [...parent.children]) if (!kept.has(child)) child.remove();
}

const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString("en-GB");
const marked = (state) => `${SYMBOLS[state]} ${state}`;
const facts = (...words) => words.filter(Boolean).join(" · ");

function duration(seconds) {
  if (seconds < 1) return `${Math.round(Math.max(seconds, 0) * 1000)} ms`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min ${Math.floor(seconds % 60)} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function phases(job) { // how long it waited and ran, so far
  const end = job.ended ?? status.now, begun = Math.min(job.started ?? end, end);
  return { waited: begun - job.created, ran: end - begun, begun, end };
}

function matching(jobs) {
  const words = $("find").value.toLowerCase().split(/\s+/), range = Number($("range").value);
  return jobs.filter((job) => (!states.size || states.has(job.state))
    && (!range || (job.ended ?? status.now) >= status.now - range)
    && words.every((word) => Object.values(job).join(" ").toLowerCase().includes(word)));
}

function drawAxis(from, span) {
  const step = STEPS.find((each) => span / each <= TICKS) ?? span / TICKS, first = Math.ceil(from / step) * step;
  const ticks = Array.from({ length: TICKS + 1 }, (_, number) => first + number * step);
  sync($("axis"), ticks.filter((at) => at < from + span * 0.85), (at) => at, () => make("span"), (tick, at) => {
    tick.style.left = `${(100 * (at - from)) / span}%`;
    text(tick, clock(at));
  });
}

function drawJobs({ total, newest }) {
  const jobs = matching(newest), range = Number($("range").value);
  const from = range ? status.now - range : Math.min(...jobs.map((job) => job.created));
  const until = range ? status.now : Math.max(...jobs.map((job) => job.ended ?? status.now));
  const span = Math.max(until - from, LEAST_SPAN) * 1.01;
  if (jobs.length) drawAxis(from, span);
  sync($("rows"), jobs, (job) => job.key, makeRow, (row, job) => drawRow(row, job, from, span));
  const buttons = [...$("rows").querySelectorAll("button")], chosen = $("rows").querySelector(".picked button");
  const stop = buttons.includes(document.activeElement) ? document.activeElement : chosen ?? buttons[0];
  for (const each of buttons) each.tabIndex = each === stop ? 0 : -1; // one stop for Tab, arrows go on from there
  const count = (state) => newest.filter((job) => job.state === state).length;
  for (const chip of $("states").children) {
    text(chip, `${marked(chip.dataset.state)} ${count(chip.dataset.state)}`);
    chip.ariaPressed = String(states.has(chip.dataset.state));
  }
  document.title = `${count("running")} running, ${count("failed")} failed · Sandbox`;
  $("job-table").hidden = !jobs.length;
  $("no-jobs").hidden = total > 0;
  $("none-match").hidden = !total || jobs.length > 0;
  text($("more-jobs"), total > newest.length ? `The newest ${newest.length} of ${total} jobs.` : "");
  const over = newest.filter((job) => job.ended && before && before.get(job.key) !== job.state).slice(0, 3); // for ears
  if (over.length) text($("said"), over.map((job) => `${job.kind} ${job.state}: ${job.text}`).join(". "));
  before = new Map(newest.map((job) => [job.key, job.state]));
}

function makeRow() {
  const name = make("th", "", make("button"), make("small"), make("small", "error"));
  const line = make("td", "line", make("i"), make("i"));
  name.scope = "row";
  line.ariaHidden = "true"; // the column before says the same
  return make("tr", "", make("td", "state"), name, make("td", "", make("span"), make("small")), line);
}

function drawRow(row, job, from, span) {
  const [state, name, took, line] = row.children, { waited, ran, begun, end } = phases(job);
  row.className = `${job.state} ${job.key === selected ? "picked" : ""}`;
  text(state, marked(job.state));
  text(name.children[0], job.text || job.id);
  name.children[0].ariaPressed = String(job.key === selected);
  text(name.children[1], facts(job.service, job.kind, job.place, job.task));
  text(name.children[2], job.error);
  text(took.children[0], job.started ? duration(ran) : "");
  text(took.children[1], waited >= 0.05 ? `waited ${duration(waited)}` : "");
  [[job.created, begun], [begun, end]].forEach(([start, stop], at) => {
    const left = Math.max(start - from, 0) / span, right = Math.max(stop - from, 0) / span;
    line.children[at].hidden = stop - start < 0.02 && (at === 0 || !job.started);
    line.children[at].style.left = `${100 * Math.min(left, 0.99)}%`;
    line.children[at].style.width = `${100 * (right - left)}%`;
  });
}

function drawJob(job) {
  $("job").hidden = !selected;
  job ??= { text: "This job is gone.", state: "cancelled", word: "deleted", error: "" };
  $("job").className = job.state;
  text($("job-title"), facts(job.service, job.kind));
  text($("job-state"), `${marked(job.state)} (${job.word})`);
  const { waited, ran } = phases(job), times = `created ${clock(job.created)} · waited ${duration(waited)} · ran ${duration(ran)}`;
  text($("job-facts"), facts(job.id, job.place, job.task, job.created && times));
  text($("job-error"), job.error);
  text($("job-text"), job.text);
  const create = () => make("li", "", make("b", "state"), make("pre"), make("p", "error"));
  sync($("statements"), job.statements ?? [], (each) => each.key, create, (item, each) => {
    item.className = each.state;
    [`${marked(each.state)} ${each.kind}`, each.text, each.error].forEach((value, at) => text(item.children[at], value));
  });
  text($("job-document"), JSON.stringify(job.document ?? {}, null, 2));
}

function drawFaults(faults) {
  $("no-faults").hidden = faults.length > 0;
  sync($("faults"), faults, (fault) => fault.id, () => make("li", "", make("b"), make("code"), make("small")), (item, fault) => {
    const { id, action, operation, path, method, nth = 1, times = 1, matched, applied, ...settings } = fault;
    const which = times === 0 ? `from match ${nth} on` : times === 1 ? `match ${nth}` : `matches ${nth} to ${nth + times - 1}`;
    const words = Object.entries(settings).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
    text(item.children[0], `${times && matched >= nth + times - 1 ? "used up" : "armed"}: ${action} `);
    text(item.children[1], words.join(" "));
    text(item.children[2], facts(operation ?? "any operation", method, path, which, `${matched} matched, ${applied} met it`));
  });
}

function drawRequests({ total, newest }) {
  const create = () => make("tr", "", make("td"), make("td", "state"), make("td", "", make("b"), make("small"),
    make("small", "error"), make("small", "met")), make("td", "", make("span"), make("small")));
  sync($("entries"), newest, (each) => `${each.started_at} ${each.method} ${each.path}`, create, (row, each) => {
    const [time, state, request, took] = row.children, open = each.seconds === null;
    row.className = each.status >= 400 || (each.status === null && !open) ? "failed" : open ? "running" : "done";
    text(time, clock(each.started_at));
    text(state, each.status ?? (open ? "…" : "no reply"));
    text(request.children[0], each.operation || "not served");
    text(request.children[1], `${each.method} ${each.path}${each.query && `?${each.query}`}`);
    text(request.children[2], each.error);
    text(request.children[3], each.faults.length ? `met: ${each.faults.join(", ")}` : "");
    text(took.children[0], open ? "" : duration(each.seconds));
    text(took.children[1], `${each.bytes_in} B in, ${each.bytes_out} B out`);
  });
  $("request-table").hidden = !newest.length;
  text($("more-requests"), newest.length ? `The newest ${newest.length} of ${total} requests in all.` : total
    ? `None of the ${total} requests matches.` : "No request yet. Each one to a service appears here.");
}

function live(words, refusal = "") {
  text($("live"), words);
  $("live").className = words;
  text($("refused"), refusal);
  $("login").hidden = !refusal;
  main.hidden = Boolean(refusal) || !status;
}

async function poll() {
  clearTimeout(timer);
  const mine = ++turn, token = sessionStorage.getItem("token");
  if (!token) return live("locked", "This tab has no token.");
  if (document.hidden) return; // goes on when somebody looks
  const asked = new URLSearchParams({ job: selected, log: $("log").value, only: $("only").value });
  const options = { headers: { Authorization: `Bearer ${token}` }, signal: AbortSignal.timeout(PATIENCE_MS) };
  const reply = await fetch(`/sandbox/status?${asked}`, options).then(
    async (each) => ({ code: each.status, found: await each.json() })).catch(() => null);
  if (mine !== turn) return;
  if (reply?.code === 401) {
    sessionStorage.removeItem("token");
    return live("locked", "The sandbox refused this tab's token: it may be another sandbox by now.");
  }
  if (reply?.code === 200) {
    status = reply.found;
    draw();
    live("live");
  } else live("The sandbox does not answer. Below is what it told last.");
  timer = setTimeout(poll, POLL_MS);
}

function draw() {
  const waits = Object.entries(status.timing).filter(([, value]) => value > 0.1).map(([name, value]) => `${name}=${value}`);
  const skew = Math.abs(status.ahead) > 1 && `services' clock ${Math.round(status.ahead)} s ahead`;
  text($("about"), facts(location.origin, status.root, ...waits, skew));
  drawJobs(status.jobs), drawJob(status.job), drawFaults(status.faults), drawRequests(status.requests);
}

async function select(key) {
  selected = key === selected ? "" : key;
  await poll();
  if (selected) $("job").scrollIntoView({ block: "nearest" });
}

function takeToken() { // from the link, which then goes out of the address bar
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) sessionStorage.setItem("token", given);
  if (location.hash) history.replaceState(null, "", "/");
  poll();
}

for (const state of Object.keys(SYMBOLS)) {
  const chip = make("button", `state ${state}`);
  chip.dataset.state = state;
  chip.addEventListener("click", () => states.delete(state) || states.add(state));
  $("states").append(chip);
}
$("states").addEventListener("click", draw);
for (const each of document.querySelectorAll(".origin")) text(each, location.origin);
for (const id of ["range", "find"]) $(id).addEventListener("input", draw);
for (const id of ["only", "log"]) $(id).addEventListener("input", poll);
$("rows").addEventListener("click", (event) => select(event.target.closest("tr").dataset.key));
$("rows").addEventListener("keydown", (event) => {
  const { nextElementSibling: ArrowDown, previousElementSibling: ArrowUp } = event.target.closest("tr");
  const next = { ArrowDown, ArrowUp, Home: $("rows").firstElementChild, End: $("rows").lastElementChild }[event.key];
  if (next) event.preventDefault();
  next?.querySelector("button").focus();
});
document.addEventListener("keydown", (event) => { if (event.key === "Escape") select(selected); });
$("close").addEventListener("click", () => select(selected));
$("its-requests").addEventListener("click", () => { $("log").value = status.job?.id ?? ""; poll(); $("log").focus(); });
document.addEventListener("visibilitychange", poll);
addEventListener("hashchange", takeToken);
takeToken();
