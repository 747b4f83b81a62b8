// Draws on a canvas for the plots of runs: its size, ticks, lines, colours of the page. Follows live.js, precedes the
// script of a plot, whose `root` gives the colours.

const colour = (name) => getComputedStyle(root).getPropertyValue(`--tf-${name}`).trim();

function prepare(canvas) {
  const box = canvas.parentElement.getBoundingClientRect();
  if (!box.width || !box.height) return null;
  const scale = window.devicePixelRatio || 1;
  const [width, height] = [Math.round(box.width * scale), Math.round(box.height * scale)];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const pen = canvas.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, box.width, box.height);
  return { pen, width: box.width, height: box.height };
}

function niceTicks(low, high, count) {
  const rough = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough * 0.75);
  const ticks = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-6; value += step) {
    ticks.push(Number(value.toPrecision(12)));
  }
  return ticks;
}

function logTicks(low, high) {
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
    for (const factor of [1, 2, 5]) ticks.push(Number((factor * 10 ** power).toPrecision(3)));
  }
  return ticks.filter((tick) => tick >= low && tick <= high);
}

function trace(pen, points, { stroke, width, alpha = 1, dashed = false }) {
  pen.setLineDash(dashed ? [6, 4] : []);
  pen.beginPath();
  points.forEach(([x, y], index) => (index ? pen.lineTo(x, y) : pen.moveTo(x, y)));
  Object.assign(pen, { strokeStyle: stroke, lineWidth: width, globalAlpha: alpha, lineJoin: "round" });
  pen.stroke();
  pen.setLineDash([]);
  if (points.length === 1) { pen.fillStyle = stroke; pen.fillRect(points[0][0] - 1.5, points[0][1] - 1.5, 3, 3); }
  pen.globalAlpha = 1;
}
