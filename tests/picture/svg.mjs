// Screens of a terminal as an animated SVG. Owns the drawing: colours by SGR codes, one group for each screen, shown in turn.

const [WIDTH, HEIGHT, MARGIN] = [8.4, 18, 14];
const COLOURS = ["#484f58", "#ff7b72", "#3fb950", "#d29922", "#58a6ff", "#bc8cff", "#39c5cf", "#b1bac4"];
const TEXT = "#c9d1d9";

const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

/** The pieces of a line, each with its style. A style goes on in the next line: `pen` keeps it. */
function pieces(line, pen) {
  const found = [];
  let { style } = pen;
  for (const [, codes, text] of `\x1b[-1m${line}`.matchAll(/\x1b\[([-\d;]*)m([^\x1b]*)/g)) {
    for (const code of codes.split(";").map(Number)) {
      if (code == 0) style = { fill: TEXT };
      else if (code == 1) style = { ...style, bold: true };
      else if (code == 2) style = { ...style, fill: "#8b949e" };
      else if (code >= 30 && code < 38) style = { ...style, fill: COLOURS[code - 30] };
      else if (code == 39) style = { ...style, fill: TEXT };
      else if (code >= 90 && code < 98) style = { ...style, fill: COLOURS[code - 90] };
    }
    if (text) found.push({ ...style, text });
  }
  pen.style = style;
  return found;
}

function drawn(lines) {
  const pen = { style: { fill: TEXT } };
  return lines
    .map((line, row) => {
      let column = 0;
      const spans = pieces(line.trimEnd(), pen).map(({ fill, bold, text }) => {
        const x = (MARGIN + column * WIDTH).toFixed(1);
        column += [...text].length;
        const weight = bold ? ' font-weight="bold"' : "";
        return text.trim() ? `<tspan x="${x}" fill="${fill}"${weight} xml:space="preserve">${escaped(text)}</tspan>` : "";
      });
      return spans.some(Boolean) ? `<text y="${MARGIN + 34 + row * HEIGHT}">${spans.join("")}</text>` : "";
    })
    .filter(Boolean)
    .join("");
}

const cursor = ({ x, y }) =>
  `<rect x="${(MARGIN + x * WIDTH).toFixed(1)}" y="${MARGIN + 21 + y * HEIGHT}" width="${WIDTH}" height="16" fill="${TEXT}"/>`;

/** An SVG that shows the screens one after the other, again and again; the last one where nothing moves. */
export function svg(frames, columns, rows) {
  const width = Math.ceil(columns * WIDTH + 2 * MARGIN);
  const height = rows * HEIGHT + 2 * MARGIN + 24;
  const whole = frames.reduce((sum, { seconds }) => sum + seconds, 0);
  let at = 0;
  const rules = [];
  const groups = frames.map(({ seconds, lines }, number) => {
    const [begin, end] = [at, at + seconds].map((time) => ((100 * time) / whole).toFixed(3));
    at += seconds;
    rules.push(`@keyframes f${number}{0%{opacity:0}${begin}%{opacity:1}${end}%{opacity:0}100%{opacity:0}}`);
    const last = number == frames.length - 1;
    return `<g class="f" opacity="${last ? 1 : 0}" style="animation-name:f${number}">${drawn(lines)}${cursor(lines.cursor)}</g>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="A chat in a terminal: the network fails, a message is written all the same, and is delivered when the network is back, with what was missed.">
<style>text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}.f{animation:${whole}s step-end infinite}${rules.join("")}@media(prefers-reduced-motion:reduce){.f{animation:none}}</style>
<rect width="${width}" height="${height}" rx="8" fill="#0d1117"/><circle cx="20" cy="18" r="5" fill="#ff5f57"/><circle cx="38" cy="18" r="5" fill="#febc2e"/><circle cx="56" cy="18" r="5" fill="#28c840"/>
${groups.join("\n")}
</svg>
`;
}
