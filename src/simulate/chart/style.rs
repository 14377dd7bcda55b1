//! The colours and type of pictures, for light and dark.

/// Rules for everything inside a picture. Only classes, so that a page can hold several pictures and one style.
///
/// The colours of the two schemes have the same roles; text has a contrast of 4.5 to 1 at least on its ground in both.
pub const PICTURE: &str = "\
.sp{--ground:#fff;--ink:#1b2330;--quiet:#5a6677;--grid:#e5e9ef;--load:#7c8aa0;--cpu:#2563d9;--credits:#0f8a7e;\
--wanted:#a8480b;--serving:#f3c795;--alarm:#cf2f49;--ok:#2b8a57;--none:#c3cad4;--limit:#8a5a00;--group:#2563d9;\
font-family:system-ui,-apple-system,\"Segoe UI\",Roboto,\"Helvetica Neue\",\"Liberation Sans\",sans-serif;font-size:12px}
@media(prefers-color-scheme:dark){.sp{--ground:#12161d;--ink:#e8ecf2;--quiet:#9aa7b8;--grid:#262d38;--load:#8593a8;\
--cpu:#6ea3ff;--credits:#45c4b5;--wanted:#ffab66;--serving:#6b4420;--alarm:#ff6b80;--ok:#4fc487;--none:#475263;\
--limit:#e3b556;--group:#6ea3ff}}
.sp .ground{fill:var(--ground)}.sp text{fill:var(--quiet)}.sp .title{fill:var(--ink);font-size:16px;font-weight:650}
.sp .name{fill:var(--ink);font-size:13px;font-weight:600}.sp .row{fill:var(--ink)}.sp .num{font-variant-numeric:tabular-nums}
.sp .end{text-anchor:end}.sp .mid{text-anchor:middle}
.sp .grid{stroke:var(--grid);stroke-width:1;fill:none}.sp .base{stroke:var(--none);stroke-width:1}
.sp .line{fill:none;stroke-width:1.6;stroke-linejoin:round;stroke-linecap:round}.sp .spread{opacity:.28}.sp .area{opacity:.22}
.sp .line.load{stroke:var(--load)}.sp .line.cpu{stroke:var(--cpu)}.sp .line.credits{stroke:var(--credits)}
.sp .line.wanted{stroke:var(--wanted);stroke-linejoin:miter}
.sp .fill.load{fill:var(--load)}.sp .fill.cpu{fill:var(--cpu)}.sp .fill.credits{fill:var(--credits)}
.sp .fill.serving{fill:var(--serving)}.sp .fill.wanted{fill:var(--wanted)}.sp .area.serving{opacity:1}
.sp .limit{stroke:var(--limit);stroke-width:1;stroke-dasharray:4 3}
.sp text.limit-label{fill:var(--limit);stroke:var(--ground);stroke-width:3px;paint-order:stroke;font-size:11px}
.sp .track{fill:var(--grid);opacity:.55}.sp .band-alarm{fill:var(--alarm)}.sp .band-none{fill:var(--none)}
.sp .tone-alarm{fill:var(--alarm)}.sp .tone-ok{fill:var(--ok)}.sp .tone-group{fill:var(--group)}
.sp .dot{fill:var(--none);stroke:var(--ground);stroke-width:1.5}.sp .dot.best{fill:var(--cpu)}
.sp .front{fill:none;stroke:var(--cpu);stroke-width:1.5;stroke-dasharray:2 4;stroke-linecap:round}
.sp text.best{fill:var(--ink);stroke:var(--ground);stroke-width:3px;paint-order:stroke}
";
