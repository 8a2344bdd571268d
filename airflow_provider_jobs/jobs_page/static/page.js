// Draws what the endpoints beside this file tell. All of it is set as text: nothing that a DAG's author wrote becomes markup.
const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg", SEARCH_PAUSE_MS = 300, BAR_WIDTH = 10, GAP = 2, HEIGHT = 100, FEWEST_BARS = 7;
const SYMBOLS = { pending: "◌", running: "▶", succeeded: "✓", failed: "✕", cancelled: "■", unknown: "?" };
const SERVICES = { bigquery: "BigQuery", salesforce: "Salesforce", redivis: "Redivis" };
const fields = $("filters").elements, asked = parameters();
let page = 0, more = false, price = { rate: null, currency: "" }, turn = null, timer = 0;

function parameters() { // Airflow 3.1 puts ids into the address as they are: a plus is no space, and what is in braces was not known
  const found = {};
  for (const part of location.search.slice(1).split("&")) {
    const [name, value = ""] = part.split(/=(.*)/s);
    try {
      found[name] = decodeURIComponent(value);
    } catch (error) { // a bare percent sign of an id
      if (!(error instanceof URIError)) throw error;
      found[name] = value;
    }
    if (found[name].startsWith("{")) delete found[name];
  }
  return found;
}

function host() { // the frame that Airflow shows this page in may open nothing: its parent's document may
  try {
    return parent.document;
  } catch (error) { // somebody else's page has the frame
    if (error.name !== "SecurityError") throw error;
    return document;
  }
}

function open(address, newTab, name = "") {
  const link = Object.assign(host().createElement("a"), { href: address, target: newTab ? "_blank" : "_self", rel: "noopener", download: name });
  if (!name) link.removeAttribute("download");
  host().body.append(link);
  link.click();
  link.remove();
}

function follow() { // light or dark, as Airflow is
  const dark = host() === document ? matchMedia("(prefers-color-scheme: dark)").matches : host().documentElement.classList.contains("dark");
  document.documentElement.classList.toggle("dark", dark);
}

