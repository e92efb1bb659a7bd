import jsQR from 'jsqr';

const SCALE = 4;

/** Reads the QR code of an SVG that the package `qrcode` drew: one path of horizontal strokes. */
export function readQr(svg: string): string | undefined {
  const size = Number(/viewBox="0 0 (\d+)/.exec(svg)![1]);
  const side = size * SCALE;
  const pixels = new Uint8ClampedArray(side * side * 4).fill(255);
  const [, path] = /stroke="#000000" d="([^"]+)"/.exec(svg)!;
  let [x, y] = [0, 0];
  for (const [, command, a, b] of path!.matchAll(
    /([Mmh])(-?[\d.]+)(?: (-?[\d.]+))?/g,
  )) {
    if (command === 'M') [x, y] = [Number(a), Number(b)];
    else if (command === 'm') [x, y] = [x + Number(a), y + Number(b)];
    else {
      for (let i = 0; i < Number(a) * SCALE; i++)
        for (let j = 0; j < SCALE; j++) {
          const row = Math.floor(y) * SCALE + j;
          const at = (row * side + x * SCALE + i) * 4;
          pixels.fill(0, at, at + 3);
        }
      x += Number(a);
    }
  }
  return (jsQR as any)(pixels, side, side)?.data;
}
