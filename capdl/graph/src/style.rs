//! Colours and fonts, for light and dark screens.

/// The style sheet of the drawing. The background is part of the drawing, so that it stays readable on any
/// page.
pub(crate) const STYLE: &str = "\
text { font-family: system-ui, -apple-system, 'Segoe UI', 'Helvetica Neue', Helvetica, Arial, sans-serif; fill: #1f2933; }
.background { fill: #ffffff; }
.title { font-size: 17px; font-weight: 600; }
.name { font-size: 15px; font-weight: 600; }
.small { font-size: 11.5px; fill: #52606d; }
.chip { font-size: 11px; fill: #3e4c59; }
.rights { font-size: 11px; fill: #52606d; stroke: #ffffff; stroke-width: 3px; stroke-linejoin: round; paint-order: stroke; }
.pill { font-size: 12px; }
.box { stroke-width: 1.4; }
.plain { fill: #f5f7fa; stroke: #9aa5b1; }
.trusted { fill: #e6f4f1; stroke: #2f8f83; }
.kernel { fill: #27475e; stroke: none; }
.kernel-text { font-size: 14px; font-weight: 600; fill: #ffffff; }
.kernel-small { font-size: 11.5px; fill: #c5d3de; }
.possession { fill: #ffffff; stroke: #cbd2d9; stroke-width: 1; }
.endpoint { fill: #e0ecfb; stroke: #3b7dd8; stroke-width: 1.3; }
.notification { fill: #fdf3d8; stroke: #c98a0b; stroke-width: 1.3; stroke-dasharray: 4 3; }
.memory { fill: #f3e8fb; stroke: #8b5cc4; stroke-width: 1.3; }
.hardware { fill: #fbe5e1; stroke: #c4533f; stroke-width: 1.3; }
.line { fill: none; stroke-width: 1.5; }
.line-endpoint { stroke: #3b7dd8; }
.line-notification { stroke: #c98a0b; stroke-dasharray: 5 4; }
.line-memory { stroke: #8b5cc4; stroke-width: 2.4; }
.line-hardware { stroke: #c4533f; }
.line-faults { stroke-dasharray: 1.5 4; stroke-linecap: round; }
.head { stroke: none; stroke-dasharray: none; }
.head-endpoint { fill: #3b7dd8; }
.head-notification { fill: #c98a0b; }
.head-memory { fill: #8b5cc4; }
.head-hardware { fill: #c4533f; }
@media (prefers-color-scheme: dark) {
text { fill: #e4e7eb; }
.background { fill: #161b22; }
.small { fill: #9fb0c0; }
.chip { fill: #cbd2d9; }
.rights { fill: #b8c4d0; stroke: #161b22; }
.plain { fill: #212932; stroke: #616e7c; }
.trusted { fill: #16332f; stroke: #3fae9f; }
.kernel { fill: #2d5a7b; }
.kernel-text { fill: #ffffff; }
.kernel-small { fill: #c5d3de; }
.possession { fill: #161b22; stroke: #3e4c59; }
.endpoint { fill: #15294a; stroke: #5c9bee; }
.notification { fill: #3a2d0c; stroke: #e0a92e; }
.memory { fill: #2e1f42; stroke: #ab82de; }
.hardware { fill: #401d17; stroke: #e07a66; }
.line-endpoint { stroke: #5c9bee; }
.line-notification { stroke: #e0a92e; }
.line-memory { stroke: #ab82de; }
.line-hardware { stroke: #e07a66; }
.head-endpoint { fill: #5c9bee; }
.head-notification { fill: #e0a92e; }
.head-memory { fill: #ab82de; }
.head-hardware { fill: #e07a66; }
}
";
