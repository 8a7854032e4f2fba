// The dashboard's own style (behind the report's) and script. The pages are whole without the script:
// it renews what a run writes, moves between rollouts by keys, and nothing else. Internal to this
// folder.
#pragma once

namespace ponder::dash {

inline constexpr const char* kDashStyle = R"css(
body { max-width: 80rem; padding-top: .5rem; }
a { color: var(--accent); text-underline-offset: .15em; }
a:focus-visible, summary:focus-visible, button:focus-visible, input:focus-visible,
select:focus-visible, pre:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.skip { position: absolute; left: -99rem; }
.skip:focus { left: 1rem; top: .3rem; background: var(--paper); padding: .2rem .5rem; }
.tabs { display: flex; flex-wrap: wrap; gap: .2rem 1rem; align-items: baseline;
  border-bottom: 1px solid var(--rule); padding: .4rem 0; margin-bottom: .3rem; font-size: .95rem; }
.tabs a, .pager a { text-decoration: none; padding: .2rem .1rem; }
.tabs a[aria-current], .pager a[aria-current] { color: var(--ink); font-weight: 600;
  border-bottom: 2px solid var(--accent); }
.tabs .run { font-weight: 600; overflow-wrap: anywhere; }
.now { color: var(--soft); font-size: .85rem; margin: .2rem 0 .6rem; min-height: 1.3em;
  font-variant-numeric: tabular-nums; }
main:focus { outline: none; }
.state { font-weight: 600; }
.state.done { color: var(--right); } .state.failed { color: var(--wrong); }
.state.running { color: var(--accent); }
.alarm, .alarms li { color: var(--wrong); }
.filter { display: flex; flex-wrap: wrap; gap: .5rem .9rem; align-items: baseline; margin: .6rem 0;
  font-size: .9rem; }
.filter label { color: var(--soft); }
.filter input, .filter select, .filter button { font: inherit; color: var(--ink);
  background: var(--card); border: 1px solid var(--soft); border-radius: 4px; padding: .2rem .4rem; }
.filter input[type=number] { width: 6rem; }
.filter button { cursor: pointer; }
.pager { display: flex; flex-wrap: wrap; gap: .3rem 1rem; margin: .6rem 0; font-size: .9rem;
  align-items: baseline; }
.rollout h2 { font-size: .95rem; margin: 0 0 .3rem; border: 0; padding: 0; font-weight: 400;
  overflow-wrap: anywhere; }
.rollout h2 .open { font-weight: 600; }
.rollout .verdict { margin: 0 .3rem; }
.rollout .question { margin: 0 0 .3rem; overflow-wrap: anywhere; white-space: pre-wrap;
  unicode-bidi: isolate; }
.rollout.at { border-color: var(--accent); box-shadow: 0 0 0 1px var(--accent); }
ul.plain { list-style: none; margin: 0; padding: 0; min-width: 12rem; }
td.what { overflow-wrap: anywhere; min-width: 16rem; }
article > :last-child { margin-bottom: 0; }
.rollout > pre { max-height: 20rem; overflow: auto; }
@media screen and (max-width: 40rem) { .broad svg { max-width: none; width: 36rem; }
  .stack .log td.name { display: inline-block; margin-right: .8rem; color: var(--soft); } }
.log td { font-size: .85rem; } .log td.what { white-space: pre-wrap; }
.log.error td, .log.warning td { color: var(--wrong); }
.legend { font-size: .8rem; }
.tokens { line-height: 1.7; }
.t { border-radius: 2px; }
.t.masked { color: var(--soft); text-decoration: underline dotted; text-underline-offset: .3em; }
.t.trained { background: var(--q1); }
.t.p1 { background: var(--q1); } .t.p2 { background: var(--q2); }
.t.p3 { background: var(--q3); } .t.p4 { background: var(--q4); }
:root { --q1: #e3eefa; --q2: #fdebc8; --q3: #fbd3ba; --q4: #f6b3a8; }
@media (prefers-color-scheme: dark) {
  :root { --q1: #1c3350; --q2: #4a3a12; --q3: #5a3017; --q4: #6b2621; } }
@media print { .tabs, .filter, .pager, .now { display: none; } }
)css";

inline constexpr const char* kScript = R"js(
"use strict";
const main = document.getElementById("main");
const now = document.getElementById("now");

// What a run writes is shown anew: the page is asked for again and its main part replaced, with what
// was unfolded left unfolded. Not while a form is being filled in.
const typing = () => main.contains(document.activeElement) && /^(INPUT|SELECT)$/.test(document.activeElement.tagName);
async function renew() {
  if (typing()) return;
  const answer = await fetch(location.href, { headers: { accept: "text/html" } });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById("main");
  if (!fresh || typing()) return;
  const open = [...main.querySelectorAll("details")].map((each) => each.open);
  const focus = [...main.querySelectorAll("a, summary")].indexOf(document.activeElement);
  main.dataset.unfinished = fresh.dataset.unfinished;
  main.replaceChildren(...fresh.childNodes);
  main.querySelectorAll("details").forEach((each, i) => { if (i < open.length) each.open = open[i]; });
  if (focus >= 0) main.querySelectorAll("a, summary")[focus]?.focus({ preventScroll: true });
}

// What the dashboard is still reading is asked for again until it is all there.
async function finish() {
  while (main.dataset.unfinished) {
    await new Promise((done) => setTimeout(done, 300));
    await renew();
  }
}
finish().catch(() => {});

// A page is asked for again at most a hundredth of the time, however long it takes: the run comes first.
if (main.dataset.events) {
  let state = null, timer = 0, next = 0;
  const events = new EventSource(main.dataset.events);
  const later = () => {
    timer ||= setTimeout(async () => {
      const begun = performance.now();
      await renew().catch(() => {});
      next = performance.now() + 100 * (performance.now() - begun);
      timer = 0;
    }, Math.max(0, next - performance.now()));
  };
  events.onmessage = (event) => {
    now.textContent = event.data;
    if (state !== null && state !== event.lastEventId) later();
    state = event.lastEventId;
  };
  addEventListener("pagehide", () => events.close());
}

// j and k: from rollout to rollout; Enter opens the one at hand; n and p turn the page.
let at = -1;
function go(to) {
  const all = document.querySelectorAll(".rollout");
  if (!all.length) return;
  all[at]?.classList.remove("at");
  at = Math.max(0, Math.min(all.length - 1, to));
  all[at].classList.add("at");
  all[at].querySelector(".open").focus({ preventScroll: true });
  all[at].scrollIntoView({ block: "nearest" });
}
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
  if (event.key === "j") go(at + 1);
  if (event.key === "k") go(at - 1);
  if (event.key === "n") document.querySelector("a[rel=next]")?.click();
  if (event.key === "p") document.querySelector("a[rel=prev]")?.click();
});
)js";

}  // namespace ponder::dash
