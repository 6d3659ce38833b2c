// Draws a reading over the picture: mesh, mouth corners, box. Pure but for the canvas.

import { EDGES } from "./edges";
import { LANDMARK_SCALE, type LiveFace } from "./message";

/** What of the overlay is drawn. */
export interface Layers {
  mesh: boolean;
  corners: boolean;
  box: boolean;
}

/** Mesh points of the mouth corners and of the eyes' outer corners. */
const CORNERS = [61, 291] as const;
const MESH_COLOUR = "rgba(150, 225, 255, 0.42)";
const CORNER_COLOUR = "#ffd166";
const BOX_COLOUR = "rgba(255, 255, 255, 0.75)";
const SHADOW = "rgba(0, 0, 0, 0.55)";

/** Draws `face` into a canvas of `width` × `height` device pixels that lies over the whole picture. */
export function draw(context: CanvasRenderingContext2D, width: number, height: number, face: LiveFace | null, layers: Layers): void {
  context.clearRect(0, 0, width, height);
  if (!face) return;
  const unit = Math.max(1, width / 900);
  context.lineJoin = "round";
  if (face.landmarks && layers.mesh) mesh(context, width, height, face.landmarks, unit);
  if (face.box && layers.box) box(context, width / face.width, height / face.height, face.box, unit);
  if (face.landmarks && layers.corners) corners(context, width, height, face.landmarks, unit);
}

function mesh(context: CanvasRenderingContext2D, width: number, height: number, points: Int16Array, unit: number): void {
  const sx = width / LANDMARK_SCALE;
  const sy = height / LANDMARK_SCALE;
  context.beginPath();
  for (let edge = 0; edge < EDGES.length; edge += 2) {
    const a = (EDGES[edge] ?? 0) * 3;
    const b = (EDGES[edge + 1] ?? 0) * 3;
    context.moveTo((points[a] ?? 0) * sx, (points[a + 1] ?? 0) * sy);
    context.lineTo((points[b] ?? 0) * sx, (points[b + 1] ?? 0) * sy);
  }
  context.lineWidth = 0.8 * unit;
  context.strokeStyle = MESH_COLOUR;
  context.stroke();
}

function corners(context: CanvasRenderingContext2D, width: number, height: number, points: Int16Array, unit: number): void {
  const place = (index: number) =>
    [((points[index * 3] ?? 0) * width) / LANDMARK_SCALE, ((points[index * 3 + 1] ?? 0) * height) / LANDMARK_SCALE] as const;
  const [left, right] = [place(CORNERS[0]), place(CORNERS[1])];
  context.beginPath();
  context.moveTo(...left);
  context.lineTo(...right);
  context.setLineDash([4 * unit, 4 * unit]);
  context.lineWidth = 1.5 * unit;
  context.strokeStyle = CORNER_COLOUR;
  context.stroke();
  context.setLineDash([]);
  for (const [x, y] of [left, right]) {
    context.beginPath();
    context.arc(x, y, 4.5 * unit, 0, 2 * Math.PI);
    context.fillStyle = CORNER_COLOUR;
    context.fill();
    context.lineWidth = 1.5 * unit;
    context.strokeStyle = SHADOW;
    context.stroke();
  }
}

/** Only the corners of the box: the face stays free. */
function box(context: CanvasRenderingContext2D, sx: number, sy: number, [x, y, w, h]: readonly [number, number, number, number], unit: number): void {
  const [left, top, right, bottom] = [x * sx, y * sy, (x + w) * sx, (y + h) * sy];
  const arm = Math.min(right - left, bottom - top) * 0.14;
  context.beginPath();
  for (const [cx, cy, dx, dy] of [
    [left, top, 1, 1],
    [right, top, -1, 1],
    [right, bottom, -1, -1],
    [left, bottom, 1, -1],
  ] as const) {
    context.moveTo(cx + dx * arm, cy);
    context.lineTo(cx, cy);
    context.lineTo(cx, cy + dy * arm);
  }
  context.lineWidth = 4 * unit;
  context.strokeStyle = SHADOW;
  context.stroke();
  context.lineWidth = 2 * unit;
  context.strokeStyle = BOX_COLOUR;
  context.stroke();
}
