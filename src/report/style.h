// The report's style sheet: light and dark by the reader's setting, ink on white when printed.
#pragma once

namespace ponder::report {

inline constexpr const char* kStyle = R"css(
:root { color-scheme: light dark; --ink: #1c2024; --soft: #5d666f; --rule: #d5dade;
  --paper: #ffffff; --card: #f5f7f8; --accent: #1f5fa8; --told: #e7f0fa; --right: #1b6e3c;
  --wrong: #a3341f; --c1: #b3541e; --c2: #2a7a4b; --c3: #7a4ea3; --c4: #8a6d0b; --c5: #b03a6b;
  --shade: rgba(28, 32, 36, .22); --clear: rgba(255, 255, 255, 0); }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e7ea; --soft: #9aa4ad; --rule: #3a424a; --paper: #15181b; --card: #1e2226;
    --accent: #79b0ee; --told: #1c2f45; --right: #7fcf9d; --wrong: #f0937f; --c1: #eb9a63;
    --c2: #7fcf9d; --c3: #c3a0ea; --c4: #dcc062; --c5: #ef8fb5;
    --shade: rgba(228, 231, 234, .28); --clear: rgba(21, 24, 27, 0); } }
@media print {
  :root { color-scheme: light; --ink: #000; --soft: #444; --rule: #bbb; --paper: #fff;
    --card: #fff; --accent: #1f5fa8; --told: #eee; --right: #1b6e3c; --wrong: #a3341f;
    --c1: #b3541e; --c2: #2a7a4b; --c3: #7a4ea3; --c4: #8a6d0b; --c5: #b03a6b; } }
body { font: 16px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
  color: var(--ink); background: var(--paper); max-width: 68rem; margin: 0 auto;
  padding: 1.5rem 1.25rem 4rem; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .6rem; border-bottom: 1px solid var(--rule);
  padding-bottom: .2rem; }
h3 { font-size: 1.05rem; margin: 1.5rem 0 .4rem; }
h4 { font-size: .95rem; margin: 0 0 .4rem; overflow-wrap: anywhere; }
p.lead { font-size: 1.15rem; margin: .3rem 0 1rem; max-width: 48rem; text-wrap: pretty; }
h3 { overflow-wrap: anywhere; }
.side { display: grid; grid-template-columns: repeat(auto-fit, minmax(17rem, 1fr)); gap: 1rem; }
.side > div { min-width: 0; }
.thought { color: var(--soft); max-height: 26rem; overflow: auto; }
.solution { border-top: 1px solid var(--rule); padding-top: .4rem; margin-top: .4rem; }
.verdict { font-weight: 600; font-size: .9rem; margin: 0 0 .4rem; }
.correct { color: var(--right); } .incorrect { color: var(--wrong); }
.note { color: var(--soft); font-size: .85rem; max-width: 48rem; }
ul.note { padding-left: 1.2rem; }
/* A shade at the side to which there is more: what is at its end covers it. */
.wide { overflow-x: auto; background:
  linear-gradient(to right, var(--paper) 40%, var(--clear)) 0 0 / 2rem 100% no-repeat local,
  linear-gradient(to left, var(--paper) 40%, var(--clear)) 100% 0 / 2rem 100% no-repeat local,
  linear-gradient(to right, var(--shade), var(--clear)) 0 0 / .7rem 100% no-repeat scroll,
  linear-gradient(to left, var(--shade), var(--clear)) 100% 0 / .7rem 100% no-repeat scroll; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .92rem; }
th, td { text-align: left; vertical-align: top; padding: .4rem .9rem .4rem 0;
  border-bottom: 1px solid var(--rule); }
thead th { color: var(--soft); font-weight: 600; font-size: .82rem; vertical-align: bottom; }
tbody th { font-weight: 600; white-space: nowrap; }
.number { text-align: right; white-space: nowrap; }
.score { white-space: nowrap; padding-left: .6rem; }
.told { background: var(--told); }
.words { max-width: 18rem; text-wrap: balance; }
.name { white-space: nowrap; }
.small { display: block; color: var(--soft); font-size: .78rem; line-height: 1.35; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(20rem, 1fr));
  gap: 1rem .8rem; }
figure { margin: 0; max-width: 100%; overflow-x: auto; break-inside: avoid; }
figcaption { color: var(--soft); font-size: .8rem; }
svg { display: block; max-width: 100%; height: auto; }
svg text { font: 10.5px system-ui, sans-serif; fill: var(--ink);
  font-variant-numeric: tabular-nums; }
svg .title { font-size: 13px; font-weight: 600; }
svg .label { fill: var(--soft); }
svg .end { text-anchor: end; }
svg .middle { text-anchor: middle; }
svg .axis { stroke: var(--soft); }
svg .grid { stroke: var(--rule); }
svg .line { fill: none; stroke: var(--accent); stroke-width: 1.5; stroke-linejoin: round; }
svg .faint { opacity: .3; }
svg .c1 { stroke: var(--c1); } svg .c2 { stroke: var(--c2); } svg .c3 { stroke: var(--c3); }
svg .c4 { stroke: var(--c4); } svg .c5 { stroke: var(--c5); }
svg .bar { stroke: var(--accent); stroke-width: 1.5; }
svg .dot { fill: var(--accent); stroke: var(--accent); stroke-width: 1.5; }
svg .open { fill: var(--paper); }
article { background: var(--card); border: 1px solid var(--rule); border-radius: 6px;
  padding: .8rem 1rem; margin: .7rem 0; }
article > :first-child { margin-top: 0; }
dl { margin: 0 0 .5rem; display: grid; grid-template-columns: 7rem 1fr; gap: .2rem .8rem;
  font-size: .92rem; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
pre { margin: 0; font: .85rem/1.45 ui-monospace, "DejaVu Sans Mono", Menlo, monospace;
  white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: isolate; }
details { border-top: 1px solid var(--rule); padding: .3rem 0; }
details pre { padding: .4rem 0 .2rem; }
summary { cursor: pointer; font-size: .9rem; color: var(--accent); }
@media screen and (max-width: 40rem) {
  .stack thead { display: none; } .stack, .stack tbody, .stack tr { display: block; }
  .stack tr { border-bottom: 1px solid var(--rule); padding: .5rem 0; }
  .stack th, .stack td { display: block; border: 0; padding: .1rem 0; max-width: none; }
  .stack td[data-label]::before { content: attr(data-label) ": "; color: var(--soft); } }
@media (max-width: 40rem) { dl { grid-template-columns: 1fr; } dt { margin-top: .3rem; } }
@media print { body { max-width: none; padding: 0; font-size: 10pt; }
  h2, h3, h4 { break-after: avoid; } tr, dl { break-inside: avoid; } .wide { overflow: visible; background: none; }
  table, thead th { font-size: 8pt; } th, td { padding-right: .45rem; }
  .thought { max-height: none; overflow: visible; } details { display: block; } }
)css";

}  // namespace ponder::report
