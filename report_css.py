"""Style sheet of the static pages (latents, explanations): light and dark, wide and narrow.

Blue, vermilion and green are far enough apart for every common kind of colour blindness, and each also has its shape.
"""

CSS = """
:root{color-scheme:light dark;--back:#fff;--text:#1b1e21;--quiet:#5c636a;--line:#d8dce0;--panel:#f6f7f8;
--bar:#0072b2;--floor:#b84a00;--ceiling:#007a5a}
@media (prefers-color-scheme:dark){:root{--back:#15181b;--text:#e9ebed;--quiet:#a9b0b7;--line:#3b4147;--panel:#1d2125;
--bar:#56b4e9;--floor:#ff9f5e;--ceiling:#43cf9f}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--text);font:15px/1.5 system-ui,sans-serif}
main{max-width:1240px;margin:0 auto;padding:16px clamp(10px,3vw,32px) 48px}
h1,h2,h3,h4,li,summary,.facts td{overflow-wrap:anywhere}
h1{font-size:1.5rem;line-height:1.25}h2{font-size:1.25rem;margin-top:2rem;border-bottom:1px solid var(--line)}
h3{font-size:1.05rem;margin:1.8rem 0 .6rem}h4{font-size:.95rem;margin:0 0 .4rem}
small{color:var(--quiet);font-weight:400}p{max-width:76ch}summary{cursor:pointer}
.notes{border-left:4px solid var(--floor);padding:.1rem 1rem;background:var(--panel);margin:1rem 0}
.notes h2{margin:.5rem 0;border:0;font-size:1.05rem}.notes ul{padding-left:1.2rem}
figure{margin:0 0 12px;padding:12px;border:1px solid var(--line);border-radius:6px;min-width:0}
figure details{margin-top:.5rem;font-size:.85rem}
.scroll{overflow-x:auto;margin:.5rem 0}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.85rem}
th,td{padding:.25rem .6rem;text-align:right;border-bottom:1px solid var(--line);vertical-align:top}
thead th{vertical-align:bottom}th{font-weight:600}
th[scope=row],.facts td{text-align:left;font-weight:400;min-width:9rem;max-width:20rem;overflow-wrap:anywhere}
.facts td{max-width:60rem}
.overview small{display:block;white-space:nowrap}.overview th small{display:inline}
.overview th[scope=row]{position:sticky;left:0;background:var(--back)}
svg{display:block;width:100%;height:auto;color:var(--text)}svg.chart{max-width:560px}
svg.chart text{font:12px system-ui,sans-serif;fill:var(--text);paint-order:stroke;
stroke:var(--back);stroke-width:3px}
svg.chart .tick{font-size:10px;text-anchor:middle;fill:var(--quiet)}
svg .grid{stroke:var(--line);fill:none}svg .bar{fill:var(--bar)}
svg .other{fill:var(--floor)}svg .limit{stroke:var(--text);stroke-width:1.6;stroke-dasharray:4 3;fill:none}
.swatch{display:inline-block;width:12px;height:12px;margin:0 3px 0 8px;vertical-align:-1px}
.swatch.bar{background:var(--bar)}.swatch.other{background:var(--floor)}
@media print{figure{break-inside:avoid}}
"""