function make(tag, className = "", ...children) {
  const element = document.createElement(tag);
  element.className = className;
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function link(text, address, newTab) { // a real link, for the keyboard and the context menu
  const element = make("a", "", text);
  element.href = address;
  element.addEventListener("click", (event) => {
    event.preventDefault();
    open(element.href, newTab || event.ctrlKey || event.metaKey);
  });
  return element;
}

const whole = (number) => number.toLocaleString("en");
const known = (value, format) => (value === null || value === undefined ? "" : format(value));

function bytes(number) {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let step = 0, left = number;
  for (; left >= 999.5 && step < units.length - 1; step++) left /= 1000; // 999.5 would be 1000 in three digits
  return `${step && left < 999.5 ? left.toPrecision(3) : whole(Math.round(left))} ${units[step]}`;
}

function duration(seconds) {
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min ${Math.floor(seconds % 60)} s` : `${whole(Math.floor(minutes / 60))} h ${minutes % 60} min`;
}

function money(amount) {
  return `${amount.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: amount < 1 ? 4 : 2 })} ${price.currency}`;
}

function moment(text) {
  if (!text) return null;
  const at = new Date(text), element = make("time", "", at.toLocaleDateString(), make("small", "", at.toLocaleTimeString()));
  element.dateTime = element.title = text;
  return element;
}

const NUMBERS = [ // of a job, of a day, of a DAG
  ["Took", "seconds", duration], ["Rows", "rows", whole], ["Processed", "bytes_processed", bytes],
  ["Billed", "bytes_billed", bytes], ["Price", "price", money], ["Slots", "slot_ms", (ms) => duration(ms / 1000)],
];
const numbers = () => NUMBERS.filter(([, name]) => name !== "price" || price.rate !== null);

function table(id, names, rows) {
  const line = make("tr");
  for (const name of names) {
    const head = make("th", numbers().some(([title]) => title === name) || name === "Failed" || name === "Jobs" ? "number" : "", name);
    head.scope = "col";
    line.append(head);
  }
  $(id).tHead.replaceChildren(line);
  $(id).tBodies[0].replaceChildren(...rows);
}

function cell(name, value, exact = "") {
  const element = make("td", value === "" ? "number empty" : "number", value);
  element.dataset.name = name;
  if (exact !== "") element.title = String(exact);
  return element;
}

const counted = (row) => numbers().map(([title, name, format]) => cell(title, known(row[name], format), row[name] ?? ""));

function small(text) { // on one line; all of it on request
  const element = make("small", "cut", text);
  element.title = text;
  return element;
}

function heading(...children) {
  const element = make("th", "text", ...children);
  element.scope = "row";
  return element;
}

function taskAddress(job) {
  const parts = ["..", "dags", job.dag_id, "runs", job.run_id, "tasks", job.task_id, ...(job.map_index < 0 ? [] : ["mapped", job.map_index])];
  return parts.map((part) => (part === ".." ? part : encodeURIComponent(part))).join("/");
}

function state(job) {
  const told = make("td", `state ${job.state}`, `${SYMBOLS[job.state]} ${job.state}`);
  if (job.task_state && job.state !== job.job_state) told.append(make("small", "", `task: ${job.task_state}`), make("small", "", `job: ${job.job_state}`));
  return told;
}

function row(job) {
  const name = job.job_count ? `${job.subject} (${job.job_count} jobs)` : job.subject || job.job_id || "";
  const toJob = /^https?:\/\//.test(job.url ?? "") ? link(name, job.url, true) : name;
  const what = heading(toJob, small([SERVICES[job.service], job.job_id].filter(Boolean).join(" · ")));
  if (job.error) what.append(make("small", "error", job.error));
  const where = job.map_index < 0 ? job.task_id : `${job.task_id} [${job.map_index}]`;
  const task = make("td", "text", link(`${job.dag_id} · ${where}`, taskAddress(job)), small(job.run_id));
  return make("tr", "", what, state(job), task, make("td", "", moment(job.started_at)), ...counted(job));
}

function drawJobs(told) {
  more = told.more;
  price = told;
  const names = ["Job", "State", "Task", "Started", ...numbers().map(([title]) => title)];
  table("jobs", names, told.jobs.map(row));
  $("none").hidden = told.jobs.length > 0;
  $("back").disabled = page === 0;
  $("next").disabled = !more;
  place();
  performance.mark("jobs drawn");
}

let total = null;
function place() {
  const shown = $("jobs").tBodies[0].rows.length, first = page * 50 + 1;
  const of = total ? ` of ${whole(total.jobs)}` : "";
  $("place").textContent = shown ? `${whole(first)} to ${whole(first + shown - 1)}${of}` : "";
}

function drawSums(told) {
  due = false;
  price = told;
  total = told.total;
  const tiles = [["Jobs", "jobs", whole], ["Failed", "failed", whole], ["Running", "running", whole], ...numbers().filter(([, name]) => name !== "rows")];
  $("total").replaceChildren(...tiles.map(([title, name, format]) => make("div", "", make("dt", "", title),
    make("dd", name === "failed" && total?.failed ? "failed" : "", total ? format(total[name]) : "0"))));
  const cost = price.rate === null ? "bytes_billed" : "price", format = cost === "price" ? money : bytes;
  $("cost-title").textContent = cost === "price" ? "Price of bytes billed" : "Bytes billed";
  bars("cost", told.days, cost, format);
  bars("failures", told.days, "failed", whole);
  const names = ["Jobs", "Failed", ...numbers().map(([title]) => title)], sums = (each) => [cell("Jobs", whole(each.jobs)), cell("Failed", whole(each.failed)), ...counted(each)];
  table("days", ["Day (UTC)", ...names], told.days.map((day) => make("tr", "", heading(day.day), ...sums(day))));
  table("dags", ["DAG", ...names], told.dags.map((dag) => make("tr", "", heading(only(dag.dag_id)), ...sums(dag))));
  $("more-dags").textContent = told.dag_count > told.dags.length ? `The ${told.dags.length} of ${whole(told.dag_count)} DAGs with the most bytes billed.` : "";
  place();
}

function only(dagId) {
  const button = make("button", "", dagId);
  button.addEventListener("click", () => {
    asked.dag_id = dagId;
    delete asked.task_id;
    changed();
    $("title").focus();
  });
  return button;
}

function bars(id, days, name, format) {
  const all = everyDay(days), most = Math.max(0, ...all.map((day) => day[name]));
  $(id).setAttribute("viewBox", `0 0 ${Math.max(all.length, FEWEST_BARS) * BAR_WIDTH} ${HEIGHT}`);
  $(id).setAttribute("preserveAspectRatio", "none");
  $(id).replaceChildren(...all.map((day, at) => {
    const bar = document.createElementNS(SVG, "rect"), title = document.createElementNS(SVG, "title");
    const height = most ? (HEIGHT * day[name]) / most : 0;
    const places = { x: at * BAR_WIDTH + GAP / 2, width: BAR_WIDTH - GAP, y: HEIGHT - height, height };
    for (const [key, value] of Object.entries(places)) bar.setAttribute(key, value);
    title.textContent = `${day.day}: ${format(day[name])}`;
    bar.append(title);
    return bar;
  }));
  const top = all.find((day) => day[name] === most);
  $(`${id}-most`).textContent = most ? `${all[0].day} to ${all.at(-1).day}; most on ${top.day}: ${format(most)}` : "None.";
}

function everyDay(days) { // those without jobs too
  const found = new Map(days.map((day) => [day.day, day])), all = [];
  const last = days.at(-1)?.day;
  for (let at = days[0]?.day; at && at <= last; at = new Date(Date.parse(at) + 86400000).toISOString().slice(0, 10)) {
    all.push(found.get(at) ?? { day: at, failed: 0, bytes_billed: 0, price: 0 });
  }
  return all;
}

function query(withPage) {
  const found = new URLSearchParams();
  for (const name of ["dag_id", "task_id"]) if (asked[name]) found.set(name, asked[name]);
  for (const field of fields) if (field.name && field.value) found.set(field.name, field.value);
  if (withPage) found.set("page", page);
  return found;
}

async function ask(path, parameters, signal) {
  const reply = await fetch(`${path}?${parameters}`, { signal, headers: { Accept: "application/json" } });
  if (reply.ok) return reply.json();
  const { detail } = await reply.json().catch(() => ({ detail: reply.statusText }));
  const login = reply.status === 401 || detail === "Invalid JWT token";
  const text = typeof detail === "string" ? detail : "It does not understand what was asked for.";
  throw new Error(login ? "You are not logged in, or no longer. Reload Airflow, and log in." : `Airflow answered ${reply.status}: ${text}`);
}

let due = false; // those sums are on the page, or none, that were asked for before
async function show(withSums) {
  due ||= withSums;
  turn?.abort();
  turn = new AbortController();
  const { signal } = turn;
  $("main").ariaBusy = "true";
  try {
    drawJobs(await ask("jobs", query(true), signal)); // the sums take longer, and would hold them up
    if (due) drawSums(await ask("sums", query(false), signal));
    $("trouble").hidden = true;
    $("said").textContent = `As of ${new Date().toLocaleTimeString()}`;
  } catch (error) {
    if (error.name === "AbortError") return;
    $("trouble").textContent = error.message;
    $("trouble").hidden = false;
  }
  $("main").ariaBusy = "false";
}

function changed() {
  page = 0;
  total = null;
  const about = asked.task_id ? `task ${asked.task_id} of ${asked.dag_id}` : asked.dag_id && `DAG ${asked.dag_id}`;
  $("title").textContent = about ? `Jobs of ${about}` : "Jobs of BigQuery, Salesforce and Redivis";
  $("whole").hidden = !about;
  show(true);
}

function turnTo(step) {
  page += step;
  show(false).then(() => $("jobs-title").scrollIntoView());
}

$("filters").addEventListener("submit", (event) => event.preventDefault());
$("filters").addEventListener("change", (event) => (event.target.name === "order" ? (page = 0, show(false)) : event.target.name !== "search" && changed()));
fields.search.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(changed, SEARCH_PAUSE_MS);
});
$("whole").addEventListener("click", () => {
  delete asked.dag_id;
  delete asked.task_id;
  changed();
});
$("refresh").addEventListener("click", () => show(true));
$("back").addEventListener("click", () => turnTo(-1));
$("next").addEventListener("click", () => turnTo(1));
$("csv").addEventListener("click", (event) => {
  event.preventDefault();
  open(new URL(`jobs.csv?${query(false)}`, location.href).href, false, "jobs.csv");
});
$("title").tabIndex = -1;
follow();
new MutationObserver(follow).observe(host().documentElement, { attributes: true, attributeFilter: ["class"] });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", follow);
changed();
